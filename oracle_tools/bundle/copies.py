"""Opens repositories for citations: the pulled copy or a mirror, each blob read once.

A copy answers for one commit, file by file, as far as each file hashes to what the pull recorded; a mirror
answers for every commit that it has.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from oracle_tools.bundle.gitsource import Item, Store, borrowed, mirrored
from oracle_tools.bundle.pins import Pin, Stored, blob_hash, read_record, tree_hash

READ_LIMIT = 8 * 1024 * 1024
"""Bytes above which a file is not opened for a citation."""


class Source(NamedTuple):
    """The lines of one file of a repository."""

    lines: list[str]

    def between(self, first: int, last: int) -> str:
        """Return the text of these 1-based lines, of all where `first` is 0."""
        return "\n".join(self.lines[first - 1 : last] if first else self.lines)


def source(data: bytes, path: str) -> Source:
    """Return the lines of a file; those of a notebook as its cells say them, without JSON's escapes."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    found = text.split("\n")
    if found and not found[-1]:
        found.pop()
    return Source([_unescaped(line) for line in found] if path.endswith(".ipynb") else found)


def _unescaped(line: str) -> str:
    inner = line.strip().removesuffix(",")
    if len(inner) > 1 and inner.startswith('"') and inner.endswith('"'):
        try:
            return str(json.loads(inner))
        except ValueError:
            return line
    return line


class Snapshot:
    """One commit of a repository: which paths it has, and what its files say."""

    def __init__(self, items: list[Item], blobs: dict[str, Source | None]) -> None:
        self.items = {item.path: item for item in items}
        self._blobs = blobs

    @cached_property
    def folders(self) -> set[str]:
        """Every folder of the commit; "" is the top."""
        found = {""}
        for path in self.items:
            above = path.rpartition("/")[0]
            while above and above not in found:
                found.add(above)
                above = above.rpartition("/")[0]
        return found

    def read(self, path: str) -> Source | None:
        """Return what the file at `path` says, or None where that cannot be read."""
        item = self.items[path]
        if item.oid not in self._blobs:
            big = item.size > READ_LIMIT or item.mode == "160000"
            data = None if big else self._data(item)
            self._blobs[item.oid] = None if data is None else source(data, path)
        return self._blobs[item.oid]

    def _data(self, item: Item) -> bytes | None:
        raise NotImplementedError


class _Mirrored(Snapshot):
    def __init__(self, store: Store, commit: str, blobs: dict[str, Source | None]) -> None:
        super().__init__(store.listing(commit), blobs)
        self._store = store

    def _data(self, item: Item) -> bytes | None:
        return self._store.blob(item.oid)


class _Pulled(Snapshot):
    def __init__(self, folder: Path, record: list[Stored], blobs: dict[str, Source | None]) -> None:
        super().__init__([Item(entry.mode, entry.oid, 0, entry.path) for entry in record], blobs)
        self._folder = folder
        self._where = {entry.path: entry.where for entry in record}

    def _data(self, item: Item) -> bytes | None:
        where = self._where[item.path]
        try:
            data = (self._folder / where).read_bytes() if where and item.mode != "120000" else b""
        except OSError:
            return None
        return data if blob_hash(data) == item.oid else None


def snapshot(store: Store, commit: str) -> Snapshot:
    """Return a commit of an opened repository."""
    return _Mirrored(store, commit, {})


class Library(ExitStack):
    """Every repository that citations may be opened in; closes what it opened. Give a mirror to prefer it."""

    def __init__(self, root: Path, pins: list[Pin], mirror: Path | None) -> None:
        super().__init__()
        self._root = root
        self._mirror = mirror
        self._pins = {"/".join(pin.owner_and_name).casefold(): pin for pin in pins}
        self._stores: dict[str, Store | None] = {}
        self._snapshots: dict[tuple[str, str], Snapshot | None] = {}
        self._blobs: dict[str, Source | None] = {}

    def pin(self, repository: str) -> Pin | None:
        """Return the pin of `owner/name`, or None; letter case does not matter, as on GitHub."""
        return self._pins.get(repository.casefold())

    def store(self, repository: str) -> Store | None:
        """Return the mirror of `owner/name`, or None where there is none."""
        if repository not in self._stores:
            owner, _, name = repository.partition("/")
            objects = mirrored(self._mirror, owner, name) if self._mirror else None
            self._stores[repository] = self.enter_context(borrowed(objects)) if objects else None
        return self._stores[repository]

    def open(self, repository: str, commit: str) -> Snapshot | None:
        """Return a commit of `owner/name` from the mirror or the pulled copy; None where neither has it."""
        key = (repository, commit)
        if key not in self._snapshots:
            store = self.store(repository)
            found: Snapshot | None = None
            if store and store.tree_of(commit):
                found = _Mirrored(store, commit, self._blobs)
            elif (pin := self.pin(repository)) and pin.commit == commit:
                found = self._copy(pin)
            self._snapshots[key] = found
        return self._snapshots[key]

    def _copy(self, pin: Pin) -> Snapshot | None:
        folder = self._root / pin.folder
        commit, record = read_record(folder)
        if commit != pin.commit or tree_hash(entry[:3] for entry in record) != pin.tree:
            return None
        return _Pulled(folder, record, self._blobs)
