"""Where knowledge files lie and how they are named: `NN-kebab-name.md`, a number once a folder."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path

from oracle_tools.bundle.edits import Write, guarded
from oracle_tools.bundle.errors import OracleError, shown
from oracle_tools.bundle.layout import SOURCE_DOCUMENTS
from oracle_tools.bundle.tree import Tree, name, parent, resolve

_FOLDER = re.compile(r"[a-z0-9][a-z0-9.-]*")
_FILE = re.compile(r"\d+-[a-z0-9]+(?:-[a-z0-9]+)*\.md")
_NUMBERED = re.compile(r"(\d+)-")


def kebab(topic: str) -> str:
    """Return a topic as lower-case words joined by hyphens; raises OracleError where nothing is left.

    >>> kebab("The KV cache, façade & all")
    'the-kv-cache-facade-all'
    """
    plain = unicodedata.normalize("NFKD", topic).encode("ascii", "ignore").decode().lower()
    words = "-".join(re.findall(r"[a-z0-9]+", plain))[:60].strip("-")
    if not words:
        raise OracleError(f"{shown(topic)}: no letter or digit to name the topic by")
    return words


def misplaced(tree: Tree, path: str) -> str:
    """Return why no knowledge file can lie at `path`, or ""; a path that leaves the bundle is no place."""
    if tree.root is not None:
        try:
            guarded(tree.root, path)
        except OracleError as error:
            return str(error)
    *folders, file = path.split("/")
    places = [*tree.knowledge_roots, SOURCE_DOCUMENTS]
    if not folders or folders[0] not in places:
        return f"{shown(path)}: not in a knowledge folder; there are {', '.join(sorted(set(places)))}"
    if not _FILE.fullmatch(file) or not all(_FOLDER.fullmatch(folder) for folder in folders):
        return f"{shown(path)}: name it NN-kebab-name.md, in kebab-case folders"
    if not tree.after([Write(path, "")]).is_knowledge(path):
        return f"{shown(path)}: not a place for a knowledge file"
    return ""


def number_taken(tree: Tree, path: str, planned: Collection[str] = ()) -> str:
    """Return who has the number of `path` in its folder, among its files and what is `planned`, or ""."""
    number = name(path).partition("-")[0]
    for other in (*tree.files(parent(path)), *planned):
        if parent(other) == parent(path) and re.match(rf"0*{int(number)}-", name(other)):
            return f"{path}: number {number} is {name(other)}'s"
    return ""


def number_of(path: str) -> int | None:
    """Return the number that the name of `path` begins with, or None.

    >>> number_of("karpathy/codebases/03-nanogpt.md")
    3
    """
    match = _NUMBERED.match(name(path))
    return int(match[1]) if match else None


def inside(tree: Tree, words: Sequence[str], here: Path) -> list[str]:
    """Return paths that somebody typed in the folder `here` as the tree names them.

    They count from `here` where the first of them is there, else from the top of the bundle. Raises
    OracleError for a path that leaves the bundle.
    """
    plain = [word.replace("\\", "/") for word in words]
    absolute = [Path(word).is_absolute() for word in plain]
    base = ""
    if tree.root is not None and here.resolve().is_relative_to(tree.root):
        from_here = here.resolve().relative_to(tree.root).as_posix()
        first = resolve(f"{from_here}/x".removeprefix("./"), plain[0])
        base = from_here if first is not None and tree.exists(first) else ""
    found = []
    for word, whole in zip(plain, absolute, strict=True):
        if whole and tree.root is not None and Path(word).resolve().is_relative_to(tree.root):
            path: str | None = Path(word).resolve().relative_to(tree.root).as_posix()
        else:
            path = None if whole else resolve(f"{base}/x".removeprefix("./").lstrip("/"), word)
        if path is None:
            raise OracleError(f"{shown(word)}: leaves the bundle; give a path inside it")
        found.append("" if path == "." else path)
    return found
