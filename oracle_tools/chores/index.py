"""Fills the generated regions of every INDEX.md and of SKILL.md from the files themselves."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path

from oracle_tools.bundle import layout
from oracle_tools.bundle.edits import Write
from oracle_tools.bundle.errors import OracleError, shown
from oracle_tools.bundle.layout import FILES_REGION, FOLDERS_REGION, INDEX, ROUTES_REGION, SKILL
from oracle_tools.bundle.markdown import read
from oracle_tools.bundle.regions import Region, fill, marks, regions
from oracle_tools.bundle.tree import Tree, Unreadable, name, parent

ROUTE_LIMIT = 110
"""Characters of a folder's own line that SKILL.md repeats: every question pays for all of them."""

KEYWORDS_SHOWN = 3
"""How many of a file's keywords its row shows; all of them lead the router."""

HUMOR_ROW = "The jokes of this oracle, one a paragraph; `oracle joke` reads and adds."

_NUMBER = re.compile(r"(\d+)")


def index(tree: Tree, folders: Collection[str] | None = None) -> list[Write]:
    """Return the writes that bring every index, or those of `folders`, and SKILL.md's routes up to date.

    A missing INDEX.md is made whole. A hand-written one keeps every character outside its regions.
    A table with a row that cannot be read, for broken frontmatter say, is left as it is.
    """
    return _indexer(tree).writes(folders)


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
    """Return the folders that an INDEX.md belongs into: the top, and those with something to list.

    That is knowledge, the humor file, or an INDEX.md, in the folder or below. A README.md alone is nothing.
    """
    return _indexer(tree).folders


def regions_of(tree: Tree, path: str) -> Mapping[str, Region]:
    """Return the regions of the index or SKILL.md at `path`; none where it cannot be read."""
    return _indexer(tree).regions(path)


def _indexer(tree: Tree) -> _Indexer:
    found = tree.memo.get(_Indexer)
    if not isinstance(found, _Indexer):
        found = tree.memo[_Indexer] = _Indexer(tree)
    return found


class _Indexer:
    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        filled: set[str] = set()
        for path in tree.documents:
            if tree.is_knowledge(path) or name(path).lower() == INDEX.lower() or path == tree.config.humor:
                while path and (path := parent(path)) not in filled:
                    filled.add(path)
        self.folders = ["", *(f for f in tree.indexed_folders if f in filled)]
        self._listed = {*self.folders, *(f for f in tree.codebases if f in filled)}

    def writes(self, folders: Collection[str] | None = None) -> list[Write]:
        edits: list[Write] = []
        for folder in sorted(self.folders, key=lambda f: (-f.count("/") - bool(f), f)):
            if folders is not None and folder not in folders:
                continue
            path = f"{folder}/{INDEX}".lstrip("/")
            if self.tree.is_file(path):
                edits += self._refreshed(path)
            elif not self._is_taken(folder) and (text := self._whole(folder)) is not None:
                edits.append(Write(path, text, new=True))
        if self.tree.is_file(SKILL):
            edits += self._refreshed(SKILL)
        return sorted(edits, key=lambda edit: edit.path)

    @cache  # noqa: B019  an indexer lives as long as its tree
    def regions(self, path: str) -> Mapping[str, Region]:
        try:
            return regions(self.tree.text(path))
        except Unreadable:
            return {}

    @cache  # noqa: B019
    def stale(self, path: str) -> list[tuple[str, int, Write]]:
        present = self.regions(path)
        if not present:
            return []
        stale = []
        filled = text = self.tree.text(path)
        plain = "\r" not in text
        for region, content in self._contents(path).items():
            if region in present:
                here = present[region]
                if plain and text[here.start : here.end] == (content and f"{content}\n"):
                    continue  # as it nearly always is; filling would read the text once more
                before, filled = filled, fill(filled, region, content)
                if filled != before:
                    stale.append((region, here.line))
        write = Write(path, filled)
        return [(region, line, write) for region, line in stale]

    def _refreshed(self, path: str) -> list[Write]:
        return [write for _, _, write in self.stale(path)[:1]]

    def _is_taken(self, folder: str) -> bool:
        """Say whether something else stands for INDEX.md: a link, or an index that only has the wrong case.

        The one is not written through, and the other is renamed, not buried.
        """
        return f"{folder}/{INDEX}".lstrip("/") in self.tree.entries or any(
            name(path).lower() == INDEX.lower() for path in self.tree.files(folder)
        )

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
                keywords = ", ".join(doc.keywords[:KEYWORDS_SHOWN])
                rows.append((_link(name(path), name(path)), doc.description, keywords))
        return _table(("File", "Description", "Keywords"), rows)

    def _folders(self, folder: str) -> str | None:
        rows = []
        children = self.tree.folders(folder)
        files = {child: INDEX for child in children if child in self._listed}
        if not folder:
            special = (layout.INGEST, layout.INGEST_AUTO)
            files |= {f: "README.md" for f in special if self.tree.is_file(f"{f}/README.md")}
        for child in sorted(children, key=_order):
            if child in files:
                about = self._about(f"{child}/{files[child]}")
                if about is None:
                    return None
                rows.append((_link(f"{name(child)}/", f"{name(child)}/{files[child]}"), about))
        return _table(("Folder", "Description"), rows)

    def _routes(self) -> str | None:
        rows = []
        for folder in self.folders:
            if folder and self._reads(folder):
                path = f"{folder}/{INDEX}"
                about = self._about(path)
                if about is None:
                    return None
                rows.append((_link(f"{folder}/", path), _shortened(about)))
        return _table(("Folder", "Read when the question is about"), rows)

    def _reads(self, folder: str) -> bool:
        """Say whether a reader is sent to `folder`: it holds knowledge itself, or maps of codebases."""
        return any(self.tree.is_knowledge(path) for path in self.tree.files(folder)) or any(
            self.tree.codebase_of(child) for child in self.tree.folders(folder)
        )

    def _about(self, path: str) -> str | None:
        """Return what the file at `path` says it is about, or None where it cannot be read or made."""
        folder = parent(path)
        if self.tree.is_file(path):
            doc = self.tree.doc(path)
        elif folder in self._listed and not self._is_taken(folder):
            text = self._whole(folder)
            if text is None:
                return None
            doc = read(text)
        else:
            return ""
        return None if doc.problem else doc.description or doc.lead

    @cache  # noqa: B019
    def _whole(self, folder: str) -> str | None:
        """Return a new INDEX.md, or None where a table of it cannot be made."""
        title = _title(folder) if folder else (_title(self.tree.name) or "Index")
        parts = [f"# {title}\n", f"**What this oracle knows about {title.lower()}.**\n"]
        if not folder:
            parts[1] = "**What this oracle knows, folder by folder.**\n"
        files, folders = self._files(folder), self._folders(folder)
        if files is None or folders is None:
            return None
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
    pieces = [(not p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in _NUMBER.split(name(path)) if p]
    return pieces, path


def _link(text: str, target: str) -> str:
    if any(c in target for c in " ()<>"):
        target = f"<{target}>"
    return f"[{text}]({target})"


def _shortened(text: str) -> str:
    """Return `text`, or as many of its words as ROUTE_LIMIT allows, cut after a comma where one is near."""
    if len(text) <= ROUTE_LIMIT:
        return text
    kept = text[:ROUTE_LIMIT].rpartition(" ")[0]
    listed = kept.rpartition(",")[0]
    return (listed if len(listed) > ROUTE_LIMIT // 2 else kept).rstrip(",;: ") + " …"


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    for row in rows:
        lines.append(f"| {' | '.join(_cell(cell) for cell in row)} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<!--", "&lt;!--")
