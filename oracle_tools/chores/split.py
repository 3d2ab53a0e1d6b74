"""Makes several numbered files of one, at some of its headings: footnotes, links and anchors go along."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from oracle_tools.bundle.edits import Edit, Write
from oracle_tools.bundle.errors import OracleError, shown
from oracle_tools.bundle.naming import kebab, misplaced, number_of, number_taken
from oracle_tools.bundle.relink import Where, redirected, rewritten
from oracle_tools.bundle.sections import (
    Cut,
    Page,
    composed,
    headings,
    page,
    releveled,
    sentence,
    used,
    with_meta,
)
from oracle_tools.bundle.tree import Tree, name, parent


def split(tree: Tree, path: str, at: Sequence[str]) -> list[Edit]:
    """Return the edits that make a file of each section of `path` that begins at one of the headings `at`.

    A heading is given by its text or its anchor; its file goes on to the next of them, or to the sections at
    the end. What stands before the first keeps name, description, and the sections at the end. The others
    get the next free numbers of the folder, and a description of their own beginning; footnotes go where
    they are used, to several files where several use them. Links follow, from everywhere.

    Raises OracleError for a heading that is not there, stands there twice, or is the title, and for a file
    that cannot be taken apart.
    """
    whole = page(tree, path)
    cuts = _cuts(whole, at)
    edges = [0, *(cut.start for cut in cuts), len(whole.body)]
    pieces = [whole.body[a:b].strip("\n") for a, b in pairwise(edges)]
    places = [path, *_places(tree, path, [cut.heading.text for cut in cuts])]
    bodies = [
        pieces[0],
        *(_promoted(piece, cut.heading.level) for piece, cut in zip(pieces[1:], cuts, strict=True)),
    ]
    where = _where(whole, places, bodies)
    edits: list[Edit] = []
    for n, (to, body) in enumerate(zip(places, bodies, strict=True)):
        needed = used(body if n else body + whole.sources, whole.notes)
        notes = [whole.notes[key] for key in needed]
        if n:
            related = f"- [{whole.doc.title}]({name(path)}): what this belongs to"
            sources = "" if notes else f"Those of [{whole.doc.title}]({name(path)})."
            text = composed(_described(whole, body), body, related, sources, notes)
        else:
            sources = whole.sources or (
                "" if notes else f"Those of [{cuts[0].heading.text}]({name(places[1])})."
            )
            text = composed(whole.meta, body, whole.related, sources, notes)
        edits.append(Write(to, rewritten(tree, path, to, text, where), new=n > 0))
    return [*edits, *redirected(tree, [path], where, besides=[path])]


def message(path: str, edits: Sequence[Edit]) -> str:
    """Return the commit message of a split of `path`: what was made of it."""
    made = [edit.path for edit in edits if isinstance(edit, Write) and edit.new]
    return "\n".join([f"Reorganize: split {path}", "", *(f"{path} -> {new}" for new in made)])


def _cuts(whole: Page, at: Sequence[str]) -> list[Cut]:
    there = headings(whole.body)
    cuts = []
    for word in at:
        wanted = word.strip().lstrip("#").strip().casefold()
        found = [cut for cut in there if wanted in (cut.heading.text.casefold(), cut.heading.anchor)]
        if len(found) > 1:
            found = [cut for cut in found if cut.heading.anchor == wanted]
        if not found:
            names = ", ".join(shown(cut.heading.text) for cut in there if cut.heading.level > 1)
            raise OracleError(f"{shown(whole.path)}: no heading {shown(word)}; there are {names}")
        if found[0].heading.level == 1:
            raise OracleError(f"{shown(whole.path)}: {shown(word)} is the title; choose a section")
        cuts.append(found[0])
    if not cuts:
        raise OracleError("no heading to split at; give one with --at HEADING")
    return sorted(set(cuts))


def _places(tree: Tree, path: str, titles: Sequence[str]) -> list[str]:
    """Return a path for each new file: the numbers after the old one's that are free."""
    number = number_of(path)
    if number is None:
        raise OracleError(f"{shown(path)}: has no number; give it one with oracle mv")
    places: list[str] = []
    for title in titles:
        to = ""
        while not to or number_taken(tree, to, places):
            number += 1
            to = f"{parent(path)}/{number:02}-{kebab(title)}.md"
        if why := misplaced(tree, to):
            raise OracleError(why)
        places.append(to)
    return places


def _promoted(piece: str, level: int) -> str:
    """Return a section as a document: its heading is the title, and its own sections are of level 2.

    Sections after it that are no part of it are of level 2 as well, with what is in them below.
    """
    levels = {}
    shift = level - 1
    for n, cut in enumerate(headings(piece)):
        if n and cut.heading.level <= level:
            shift = level - 2
        levels[cut.start] = max(1 if not n else 2, cut.heading.level - shift)
    return releveled(piece, levels)


def _where(whole: Page, places: Sequence[str], bodies: Sequence[str]) -> Where:
    """Tell for each anchor of the old file in which new one it is, and under which name."""
    old = [cut.heading.anchor for cut in headings(whole.body)]
    new = [
        (to, cut.heading.anchor) for to, body in zip(places, bodies, strict=True) for cut in headings(body)
    ]
    known = dict(zip(old, new, strict=True))
    for anchor in whole.doc.anchors:
        quoted = re.compile(rf"""(?:id|name)\s*=\s*["']?{re.escape(anchor)}["'\s/>]""", re.IGNORECASE)
        home = next((to for to, body in zip(places, bodies, strict=True) if quoted.search(body)), places[0])
        known.setdefault(anchor, (home, anchor))

    def where(path: str, anchor: str) -> tuple[str, str]:
        return known.get(anchor, (path, anchor)) if path == whole.path else (path, anchor)

    return where


def _described(whole: Page, body: str) -> str:
    from oracle_tools.bundle.markdown import read

    doc = read(body)
    lead = sentence(re.sub(r"\[\^[^\]\s]+\]", "", doc.lead))
    said = body.casefold()
    keywords = [word for word in whole.doc.keywords if word.casefold() in said] or whole.doc.keywords
    return with_meta(
        whole.meta, {"description": f"{doc.title}: {lead}" if lead else doc.title, "keywords": keywords}
    )
