"""Proposes what the guidelines suggest: long files to split, tiny ones to merge, folders to form."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from oracle_tools.bundle.layout import MAX_LINES, SOURCE_DOCUMENTS
from oracle_tools.bundle.markdown import line_count
from oracle_tools.bundle.naming import number_of
from oracle_tools.bundle.sections import headings, page
from oracle_tools.bundle.tree import Tree, name, parent

PART_LINES = 300
"""Lines that a part of a long file should not exceed, where its headings allow that."""

LEAST_LINES = 60
"""Lines that a part of a long file should have."""

TINY_LINES = 30
"""Lines below which a file hardly answers a question of its own."""

FAMILY = 3
"""Files with a common beginning of their names that deserve a folder."""

SPLIT, MERGE, MOVE = "split", "merge", "mv"


class Proposal(NamedTuple):
    """Something to tidy: the command's name, the files, what else it is given, and why.

    For a split, `more` are the headings; for a merge and a move it is the file or folder they go into.
    """

    verb: str
    paths: tuple[str, ...]
    more: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        option = {SPLIT: "--at ", MERGE: "--into ", MOVE: ""}[self.verb]
        given = " ".join(f"{option}{word}" for word in self.more)
        return f"oracle {self.verb} {' '.join(self.paths)} {given}"


def tidy(tree: Tree) -> list[Proposal]:
    """Return what to tidy in the knowledge of a bundle: splits first, then merges, then folders.

    No file is in two proposals. Files that cannot be taken apart are left alone.
    """
    proposals: list[Proposal] = []
    taken: set[str] = set()
    for found in (*_long(tree), *_tiny(tree), *_families(tree)):
        if taken.isdisjoint(found.paths):
            taken.update(found.paths)
            proposals.append(found)
    return proposals


def _long(tree: Tree) -> list[Proposal]:
    found = []
    for path in tree.knowledge:
        doc = tree.doc(path)
        if doc.lines > MAX_LINES and number_of(path) is not None and (at := _natural(tree, path)):
            found.append(Proposal(SPLIT, (path,), tuple(at), f"{doc.lines} lines, over {MAX_LINES}"))
    return found


def _natural(tree: Tree, path: str) -> list[str]:
    """Return the anchors of the sections at which parts begin, each part as long as it may be."""
    from oracle_tools.bundle.errors import OracleError

    try:
        body = page(tree, path).body
    except OracleError:
        return []
    cuts = [cut for cut in headings(body) if cut.heading.level == 2]
    edges = [*(line_count(body[: cut.start]) for cut in cuts), line_count(body)]
    at: list[str] = []
    begun = 0
    for n, cut in enumerate(cuts):
        if edges[n + 1] - begun > PART_LINES and edges[n] - begun >= LEAST_LINES:
            at.append(cut.heading.anchor)
            begun = edges[n]
    return at


def _tiny(tree: Tree) -> list[Proposal]:
    subjects: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in tree.knowledge:
        doc = tree.doc(path)
        if doc.lines < TINY_LINES and not doc.problem and not path.startswith(f"{SOURCE_DOCUMENTS}/"):
            for word in dict.fromkeys(keyword.casefold() for keyword in doc.keywords):
                subjects[parent(path), word].append(path)
    groups = sorted(subjects.items(), key=lambda item: (-len(item[1]), item))
    return [
        Proposal(MERGE, tuple(paths), (paths[0],), f"each under {TINY_LINES} lines, all about {word}")
        for (_, word), paths in groups
        if len(paths) > 1
    ]


def _families(tree: Tree) -> list[Proposal]:
    families: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in tree.knowledge:
        words = name(path).removesuffix(".md").split("-")
        if len(words) > 2 and number_of(path) is not None and not path.startswith(f"{SOURCE_DOCUMENTS}/"):
            families[parent(path), words[1]].append(path)
    return [
        Proposal(MOVE, tuple(paths), (f"{folder}/{word}",), f"{len(paths)} files begin with {word}")
        for (folder, word), paths in sorted(families.items())
        if len(paths) >= FAMILY and word not in folder.split("/") and len(paths) < len(tree.files(folder)) - 1
    ]
