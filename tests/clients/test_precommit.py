"""The hooks of `.pre-commit-hooks.yaml`, run by pre-commit itself on a scratch repository."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import small

Copy = Callable[[Path], Path]

CONFIG = """repos:
  - repo: {address}
    rev: {commit}
    hooks:
      - id: oracle-index
      - id: oracle-check
"""


@pytest.fixture
def committed(
    tmp_path: Path, copy_bundle: Copy, pypi_bin: Path
) -> Callable[[Path], subprocess.CompletedProcess[str]]:
    """Commit everything in a repository that uses the hooks, and return what came of it."""
    hooks = small.commit_all(copy_bundle(tmp_path / "hooks"))
    commit = small.git(hooks, "rev-parse", "HEAD").strip()
    environment = {
        **os.environ,
        **small.identity(),
        "PRE_COMMIT_HOME": str(tmp_path / "pre-commit"),
        "ORACLE_CACHE_DIR": str(tmp_path / "cache"),
        "PATH": f"{pypi_bin}{os.pathsep}{os.environ['PATH']}",
    }
    environment.pop("ORACLE_ROOT", None)

    def run(root: Path) -> subprocess.CompletedProcess[str]:
        (root / ".pre-commit-config.yaml").write_text(CONFIG.format(address=hooks, commit=commit))
        command = "pre-commit install >&2 && git add --all && git commit --message=change"
        return subprocess.run(
            ["sh", "-c", command],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def test_the_hooks_pass_a_clean_commit_and_stop_a_damaged_one(
    tmp_path: Path, committed: Callable[[Path], subprocess.CompletedProcess[str]]
) -> None:
    root = small.commit_all(small.write(tmp_path / "user"))
    (root / "karpathy" / "02-micrograd.md").write_text(
        small.BUNDLE["karpathy/02-micrograd.md"].replace("A scalar engine.", "A small scalar engine.")
    )
    clean = committed(root)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    assert clean.stderr.count("Passed") + clean.stdout.count("Passed") == 2

    with (root / "karpathy" / "02-micrograd.md").open("a") as file:
        file.write("\nSee [more](03-gone.md).\n")
    damaged = committed(root)
    assert damaged.returncode != 0
    assert "L001 dead-link" in damaged.stdout + damaged.stderr


def test_a_stale_index_is_filled_and_the_commit_is_stopped_to_look_at_it(
    tmp_path: Path, committed: Callable[[Path], subprocess.CompletedProcess[str]]
) -> None:
    root = small.commit_all(small.write(tmp_path / "user"))
    (root / "karpathy" / "03-makemore.md").write_text(
        small.BUNDLE["karpathy/02-micrograd.md"].replace("micrograd", "makemore")
    )
    stopped = committed(root)
    assert stopped.returncode != 0
    assert "files were modified by this hook" in stopped.stdout + stopped.stderr
    assert "03-makemore.md" in (root / "karpathy" / "INDEX.md").read_text()
    assert committed(root).returncode == 0
