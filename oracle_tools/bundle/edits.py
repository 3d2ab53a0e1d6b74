"""The one way the bundle changes: `Edit`s, plain data, applied by one function.

Rule fixes, indexes, moves, jokes and ingestion all return Edits, so the dry run, the diff, the path guard
and the atomic write exist once.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from oracle_tools.bundle.errors import OracleError, shown


@dataclass(frozen=True, slots=True)
class Write:
    """Put `text` at `path`, whole. With `new`, something that is already there is an error."""

    path: str
    text: str
    new: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """Rename `path` to `to`. Something else that is already there is an error."""

    path: str
    to: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the file or folder at `path`."""

    path: str


Edit = Write | Move | Delete


def touched(edits: Iterable[Edit]) -> list[str]:
    """Return every path that the edits name, each once, in order."""
    paths: dict[str, None] = {}
    for edit in edits:
        paths[edit.path] = None
        if isinstance(edit, Move):
            paths[edit.to] = None
    return list(paths)


def guarded(root: Path, path: str) -> Path:
    """Return where `path` lies on the disk.

    Raises OracleError for a path that leaves the bundle, by `..`, as an absolute path, or through a
    symbolic link, and for one that touches git's own folder.
    """
    pure = PurePosixPath(path)
    unsafe = pure.is_absolute() or not pure.parts or ".." in pure.parts or "\\" in path or "\0" in path
    if unsafe or ":" in pure.parts[0]:
        raise OracleError(f"{shown(path)}: leaves the bundle; give a path inside it")
    target = root.joinpath(*pure.parts)
    for folder in target.parents:
        if folder == root:
            break
        if folder.is_symlink():
            raise OracleError(f"{shown(path)}: lies behind a symbolic link; give the real path")
    if target.is_symlink():
        raise OracleError(f"{shown(path)}: is a symbolic link; give the real path")
    if pure.parts[0] == ".git":
        raise OracleError(f"{shown(path)}: belongs to git")
    return target


def apply(root: Path, edits: Sequence[Edit]) -> None:
    """Carry out `edits` on the disk below `root`, in order.

    All new texts are first written whole to temporary files beside their targets; only then are they
    renamed into place. So a full disk, a missing permission or a bad path leaves every old file as it was.
    Raises OracleError saying which path could not be written and why.
    """
    planned = [(edit, guarded(root, edit.path)) for edit in edits]
    for edit, target in planned:
        if isinstance(edit, Move):
            _check_move(edit, target, guarded(root, edit.to))
        elif isinstance(edit, Write) and edit.new and target.exists():
            raise OracleError(f"{shown(edit.path)}: exists already; nothing was written")
    staged: dict[int, Path] = {}
    try:
        for number, (edit, target) in enumerate(planned):
            if isinstance(edit, Write):
                staged[number] = _stage(target, edit.text)
        for number, (edit, target) in enumerate(planned):
            _carry_out(root, edit, target, staged.pop(number, None))
    except OSError as error:
        name = error.filename if error.filename is not None else ""
        where = shown(Path(str(name)).name or root)
        raise OracleError(
            f"cannot write {where}: {error.strerror or error}; the old files are kept"
        ) from error
    finally:
        for leftover in staged.values():
            with contextlib.suppress(OSError):
                leftover.unlink()


def _check_move(edit: Move, source: Path, target: Path) -> None:
    if not source.exists():
        raise OracleError(f"{shown(edit.path)}: no such file or folder to move")
    if target.exists() and not source.samefile(target):
        raise OracleError(f"{shown(edit.to)}: exists already; nothing was moved")


def _stage(target: Path, text: str) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".oracle-", suffix=".tmp")
    staged = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            staged.chmod(stat.S_IMODE(target.stat().st_mode))
            return staged
        mask = os.umask(0)
        os.umask(mask)
        staged.chmod(0o666 & ~mask)
    except BaseException:
        with contextlib.suppress(OSError):
            staged.unlink()
        raise
    return staged


def _carry_out(root: Path, edit: Edit, target: Path, staged: Path | None) -> None:
    if isinstance(edit, Write):
        assert staged is not None
        staged.replace(target)
    elif isinstance(edit, Move):
        destination = guarded(root, edit.to)
        destination.parent.mkdir(parents=True, exist_ok=True)
        target.rename(destination)
    elif target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
