"""The text between two marks, `<!-- oracle:NAME -->` and `<!-- /oracle:NAME -->`, each alone on its line.

Marks inside fenced code are examples, not marks. Everything outside the marks is a person's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from oracle_tools.bundle.markdown import lines

_MARK = re.compile(r"<!-- (/?)oracle:([a-z-]+) -->\s*$")


@dataclass(frozen=True, slots=True)
class Region:
    """A region of a text: `start` and `end` bound what lies between the marks, `line` is the first mark's."""

    name: str
    start: int
    end: int
    line: int


def regions(text: str) -> dict[str, Region]:
    """Return the regions of `text` by name: the first of each name; a mark without its partner is none."""
    found: dict[str, Region] = {}
    opened: tuple[str, int, int] | None = None
    for line in lines(text):
        mark = None if line.code else _MARK.match(line.text)
        if mark is None:
            continue
        closing, name = mark[1], mark[2]
        if not closing:
            start = text.find("\n", line.offset) + 1
            opened = (name, start, line.number) if start else None
        elif opened and opened[0] == name:
            found.setdefault(name, Region(name, opened[1], line.offset, opened[2]))
            opened = None
    return found


def fill(text: str, name: str, content: str) -> str:
    """Return `text` with `content` between the marks of region `name`, and every other character kept.

    `content` takes the line ending of the text. Raises KeyError where the text has no such region.
    """
    region = regions(text)[name]
    newline = "\r\n" if text[: region.start].endswith("\r\n") else "\n"
    content = content.replace("\r\n", "\n").strip("\n")
    body = f"{content}\n".replace("\n", newline) if content else ""
    return text[: region.start] + body + text[region.end :]


def marks(name: str, content: str = "") -> str:
    """Return a region as text, marks included."""
    body = content.strip("\n")
    return f"<!-- oracle:{name} -->\n{body}{chr(10) if body else ''}<!-- /oracle:{name} -->\n"
