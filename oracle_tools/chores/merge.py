"""Makes one knowledge file of several: footnotes fold together, and links and anchors follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from oracle_tools.bundle.edits import Delete, Edit, Move, Write
from oracle_tools.bundle.errors import OracleError, shown
from oracle_tools.bundle.markdown import read
from oracle_tools.bundle.naming import misplaced
from oracle_tools.bundle.relink import Where, redirected, rewritten
from oracle_tools.bundle.sections import Page, composed, headings, page, releveled, renamed, with_meta
from oracle_tools.bundle.tree import Tree, resolve


def merge(tree: Tree, paths: Sequence[str], into: str) -> list[Edit]:
    """Return the edits that make one file, `into`, of the knowledge files `paths`, in their order.

    The first gives frontmatter and title; each of the others becomes a section of level 2. A footnote that
    several have with the same definition is one; where they mean different things by a name, the later gets
    another. Keywords and the sections at the end are brought together. Links follow, from everywhere: one to
    a file that is now a section leads to that section.

    Raises OracleError for fewer than two files, a file named twice, one that cannot be taken apart, and a
    place that is taken or none for knowledge.
    """
    if len(set(paths)) < max(2, len(paths)):
        raise OracleError("name two files or more to merge, each of them once")
    why = (
        ""
        if into in paths
        else f"{shown(into)}: exists already"
        if tree.exists(into)
        else misplaced(tree, into)
    )
    if why:
        raise OracleError(f"{why}; merge into one of the files, or into a new one")
    pages = _named_apart(tree, [page(tree, path) for path in paths], into)
    bodies = [pages[0].body, *(_demoted(one.body) for one in pages[1:])]
    where = _where(pages, bodies, into)
    sections = [rewritten(tree, one.path, into, body, where) for one, body in zip(pages, bodies, strict=True)]
    notes: dict[str, str] = {}
    for one in pages:
        for name, note in one.notes.items():
            notes.setdefault(name, rewritten(tree, one.path, into, note, where))
    text = composed(
        _meta(pages),
        "\n\n".join(sections),
        _together([(one.path, one.related) for one in pages], tree, into, where),
        _together([(one.path, one.sources) for one in pages], tree, into, where),
        notes.values(),
    )
    gone: list[Edit] = [Delete(path) for path in paths[1:] if path != into]
    if into != paths[0]:
        gone.append(Delete(paths[0]) if into in paths else Move(paths[0], into))
    return [*gone, Write(into, text), *redirected(tree, paths, where, besides=[*paths, into])]


def message(paths: Sequence[str], into: str) -> str:
    """Return the commit message of a merge of `paths`."""
    return "\n".join([f"Reorganize: merge into {into}", "", *(f"{p} -> {into}" for p in paths if p != into)])


def _named_apart(tree: Tree, pages: Sequence[Page], into: str) -> list[Page]:
    """Return the pages with footnotes that have one name where they say the same, and else different ones."""
    said: dict[str, str] = {}  # what a definition says, to its name
    taken: dict[str, str] = {}
    found = []
    for n, one in enumerate(pages):
        names: dict[str, str] = {}
        for name, note in one.notes.items():
            body = " ".join(
                rewritten(tree, one.path, into, note, lambda path, anchor: (path, anchor)).split()[1:]
            )
            new = name if not n else said.get(body, name)
            count = 1
            while new.casefold() in taken and taken[new.casefold()] != body:
                count += 1
                new = f"{name}-{count}"
            said.setdefault(body, new)
            taken[new.casefold()] = body
            names[name] = new
        notes = {names[name]: renamed(note, names) for name, note in one.notes.items()}
        found.append(
            replace(
                one,
                body=renamed(one.body, names),
                sources=renamed(one.sources, names),
                related=renamed(one.related, names),
                notes=notes,
            )
        )
    return found


def _demoted(body: str) -> str:
    return releveled(body, {cut.start: cut.heading.level + 1 for cut in headings(body)})


def _where(pages: Sequence[Page], bodies: Sequence[str], into: str) -> Where:
    """Tell where in the one file each anchor of the several is."""
    new = iter([cut.heading.anchor for cut in headings("\n\n".join(bodies))])
    known: dict[tuple[str, str], str] = {}
    for n, one in enumerate(pages):
        for place, cut in enumerate(headings(one.body)):
            anchor = next(new)
            known[one.path, cut.heading.anchor] = anchor
            if n and not place:
                known[one.path, ""] = anchor
    paths = {one.path for one in pages}

    def where(path: str, anchor: str) -> tuple[str, str]:
        return (into, known.get((path, anchor), anchor)) if path in paths else (path, anchor)

    return where


def _meta(pages: Sequence[Page]) -> str:
    first, *others = pages
    keywords = {word.casefold(): word for word in first.doc.keywords}
    for one in others:
        for word in one.doc.keywords:
            keywords.setdefault(word.casefold(), word)
    added = len(keywords) > len({word.casefold() for word in first.doc.keywords})
    return with_meta(first.meta, {"keywords": list(keywords.values())}) if added else first.meta


def _together(pieces: Sequence[tuple[str, str]], tree: Tree, into: str, where: Where) -> str:
    """Return what stands in a section at the end of several files, each target of a list once.

    What only leads to the merged files themselves is left out.
    """
    lines: list[str] = []
    named: set[str] = set()
    for path, piece in pieces:
        for line in rewritten(tree, path, into, piece, where).split("\n"):
            targets = _targets(line, into)
            listed = line.lstrip().startswith(("-", "*"))
            if targets and (targets == {into} or (listed and targets <= named | {into})):
                continue
            named |= targets
            lines.append(line)
    return "\n".join(lines).strip("\n")


def _targets(line: str, into: str) -> set[str]:
    found: set[str] = set()
    for link in read(line).links:
        path = link.partition("#")[0]
        found.add(link if "://" in link else (resolve(into, path) or link) if path else into)
    return found
