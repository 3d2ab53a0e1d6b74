"""Brings the pinned codebases beside their maps, and says whether they are what the pins say."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from oracle_tools.bundle import gitsource
from oracle_tools.bundle.edits import guarded
from oracle_tools.bundle.errors import OracleError, shown
from oracle_tools.bundle.gitsource import Item, Store
from oracle_tools.bundle.layout import INDEX, SOURCE_DOCUMENTS
from oracle_tools.bundle.lock import locked
from oracle_tools.bundle.pins import (
    ABSENT,
    MODIFIED,
    PRESENT,
    RECORD,
    STALE,
    Pin,
    Stored,
    blob_hash,
    chosen,
    is_untouched,
    pins,
    tree_hash,
    verdict,
    write_record,
)
from oracle_tools.bundle.table import table
from oracle_tools.bundle.tree import Tree

CODEBASE = "codebase"
KINDS = ("talk", "paper", "article", "documentation")

MAX_SIZE = 20.0
"""MiB above which a file of a codebase is left out."""

_WORKSHOP, _ALIVE, _NEW, _OLD, _NOTE = ".oracle-pull-", "alive", "new", "old", "swap"
_LFS = b"version https://git-lfs.github.com/spec/"
_LFS_LIMIT = 1024

Progress = Callable[[str, int, int], None]
"""Told the name of a codebase, how many of its files are done, and how many there are."""


class Asked(NamedTuple):
    """The options of a pull. `max_size` is in MiB."""

    origin: str = ""
    mirror: Path | None = None
    max_size: float = MAX_SIZE
    force: bool = False
    jobs: int = 4


class Pulled(NamedTuple):
    """How the pull of one codebase ended: a line for a person, remarks about single files, and success."""

    line: str
    remarks: tuple[str, ...] = ()
    done: bool = True

    @property
    def text(self) -> str:
        """The line with its remarks below it."""
        return "\n".join([self.line, *(f"  {remark}" for remark in self.remarks)])


def listing(tree: Tree, kind: str | None = None) -> str:
    """Return a table of the sources: the codebases with the state of their copies, then the notes on talks,
    papers, articles and documentation; or only those of one kind.

    Raises OracleError for an unknown kind.
    """
    if kind is not None and kind not in (CODEBASE, *KINDS):
        raise OracleError(f"no kind {shown(kind)}; there are {', '.join((CODEBASE, *KINDS))}")
    parts = []
    if kind in (None, CODEBASE):
        parts.append(_codebases(tree))
    notes = [row for row in _notes(tree) if kind in (None, row[0])]
    if notes or kind in KINDS:
        parts.append(table(("kind", "date", "people", "title", "address", "note"), notes))
    return "\n\n".join(parts)


def _codebases(tree: Tree) -> str:
    root = tree.root or Path()
    rows = [
        (pin.folder.partition("/")[2], verdict(root, pin).state, pin.commit[:12], pin.license, pin.upstream)
        for pin in pins(tree)
    ]
    return table(("codebase", "state", "commit", "license", "upstream"), rows)


def _notes(tree: Tree) -> Iterator[tuple[str, ...]]:
    """Yield kind, date, people, title, address and path of every note on a source."""
    for path in tree.knowledge:
        meta = tree.doc(path).meta
        if path.startswith(f"{SOURCE_DOCUMENTS}/") and meta.get("kind"):
            people = meta.get("people")
            names = ", ".join(map(str, people)) if isinstance(people, list) else str(people or "")
            fields = (
                meta["kind"],
                meta.get("date", ""),
                names,
                tree.doc(path).title,
                meta.get("address", ""),
            )
            yield (*(shown(field) for field in fields), path)


def pull(tree: Tree, names: Sequence[str], asked: Asked, progress: Progress) -> list[Pulled]:
    """Bring the pinned commit of each named codebase (of all where none is named) beside its INDEX.md.

    One that is there already is left alone. A pull that fails leaves what was there; the others go on.
    Raises OracleError for a name that is no codebase, and for `origin` with several.
    """
    from concurrent.futures import ThreadPoolExecutor

    root = tree.root or Path()
    wanted = chosen(pins(tree), names) if names else pins(tree)
    if asked.origin and len(wanted) != 1:
        raise OracleError("--from is the address of one repository; name one codebase")

    for beside in {guarded(root, pin.folder).parent for pin in wanted}:
        _swept(root, beside)

    def one(pin: Pin) -> Pulled:
        try:
            return _pulled(root, pin, asked, progress)
        except OracleError as error:
            return Pulled(f"{pin.folder}: {error}", done=False)
        except OSError as error:
            return Pulled(f"{pin.folder}: {error.strerror or error}; what was there is kept", done=False)

    with ThreadPoolExecutor(max(1, asked.jobs)) as pool:
        return list(pool.map(one, wanted))


def _pulled(root: Path, pin: Pin, asked: Asked, progress: Progress) -> Pulled:
    target = guarded(root, pin.folder)
    state = verdict(root, pin).state
    if state == PRESENT and not asked.force:
        return Pulled(f"{pin.folder}: already the pinned commit")
    if state in (MODIFIED, STALE) and not asked.force and not is_untouched(root, pin):
        raise OracleError("has changes of its own (oracle source verify lists them); --force replaces it")
    with _workshop(root, target.parent) as made:
        staged = made / _NEW
        staged.mkdir()
        with _opened(pin, asked) as store:
            files = _staged(store, pin, staged, asked.max_size, progress)
        write_record(staged, pin.commit, files)
        with locked(root):
            _swap(target, made)
    remarks = tuple(f"{shown(entry.path)}: {entry.why}" for entry in files if entry.why)
    count = sum(bool(entry.where) for entry in files)
    what = f"{count:,} file{'' if count == 1 else 's'}"
    return Pulled(f"{pin.folder}: {what} of {pin.commit[:12]}", remarks)


def _swept(root: Path, beside: Path) -> None:
    """Remove what killed pulls have left in the folder `beside`, and put back what they took away."""
    from filelock import FileLock, Timeout

    for left in beside.glob(f"{_WORKSHOP}*"):
        if left.is_dir() and not left.is_symlink():
            with locked(root), suppress(Timeout), FileLock(left / _ALIVE, timeout=0):
                _unswapped(left)
                shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _workshop(root: Path, beside: Path) -> Iterator[Path]:
    """Give a folder to work in that is removed at the end."""
    from filelock import FileLock

    with locked(root):
        made = Path(tempfile.mkdtemp(prefix=_WORKSHOP, dir=beside))
        alive = FileLock(made / _ALIVE)
        alive.acquire()
    try:
        yield made
    finally:
        alive.release()
        shutil.rmtree(made, ignore_errors=True)


def _opened(pin: Pin, asked: Asked) -> AbstractContextManager[Store]:
    if asked.origin:
        objects = gitsource.objects_of(Path(asked.origin).expanduser())
        return gitsource.borrowed(objects) if objects else gitsource.fetched(asked.origin, pin.commit)
    if asked.mirror is not None:
        objects = gitsource.mirrored(asked.mirror, *pin.owner_and_name)
        if objects is None:
            raise OracleError(f"{shown(asked.mirror)} has no {'/'.join(pin.owner_and_name)}")
        return gitsource.borrowed(objects)
    return gitsource.fetched(pin.upstream, pin.commit)


def _staged(store: Store, pin: Pin, staged: Path, max_size: float, progress: Progress) -> list[Stored]:
    """Write the files of the pinned commit into the empty folder `staged` and return the record of them.

    Every blob is hashed as it is written, and the whole must hash to the pin's tree.
    """
    if not (found := store.tree_of(pin.commit)):
        raise OracleError(f"the repository does not have {pin.commit}; give another --mirror or --from")
    items = store.listing(pin.commit)
    if found != pin.tree or tree_hash((i.mode.lstrip("0"), i.oid, i.path) for i in items) != pin.tree:
        raise OracleError(f"the tree of {pin.commit[:12]} is {found[:12]}, not {pin.tree[:12]}; mend the pin")
    places = _places(items)
    files: list[Stored] = []
    links: list[Item] = []
    for number, item in enumerate(items):
        if item.mode == "120000":
            links.append(item)
        else:
            why, kept = _written(store, item, staged, places[item.path], max_size)
            files.append(Stored(item.mode, item.oid, item.path, places[item.path] if kept else "", why))
        progress(pin.name, number + 1, len(items))
    return files + _linked(store, links, staged, places)


def _places(items: Sequence[Item]) -> dict[str, str]:
    """Return where each upstream path is kept: its own, but for what would stand in the way of our own files.

    `INDEX.md` in any case of letters becomes `INDEX.upstream.md`, or `INDEX.upstream-2.md` and so on.
    """
    ours = {INDEX.casefold(): "INDEX.upstream{}.md", RECORD.casefold(): "oracle-pull.upstream{}.json"}
    tops = dict.fromkeys(item.path.partition("/")[0] for item in items)
    taken = {top.casefold() for top in tops if top.casefold() not in ours}
    kept: dict[str, str] = {}
    for top in tops:
        if form := ours.get(top.casefold()):
            names = (form.format("" if n == 1 else f"-{n}") for n in range(1, len(tops) + 2))
            kept[top] = next(word for word in names if word.casefold() not in taken)
            taken.add(kept[top].casefold())
    return {i.path: "/".join([kept.get(t, t), *r]) for i in items for t, *r in [i.path.split("/")]}


def _written(store: Store, item: Item, staged: Path, where: str, max_size: float) -> tuple[str, bool]:
    """Write one file; return a remark about it, if there is one, and whether it was kept."""
    if item.mode == "160000":
        return "a submodule; left out", False
    if why := _unsafe(where):
        return f"{why}; left out", False
    if item.size > max_size * 2**20:
        return f"{item.size / 2**20:.1f} MiB, over --max-size {max_size:g}; left out", False
    data = store.blob(item.oid)
    if data is None:
        return "the repository does not have its content; left out", False
    if blob_hash(data) != item.oid:
        raise OracleError(f"{shown(item.path)}: the content is not what its hash says; fetch it again")
    target = staged / where
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("xb") as file:
            file.write(data)
    except FileExistsError:
        return "differs from another file only in the case of letters; left out", False
    if item.mode == "100755":
        target.chmod(0o755)
    if len(data) < _LFS_LIMIT and data.startswith(_LFS):
        return "a Git LFS pointer; its content is not fetched", True
    return "", True


def _unsafe(where: str) -> str:
    parts = where.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in where:
        return "its path leaves the folder"
    if any(part.casefold() == ".git" for part in parts):
        return "it would be part of a .git"
    return ""


def _linked(store: Store, links: Sequence[Item], staged: Path, places: dict[str, str]) -> list[Stored]:
    """Make the symbolic links that stay inside the folder, after all files; the others are left out."""
    top = staged.resolve()
    made: dict[str, Stored] = {}
    for item in links:
        where, target = places[item.path], store.blob(item.oid)
        why = _unsafe(where) or ("the repository does not have its target" if target is None else "")
        if not why and target is not None:
            (staged / where).parent.mkdir(parents=True, exist_ok=True)
            with suppress(OSError, ValueError):
                if _inside((staged / where).parent, top):
                    (staged / where).symlink_to(os.fsdecode(target))
            if not (staged / where).is_symlink():
                why = "a symbolic link that cannot be made here"
        made[where] = Stored(
            item.mode, item.oid, item.path, "" if why else where, f"{why}; left out" if why else ""
        )
    # A link may leave the folder by way of another: ask the disk until all that are left stay inside.
    while leaving := [w for w, entry in made.items() if entry.where and not _inside(staged / w, top)]:
        for where in leaving:
            target_text = shown((staged / where).readlink())
            (staged / where).unlink()
            why = f"a symbolic link out of the folder, to {target_text}; left out"
            made[where] = made[where]._replace(where="", why=why)
    return list(made.values())


def _inside(link: Path, top: Path) -> bool:
    try:
        return link.resolve().is_relative_to(top)
    except (OSError, RuntimeError):  # a link that leads to itself
        return False


def _swap(target: Path, made: Path) -> None:
    """Put what is in the workshop's `new` beside INDEX.md in place of what lies there, which goes to `old`.

    Put that back where this fails. Who is killed in between leaves a note by which the next pull does.
    """
    staged, old = made / _NEW, made / _OLD
    old.mkdir()
    names = sorted((item.name for item in staged.iterdir()), key=lambda name: name == RECORD)
    (made / _NOTE).write_text(json.dumps([target.name, names]), encoding="utf-8")
    try:
        for item in sorted(target.iterdir(), key=lambda path: path.name != RECORD):
            if item.name != INDEX:
                item.rename(old / item.name)
        for name in names:  # the record goes first out and last in: half a copy has none
            (staged / name).rename(target / name)
    except BaseException:
        _unswapped(made)
        raise
    (made / _NOTE).unlink()


def _unswapped(made: Path) -> None:
    """Undo the half of a swap that the workshop's note tells of."""
    note = made / _NOTE
    if not note.is_file() or note.is_symlink():
        return
    with suppress(ValueError, TypeError):
        folder, names = json.loads(note.read_text(encoding="utf-8"))
        target = made.parent / folder
        # Anybody may have put the note there: it names children of two folders beside it, or it is ignored.
        plain = all(Path(name).name == name and name not in ("", "..", INDEX) for name in (folder, *names))
        if plain and not any(place.is_symlink() for place in (target, made / _NEW, made / _OLD)):
            for name in names:
                if not os.path.lexists(made / _NEW / name):
                    (target / name).rename(made / _NEW / name)
            for item in (made / _OLD).iterdir():
                item.rename(target / item.name)
    note.unlink()


def verify(tree: Tree, names: Sequence[str]) -> tuple[str, bool]:
    """Return what is true of the copies of the named codebases, or of all that are there, and whether each
    of them is the pinned one: its tree hash, recomputed from the files, is the pin's.
    """
    root = tree.root or Path()
    lines: list[str] = []
    good = True
    every = chosen(pins(tree), names) if names else pins(tree)
    found = {pin: verdict(root, pin) for pin in every}
    for pin, seen in found.items():
        if seen.state == ABSENT and not names:
            continue
        good = good and seen.state == PRESENT
        hashed = f", tree {seen.tree[:12]}" if seen.tree else ""
        lines.append(f"{pin.folder}: {seen.state}{hashed}")
        lines += [f"  {difference}" for difference in seen.differences]
    if not lines:
        lines.append("no copy to verify; oracle source pull brings one")
    return "\n".join(lines), good
