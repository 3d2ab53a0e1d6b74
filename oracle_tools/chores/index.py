"""Fills the generated regions of every INDEX.md and of SKILL.md from the files themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path

from oracle_tools.bundle import layout
from oracle_tools.bundle.edits import Write
from oracle_tools.bundle.errors import OracleError, shown
from oracle_tools.bundle.layout import FILES_REGION, FOLDERS_REGION, INDEX, ROUTES_REGION, SKILL
from oracle_tools.bundle.markdown import Doc, read
from oracle_tools.bundle.regions import fill, marks, regions
from oracle_tools.bundle.tree import Tree, Unreadable, name, parent

HUMOR_ROW = "The jokes of this oracle, one a paragraph; `oracle joke` reads and adds."

_NUMBER = re.compile(r"(\d+)")


def index(tree: Tree) -> list[Write]:
    """Return the writes that bring every index and SKILL.md's routes up to date; none when they are.

    A missing INDEX.md is made whole. A hand-written one keeps every character outside its regions.
    A table with a row that cannot be read, for broken frontmatter say, is left as it is.
    """
    return _indexer(tree).writes


def plan(root: Path, cached: bool = True) -> tuple[Tree, list[Write]]:
    """Return the bundle at `root` and the writes that its indexes need.

    Raises OracleError where a file that a table lists cannot be read: a table without it would be wrong.
    """
    from oracle_tools.bundle.cache import Cache, fingerprint
    from oracle_tools.bundle.tree import scan

    tree = scan(root)
    cache = Cache(root, tree.config) if cached else None
    mark = fingerprint(tree) if cache else ""
    if cache and cache.answer("index", mark) is not None:
        return tree, []
    known = cache.facts(tree) if cache else {}
    if why := hindrance(tree):
        raise OracleError(f"{why}; no index was written")
    edits = index(tree)
    if cache:
        fresh = [path for path in tree.documents if path not in known and tree.knows(path)]
        cache.remember(tree, [(path, *tree.doc(path).to_row(), None) for path in fresh])
        if not edits:
            cache.keep(tree, "index", mark, "fresh")
    return tree, edits


def hindrance(tree: Tree) -> str:
    """Return what keeps the first table that cannot be made from being made, or ""."""
    for path in tree.documents:
        known = tree.is_knowledge(path) or name(path) == INDEX or path == SKILL
        if known and (problem := tree.doc(path).problem):
            return problem if problem.startswith(shown(path)) else f"{shown(path)}: {problem}; mend it"
    return ""


def stale_regions(tree: Tree, path: str) -> list[tuple[str, int, Write]]:
    """Return the regions of the index or SKILL.md at `path` that are not up to date.

    Each comes with the line of its mark and the write that fills it.
    """
    return _indexer(tree).stale(path)


def needs_index(tree: Tree) -> list[str]:
    """Return the folders that an INDEX.md belongs into: the top, and those with Markdown in or below."""
    return _indexer(tree).folders


def _indexer(tree: Tree) -> _Indexer:
    found = tree.memo.get(_Indexer)
    if not isinstance(found, _Indexer):
        found = tree.memo[_Indexer] = _Indexer(tree)
    return found


class _Indexer:
    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._filled: set[str] = set()
        for path in tree.documents:
            while path and (path := parent(path)) not in self._filled:
                self._filled.add(path)
        self.folders = ["", *(f for f in tree.indexed_folders if f in self._filled)]
        self._created: dict[str, Doc] = {}

    @cached_property
    def writes(self) -> list[Write]:
        edits: list[Write] = []
        for folder in sorted(self.folders, key=lambda f: (-f.count("/") - bool(f), f)):
            path = f"{folder}/{INDEX}".lstrip("/")
            if self.tree.is_file(path):
                edits += self._refreshed(path)
            elif not self._lowercase_index(folder):
                text = self._whole(folder)
                self._created[path] = read(text)
                edits.append(Write(path, text, new=True))
        if self.tree.is_file(SKILL):
            edits += self._refreshed(SKILL)
        return sorted(edits, key=lambda edit: edit.path)

    @cache  # noqa: B019  an indexer lives as long as its tree
    def stale(self, path: str) -> list[tuple[str, int, Write]]:
        try:
            text = self.tree.text(path)
        except Unreadable:
            return []
        present = regions(text)
        if not present:
            return []
        stale = []
        filled = text
        for region, content in self._contents(path).items():
            if region in present:
                before, filled = filled, fill(filled, region, content)
                if filled != before:
                    stale.append((region, present[region].line))
        write = Write(path, filled)
        return [(region, line, write) for region, line in stale]

    def _refreshed(self, path: str) -> list[Write]:
        return [write for _, _, write in self.stale(path)[:1]]

    def _lowercase_index(self, folder: str) -> bool:
        """Say whether a hand-written index only has the wrong case: it is renamed, not buried."""
        return any(name(path).lower() == INDEX.lower() for path in self.tree.files(folder))

    def _contents(self, path: str) -> dict[str, str]:
        # None stands for a table that cannot be made, because a row cannot be read.
        contents: dict[str, str | None]
        if path == SKILL:
            contents = {ROUTES_REGION: self._routes()}
        else:
            folder = parent(path)
            contents = {FILES_REGION: self._files(folder), FOLDERS_REGION: self._folders(folder)}
        return {region: content for region, content in contents.items() if content is not None}

    def _files(self, folder: str) -> str | None:
        rows = []
        for path in sorted(self.tree.files(folder), key=_order):
            if path == self.tree.config.humor:
                rows.append((_link(name(path), name(path)), HUMOR_ROW, "humor, jokes"))
            elif self.tree.is_knowledge(path):
                doc = self.tree.doc(path)
                if doc.problem:
                    return None
                rows.append((_link(name(path), name(path)), doc.description, ", ".join(doc.keywords)))
        return _table(("File", "Description", "Keywords"), rows)

    def _folders(self, folder: str) -> str | None:
        rows = []
        children = self.tree.folders(folder)
        if not folder:
            special = (layout.INGEST, layout.INGEST_AUTO)
            children = [f for f in children if f in self.folders or (f in special and f in self._filled)]
        for child in sorted(children, key=_order):
            if child not in self._filled or not (
                child in self.folders or child in self.tree.codebases or not folder
            ):
                continue
            file = INDEX if child in self.folders or child in self.tree.codebases else "README.md"
            about = self._about(f"{child}/{file}")
            if about is None:
                return None
            rows.append((_link(f"{name(child)}/", f"{name(child)}/{file}"), about))
        return _table(("Folder", "Description"), rows)

    def _routes(self) -> str | None:
        rows = []
        for folder in self.folders:
            if folder and self._reads(folder):
                path = f"{folder}/{INDEX}"
                about = self._about(path)
                if about is None:
                    return None
                rows.append((_link(f"{folder}/", path), about))
        return _table(("Folder", "Read when the question is about"), rows)

    def _reads(self, folder: str) -> bool:
        """Say whether a reader is sent to `folder`: it holds knowledge itself, or maps of codebases."""
        return any(self.tree.is_knowledge(path) for path in self.tree.files(folder)) or any(
            self.tree.codebase_of(child) for child in self.tree.folders(folder)
        )

    def _about(self, path: str) -> str | None:
        doc = self._created.get(path) or (self.tree.doc(path) if self.tree.is_file(path) else Doc())
        return None if doc.problem else doc.description or doc.lead

    def _whole(self, folder: str) -> str:
        title = _title(folder) if folder else (_title(self.tree.name) or "Index")
        parts = [f"# {title}\n", f"**What this oracle knows about {title.lower()}.**\n"]
        if not folder:
            parts[1] = "**What this oracle knows, folder by folder.**\n"
        files, folders = self._files(folder) or "", self._folders(folder) or ""
        if files or not folders:
            parts.append(f"## Files\n\n{marks(FILES_REGION, files)}")
        if folders:
            parts.append(f"## Folders\n\n{marks(FOLDERS_REGION, folders)}")
        return "\n".join(parts)


def _title(folder: str) -> str:
    words = name(folder).lstrip("_").replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _order(path: str) -> tuple[list[tuple[bool, int, str]], str]:
    """Sort key: digits compare as numbers, everything else by code point, whatever the locale."""
    pieces = [(not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in _NUMBER.split(name(path)) if p]
    return pieces, path


def _link(text: str, target: str) -> str:
    if any(c in target for c in " ()<>"):
        target = f"<{target}>"
    return f"[{text}]({target})"


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    for row in rows:
        lines.append(f"| {' | '.join(_cell(cell) for cell in row)} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<!--", "&lt;!--")
