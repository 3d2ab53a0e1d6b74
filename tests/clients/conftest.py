"""Gets the clients from their ordinary registries, once a machine, and says so where they cannot be had.

With `ORACLE_CLIENTS=required`, as in `.ci/run`, a client that cannot be had is a failure and not a skip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
NAME = "karpathy-deep-oracle"

NPM = ("@anthropic-ai/claude-code@2.1.329", "skills@1")
PYPI = ("skills-ref==0.1.1", "agnix==0.59.3", "pre-commit>=4")


def _store() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / f"{NAME}-test-clients"


def _missing(what: str) -> None:
    if os.environ.get("ORACLE_CLIENTS") == "required":
        pytest.fail(f"{what}; ORACLE_CLIENTS=required asks for it")
    pytest.skip(what)


def _installed(folder: Path, packages: tuple[str, ...], commands: list[list[str]]) -> None:
    """Run `commands` unless the folder already holds just these packages."""
    stamp = folder / "installed"
    wanted = "\n".join(packages)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        for command in commands:
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
            except (OSError, subprocess.TimeoutExpired) as error:
                _missing(f"{command[0]} did not run: {error}")
                return
            if done.returncode:
                _missing(f"{' '.join(command[:3])} … failed: {(done.stderr or done.stdout)[-300:]}")
        stamp.write_text(wanted)


@pytest.fixture(scope="session")
def npm_bin() -> Path:
    """The folder with `claude` and `skills`."""
    if shutil.which("npm") is None:
        _missing("npm is not installed")
    folder = _store() / "npm"
    _installed(folder, NPM, [["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *NPM]])
    return folder / "node_modules" / ".bin"


@pytest.fixture(scope="session")
def pypi_bin() -> Path:
    """The folder with `agentskills`, `agnix` and `pre-commit`."""
    folder = _store() / "pypi"
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", *PYPI]
    _installed(folder, PYPI, [[sys.executable, "-m", "venv", str(folder)], pip])
    return folder / "bin"


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for `bin/oracle`, so that its environment is made once for all these tests."""
    return tmp_path_factory.mktemp("oracle cache")


@pytest.fixture
def copy_bundle() -> Callable[[Path], Path]:
    """Copy what git would: the tracked files and the new ones that it does not ignore."""

    def copy(target: Path) -> Path:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (ROOT / name).is_file():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target / name)
        return target

    return copy
