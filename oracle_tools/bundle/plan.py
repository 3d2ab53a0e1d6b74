"""Reads an expansion plan, `ingestion.md`, in every form that people and runners have written it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from oracle_tools.bundle.markdown import Line, lines

OPEN, DONE, FAILED = "open", "done", "failed"

MARKS = {" ": OPEN, "": OPEN, "x": DONE, "X": DONE, "✓": DONE, "✔": DONE, "/": FAILED, "-": FAILED}
"""What may stand in a box, and the state it means. `-` is a PART that was dropped."""

_HEADING = re.compile(r" {0,3}#{2,4}\s+(?:\W*\s)?PART\s+(\d+)\b\s*[:.\-–—]?\s*(.*?)\s*#*\s*$", re.IGNORECASE)
_LOOSE_HEADING = re.compile(r" {0,3}#{2,4}\s+(?:\W*\s)?PART\b(?!\s*S\b)", re.IGNORECASE)
_TITLE = re.compile(r" {0,3}#\s+(.*?)\s*#*\s*$")
_BOX = re.compile(r"\s*[-*+]\s+\[([^\]\n]{0,6})\]\s*(.*)$")
_COMPLETED = re.compile(r"\(\s*Completed\b[^)]*\)", re.IGNORECASE)
_PART = re.compile(r"\W*PART\s+(\d+)\b\s*(.*)$", re.IGNORECASE)
_COMPLETE = re.compile(r"\W*COMPLETED?\b(?!\s*\w+\s+file)", re.IGNORECASE)
_LINES = re.compile(
    r"\(?\s*(?:~|≈|about\s+)?\s*(\d[\d,]*)\s*(?:-\s*\d+\s*)?\+?\s*lines?\s*\)?", re.IGNORECASE
)
_EXPECTED = re.compile(r"\W*Expected(?:\s+(?:output|size|length))?\W+(.*)$", re.IGNORECASE)
_META = re.compile(r"\*\*([A-Za-z][A-Za-z ]*?)\s*:?\*\*\s*:?\s*(.+)$")
_PATH = re.compile(r"[\w.\-]+(?:/[\w.\-]+)+\.md|[\w.\-]+\.md")


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

    return fix_encoding(mark).replace("\ufe0f", "")


def mark_state(mark: str) -> str | None:
    """Return the state that a box's mark means, or None for a mark nobody defined."""
    meant = decoded(mark.strip() or " ").replace("✅", "✓").replace("\ufe0f", "")
    return MARKS.get(meant)


def read_plan(text: str) -> Plan:
    """Return the plan that `text` holds. Never raises: what cannot be read is in `troubles`."""
    plan = Plan()
    outside = [line for line in lines(text) if not line.code]
    starts = [(i, m) for i, line in enumerate(outside) if (m := _HEADING.match(line.text))]
    for line in outside:
        if (title := _TITLE.match(line.text)) and not plan.title:
            plan.title = title[1]
        if _LOOSE_HEADING.match(line.text) and not _HEADING.match(line.text):
            plan.troubles.append(Trouble(line.number, "a PART heading without a number"))
    first = starts[0][0] if starts else len(outside)
    for line in outside[:first]:
        if meta := _META.match(line.text.strip()):
            plan.meta.setdefault(meta[1].strip().lower(), meta[2].strip())
    boxes = _boxes(outside, plan)
    last_line = text.count("\n") + 2
    for index, (at, match) in enumerate(starts):
        stop = starts[index + 1][0] if index + 1 < len(starts) else len(outside)
        body = outside[at + 1 : stop]
        end = body[-1].number + 1 if body else outside[at].number + 1
        if index + 1 < len(starts):
            end = outside[starts[index + 1][0]].number
        part = _part(int(match[1]), match[2], outside[at].number, min(end, last_line), body, boxes, plan)
        if plan.part(part.n):
            plan.troubles.append(Trouble(part.line, f"PART {part.n} stands here a second time"))
        else:
            plan.parts.append(part)
    for n, (line_number, mark, words) in boxes.items():
        if plan.part(n) is None:
            heading, path, expected = _title_parts(words)
            state = mark_state(mark) or OPEN
            plan.parts.append(
                Part(n, heading, path, state, expected, line_number, line_number + 1, line_number)
            )
            if starts:
                plan.troubles.append(Trouble(line_number, f"PART {n} has a box and no section"))
    plan.parts.sort(key=lambda part: part.n)
    return plan


def _boxes(outside: list[Line], plan: Plan) -> dict[int, tuple[int, str, str]]:
    """Return the state line of each PART, by number, and note every mark that is not defined."""
    boxes: dict[int, tuple[int, str, str]] = {}
    for line in outside:
        box = _BOX.match(line.text)
        if not box or box[2].startswith("("):
            box = box if box and box[2].startswith("(Completed") else None
        if box is None:
            continue
        mark, rest = box[1], box[2]
        if mark not in MARKS and (mark.strip() or " ") not in MARKS:
            plan.unknown_marks.append((line.number, mark, decoded(mark)))
        part = _PART.match(_COMPLETED.sub("", rest).strip())
        if part and not _COMPLETE.match(part[2]) and int(part[1]) not in boxes:
            boxes[int(part[1])] = (line.number, mark, part[2].lstrip(" :.-–—"))
    return boxes


def _part(
    n: int,
    heading: str,
    line: int,
    end: int,
    body: list[Line],
    boxes: dict[int, tuple[int, str, str]],
    plan: Plan,
) -> Part:
    title, path, expected = _title_parts(_COMPLETED.sub("", heading))
    for row in body:
        if expected is None and (match := _EXPECTED.match(row.text)) and (size := _LINES.search(match[1])):
            expected = int(size[1].replace(",", ""))
    mark_line = 0
    state = None
    if n in boxes:
        mark_line, mark, box_title = boxes[n]
        state = mark_state(mark)
        if state is None:
            plan.troubles.append(Trouble(mark_line, f"PART {n} has the unknown mark [{mark}]"))
        if not path:
            path = _title_parts(box_title)[1]
    else:
        state, mark_line = _completion(n, body)
    if not title and not path:
        plan.troubles.append(Trouble(line, f"PART {n} has neither a title nor a file"))
    return Part(n, title, path, state or OPEN, expected, line, end, mark_line)


def _completion(n: int, body: list[Line]) -> tuple[str | None, int]:
    """Return the state that a line `PART n COMPLETE` says, with or without a box, and its line."""
    for row in body:
        box = _BOX.match(row.text)
        rest = box[2] if box else row.text
        part = _PART.match(rest.strip())
        if part and int(part[1]) == n and _COMPLETE.match(part[2]):
            return (mark_state(box[1]) if box else DONE), row.number
    return None, 0


def _title_parts(title: str) -> tuple[str, str, int | None]:
    """Split a PART's title into the title, the file it names, and the lines it promises."""
    size = _LINES.search(title)
    expected = int(size[1].replace(",", "")) if size else None
    if size:
        title = title[: size.start()] + title[size.end() :]
    title = title.strip(" :`*")
    path = _PATH.search(title)
    return title, path[0] if path else "", expected
