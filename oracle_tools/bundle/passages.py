"""Cuts a text into passages: the paragraphs, list items, table rows and code lines that say something."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from oracle_tools.bundle.markdown import lines

_HEADING = re.compile(r" {0,3}(#{1,6})\s+(.*?)\s*#*$")
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s")
_NOTE = re.compile(r" {0,3}\[\^[^\]\s]+\]:")
_RULE = re.compile(r"\s*\|[\s|:-]+\|?\s*$")

TEXT, ITEM, ROW, QUOTE, NOTE, CODE = "text", "item", "row", "quote", "note", "code"


@dataclass(slots=True)
class Passage:
    """A passage: its kind, the 1-based line it begins at, its text with line breaks as spaces, the headings
    it stands below from the title down, and the first row of its table.
    """

    kind: str
    line: int
    text: str
    headings: tuple[str, ...] = ()
    columns: str = ""
    breaks: list[int] = field(default_factory=list)

    def line_at(self, offset: int) -> int:
        """Return the line of the document in which the character at `offset` of the text stands."""
        return self.line + sum(at <= offset for at in self.breaks)


def passages(text: str) -> Iterator[Passage]:
    """Yield the passages of a Markdown text in order; frontmatter and headings are none."""
    headings: list[tuple[int, str]] = []
    columns = ""
    current: Passage | None = None
    in_meta = text.startswith("---\n")
    for line in lines(text):
        if in_meta and line.code:
            continue
        in_meta = False
        heading = None if line.code else _HEADING.match(line.text)
        kind = CODE if line.code else _kind(line.text)
        if current and (heading or not line.text.strip() or _begins(kind, current.kind)):
            yield current
            current = None
        if heading:
            level = len(heading[1])
            headings = [*((n, title) for n, title in headings if n < level), (level, heading[2])]
        elif line.text.strip():
            if kind != ROW:
                columns = ""
            elif not columns:
                columns = line.text
            if kind == ROW and (_RULE.match(line.text) or columns == line.text):
                continue
            if current is None:
                trail = tuple(title for _, title in headings)
                current = Passage(kind, line.number, line.text, trail, columns)
            else:
                current.text += " " + line.text
                current.breaks.append(len(current.text) - len(line.text))
    if current:
        yield current


def _kind(line: str) -> str:
    bare = line.lstrip()
    if bare.startswith(">"):
        return QUOTE
    if bare.startswith("|"):
        return ROW
    if _NOTE.match(line):
        return NOTE
    return ITEM if _ITEM.match(line) else TEXT


def _begins(kind: str, before: str) -> bool:
    """Say whether a line of this kind begins a passage of its own after one of kind `before`."""
    return kind in (ITEM, ROW, NOTE, CODE) or before in (ROW, CODE) or (kind == QUOTE) != (before == QUOTE)
