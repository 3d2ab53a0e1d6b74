"""This repository is a bundle of its own kind, and passes its own check."""

from __future__ import annotations

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
RUNNABLE = re.compile(r"^```python runnable\n(.*?)^```$", re.DOTALL | re.MULTILINE)
EXAMPLES = [
    pytest.param(match[1], id=f"{path}-{number}")
    for path in TREE.knowledge
    for number, match in enumerate(RUNNABLE.finditer(TREE.text(path)), start=1)
]


def test_the_bundle_passes_its_own_check() -> None:
    findings = check(TREE)
    assert not failed(findings), "\n".join(f"{f.path}:{f.line} {f.code} {f.message}" for f in findings)


def test_indexes_are_fresh() -> None:
    assert index(TREE) == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_runs(example: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", example],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_top_level_holds_what_was_asked_for() -> None:
    knowledge = {"karpathy", "deepseek", "ovis-2-5", "rick-rubin-vibe-coding"}
    assert set(TREE.knowledge_roots) == knowledge
