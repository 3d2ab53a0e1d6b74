"""A source that has a note of ours is cited with it. One rule of family K."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from oracle_tools.bundle.edits import Write
from oracle_tools.bundle.layout import SOURCE_DOCUMENTS
from oracle_tools.bundle.markdown import At, lines
from oracle_tools.bundle.tree import Tree, parent, resolve
from oracle_tools.check.rule import Problem, Severity, tree_rule

_NOTE = re.compile(r" {0,3}\[\^[^\]\s]+\]:")


@tree_rule("K015", "unlinked-source", Severity.INFO, fixable=True)
def unlinked_source(tree: Tree) -> Iterator[Problem]:
    """A file that cites a source which has a note in source-documents links to the note.

    The note says what else the source claims, and where it has been superseded.

    Bad: `[^v3]: [The report](https://arxiv.org/abs/2412.19437)` alone
    Good: the same footnote with `Our note: [The DeepSeek-V3 report](…/01-deepseek-v3-report.md).`
    """
    notes = _notes(tree)
    for path in tree.knowledge if notes else ():
        links = tree.doc(path).links
        linked = {resolve(path, link.partition("#")[0]) for link in links}
        seen: set[str] = set()
        for n, link in enumerate(links):
            note = next((note for address, note in notes if _is_same(link, address)), None)
            if note and note != path and note not in linked and note not in seen:
                seen.add(note)
                yield Problem(
                    path,
                    f"cites a source that has a note, {note}; link to it",
                    fix=_linked(tree, path, link, note),
                    at=At("links", n),
                )


def _notes(tree: Tree) -> list[tuple[str, str]]:
    """Return the address of each source that has a note, with the note."""
    found = []
    for path in tree.knowledge:
        address = tree.doc(path).meta.get("address") if path.startswith(f"{SOURCE_DOCUMENTS}/") else None
        if isinstance(address, str) and address:
            found.append((address.rstrip("/"), path))
    return found


def _is_same(link: str, address: str) -> bool:
    """Say whether a link is to the address, to a place inside it, or to a version of it (`…v2`)."""
    return link.startswith(address) and bool(re.match(r"/?$|[?#&]|/|v\d+\b", link[len(address) :]))


def _linked(tree: Tree, path: str, link: str, note: str) -> tuple[Write, ...]:
    """Return the edit that links the footnote which cites `link` to the note; none outside of footnotes."""
    text = tree.text(path)
    for line in lines(text):
        if not line.code and _NOTE.match(line.text) and f"({link})" in line.text:
            end = line.offset + len(line.text.rstrip())
            title = tree.doc(note).title or "note"
            relative = posixpath.relpath(note, parent(path) or ".")
            stop = "" if text[:end].endswith((".", "!", "?")) else "."
            added = f"{stop} Our note: [{title}]({relative})."
            return (Write(path, text[:end] + added + text[end:]),)
    return ()
