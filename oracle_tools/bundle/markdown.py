"""Reads one Markdown text into a `Doc`: the facts that rules, indexes and routes ask for.

The fast reader is pyromark (pulldown-cmark); where it has no wheel, `markdown_reference` reads the same
facts with markdown-it-py, against which the fast one is tested.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any, NamedTuple

_EXPLICIT_ANCHOR = re.compile(r"""<[a-zA-Z][^<>]*?\s(?:id|name)\s*=\s*["']?([^"'\s<>]+)""")
_LOOSE_FOOTNOTE = re.compile(r"(?<!\\)\[\^([^\]\s^]+)\]")
_NOT_IN_SLUG = re.compile(r"[^a-z0-9_\- ]+")
_WORD_CATEGORIES = ("L", "M", "Nd", "Nl", "Pc")
_FENCE = re.compile(r" {0,3}(?:> ?)*(?:[-*+] +|\d+[.)] +)? *(`{3,}|~{3,})")
_META_LIMIT = 2_000


class Heading(NamedTuple):
    """A heading: its level 1 to 6, its text without markup, its anchor on GitHub, and how many links and
    footnote definitions stand before it.
    """

    level: int
    text: str
    anchor: str
    before: int


class Place(NamedTuple):
    """A 1-based line and column, counted in characters."""

    line: int
    column: int


class At(NamedTuple):
    """One of a document's facts by its kind (`links`, `headings`, …) and its position in that list."""

    kind: str
    n: int


PLACED = ("headings", "links", "codes", "refs", "notes", "loose")
"""The kinds of facts that stand somewhere: links, inline codes that may be paths, footnote references,
footnote definitions, and `[^name]` that no definition made a footnote.
"""


_FOUND_BY_TEXT = ("links", "codes")


class Doc:
    """The facts of one Markdown text, in the order of the text; where they stand, `place` tells.

    `meta` is the frontmatter, `problem` says why it has none. `lead` is the first paragraph after the
    first heading, as plain text.
    """

    __slots__ = (
        "_headings", "_late", "_loose", "_notes", "_refs", "anchors", "codes", "lead", "lines", "links",
        "meta", "problem", "size", "title", "unreadable",
    )  # fmt: skip

    def __init__(self, problem: str = "", unreadable: bool = False) -> None:
        self.lines = 0
        self.size = 0
        self.title = ""
        self.meta: dict[str, Any] = {}
        self.problem = problem
        self.unreadable = unreadable
        self.lead = ""
        self.links: list[str] = []
        self.anchors: list[str] = []
        self.codes: list[str] = []
        self._headings: list[Heading] = []
        self._refs: list[str] = []
        self._notes: list[str] = []
        self._loose: list[str] = []
        self._late = ""  # what the cache holds of the four lists above, until somebody asks for one

    def _decoded(self) -> None:
        headings, self._refs, self._notes, self._loose = json.loads(self._late)
        self._headings = [Heading(*heading) for heading in headings]
        self._late = ""

    @property
    def headings(self) -> list[Heading]:
        """The headings."""
        if self._late:
            self._decoded()
        return self._headings

    @property
    def refs(self) -> list[str]:
        """The names of the footnotes that the text refers to, a name for each reference."""
        if self._late:
            self._decoded()
        return self._refs

    @property
    def notes(self) -> list[str]:
        """The names of the footnotes that are defined."""
        if self._late:
            self._decoded()
        return self._notes

    @property
    def loose(self) -> list[str]:
        """The names in `[^name]` for which there is no definition."""
        if self._late:
            self._decoded()
        return self._loose

    @property
    def description(self) -> str:
        """The frontmatter's description where it is text, or nothing."""
        value = self.meta.get("description")
        return " ".join(value.split()) if isinstance(value, str) else ""

    @property
    def keywords(self) -> list[str]:
        """The frontmatter's keywords as texts; empty where they are no list."""
        value = self.meta.get("keywords")
        return [str(word) for word in value] if isinstance(value, list) else []

    def facts(self) -> dict[str, Any]:
        """Return all facts by name, for comparison."""
        plain = [name for name in self.__slots__ if not name.startswith("_")]
        return {name: getattr(self, name) for name in (*plain, "headings", "refs", "notes", "loose")}

    def to_row(self) -> tuple[str, str]:
        """Return the facts as two JSON texts for a cache: what is always asked for, and the rest."""
        soon = [
            self.lines, self.size, self.title, self.meta, self.problem, self.lead, self.links, self.anchors,
            self.codes,
        ]  # fmt: skip
        return json.dumps(soon), json.dumps([self.headings, self.refs, self.notes, self.loose])

    @classmethod
    def from_row(cls, soon: str, late: str) -> Doc:
        """Return the `Doc` that `to_row` made the two texts from. Raises ValueError for other texts."""
        doc = cls()
        facts = json.loads(soon)
        doc.lines, doc.size, doc.title, doc.meta, doc.problem, doc.lead, *lists = facts
        doc.links, doc.anchors, doc.codes = lists
        doc._late = late
        return doc


def slug(text: str) -> str:
    """Return the anchor that GitHub gives a heading of this text, before repeats are numbered.

    Letters, marks, digits, underscores and hyphens stay, spaces become hyphens, the rest goes: the
    rule of html-pipeline's table-of-contents filter (`[^\\p{Word}\\- ]`).
    """
    text = text.lower()
    if text.isascii():
        return _NOT_IN_SLUG.sub("", text).replace(" ", "-")
    kept = (
        c
        for c in text
        if c in "- " or (c.isascii() and (c.isalnum() or c == "_")) or (not c.isascii() and _word(c))
    )
    return "".join(kept).replace(" ", "-")


def _word(character: str) -> bool:
    return unicodedata.category(character).startswith(_WORD_CATEGORIES)


class Anchors:
    """Numbers the anchors of one document as GitHub does: a repeat gets `-1`, the next `-2`."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def add(self, text: str) -> str:
        """Return the anchor of the next heading, whose text is `text`."""
        base = anchor = slug(text)
        while anchor in self._seen:
            self._seen[base] += 1
            anchor = f"{base}-{self._seen[base]}"
        self._seen[anchor] = 0
        return anchor


class Line(NamedTuple):
    """One line of a text: its 1-based number, its offset, its characters without the line ending, and
    whether it lies in fenced code (the fences included) or in the frontmatter.
    """

    number: int
    offset: int
    text: str
    code: bool


def lines(text: str) -> Iterator[Line]:
    """Yield the lines of `text`, knowing fenced code and frontmatter without parsing the rest."""
    fence = ""
    offset = 0
    in_meta = False
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.removesuffix("\r")
        if number == 1 and line == "---":
            in_meta = True
            yield Line(number, offset, line, True)
        elif in_meta:
            in_meta = line not in ("---", "...")
            yield Line(number, offset, line, True)
        elif match := _FENCE.match(line):
            marker = match[1]
            opens = not fence and not (marker[0] == "`" and "`" in line[match.end() :])
            closes = fence and marker.startswith(fence) and not line.strip(" \t" + marker[0])
            if opens:
                fence = marker
            elif closes:
                fence = ""
            yield Line(number, offset, line, bool(fence) or bool(closes))
        else:
            yield Line(number, offset, line, bool(fence))
        offset += len(raw) + 1


def line_count(text: str) -> int:
    """Return the number of lines, the last one counted with or without its line ending."""
    return text.count("\n") + (bool(text) and not text.endswith("\n"))


def html_anchors(html: str) -> list[str]:
    """Return the ids and names that tags in a piece of raw HTML set."""
    return _EXPLICIT_ANCHOR.findall(html) if "=" in html else []


def is_path_like(code: str) -> bool:
    """Say whether an inline code may be a path: it has a slash or a Markdown ending, and no space."""
    return ("/" in code or code.endswith(".md")) and not any(c.isspace() for c in code)


def loose_footnotes(text: str) -> list[re.Match[str]]:
    """Return the `[^name]` that stand in a text which the reader did not take for footnotes."""
    return list(_LOOSE_FOOTNOTE.finditer(text)) if "[^" in text else []


def read_meta(text: str) -> tuple[dict[str, Any], str]:
    """Return frontmatter as plain data and, where it cannot be read, the problem in one line.

    Dates become texts. Frontmatter of more than some thousand values (aliases that multiply) is refused.
    """
    import yaml
    from frontmatter.default_handlers import YAMLHandler

    try:
        value = YAMLHandler().load(text)
        if value is None:
            return {}, ""
        if not isinstance(value, dict):
            return {}, "frontmatter is not a table of keys and values"
        return {str(key): item for key, item in _plain(value, [_META_LIMIT]).items()}, ""
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 2}" if mark else ""
        return {}, f"frontmatter is not YAML: {getattr(error, 'problem', None) or 'unreadable'}{where}"
    except (ValueError, RecursionError, OverflowError, TypeError) as error:
        return {}, f"frontmatter cannot be read: {error}".splitlines()[0]


def _plain(value: Any, budget: list[int]) -> Any:
    budget[0] -= 1
    if budget[0] < 0:
        raise ValueError("more values than frontmatter should hold")
    if isinstance(value, dict):
        return {str(key): _plain(item, budget) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item, budget) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    return str(value)


def read(text: str) -> Doc:
    """Return the facts of `text`, a Markdown document with optional YAML frontmatter."""
    try:
        import pyromark
    except ImportError:
        from oracle_tools.bundle.markdown_reference import read as read_reference

        return read_reference(text)
    try:
        return _Fast(text, pyromark, placed=False).doc
    except _NeedsRanges:
        return _Fast(text, pyromark, placed=True).doc


def places(text: str) -> dict[str, list[Place]]:
    """Return where the facts of `text` stand, by kind, in the order in which `read` lists them."""
    try:
        import pyromark
    except ImportError:
        from oracle_tools.bundle.markdown_reference import places as reference_places

        return reference_places(text)
    return _Fast(text, pyromark, placed=True).places


def place(text: str, doc: Doc, at: At) -> Place:
    """Return where one fact of `text` stands: a link's target, a code's text, else its first character.

    Where a target or code stands in the text as often as `doc` has it, it is found without parsing again.
    """
    if at.kind in _FOUND_BY_TEXT:
        facts: list[str] = getattr(doc, at.kind)
        fact = facts[at.n]
        if fact and text.count(fact) == facts.count(fact):
            offset = -1
            for _ in range(facts[: at.n + 1].count(fact)):
                offset = text.index(fact, offset + 1)
            return Place(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))
    known = places(text)[at.kind]
    return known[at.n] if at.n < len(known) else Place(1, 1)


class _NeedsRanges(Exception):
    """The text has escaped brackets that only the raw text tells from footnotes."""


class _Fast:
    """One pass over pyromark's events, which come in the order of the text.

    Ranges double the cost of a pass, and a cold check of a large tree is made of passes; so places are
    asked for in a second pass, over the few texts in which something was found.
    """

    def __init__(self, text: str, pyromark: Any, placed: bool) -> None:
        self._text = text.removeprefix("\ufeff")
        if not self._text.isascii():
            self._text = self._text.encode("utf-8", "replace").decode()
        self._data = self._text.encode() if placed else b""
        self._line, self._offset = 1, 0
        self.placed = placed
        self.places: dict[str, list[Place]] = {kind: [] for kind in PLACED}
        self.doc = doc = Doc()
        doc.lines = line_count(self._text)
        doc.size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        options = pyromark.Options
        reader = pyromark.events_with_range if placed else pyromark.events
        self._walk(
            reader(
                self._text,
                options=options.ENABLE_TABLES
                | options.ENABLE_FOOTNOTES
                | options.ENABLE_STRIKETHROUGH
                | options.ENABLE_YAML_STYLE_METADATA_BLOCKS,
                merge_text=True,
            )
        )
        doc.title = next((heading.text for heading in doc.headings if heading.level == 1), "")

    def _at(self, offset: int) -> Place:
        if offset < self._offset:
            self._line, self._offset = 1, 0
        self._line += self._data.count(b"\n", self._offset, offset)
        self._offset = offset
        start = self._data.rfind(b"\n", 0, offset) + 1
        return Place(self._line, len(self._data[start:offset].decode("utf-8", "replace")) + 1)

    def _note(self, kind: str, facts: list[str], fact: str, where: dict[str, int] | None) -> None:
        facts.append(fact)
        if where is not None:
            start, end = where["start"], where["end"]
            inside = self._data.find(fact.encode(), start, end) if kind in _FOUND_BY_TEXT else -1
            self.places[kind].append(self._at(inside if inside >= 0 else start))

    def _walk(self, events: Any) -> None:
        # This loop sees every event of every file of a cold check: it asks for the frequent ones first.
        doc, anchors = self.doc, Anchors()
        placed = self.placed
        where = None
        collected: list[str] | None = None
        before = 0
        silent = in_meta = lead_open = False
        may_be_loose = "[^" in self._text
        for event in events:
            if placed:
                event, where = event  # noqa: PLW2901  it comes with its range
            if "Text" in event:
                value = event["Text"]
                if collected is not None:
                    collected.append(value)
                elif in_meta:
                    doc.meta, doc.problem = read_meta(value)
                if may_be_loose and "[^" in value and not silent:
                    self._loose(value, where)
            elif "Start" in event:
                value = event["Start"]
                if value == "Paragraph":
                    if not doc.lead and doc.headings and collected is None:
                        collected, lead_open = [], True
                elif type(value) is dict:
                    ((tag, detail),) = value.items()
                    if tag == "Link" or tag == "Image":
                        target = detail["dest_url"]
                        form = detail["link_type"]
                        if form != "Email" and not (form == "Autolink" and target.startswith("mailto:")):
                            self._note("links", doc.links, target, where)
                    elif tag == "Heading":
                        collected, lead_open = [], False
                        before = len(doc.links) + len(doc.notes)
                        if where is not None:
                            self.places["headings"].append(self._at(where["start"]))
                    elif tag == "CodeBlock":
                        silent = True
                    elif tag == "MetadataBlock":
                        silent = in_meta = True
                    elif tag == "FootnoteDefinition":
                        self._note("notes", doc.notes, detail, where)
            elif "End" in event:
                value = event["End"]
                if value == "Paragraph":
                    if lead_open and collected is not None:
                        doc.lead = " ".join("".join(collected).split())
                        collected, lead_open = None, False
                elif value == "CodeBlock":
                    silent = False
                elif type(value) is dict:
                    if "Heading" in value and collected is not None:
                        text = "".join(collected).strip()
                        level = int(value["Heading"][1:])
                        doc.headings.append(Heading(level, text, anchors.add(text), before))
                        collected = None
                    elif "MetadataBlock" in value:
                        silent = in_meta = False
            elif "Code" in event:
                value = event["Code"]
                if collected is not None:
                    collected.append(value)
                if ("/" in value or "." in value) and is_path_like(value):
                    self._note("codes", doc.codes, value, where)
            elif "FootnoteReference" in event:
                self._note("refs", doc.refs, event["FootnoteReference"], where)
            elif "Html" in event or "InlineHtml" in event:
                doc.anchors += html_anchors(event.get("Html") or event["InlineHtml"])
            elif collected is not None and (event == "SoftBreak" or event == "HardBreak"):
                collected.append(" ")

    def _loose(self, value: str, where: dict[str, int] | None) -> None:
        # Escapes are gone from the value; only the raw text tells `\\[^x]` from `[^x]`.
        if where is None:
            if all(f"\\[^{match[1]}" not in self._text for match in loose_footnotes(value)):
                self.doc.loose.extend(match[1] for match in loose_footnotes(value))
                return
            raise _NeedsRanges
        raw = self._data[where["start"] : where["end"]].decode("utf-8", "replace")
        for match in loose_footnotes(raw):
            offset = where["start"] + len(raw[: match.start()].encode())
            self.doc.loose.append(match[1])
            self.places["loose"].append(self._at(offset))


def blocks(text: str) -> list[str]:
    """Return the kinds of the top-level blocks of `text`, and `InlineHtml` for each tag inside them.

    The names are pulldown-cmark's: Paragraph, Heading, List, BlockQuote, CodeBlock, HtmlBlock, Rule, …
    """
    try:
        import pyromark
    except ImportError:
        from oracle_tools.bundle.markdown_reference import blocks as reference_blocks

        return reference_blocks(text)
    options = pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_FOOTNOTES
    options |= pyromark.Options.ENABLE_YAML_STYLE_METADATA_BLOCKS
    kinds: list[str] = []
    depth = 0
    for event in pyromark.events(text, options=options):
        if not isinstance(event, dict):
            if event == "Rule":
                kinds.append("Rule")
        elif "Start" in event:
            if not depth:
                start = event["Start"]
                kinds.append(start if isinstance(start, str) else next(iter(start)))
            depth += 1
        elif "End" in event:
            depth -= 1
        elif "InlineHtml" in event:
            kinds.append("InlineHtml")
    return kinds
