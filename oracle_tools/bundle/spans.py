"""Where the parts of a Markdown text stand that a rewrite changes: targets, codes, footnotes, headings.

The facts themselves are `markdown.read`'s; here are their raw characters, so that one can be replaced and
every other stays as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from oracle_tools.bundle.errors import OracleError
from oracle_tools.bundle.markdown import frontmatter, lines, loose_footnotes, options

TARGET, LABEL, CODE, REF, NOTE, HEADING = "target", "label", "code", "ref", "note", "heading"
"""Kinds of spans: a link's target, its text, which comes before it, an inline code's text, a footnote's
reference, a whole footnote definition, a whole heading.
"""

_DEFINITION = re.compile(
    r"[ >]{0,12}(?:[-*+] +)?\[(?!\^)(?:[^\[\]\\]|\\.){1,999}\]:[ \t]*(?P<target><[^<>]*>|[^\s<]\S*)"
)
_LIKE_DEFINITION = re.compile(r"^[ >]{0,12}(?:[-*+] +)?\[(?!\^)[^\n]*\]:", re.MULTILINE)
_ATTRIBUTE = re.compile(r"""\s(?:href|src)\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)


class Span(NamedTuple):
    """A piece of a text: its kind, its offsets in characters, and what it says there, as it is written.

    Of a footnote's definition and a reference `said` is the name; of a heading, its level as a digit.
    """

    kind: str
    start: int
    end: int
    said: str


def spans(text: str) -> list[Span]:
    """Return the spans of `text` in their order; those inside a footnote's definition come after it.

    Raises OracleError without pyromark, the only reader that says where things stand.
    """
    try:
        import pyromark
    except ImportError as error:
        raise OracleError("rewriting links needs pyromark; install it: pip install pyromark") from error
    mark = len(text) - len(text.removeprefix("\ufeff"))
    start = mark + frontmatter(text[mark:])[1]
    body = text[start:]
    data = body.encode("utf-8", "replace")
    events: Any = pyromark.events_with_range(data.decode(), options=options(pyromark), merge_text=True)
    offset = _Offsets(data)
    found = [
        Span(span.kind, start + offset(span.start), start + offset(span.end), span.said)
        for span in _walked(events, data)
    ]
    defined = {span.said.casefold() for span in found if span.kind == NOTE}
    found = [span for span in found if span.kind != REF or span.said.casefold() in defined]
    found += definitions(text)
    return sorted(found, key=lambda span: (span.start, -span.end))


class _Offsets:
    """From offsets in bytes to offsets in characters."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._plain = data.isascii()

    def __call__(self, at: int) -> int:
        return at if self._plain else len(self._data[:at].decode("utf-8", "replace"))


def _walked(events: Iterable[Any], data: bytes) -> Iterator[Span]:
    opened: list[list[Any]] = []  # of each open link: whether it is inline, where its text begins and ends
    in_code = False
    for event, where in events:
        first, last = where["start"], where["end"]
        if event.__class__ is dict:
            if "Start" in event and event["Start"].__class__ is dict:
                ((tag, detail),) = event["Start"].items()
                if tag in ("Link", "Image"):
                    label = first + (2 if tag == "Image" else 1)
                    opened.append([detail["link_type"] == "Inline", label, label])
                    continue
                in_code = in_code or tag == "CodeBlock"
                if tag == "FootnoteDefinition":
                    yield Span(NOTE, first, last, detail)
                elif tag == "Heading":
                    yield Span(HEADING, first, last, str(int(str(detail["level"])[1:])))
            elif "End" in event and opened and event["End"] in ("Link", "Image"):
                inline, begun, label = opened.pop()
                if inline and (span := _target(data, label, last)):
                    yield Span(LABEL, begun, label, data[begun:label].decode("utf-8", "replace"))
                    yield span
            elif event == {"End": "CodeBlock"}:
                in_code = False
            elif "Text" in event and not in_code and "[^" in event["Text"]:
                yield from _loose(data, first, last)
            elif "Code" in event:
                said = data[first:last].decode("utf-8", "replace")
                bare = said.strip("`")
                at = first + said.index(bare) if bare else first
                yield Span(CODE, at, at + len(bare.encode()), bare)
            elif "FootnoteReference" in event:
                yield Span(REF, first, last, event["FootnoteReference"])
            elif "Html" in event or "InlineHtml" in event:
                yield from _attributes(data, first, last)
        if opened:
            opened[-1][2] = max(opened[-1][2], last)


def _loose(data: bytes, first: int, last: int) -> Iterator[Span]:
    """Yield the footnotes of a text that pyromark leaves alone: before a link, or in other letters' case."""
    while first and data[first - 1] == ord("\\"):  # an escape stands before its text
        first -= 1
    raw = data[first:last].decode("utf-8", "replace")
    for match in loose_footnotes(raw):
        before = raw[: match.start()]
        if (len(before) - len(before.rstrip("\\"))) % 2 == 0:
            at = first + len(before.encode())
            yield Span(REF, at, at + len(match[0].encode()), match[1])


def _target(data: bytes, label: int, last: int) -> Span | None:
    """Return the span of the target of an inline link, whose text ends at `label` and itself at `last`."""
    at = data.find(b"](", label, last)
    if at < 0:
        return None
    at += 2
    while at < last and data[at] in b" \t\r\n":
        at += 1
    end, depth = at, 0
    if data[at : at + 1] == b"<":
        at += 1
        end = data.find(b">", at, last)
        return Span(TARGET, at, end, data[at:end].decode("utf-8", "replace")) if end >= 0 else None
    while end < last and data[end] not in b" \t\r\n":
        if data[end] == ord("\\"):
            end += 1
        elif data[end] == ord("("):
            depth += 1
        elif data[end] == ord(")"):
            if not depth:
                break
            depth -= 1
        end += 1
    return Span(TARGET, at, end, data[at:end].decode("utf-8", "replace"))


def _attributes(data: bytes, first: int, last: int) -> Iterator[Span]:
    html = data[first:last].decode("utf-8", "replace")
    for match in _ATTRIBUTE.finditer(html):
        group = 1 if match[1] is not None else 2
        at = first + len(html[: match.start(group)].encode())
        yield Span(TARGET, at, at + len(match[group].encode()), match[group])


def definitions(text: str) -> Iterator[Span]:
    """Yield the targets of link reference definitions: they are no events, because they show nothing."""
    if not _LIKE_DEFINITION.search(text):
        return
    for line in lines(text):
        if not line.code and (match := _DEFINITION.match(line.text)):
            start, end = match.span("target")
            if match["target"].startswith("<"):
                start, end = start + 1, end - 1
            yield Span(TARGET, line.offset + start, line.offset + end, line.text[start:end])


def replaced(text: str, changes: Iterable[tuple[int, int, str]]) -> str:
    """Return `text` with each piece from a start to an end replaced; the pieces do not overlap."""
    for start, end, new in sorted(changes, reverse=True):
        text = text[:start] + new + text[end:]
    return text
