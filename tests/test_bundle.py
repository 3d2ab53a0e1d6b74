"""This repository is a bundle of its own kind, and passes its own check."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from oracle_tools.bundle.tree import scan
from oracle_tools.check.run import check, failed
from oracle_tools.chores.index import index

ROOT = Path(__file__).resolve().parents[1]
TREE = scan(ROOT)
RUNNABLE = re.compile(r"^```python runnable( torch)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TORCH = importlib.util.find_spec("torch") is not None
EXAMPLES = {
    path: found
    for path in TREE.knowledge
    if (found := [code for torch, code in RUNNABLE.findall(TREE.text(path)) if TORCH or not torch])
}
RUN = """
import json, sys
for number, example in enumerate(json.load(sys.stdin), start=1):
    try:
        exec(compile(example, f"example {number}", "exec"), {"__name__": "__main__"})
    except BaseException as error:
        raise SystemExit(f"example {number}: {type(error).__name__}: {error}") from error
"""


def test_the_bundle_passes_its_own_check() -> None:
    findings = check(TREE)
    assert not failed(findings), "\n".join(f"{f.path}:{f.line} {f.code} {f.message}" for f in findings)


def test_indexes_are_fresh() -> None:
    assert index(TREE) == []


@pytest.mark.parametrize("path", EXAMPLES)
def test_examples_run(path: str, tmp_path: Path) -> None:
    """Each in a namespace of its own, those of a file in one process; torch only where it is installed."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", RUN],
        cwd=tmp_path,
        input=json.dumps(EXAMPLES[path]),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_top_level_holds_what_was_asked_for() -> None:
    knowledge = {"karpathy", "deepseek", "ovis-2-5", "rick-rubin-vibe-coding"}
    assert set(TREE.knowledge_roots) == knowledge
