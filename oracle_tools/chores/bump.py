"""Moves a pin to another commit and carries over, by content, what the bundle cites of it.

A cited range goes along when its lines stand unchanged in the new commit, where they were or elsewhere. One
whose lines changed stays at the old commit, where it is still right, and is listed: a person looks at those.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import SequenceMatcher
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from oracle_tools.bundle import gitsource
from oracle_tools.bundle.citations import COMMIT, FOLDER, Change, Permalink, citations, relinked
from oracle_tools.bundle.copies import Snapshot, Source, snapshot
from oracle_tools.bundle.edits import Edit, Write
from oracle_tools.bundle.errors import OracleError, shown
from oracle_tools.bundle.gitsource import Store
from oracle_tools.bundle.layout import INDEX
from oracle_tools.bundle.pins import Pin, chosen, pins
from oracle_tools.bundle.tree import Tree


class Bumped(NamedTuple):
    """What moving a pin comes to: the edits, and the lines to tell a person."""

    edits: list[Edit]
    lines: list[str]


def bump(tree: Tree, name: str, commit: str, mirror: Path | None, origin: str = "") -> Bumped:
    """Return the edits that move the pin of codebase `name` to `commit`, or to the newest where that is "".

    Raises OracleError for a name that is no codebase, a commit that is not 40 hexadecimal digits, and where
    the repository does not have both commits.
    """
    (pin,) = chosen(pins(tree), [name])
    if commit and not gitsource.COMMIT.fullmatch(commit):
        raise OracleError(f"{shown(commit)}: a commit is given with all its 40 hexadecimal digits")
    with _opened(pin, commit, mirror, origin) as (store, new):
        if new == pin.commit:
            return Bumped([], [f"{pin.folder}: {new[:12]} is the pin already"])
        if not (hashed := store.tree_of(new)) or not store.tree_of(pin.commit):
            raise OracleError(f"the repository does not have both {pin.commit[:12]} and {new[:12]}")
        move = _Move(store, pin, new)
        texts = _carried(tree, pin, move)
    path = f"{pin.folder}/{INDEX}"
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    text = texts.get(path) or tree.text(path)
    texts[path] = _pinned(text, {"commit": new, "tree": hashed, "retrieved": f'"{today}"'})
    count = f"{move.same + move.moved} citations carried over, {move.moved} of them to other lines"
    lines = [
        f"{pin.folder}: {pin.commit[:12]} to {new[:12]}; {count}; {len(move.changed)} left at the old commit"
    ]
    lines += [f"  {place}: look at {what}" for place, what in move.changed]
    if move.license_changed:
        lines.append("  the licence file changed: compare `license` with it")
    return Bumped([Write(path, text) for path, text in sorted(texts.items())], lines)


@contextmanager
def _opened(pin: Pin, commit: str, mirror: Path | None, origin: str) -> Iterator[tuple[Store, str]]:
    """Open the repository and say which commit is the new one."""
    objects = gitsource.objects_of(Path(origin).expanduser()) if origin else None
    if mirror is not None and not origin:
        objects = gitsource.mirrored(mirror, *pin.owner_and_name)
        if objects is None:
            raise OracleError(f"{shown(mirror)} has no {'/'.join(pin.owner_and_name)}")
    if objects is not None:
        with gitsource.borrowed(objects) as store:
            yield store, commit or gitsource.newest(str(objects.parent))
    else:
        address = origin or pin.upstream
        new = commit or gitsource.newest(address)
        with gitsource.fetched(address, pin.commit, new) as store:
            yield store, new


def _carried(tree: Tree, pin: Pin, move: _Move) -> dict[str, str]:
    """Return the texts in which citations of the old commit now cite the new one, by path."""
    repository = "/".join(pin.owner_and_name).casefold()
    found: dict[str, list[Change]] = {}
    for citation in citations(tree):
        for link in citation.links:
            ours = link.repository.casefold() == repository and link.commit == pin.commit
            if ours and (change := move.of(link, citation.place)):
                found.setdefault(citation.path, []).append(change)
    return {path: relinked(tree.text(path), changes) for path, changes in found.items()}


class _Move:
    """From one commit to another: where lines went, and what a person has to look at."""

    def __init__(self, store: Store, pin: Pin, new: str) -> None:
        self._old: Snapshot = snapshot(store, pin.commit)
        self._new: Snapshot = snapshot(store, new)
        self._renames = store.renames(pin.commit, new)
        self._commit = new
        self.same = 0
        self.moved = 0
        self.changed: list[tuple[str, str]] = []

    @cached_property
    def license_changed(self) -> bool:
        """Whether a licence file at the top was added, changed or removed."""
        old, new = (
            {p: i.oid for p, i in s.items.items() if re.match(r"(?i)licen[cs]e|copying", p) and "/" not in p}
            for s in (self._old, self._new)
        )
        return old != new

    def of(self, link: Permalink, place: str) -> Change | None:
        """Return where the cited lines are in the new commit, or None where they are not there unchanged."""
        if link.kind == COMMIT:
            return None
        if link.kind == FOLDER or not link.first:
            file = self._renames.get(link.file, link.file)
            if file in self._new.items or file in self._new.folders:
                self.same += 1
                return Change(link, self._commit, file, 0, 0)
            self.changed.append((place, f"{shown(link.cited)}, which is gone"))
            return None
        file = self._renames.get(link.file, link.file)
        there = self._range(link, file)
        if there is None:
            self.changed.append((place, f"{shown(link.cited)}, which changed"))
            return None
        if there == (link.first, link.last) and file == link.file:
            self.same += 1
        else:
            self.moved += 1
        return Change(link, self._commit, file, *there)

    def _range(self, link: Permalink, file: str) -> tuple[int, int] | None:
        """Return the lines of `file` that are the cited ones: by the diff, or where they stand just once."""
        old = self._old.read(link.file) if link.file in self._old.items else None
        new = self._new.read(file) if file in self._new.items else None
        if old is None or new is None or link.last > len(old.lines):
            return None
        wanted = old.lines[link.first - 1 : link.last]
        for a, b, size in _matches(old, new):
            if a <= link.first - 1 and link.last <= a + size:
                return link.first - a + b, link.last - a + b
        starts = [n for n in range(len(new.lines)) if new.lines[n : n + len(wanted)] == wanted]
        return (starts[0] + 1, starts[0] + len(wanted)) if len(starts) == 1 else None


def _matches(old: Source, new: Source) -> Sequence[tuple[int, int, int]]:
    return SequenceMatcher(None, old.lines, new.lines, autojunk=False).get_matching_blocks()


def _pinned(text: str, values: dict[str, str]) -> str:
    """Return `text` with these keys of its frontmatter set, every other line kept."""
    end = text.index("\n---", 4)
    head = text[:end]
    for key, value in values.items():
        head = re.sub(rf"(?m)^{key}:.*?(\r?)$", rf"{key}: {value}\1", head, count=1)
    return head + text[end:]
