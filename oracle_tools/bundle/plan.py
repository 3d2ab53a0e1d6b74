"""Reads an expansion plan, `ingestion.md`, in every form that people and runners have written it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from oracle_tools.bundle.markdown import Line, lines

OPEN, DONE, FAILED = "open", "done", "failed"

MARKS = {" ": OPEN, "": OPEN, "x": DONE, "X": DONE, "✓": DONE, "✔": DONE, "/": FAILED, "-": FAILED}
"""What may stand in a box, and the state it means. `-` is a PART that was dropped."""

# Every quantity is bounded: a plan is read in time that grows with its length, whatever stands in it.
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t](.*)$")
_PART = re.compile(r"\W*(PART\b\s*:?)\s*(.*)$", re.IGNORECASE)
_NUMBER = re.compile(
    r"(\d{1,6})(?!\w)(?![-–—./]\d)(?!\s*(?:[-–—&,+]|and|to)\s*\d+\s*(?::|$))\s*[:.\-–—)*]*\s*(.*)$"
)
_BOX = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])\s+\[([^\]^\n]{0,6})\](?![\[:])(?!\((?!\s?Completed\b))\s*(.*)$")
_COMPLETED = re.compile(r"\(\s?Completed\b[^()]{0,80}\)", re.IGNORECASE)
_COMPLETE = re.compile(r"\W*(?:COMPLETED?\b|(?i:completed?)\b\W*$)")
_LINES = re.compile(
    r"\(?\s?(?:~|≈|about\s)?\s?(?<![\d,.])(\d{1,6}(?:,\d{3}){0,2})(?![\d,])\s?(?:[-–]\s?\d{1,6}\s?)?\+?\s?lines?\b\s?\)?",
    re.IGNORECASE,
)
_EXPECTED = re.compile(r"\W*Expected(?:\s+(?:output|size|length))?\W+(.*)$", re.IGNORECASE)
_META = re.compile(r"\*\*([A-Za-z][A-Za-z ]*):?\*\*\s*:?\s*(.+)$")
_PATHS = re.compile(r"[\w./\-]+")


@dataclass(slots=True)
class Part:
    """One PART: its number, title, the file it creates ("" where none is named), state and expected lines.

    `line` is the heading's, `end` the line after its section; `mark_line` is that of the box which says
    the state, or 0.
    """

    n: int
    title: str
    path: str
    state: str
    expected_lines: int | None
    line: int
    end: int
    mark_line: int = 0


@dataclass(frozen=True, slots=True)
class Trouble:
    """What in a plan cannot be read as meant: a 1-based line and why."""

    line: int
    why: str


@dataclass(slots=True)
class Plan:
    """A plan: its title, metadata (keys in lower case), PARTs in order of their numbers, and troubles."""

    title: str = ""
    meta: dict[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    unknown_marks: list[tuple[int, str, str]] = field(default_factory=list)

    def part(self, n: int) -> Part | None:
        """Return PART `n`, or None."""
        return next((part for part in self.parts if part.n == n), None)


def decoded(mark: str) -> str:
    """Return a mark that was encoded twice as it was meant, any other as it is.

    >>> decoded("âœ“")
    '✓'
    """
    if mark.isascii() or mark in MARKS:
        return mark
    from ftfy import fix_encoding

    return fix_encoding(mark)


def mark_state(mark: str) -> str | None:
    """Return the state that a box's mark means, or None for a mark nobody defined."""
    meant = decoded(mark.strip() or " ").replace("✅", "✓").replace("\ufe0f", "")
    return MARKS.get(meant)


class _Box(NamedTuple):
    """A box that names a PART; `complete` where it only says that the PART is complete."""

    line: int
    mark: str
    title: str
    complete: bool


def read_plan(text: str) -> Plan:
    """Return the plan that `text` holds. Never raises: what cannot be read is in `troubles`.

    A PART is a heading of level 2 to 4, or a box alone. Its state is the mark of its first box; where it
    has none, that of the line in its section which says that it is complete. PARTs in fenced code are
    examples. A number used twice is one PART, the first, and a trouble.
    """
    plan = Plan()
    outside = [line for line in lines(text) if not line.code]
    starts = _starts(outside, plan)
    boxes = _boxes(outside, plan)
    found: dict[int, Part] = {}
    for index, (at, n, title) in enumerate(starts):
        line = outside[at].number
        stop = starts[index + 1][0] if index + 1 < len(starts) else len(outside)
        if n in found:
            why = f"PART {n} stands here a second time, after line {found[n].line}; renumber one of them"
            plan.troubles.append(Trouble(line, why))
            continue
        end = outside[stop].number if stop < len(outside) else outside[-1].number + 1
        found[n] = _part(n, title, line, end, outside[at + 1 : stop], boxes.get(n, []), plan)
    for n, (box, *_) in boxes.items():
        if n not in found and not box.complete:
            title, path, expected = _title_parts(box.title)
            state = mark_state(box.mark) or OPEN
            found[n] = Part(n, title, path, state, expected, box.line, box.line + 1, box.line)
            if starts:
                why = f"PART {n} has a box and no section; write its section, or take the box out"
                plan.troubles.append(Trouble(box.line, why))
    plan.parts = [found[n] for n in sorted(found)]
    plan.troubles.sort(key=lambda trouble: trouble.line)
    return plan


def _starts(outside: list[Line], plan: Plan) -> list[tuple[int, int, str]]:
    """Return where each PART begins, its number and title; and note the plan's own title and metadata."""
    starts: list[tuple[int, int, str]] = []
    for at, line in enumerate(outside):
        heading = _HEADING.match(line.text)
        if heading is None:
            if not starts and (meta := _META.match(line.text.strip())):
                plan.meta.setdefault(meta[1].strip().lower(), meta[2].strip())
            continue
        level, title = len(heading[1]), _unclosed(heading[2].strip())
        numbered = _numbered(title)
        if isinstance(numbered, str):
            plan.troubles.append(Trouble(line.number, numbered))
        elif numbered and 2 <= level <= 4:
            starts.append((at, *numbered))
        elif numbered and ("PART" in title or ":" in title):
            why = f"a PART at level {level} is not read; write ## PART {numbered[0]}"
            plan.troubles.append(Trouble(line.number, why))
        elif level == 1 and not plan.title:
            plan.title = title
    return starts


def _unclosed(title: str) -> str:
    """Return a heading's text without the `##` that may close it."""
    bare = title.rstrip("#")
    return bare.rstrip() if not bare or bare[-1].isspace() else title


def _numbered(text: str) -> tuple[int, str] | str | None:
    """Return the number and title of the PART that `text` names, why it cannot be read, or None."""
    part = _PART.match(text)
    if part is None:
        return None
    word, rest = part[1], part[2]
    if number := _NUMBER.match(rest):
        return int(number[1]), number[2]
    if rest[:1].isdigit():
        shown = rest.split(":")[0].split("`")[0].strip()[:20]
        return f"PART {shown} has no whole number of its own; give each PART one, PART 1, PART 2, …"
    if word.startswith("PART") or word.endswith(":"):
        return "a PART without a number; write PART n: and its title"
    return None


def _boxes(outside: list[Line], plan: Plan) -> dict[int, list[_Box]]:
    """Return the boxes of each PART, by number, and note every mark that is not defined.

    A box that holds letters or digits and names no PART is no box: people cite so, `- [V3] the paper`.
    """
    boxes: dict[int, list[_Box]] = {}
    for line in outside:
        box = _BOX.match(line.text)
        if box is None:
            continue
        mark = box[1]
        numbered = _numbered(_COMPLETED.sub("", box[2]).strip())
        if isinstance(numbered, str):
            plan.troubles.append(Trouble(line.number, numbered))
        if mark not in MARKS and (mark.strip() or " ") not in MARKS:
            meant = decoded(mark)
            if numbered or mark_state(meant) or not any(c.isalnum() for c in meant):
                plan.unknown_marks.append((line.number, mark, meant))
        if isinstance(numbered, tuple):
            n, title = numbered
            complete = bool(_COMPLETE.match(title))
            boxes.setdefault(n, []).append(_Box(line.number, mark, title, complete))
    for n, found in boxes.items():
        found.sort(key=lambda box: box.complete)
        first, *others = found
        for other in others:
            states = mark_state(first.mark), mark_state(other.mark)
            if None not in states and states[0] != states[1]:
                why = f"PART {n} is {states[1]} here and {states[0]} at line {first.line}; make them agree"
                plan.troubles.append(Trouble(other.line, why))
    return boxes


def _part(n: int, heading: str, line: int, end: int, body: list[Line], boxes: list[_Box], plan: Plan) -> Part:
    title, path, expected = _title_parts(_COMPLETED.sub("", heading))
    for row in body:
        if expected is None and (match := _EXPECTED.match(row.text)) and (size := _LINES.search(match[1])):
            expected = int(size[1].replace(",", ""))
    state, mark_line = _completion(n, body)
    if boxes:
        state, mark_line = mark_state(boxes[0].mark), boxes[0].line
        if not path and not boxes[0].complete:
            path = _title_parts(boxes[0].title)[1]
    if not title and not path:
        why = f"PART {n} has neither a title nor a file; say what it makes"
        plan.troubles.append(Trouble(line, why))
    return Part(n, title, path, state or OPEN, expected, line, end, mark_line)


def _completion(n: int, body: list[Line]) -> tuple[str | None, int]:
    """Return the state that a line `PART n COMPLETE` without a box says, and its line."""
    for row in body:
        numbered = _numbered(row.text.strip())
        if isinstance(numbered, tuple) and numbered[0] == n and _COMPLETE.match(numbered[1]):
            return DONE, row.number
    return None, 0


def _title_parts(title: str) -> tuple[str, str, int | None]:
    """Split a PART's title into the title, the file it names, and the lines it promises."""
    size = _LINES.search(title)
    expected = int(size[1].replace(",", "")) if size else None
    if size:
        title = title[: size.start()] + title[size.end() :]
    title = title.strip(" :`*")
    names = (word.strip("/").rstrip(".-/") for word in _PATHS.findall(title))
    return title, next((word for word in names if word.endswith(".md") and word != ".md"), ""), expected
