"""The one way the bundle changes: `Edit`s, plain data, applied by one function.

Rule fixes, indexes, moves, jokes and ingestion all return Edits, so the dry run, the diff, the path guard
and the atomic write exist once.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from stat import S_IMODE, S_ISDIR, S_ISLNK
from typing import Any, NamedTuple

from oracle_tools.bundle.errors import OracleError, shown
from oracle_tools.bundle.layout import SOURCE_CODEBASES, WORK

_DRIVE = re.compile(r"[A-Za-z]:")
_JOURNAL, _ALIVE = "journal", "alive"


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
    """Remove the file or folder at `path`. Below `source-codebases`, that may be a `.git`."""

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
    symbolic link, for one that belongs to git, and for one that the disk cannot hold.
    """
    target = root.joinpath(*_parts(path))
    try:
        for folder in target.parents:
            if folder == root:
                break
            if folder.is_symlink():
                raise OracleError(f"{shown(path)}: lies behind a symbolic link; give the real path")
        if target.is_symlink():
            raise OracleError(f"{shown(path)}: is a symbolic link; give the real path")
    except OSError as error:
        raise OracleError(f"{shown(path)}: {error.strerror}; give another path") from error
    return target


def apply(root: Path, edits: Sequence[Edit]) -> None:
    """Carry out `edits` on the disk below `root`, in order: all of them, or none.

    First they are planned on paths alone, each as the ones before it leave the bundle, and an edit that
    cannot be is refused. Then all new texts are written whole to a hidden folder at the top of the bundle.
    Only then the changes are made, by renaming; what they replace lies in that folder until the end.

    Where a step fails or is interrupted, what was done is undone and the folder removed. Where the process
    is killed, the folder stays with a journal of what was begun, and `recover`, which `scan` and `locked`
    call, undoes it: the bundle is as it was, and the same command can run again. A loss of power may lose
    the journal with it. Each single file is old or new at any moment, on a disk that has hard links.

    Raises OracleError, one line that says which path could not be changed and why.
    """
    steps = _planned(root, edits)
    if not steps:
        return
    import tempfile

    from filelock import FileLock

    at: object = root
    try:
        folder = Path(tempfile.mkdtemp(prefix=WORK, dir=root))
    except OSError as error:
        raise OracleError(f"cannot write {shown(root)}: {error.strerror}; the old files are kept") from error
    alive = FileLock(folder / _ALIVE)
    try:
        alive.acquire()
        for step in steps:
            at = step.path
            if step.verb == "put":
                _stage(folder / f"new-{step.n}", step)
        with (folder / _JOURNAL).open("ab", buffering=0) as journal:
            for step in steps:
                at = step.path
                journal.write(json.dumps(step.line()).encode() + b"\n")
                _carry_out(root, folder, step)
        (folder / _JOURNAL).unlink()
    except BaseException as error:
        try:
            _roll_back(root, folder)
        except (OSError, OracleError) as second:
            raise OracleError(
                f"cannot write {shown(at)}: {error}; nor can what was done be undone: {second}; "
                f"the old files are in {folder.name}"
            ) from error
        if isinstance(error, OSError):
            why = error.strerror or error
            raise OracleError(f"cannot write {shown(at)}: {why}; the old files are kept") from error
        raise
    finally:
        alive.release()
        _remove(folder)


def is_written(root: Path, since: int) -> bool:
    """Say whether somebody changes the bundle at `root`, or has since that time in ns: the folder in which
    edits are prepared comes and goes at its top.
    """
    return root.stat().st_mtime_ns >= since or any(root.glob(f"{WORK}*"))


def recover(root: Path) -> bool:
    """Undo what a killed process left half done below `root`; say whether there was anything.

    Raises OracleError where that cannot be undone.
    """
    found = False
    for folder in sorted(root.glob(f"{WORK}*")):
        alive = folder / _ALIVE
        if folder.is_symlink() or alive.is_symlink():  # not ours: the bundle may be anybody's
            continue
        from filelock import FileLock, Timeout

        try:
            with FileLock(alive, timeout=0):
                _roll_back(root, folder)
        except Timeout:
            continue
        except (OSError, ValueError, TypeError, OracleError) as error:
            raise OracleError(
                f"an interrupted change cannot be undone ({error}); the old files are in {folder.name}: "
                "put them back and delete it"
            ) from error
        _remove(folder)
        found = True
    return found


# Paths, as edits leave them


def _parts(path: str, deleting: bool = False) -> tuple[str, ...]:
    """Return the parts of `path`. Raises OracleError for one that leaves the bundle or belongs to git."""
    pure = PurePosixPath(path)
    parts = pure.parts
    unsafe = pure.is_absolute() or not parts or ".." in parts or "\\" in path or "\0" in path
    if unsafe or any(_DRIVE.match(part) for part in parts):
        raise OracleError(f"{shown(path)}: leaves the bundle; give a path inside it")
    # A disk may ignore case, and Windows ignores dots and spaces at the end.
    gits = [part.rstrip(". ").casefold() == ".git" for part in parts]
    copied = deleting and parts[0] == SOURCE_CODEBASES and len(parts) > 2 and not any(gits[:-1])
    if any(gits) and not copied:
        raise OracleError(f"{shown(path)}: belongs to git")
    return parts


@dataclass(slots=True)
class _Node:
    """What will lie at a path. `source` is where the disk has it now; in a folder, `changed` overrules it."""

    kind: str
    source: Path | None = None
    mode: int | None = None
    changed: dict[str, _Node | None] = field(default_factory=dict)

    def child(self, name: str) -> _Node | None:
        if name not in self.changed:
            self.changed[name] = _on_disk(self.source / name) if self.source else None
        return self.changed[name]


def _on_disk(path: Path) -> _Node | None:
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    kind = "link" if S_ISLNK(mode) else "folder" if S_ISDIR(mode) else "file"
    return _Node(kind, path, S_IMODE(mode))


class _Step(NamedTuple):
    """One thing to do: `make` a folder, `put` a staged text, `move`, or `take` away to the folder's `n`."""

    verb: str
    path: str
    to: str = ""
    n: int = 0
    replaces: bool = False
    text: bytes = b""
    mode: int | None = None

    def line(self) -> tuple[object, ...]:
        """Return what undoing it needs."""
        return self[:5]


def _planned(root: Path, edits: Sequence[Edit]) -> list[_Step]:
    """Return the steps of `edits`. Raises OracleError for an edit that cannot be."""
    plan = _Plan(root)
    for edit in edits:
        try:
            plan.add(edit)
        except OSError as error:
            raise OracleError(
                f"cannot write {shown(edit.path)}: {error.strerror}; choose another name"
            ) from error
    return plan.steps


class _Plan:
    """The steps so far, and the paths as they will be after them."""

    def __init__(self, root: Path) -> None:
        self.steps: list[_Step] = []
        self._top = _Node("folder", root)

    def add(self, edit: Edit) -> None:
        parts = _parts(edit.path, isinstance(edit, Delete))
        if isinstance(edit, Write):
            self._write(edit, parts)
        elif isinstance(edit, Move):
            self._move(parts, _parts(edit.to))
        else:
            folder, node = self._find(parts, deleting=True)
            if folder and node:
                folder.changed[parts[-1]] = None
                self._step("take", parts)

    def _write(self, edit: Write, parts: tuple[str, ...]) -> None:
        label = shown(edit.path)
        try:
            text = edit.text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise OracleError(f"{label}: the text has a character that UTF-8 cannot hold") from error
        node = self._find(parts)[1]
        if node and edit.new:
            raise OracleError(f"{label}: exists already; nothing was written")
        if node and node.kind == "folder":
            raise OracleError(f"{label}: cannot write a file over a folder")
        mode = node.mode if node else None
        self._made(parts).changed[parts[-1]] = _Node("file", None, mode)
        self._step("put", parts, replaces=node is not None, text=text, mode=mode)

    def _move(self, parts: tuple[str, ...], to: tuple[str, ...]) -> None:
        folder, node = self._find(parts)
        if folder is None or node is None:
            raise OracleError(f"{_label(parts)}: no such file or folder to move")
        if to == parts:
            return
        if to[: len(parts)] == parts:
            raise OracleError(f"{_label(parts)}: cannot be moved below itself")
        there = self._find(to)[1]
        if there and not _respelled(node, there):
            raise OracleError(f"{_label(to)}: exists already; nothing was moved")
        target = self._made(to)
        folder.changed[parts[-1]] = None
        target.changed[to[-1]] = node
        self._step("move", parts, to)

    def _step(self, verb: str, parts: tuple[str, ...], to: tuple[str, ...] = (), **more: Any) -> None:
        self.steps.append(_Step(verb, "/".join(parts), "/".join(to), len(self.steps), **more))

    def _find(self, parts: tuple[str, ...], deleting: bool = False) -> tuple[_Node | None, _Node | None]:
        """Return the folder of a path, and what lies there."""
        node = self._top
        for part in parts[:-1]:
            below = node.child(part)
            if below is None:
                return None, None
            if below.kind == "link":
                raise OracleError(f"{_label(parts)}: lies behind a symbolic link; give the real path")
            if below.kind == "file":
                if deleting:
                    return None, None
                raise OracleError(f"{_label(parts)}: cannot write below a file, {shown(part)}")
            node = below
        found = node.child(parts[-1])
        # Only a copy's `.git` may be named here; as a link it is removed itself.
        if found and found.kind == "link" and parts[-1] != ".git":
            raise OracleError(f"{_label(parts)}: is a symbolic link; give the real path")
        return node, found

    def _made(self, parts: tuple[str, ...]) -> _Node:
        """Return the folder of a path, made where it is missing."""
        node = self._top
        for depth, part in enumerate(parts[:-1], start=1):
            below = node.child(part)
            if below is None:
                below = node.changed[part] = _Node("folder")
                self._step("make", parts[:depth])
            node = below
        return node


def _label(parts: tuple[str, ...]) -> str:
    return shown("/".join(parts))


def _respelled(node: _Node, there: _Node) -> bool:
    """Say whether both are one thing, on a disk that ignores the case of its name."""
    if node.source is None or there.source is None or node.source.parent != there.source.parent:
        return False
    one, other = node.source.name, there.source.name
    return one != other and one.casefold() == other.casefold() and _same(node.source, there.source)


# The disk


def _stage(path: Path, step: _Step) -> None:
    with path.open("wb") as file:
        file.write(step.text)
        file.flush()
        os.fsync(file.fileno())
    if step.mode is not None:
        path.chmod(step.mode)


def _carry_out(root: Path, folder: Path, step: _Step) -> None:
    target = root / step.path
    old = folder / f"old-{step.n}"
    if step.verb == "make":
        target.mkdir()
    elif step.verb == "move":
        target.rename(root / step.to)
    elif step.verb == "take":
        target.rename(old)
    else:
        if step.replaces:
            try:
                old.hardlink_to(target)
            except OSError:  # not every disk has hard links
                target.rename(old)
        (folder / f"new-{step.n}").replace(target)


def _roll_back(root: Path, folder: Path) -> None:
    """Undo what the journal in `folder` says was begun, last first; without a journal, nothing was."""
    journal = folder / _JOURNAL
    if journal.is_symlink() or not journal.is_file():
        return
    begun = journal.read_bytes().split(b"\n")[:-1]
    while begun:
        _undo(root, folder, _Step(*json.loads(begun[-1])))
        begun.pop()
        # Cut off, so that who is killed here as well leaves only what is still to be undone.
        os.truncate(journal, sum(len(line) + 1 for line in begun))
    journal.unlink()


def _undo(root: Path, folder: Path, step: _Step) -> None:
    """Undo a step, which may not have been done."""
    # The journal is a file that anybody may have put there, so its paths are guarded as well.
    parts = _parts(step.path, deleting=step.verb == "take")
    target = root.joinpath(*parts)
    if parts[1:]:
        guarded(root, "/".join(parts[:-1]))
    old, new = folder / f"old-{int(step.n)}", folder / f"new-{int(step.n)}"
    if step.verb == "make":
        with contextlib.suppress(OSError):  # never made, or somebody put something there
            target.rmdir()
    elif step.verb == "move":
        moved = guarded(root, step.to)
        if moved.exists() and (not target.exists() or _same(target, moved)):
            moved.rename(target)
    elif os.path.lexists(old):
        if not _same(old, target):
            old.replace(target)
    elif step.verb == "put" and not step.replaces and not new.exists():
        target.unlink(missing_ok=True)


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samestat(one.lstat(), other.lstat())
    except OSError:
        return False


def _remove(folder: Path) -> None:
    """Remove the folder, unless its journal says that it is still needed."""
    import shutil

    if (folder / _JOURNAL).exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():  # a folder that was deleted may forbid the deletion of what is in it
        for path, folders, _ in os.walk(folder):
            for name in folders:
                with contextlib.suppress(OSError):
                    (Path(path) / name).chmod(0o700, follow_symlinks=False)
        shutil.rmtree(folder, ignore_errors=True)
