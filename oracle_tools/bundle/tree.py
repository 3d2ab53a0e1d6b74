"""`Tree`: every path of a bundle with the facts of its Markdown, from a disk or from a dictionary.

Paths are texts with forward slashes, relative to the top of the bundle; the top itself is "". Disk paths
exist in `scan`, in reading a file, and in `edits.apply`.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import TYPE_CHECKING, NamedTuple

from oracle_tools.bundle import layout, markdown
from oracle_tools.bundle.errors import OracleError, shown
from oracle_tools.bundle.layout import INDEX, SKILL, SOURCE_CODEBASES, SOURCE_DOCUMENTS, Config
from oracle_tools.bundle.markdown import At, Doc, Place

if TYPE_CHECKING:
    from oracle_tools.bundle.edits import Edit

FILE, FOLDER, LINK, OTHER = "f", "d", "l", "o"
"""Kinds of entries; the last is what cannot be read as a file: a socket, a pipe, a device."""

READ_LIMIT = 16 * 1024 * 1024
"""Bytes above which a Markdown file is not read: no client could, and a check should not fall over it."""

_SKIPPED = {"node_modules", "__pycache__", "venv"}
_SKIPPED_ON_TOP = {"build", "dist"}
_HIDDEN_KEPT = {".claude-plugin", ".github"}
_NUMBERED = re.compile(r"\d+-")


class Entry(NamedTuple):
    """A path's kind, and what changes when its content does: size, times in ns, inode.

    `target` is a symbolic link's, or says why a folder could not be listed.
    """

    kind: str
    size: int = 0
    mtime: int = 0
    ctime: int = 0
    inode: int = 0
    target: str = ""


class Unreadable(OracleError):
    """A file that cannot be read as UTF-8 text."""


def parent(path: str) -> str:
    """Return the folder of `path`; "" for the top."""
    return path.rpartition("/")[0]


def name(path: str) -> str:
    """Return the last part of `path`."""
    return path.rpartition("/")[2]


def resolve(path: str, target: str) -> str | None:
    """Return where a relative link `target` of the file `path` leads, or None where it leaves the bundle.

    A target that starts with `/` counts from the top of the bundle, as GitHub reads it.
    """
    base = parent(path)
    while target.startswith("../") and base:
        base, target = parent(base), target[3:]
    if target and "//" not in target and "/." not in target and target[0] not in "./" and target[-1] != "/":
        return f"{base}/{target}" if base else target
    parts = [] if target.startswith("/") else base.split("/")
    parts = [part for part in parts if part]
    for part in target.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


class Tree:
    """The paths of a bundle and, on demand, the text and facts of each Markdown file.

    `scanned` is the clock in ns before the first of the entries was looked at.
    """

    def __init__(
        self,
        entries: dict[str, Entry],
        config: Config,
        root: Path | None = None,
        texts: Mapping[str, str] | None = None,
        name: str = "",
    ) -> None:
        self.entries = entries
        self.config = config
        self.root = root
        self.name = name or config.name or (root.name if root else "")
        self.scanned = time.time_ns()
        self._texts = dict(texts or {})
        self._origins: dict[str, str] = {}  # where the disk has what edits would move
        self._loaded: dict[str, str] = {}
        self._docs: dict[str, Doc] = {}
        self._foreseen: dict[tuple[str, str], Doc] = {}
        self._earlier: Mapping[str, Sequence[str]] | None = None
        self.memo: dict[object, object] = {}  # what chores derive from the tree, once

    @classmethod
    def of(cls, texts: Mapping[str, str], config: Config | None = None, name: str = "") -> Tree:
        """Return a tree without a disk, of the given texts by path. A path that ends with `/` is a folder."""
        entries: dict[str, Entry] = {}
        for path, text in texts.items():
            folder = path.endswith("/")
            plain = path.rstrip("/")
            entries[plain] = Entry(FOLDER) if folder else Entry(FILE, len(text.encode("utf-8", "replace")))
            above = parent(plain)
            while above:
                entries.setdefault(above, Entry(FOLDER))
                above = parent(above)
        files = {path: text for path, text in texts.items() if not path.endswith("/")}
        return cls(dict(sorted(entries.items())), config or Config(), None, files, name)

    # What is there

    def exists(self, path: str) -> bool:
        """Say whether a file or folder lies at `path`; the top always does."""
        return not path or path in self.entries

    def is_folder(self, path: str) -> bool:
        """Say whether `path` is a folder."""
        return not path or (path in self.entries and self.entries[path].kind == FOLDER)

    def is_file(self, path: str) -> bool:
        """Say whether `path` is a file; a symbolic link is none."""
        return path in self.entries and self.entries[path].kind == FILE

    @cached_property
    def _children(self) -> dict[str, list[str]]:
        children: dict[str, list[str]] = {"": []}
        for path, entry in sorted(self.entries.items()):
            children.setdefault(parent(path), []).append(path)
            if entry.kind == FOLDER:
                children.setdefault(path, [])
        return children

    def left_out(self, path: str) -> bool:
        """Say whether something lies at `path` on the disk that `scan` leaves out: hidden, or built.

        What was asked is noted in `memo`, because no entry shows when the answer changes.
        """
        parts = path.split("/")
        skipped = any(not _kept("/".join(parts[: n + 1]), part) for n, part in enumerate(parts))
        there = skipped and self.root is not None and os.path.lexists(f"{self.root}/{path}")
        if skipped and self.root is not None:
            asked = self.memo.setdefault(Tree.left_out, {})
            assert isinstance(asked, dict)
            asked[path] = there
        return there

    def files(self, folder: str) -> list[str]:
        """Return the Markdown files directly in `folder`, sorted."""
        return [p for p in self._children.get(folder, ()) if p.endswith(".md") and self.is_file(p)]

    def folders(self, folder: str) -> list[str]:
        """Return the folders directly in `folder`, sorted."""
        return [p for p in self._children.get(folder, ()) if self.entries[p].kind == FOLDER]

    def walk(self, folder: str) -> Iterator[str]:
        """Yield `folder` and every folder below it."""
        yield folder
        for child in self.folders(folder):
            yield from self.walk(child)

    # What it is for

    @cached_property
    def knowledge_roots(self) -> list[str]:
        """The top folders that hold knowledge: not hidden, not `_…`, not `source-…`, not code."""
        return [
            folder
            for folder in self.folders("")
            if not folder.startswith((".", "_", "source-"))
            and folder not in self.config.code
            and not self.is_file(f"{folder}/__init__.py")
        ]

    @cached_property
    def knowledge_folders(self) -> list[str]:
        """Every folder of the knowledge trees, hidden ones left out."""
        return [f for top in self.knowledge_roots for f in self.walk(top) if "/." not in f]

    @cached_property
    def source_folders(self) -> list[str]:
        """`source-documents` with what is in it, and `source-codebases` with its sides."""
        documents = list(self.walk(SOURCE_DOCUMENTS)) if self.is_folder(SOURCE_DOCUMENTS) else []
        if not self.is_folder(SOURCE_CODEBASES):
            return documents
        sides = [f for f in self.folders(SOURCE_CODEBASES) if not self.codebase_of(f)]
        return [*documents, SOURCE_CODEBASES, *sides]

    @cached_property
    def indexed_folders(self) -> list[str]:
        """The folders whose INDEX.md lists their children, besides the top."""
        return [*self.knowledge_folders, *self.source_folders]

    @cached_property
    def codebases(self) -> list[str]:
        """The folders `source-codebases/SIDE/NN-name`, each one pinned codebase."""
        sides = [f for f in self.source_folders if f.split("/")[0] == SOURCE_CODEBASES]
        return [f for side in sides for f in self.folders(side) if self.codebase_of(f)]

    def codebase_of(self, path: str) -> str | None:
        """Return the codebase folder that `path` is, or lies in."""
        if not path.startswith(f"{SOURCE_CODEBASES}/"):
            return None
        parts = path.split("/")
        sides = self.config.sides
        grouped = parts[1] in sides if sides else not _NUMBERED.match(parts[1])
        depth = 3 if grouped else 2
        folder = "/".join(parts[:depth])
        return folder if len(parts) > depth or (len(parts) == depth and self.is_folder(folder)) else None

    def is_pulled(self, path: str) -> bool:
        """Say whether `path` belongs to the copy of a codebase, which is not ours to judge."""
        codebase = self.codebase_of(path)
        return codebase is not None and path not in (codebase, f"{codebase}/{INDEX}")

    def is_exempt(self, path: str) -> bool:
        """Say whether `path` is a document about the project, or the humor file."""
        return name(path).partition(".")[0].upper() in layout.EXEMPT_STEMS or path == self.config.humor

    @cached_property
    def documents(self) -> list[str]:
        """Every Markdown file that rules may judge: not pulled, not a test, not an original as received."""
        left_out = ("tests/", f"{layout.INGEST}/completed/")
        return [
            path
            for path, entry in sorted(self.entries.items())
            if path.endswith(".md")
            and entry.kind == FILE
            and not path.startswith(left_out)
            and not self.is_pulled(path)
        ]

    @cached_property
    def knowledge(self) -> list[str]:
        """Every knowledge file: in a knowledge folder or `source-documents`, not an index, not exempt."""
        folders = {f for f in self.indexed_folders if f.split("/")[0] != SOURCE_CODEBASES}
        return [
            path
            for path in self.documents
            if parent(path) in folders and name(path).lower() != INDEX.lower() and not self.is_exempt(path)
        ]

    @cached_property
    def _knowledge(self) -> frozenset[str]:
        return frozenset(self.knowledge)

    def is_knowledge(self, path: str) -> bool:
        """Say whether `path` is a knowledge file."""
        return path in self._knowledge

    def role(self, path: str) -> str:
        """Return what kind of Markdown file `path` is, which decides what is asked of it."""
        if path == SKILL:
            return "skill"
        if path == self.config.humor:
            return "humor"
        if path in self._knowledge:
            return "knowledge"
        if name(path) == INDEX:
            return "index"
        if path.startswith(f"{layout.INGEST_AUTO}/") and name(path) == layout.PLAN:
            return "plan"
        return "other"

    # What it says

    def text(self, path: str) -> str:
        """Return the text of the file at `path`, line endings as they are.

        Raises Unreadable for a file that cannot be read, is no UTF-8, or is larger than READ_LIMIT.
        """
        text = self._texts.get(path)
        if text is None:
            text = self._loaded.get(path)
        if text is None:
            text = self._loaded[path] = read_text(self._disk(path), path)
        return text

    def _disk(self, path: str) -> str:
        if self.root is None or not self.is_file(path):
            raise Unreadable(f"{shown(path)}: no such file")
        return f"{self.root}/{self._origins.get(path, path)}"

    def doc(self, path: str) -> Doc:
        """Return the facts of the Markdown file at `path`; of an unreadable one, those of an empty text."""
        if path not in self._docs:
            try:
                self._docs[path] = markdown.read(self.text(path))
            except Unreadable as error:
                self._docs[path] = Doc(problem=str(error), unreadable=True)
        return self._docs[path]

    def place(self, path: str, at: At) -> Place:
        """Return where a fact of the file at `path` stands; its first character where that cannot be read."""
        try:
            return markdown.place(self.text(path), self.doc(path), at)
        except Unreadable:
            return Place(1, 1)

    def adopt(self, path: str, doc: Doc) -> None:
        """Take `doc` for the facts of `path`: they come from the cache."""
        self._docs[path] = doc

    def foresee(self, path: str, text: str, doc: Doc) -> None:
        """Take `doc` for the facts of a text that an edit is going to write at `path`."""
        self._foreseen[path, text] = doc

    def knows(self, path: str) -> bool:
        """Say whether the facts of `path` are at hand without reading it."""
        return path in self._docs

    def forget(self, path: str) -> None:
        """Let go of a text that can be read from the disk again: a whole tree of texts is large."""
        self._loaded.pop(path, None)

    def earlier(self, path: str) -> Sequence[str]:
        """Return the committed versions of the file at `path`, oldest first; none without git."""
        if self._earlier is not None:
            return self._earlier.get(path, ())
        if self.root is None:
            return ()
        from oracle_tools.bundle import git

        return git.versions(self.root, path)

    def remember(self, earlier: Mapping[str, Sequence[str]]) -> None:
        """Take `earlier` for the committed versions of files, instead of asking git."""
        self._earlier = earlier

    # What it becomes

    def after(self, edits: Iterable[Edit]) -> Tree:
        """Return the tree as it is when `edits` have been carried out; this one stays as it is."""
        from oracle_tools.bundle.edits import Move, Write

        entries = dict(self.entries)
        texts = dict(self._texts)
        origins = dict(self._origins)
        for edit in edits:
            if isinstance(edit, Write):
                entries[edit.path] = Entry(FILE, len(edit.text.encode("utf-8", "surrogateescape")))
                texts[edit.path] = edit.text
                _with_folders(entries, edit.path)
                continue
            for path in [p for p in entries if p == edit.path or p.startswith(edit.path + "/")]:
                entry, text, origin = entries.pop(path), texts.pop(path, None), origins.pop(path, path)
                if isinstance(edit, Move):
                    target = edit.to + path[len(edit.path) :]
                    if text is None and self.root and entry.kind == FILE and path.endswith(".md"):
                        # Read now, it is at hand when the disk has been changed as well.
                        with contextlib.suppress(Unreadable):
                            text = read_text(self.root / origin, path)
                    entries[target] = entry
                    origins[target] = origin
                    if text is not None:
                        texts[target] = text
            if isinstance(edit, Move):
                _with_folders(entries, edit.to)
        tree = Tree(dict(sorted(entries.items())), self.config, self.root, texts, self.name)
        tree.scanned = self.scanned
        tree._earlier = self._earlier
        tree._origins = origins
        for path, doc in self._docs.items():
            if entries.get(path) == self.entries.get(path) and texts.get(path) == self._texts.get(path):
                tree.adopt(path, doc)
        for (path, text), doc in self._foreseen.items():
            if texts.get(path) == text:
                tree.adopt(path, doc)
        return tree


def _with_folders(entries: dict[str, Entry], path: str) -> None:
    above = parent(path)
    while above and above not in entries:
        entries[above] = Entry(FOLDER)
        above = parent(above)


def read_text(path: Path | str, shown_as: str = "") -> str:
    """Return the text of the file at `path`, decoded as UTF-8, line endings as they are.

    Raises Unreadable saying what is wrong with it.
    """
    label = shown(shown_as or path)
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  a Path costs as much as the reading
            if os.fstat(file.fileno()).st_size > READ_LIMIT:
                raise Unreadable(f"{label}: larger than {READ_LIMIT // 2**20} MiB; split it or move it out")
            data = file.read()
    except OSError as error:
        raise Unreadable(f"{label}: cannot be read ({error.strerror}); check its permissions") from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(f"{label}: not UTF-8 at byte {error.start}; save it as UTF-8") from error


def scan(root: Path, config: Config | None = None) -> Tree:
    """Return the tree below `root`. Symbolic links are noted, not followed.

    Where a process was killed while it changed the bundle, that is undone first. Raises OracleError where it
    cannot be, and where `root` itself cannot be listed.
    """
    now = time.time_ns()
    entries: dict[str, Entry] = {}
    stack = [""]
    while stack:
        folder = stack.pop()
        try:
            listed = os.scandir(root / folder)
        except OSError as error:
            if not folder:
                raise OracleError(f"{shown(root)}: cannot be listed ({error.strerror})") from error
            entries[folder] = Entry(FOLDER, target=f"cannot be listed ({error.strerror})")
            continue
        prefix = f"{folder}/" if folder else ""
        codebases = prefix.startswith(f"{SOURCE_CODEBASES}/")
        with listed:
            for item in listed:
                path = prefix + item.name
                if item.name.startswith(layout.WORK) and not folder:
                    from oracle_tools.bundle.edits import recover

                    if recover(root):
                        return scan(root, config)
                if item.name.startswith(".oracle-") or not (codebases or _kept(path, item.name)):
                    continue
                entry = _entry(item)
                if entry is None:
                    continue
                entries[path] = entry
                if entry.kind == FOLDER and item.name != ".git":
                    stack.append(path)
    if config is None:
        config = layout.read_config(root)
    tree = Tree(dict(sorted(entries.items())), config, root)
    tree.scanned = now
    return tree


def glance(root: Path, config: Config, paths: Iterable[str]) -> Tree:
    """Return a tree of `root` that knows only these paths, those of them that are files."""
    entries: dict[str, Entry] = {}
    for path in paths:
        try:
            stat = (root / path).lstat()
        except OSError:
            continue
        kind = LINK if S_ISLNK(stat.st_mode) else FOLDER if S_ISDIR(stat.st_mode) else FILE
        entries[path] = Entry(kind, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
    return Tree(entries, config, root)


def _kept(path: str, item: str) -> bool:
    if item.startswith("."):
        return item in _HIDDEN_KEPT
    return item not in _SKIPPED and path not in _SKIPPED_ON_TOP and not item.endswith(".egg-info")


def _entry(item: os.DirEntry[str]) -> Entry | None:
    try:
        if item.is_symlink():
            return Entry(LINK, target=str(Path(item.path).readlink()))
        stat = item.stat(follow_symlinks=False)
        if item.is_dir(follow_symlinks=False):
            return Entry(FOLDER)
    except OSError:
        return None
    kind = FILE if S_ISREG(stat.st_mode) else OTHER
    return Entry(kind, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
