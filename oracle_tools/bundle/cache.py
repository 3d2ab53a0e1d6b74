"""What was learned about a bundle, kept in the user's cache folder. Losing it costs time, nothing else.

A row is valid for a path whose size, mtime, ctime and inode are those it was made from; what rules said of
it, only while it has the same role as well. `ctime` catches an edit of the same size whose mtime was put
back. A file that changed a moment before it was looked at is not remembered, because the clock of the file
system may be too coarse to show the next change.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sqlite3
import time
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from oracle_tools import __version__
from oracle_tools.bundle.layout import Config
from oracle_tools.bundle.markdown import Doc
from oracle_tools.bundle.tree import Entry, Tree

SETTLED = 100_000_000
"""Nanoseconds for which a file must have been left alone before anything is remembered about it."""

_UNDECODED = re.compile("[\ud800-\udfff]")

_SCHEMA = """
CREATE TABLE facts (
    path TEXT PRIMARY KEY, stamp TEXT, role TEXT, soon TEXT, late TEXT, notes TEXT, sum INTEGER
);
CREATE TABLE replay (name TEXT PRIMARY KEY, fingerprint TEXT, answer TEXT);
"""


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for caches: `ORACLE_CACHE_DIR`, else the user's own."""
    if given := environment.get("ORACLE_CACHE_DIR"):
        return Path(given).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("karpathy-deep-oracle", appauthor=False)


def stamp(entry: Entry) -> str:
    """Return what identifies the content of a file without reading it."""
    return f"{entry.size}:{entry.mtime}:{entry.ctime}:{entry.inode}"


def settled(entries: Iterable[Entry], scanned: int | None = None) -> bool:
    """Say whether every entry was last changed long enough before it was `scanned`, to be remembered.

    `scanned` is a clock in ns, as `Tree.scanned` has it; now, where it is not given.
    """
    limit = (time.time_ns() if scanned is None else scanned) - SETTLED
    return all(entry.mtime < limit and entry.ctime < limit for entry in entries)


def fingerprint(tree: Tree, *more: str) -> str:
    """Return a hash of every path with its stamp, and of `more`."""
    digest = hashlib.blake2b(digest_size=20)
    for path, entry in tree.entries.items():
        line = f"{path}\0{entry.kind}\0{stamp(entry)}\0{entry.target}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    for text in more:
        digest.update(b"\0" + text.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _tool_stamp(config: Config) -> str:
    """Return what the facts depend on besides the files: the tools' code, and the configuration."""
    package = Path(__file__).parents[1]
    parts = [__version__, repr(config)]
    with contextlib.suppress(OSError):
        for folder in sorted(p for p in (package, *package.rglob("*/")) if p.name != "__pycache__"):
            with os.scandir(folder) as listed:
                parts += sorted(
                    f"{item.name}:{item.stat().st_size}:{item.stat().st_mtime_ns}"
                    for item in listed
                    if item.name.endswith((".py", ".yaml"))
                )
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=20).hexdigest()


def connect(
    name: str, root: Path, config: Config, schema: str, folder: Path | None = None
) -> sqlite3.Connection:
    """Return a connection to the cache `name` of the bundle at `root`, with the tables of `schema`.

    The tables are emptied when the tools or the configuration have changed; a file that is no database is
    replaced. Raises OSError or sqlite3.Error where there can be none.
    """
    folder = folder or cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    bundle = hashlib.blake2b(os.fsencode(root), digest_size=12).hexdigest()
    path = folder / f"{bundle}-{name}.sqlite3"
    key = _tool_stamp(config)
    try:
        return _opened(path, schema, key)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        path.unlink(missing_ok=True)
        return _opened(path, schema, key)


def _opened(path: Path, schema: str, key: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=0.5, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("CREATE TABLE IF NOT EXISTS made (key TEXT)")
        row = connection.execute("SELECT key FROM made").fetchone()
        if row is None or row[0] != key:
            connection.execute("BEGIN IMMEDIATE")
            tables = [
                n for (n,) in connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE%'")
            ]
            for table in tables:
                if "_" not in table:  # a full-text table drops its own parts, which have one in their names
                    connection.execute(f'DROP TABLE "{table}"')
            connection.execute("CREATE TABLE made (key TEXT)")
            connection.execute("INSERT INTO made VALUES (?)", (key,))
            for statement in filter(str.strip, schema.split(";")):
                connection.execute(statement)
            connection.execute("COMMIT")
        return connection
    except BaseException:
        connection.close()
        raise


def _sum(*texts: str | None) -> int:
    """Return a checksum of a row: a damaged one is as good as missing."""
    return zlib.crc32("\0".join(text or "" for text in texts).encode("utf-8", "surrogatepass"))


class Cache:
    """The facts and answers of one bundle. Survives a missing, corrupt, locked or unwritable file."""

    def __init__(self, root: Path, config: Config, folder: Path | None = None) -> None:
        self._connection: sqlite3.Connection | None = None
        with contextlib.suppress(OSError, RuntimeError, sqlite3.Error):
            self._connection = connect("facts", root, config, _SCHEMA, folder)

    def close(self) -> None:
        """Close the file; the cache answers nothing from here on."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def facts(self, tree: Tree, notes: bool = False) -> dict[str, list[Any]]:
        """Give `tree` the facts that are at hand, and return the notes beside them by path.

        With `notes`, a row that has none, or those of another role, is as good as missing.
        """
        found: dict[str, list[Any]] = {}
        if self._connection is None:
            return found
        try:
            for path, known, role, soon, late, note, total in self._connection.execute(
                "SELECT path, stamp, role, soon, late, notes, sum FROM facts"
            ):
                entry = tree.entries.get(path)
                if entry is None or stamp(entry) != known:
                    continue
                if notes and (note is None or role != tree.role(path)):
                    continue
                if _sum(soon, late, note) == total:
                    tree.adopt(path, Doc.from_row(soon, late))
                    found[path] = json.loads(note) if note and note != "[]" else []
        except (sqlite3.Error, ValueError, TypeError, AttributeError):
            self.close()
        return found

    def remember(self, tree: Tree, rows: Iterable[tuple[str, str, str, str | None]]) -> None:
        """Keep rows of path, facts (two texts) and notes (JSON), for the files that have settled.

        A path that is no text, because its bytes are no UTF-8, is left out.
        """
        if self._connection is None:
            return
        entries = tree.entries
        kept = [
            (path, stamp(entries[path]), tree.role(path), *row, _sum(*row))
            for path, *row in rows
            if settled([entries[path]], tree.scanned) and not _UNDECODED.search(path)
        ]
        if not kept:
            return
        try:
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?, ?, ?)", kept)
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            self.close()

    def answer(self, name: str, fingerprint: str) -> str | None:
        """Return the answer kept under `name` for this very tree, or None."""
        if self._connection is None:
            return None
        try:
            row = self._connection.execute(
                "SELECT answer FROM replay WHERE name = ? AND fingerprint = ?", (name, fingerprint)
            ).fetchone()
        except sqlite3.Error:
            return None
        return str(row[0]) if row else None

    def keep(self, tree: Tree, name: str, fingerprint: str, answer: str) -> None:
        """Keep an answer for this very tree, if every file of it has settled."""
        if self._connection is None or not settled(tree.entries.values(), tree.scanned):
            return
        with contextlib.suppress(sqlite3.Error, UnicodeEncodeError):
            self._connection.execute(
                "INSERT OR REPLACE INTO replay VALUES (?, ?, ?)", (name, fingerprint, answer)
            )
