"""Killed, or refused by the disk, at any point: the bundle is old or new, or the same command completes it.

Each command is run in a process of its own that ends at its first change of the disk or first call of git,
then at its second, and so on until it comes through.
"""

from __future__ import annotations

import errno
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

import pytest

from oracle_tools.bundle.edits import apply
from oracle_tools.bundle.tree import scan
from oracle_tools.bundle.workspace import claim, open_workspace
from oracle_tools.chores import expand
from oracle_tools.cli import run
from tests import small, upstream

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is cut off by forking")

CHANGES = ("link", "mkdir", "rename", "replace", "rmdir", "symlink", "truncate", "unlink")
TIME = re.compile(rb"\d{4}-\d\d-\d\dT[\d:]+Z|try 1 by .*")
TODAY = date(2026, 1, 31)
PLAN = "_ingest-auto/expansion-x-2026-01-31"
TEXT = small.knowledge("Part", "What a part is.", "part, test", "So it is.")

Prepare = Callable[[Path], None]


@pytest.fixture(autouse=True)
def own_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {**small.identity(), "ORACLE_CACHE_DIR": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    for name in ("ORACLE_ROOT", "ORACLE_REMOTE", "ORACLE_TRY"):
        monkeypatch.delenv(name, raising=False)


def nothing(root: Path) -> None:
    """Leave the bundle as it is."""


def damaged(root: Path) -> None:
    for path, text in {"karpathy/notes/index.md": "# Notes\n", "karpathy/03-x.md": f"\ufeff{TEXT}"}.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def planned(root: Path) -> None:
    parts = [expand.Wanted("karpathy/03-part.md", "a part"), expand.Wanted("karpathy/new/01-b.md", "b")]
    apply(root, [expand.new(scan(root), "x", parts, "Research", TODAY)])
    assert claim(open_workspace(root, PLAN), "anna", 1) is not None


def delivered(root: Path) -> None:
    planned(root)
    assert claim(open_workspace(root, PLAN), "anna", 2) is not None
    for n in (1, 2):
        expand.deliver(root, PLAN, n, TEXT, lambda tree, paths: [])


def dropped(root: Path) -> None:
    (root / "_ingest/talk.txt").write_text("Words of a talk.\n")


def pinned(root: Path) -> None:
    theirs = upstream.made(root.parent / f"{root.name}-theirs")
    upstream.bundle(root, *upstream.hashes(theirs))


COMMANDS: dict[str, tuple[Prepare, list[str]]] = {
    "joke": (nothing, ["joke", "add", "The loss went up. Everybody knows why."]),
    "index": (lambda root: (root / "karpathy/03-x.md").write_text(TEXT) and None, ["index"]),
    "mv": (nothing, ["mv", "karpathy/01-backpropagation.md", "karpathy/05-gradients.md"]),
    "merge": (
        nothing,
        [
            "merge",
            "karpathy/01-backpropagation.md",
            "karpathy/02-micrograd.md",
            "--into",
            "karpathy/07-all.md",
        ],
    ),
    "check-fix": (damaged, ["check", "--fix"]),
    "ingest": (dropped, ["ingest", "run", "--side", "karpathy"]),
    "pull": (pinned, ["source", "pull", "nano", "--from", "THEIRS"]),
    "deliver": (planned, ["expand", "deliver", PLAN, "1"]),
    "finalize": (delivered, ["expand", "finalize", PLAN, "--partial"]),
}


def made(folder: Path, name: str) -> Path:
    root = small.commit_all(small.write(folder))
    COMMANDS[name][0](root)
    return root


def words(root: Path, name: str) -> list[str]:
    theirs = str(root.parent / f"{root.name}-theirs")
    return ["--root", str(root), *(theirs if word == "THEIRS" else word for word in COMMANDS[name][1])]


def texts(root: Path) -> dict[str, bytes]:
    found = (
        path for path in root.rglob("*") if path.is_file() and ".git" not in path.relative_to(root).parts
    )
    return {path.relative_to(root).as_posix(): TIME.sub(b"", path.read_bytes()) for path in found}


def called(root: Path, name: str) -> int:
    """Run the command, with the text that it may want on standard input, and without a word."""
    sys.stdin = io.TextIOWrapper(io.BytesIO(TEXT.encode()))
    sys.stdout = sys.stderr = io.StringIO()
    try:
        return run(words(root, name))
    finally:
        sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__


def cut(root: Path, name: str, at: int, stop: Callable[[], NoReturn]) -> int:
    """Run the command in a process that stops before its change of that number; return its wait status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    left = [at]

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if not left[0]:
                stop()
            return real(*arguments, **options)

        return call

    for change in CHANGES:
        setattr(os, change, counted(getattr(os, change)))
    subprocess.run = counted(subprocess.run)
    try:
        code = called(root, name)
    except BaseException:
        os._exit(99)  # a traceback, which nobody should see
    os._exit(code + (left[0] > 0) * 100)


def killed() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def refusing(code: int) -> Callable[[], NoReturn]:
    def refuse() -> NoReturn:
        raise OSError(code, os.strerror(code))

    return refuse


def cuts(tmp_path: Path, name: str, stop: Callable[[], NoReturn]) -> Iterator[tuple[Path, int]]:
    """Yield a bundle for each point at which the command was stopped, with the wait status."""
    for at in range(1, 400):
        root = made(tmp_path / f"cut-{at}", name)
        status = cut(root, name, at, stop)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) >= 100:
            assert at > 3, "every change was interrupted once"
            return
        yield root, status
    raise AssertionError("it never comes through")


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_anywhere_it_is_old_or_new_or_completed_by_the_same_command(tmp_path: Path, name: str) -> None:
    whole = made(tmp_path / "whole", name)
    old = texts(whole)
    called(whole, name)
    new = texts(whole)
    assert new != old
    for root, status in cuts(tmp_path, name, killed):
        assert os.WIFSIGNALED(status)
        scan(root)
        if name not in ("check-fix", "pull", "finalize"):  # these are made of several changes
            assert texts(root) in (old, new)
        if texts(root) != new:
            called(root, name)
        assert texts(root) == new


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_refused_by_the_disk_it_says_so_and_loses_nothing(tmp_path: Path, name: str, code: int) -> None:
    whole = made(tmp_path / "whole", name)
    called(whole, name)
    new = texts(whole)
    for root, status in cuts(tmp_path, name, refusing(code)):
        assert os.WIFEXITED(status) and os.WEXITSTATUS(status) in (0, 1, 2)
        if texts(root) != new:
            called(root, name)
        assert texts(root) == new
