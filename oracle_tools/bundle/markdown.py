"""Reads one Markdown text into a `Doc`: the facts that rules, indexes and routes ask for.

The fast reader is pyromark (pulldown-cmark); where it has no wheel, `markdown_reference` reads the same
facts with markdown-it-py, against which the fast one is tested.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from html import unescape
from typing import Any, NamedTuple

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_TAG = re.compile(r"""<[a-zA-Z](?:[^<>"']|"[^"]*"|'[^']*')*""")
_ATTRIBUTE = re.compile(r"""\s([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+))""")
_HTML_HEADING = re.compile(r"<h([1-6])\b[^>]*>(.*?)</h\1\s*>", re.DOTALL | re.IGNORECASE)
_ANY_TAG = re.compile(r"<[^>]*>")
_LOOSE_FOOTNOTE = re.compile(r"\[\^([^\]\s^]+)\]")
_NOT_IN_SLUG = re.compile(r"[^a-z0-9_\- ]+")
_WORD_CATEGORIES = ("L", "M", "Nd", "Nl", "Pc")
_META_OPENS = re.compile(r"---[ \t]*\r?\n")
_META_CLOSES = re.compile(r"^(?:---|\.\.\.)[ \t]*\r?$", re.MULTILINE)
_META_LIMIT = 2_000
_META_DEPTH = 100
_TOO_MUCH = "more values than frontmatter should hold"
_NESTED = re.compile(r"^[ \t>*+\-.)0-9]+(?:```|~~~)", re.MULTILINE)
_QUOTE = re.compile(r" {0,3}> ?")
_ITEM = re.compile(r" {0,3}(?:[-*+]|\d{1,9}[.)])(?: {1,4}(?! )|(?= )|$)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


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


_MANY = 200
_PLAIN_FORM = {"links": ("](", ")"), "codes": ("`", "`")}


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


def frontmatter(text: str) -> tuple[str, int, str]:
    """Return the frontmatter of a text without a byte order mark, the offset at which the rest begins, and
    why what began like frontmatter is none.

    It begins on the first line with `---` and ends with `---` or `...`, as python-frontmatter has it. The
    offset is 0 where there is none.
    """
    opened = _META_OPENS.match(text)
    if opened is None:
        return "", 0, ""
    closed = _META_CLOSES.search(text, opened.end())
    if closed is None:
        return "", 0, "frontmatter is not closed; end it with a line that is ---"
    return text[opened.end() : closed.start()], min(closed.end() + 1, len(text)), ""


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
    body = frontmatter(text.removeprefix("\ufeff"))[1]
    body += bool(body) and text.startswith("\ufeff")
    fences = _Fences(text) if "```" in text or "~~~" in text else None
    offset = 0
    inside = False
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.removesuffix("\r")
        code = inside or offset < body
        if fences is not None and (fences.nested or line.startswith(("`", "~"))) and offset >= body:
            code = fences.hold(line)
            inside = bool(fences.fence)
        yield Line(number, offset, line, code)
        offset += len(raw) + 1


class _Fences:
    """Follows the quotations and list items of a text, line by line: a fence ends with what it stands in."""

    def __init__(self, text: str) -> None:
        # Where no fence stands in anything, only lines that begin like one have to be held.
        self.nested = bool(_NESTED.search(text))
        self._containers: list[int] = []  # the width of a list item's indentation, 0 for a quotation
        self.fence = ""
        self._in_paragraph = False

    def hold(self, line: str) -> bool:
        """Take the next line; say whether it belongs to fenced code."""
        if "\t" in line:
            line = line.expandtabs(4)
        at, kept = self._inside(line)
        if self.fence:
            if kept == len(self._containers):
                match = _FENCE.match(line, at)
                if match and match[1].startswith(self.fence) and not line[match.end() :].strip(" "):
                    self.fence = ""
                return True
            self.fence = ""
        lazy = self._in_paragraph and kept < len(self._containers)
        opened, at = _opened(line, at)
        match = _FENCE.match(line, at)
        if match and match[1][0] == "`" and "`" in line[match.end() :]:
            match = None
        rest = line[at:].strip(" ")
        self._in_paragraph = bool(rest) and not match and not rest.startswith("#")
        if not (lazy and self._in_paragraph and not opened):
            self._containers = self._containers[:kept] + opened
        self.fence = match[1] if match else ""
        return bool(match)

    def _inside(self, line: str) -> tuple[int, int]:
        """Return how far the open containers reach into `line`, and how many of them go on in it."""
        at = 0
        for kept, width in enumerate(self._containers):
            if not width:
                quote = _QUOTE.match(line, at)
                if quote is None:
                    return at, kept
                at = quote.end()
            elif not line[at:].strip(" "):
                at = len(line)
            elif line.startswith(" " * width, at):
                at += width
            else:
                return at, kept
        return at, len(self._containers)


def _opened(line: str, at: int) -> tuple[list[int], int]:
    """Return the containers that open in `line` from `at` on, and where their content begins."""
    opened: list[int] = []
    while match := _QUOTE.match(line, at) or _ITEM.match(line, at):
        quote = match[0].lstrip(" ").startswith(">")
        # An item whose content is code or nothing is indented by one space after its mark.
        narrow = not match[0].endswith(" ")
        opened.append(0 if quote else match.end() - at + narrow)
        at = match.end()
    return opened, at


def line_count(text: str) -> int:
    """Return the number of lines, the last one counted with or without its line ending."""
    return text.count("\n") + (bool(text) and not text.endswith("\n"))


def html_anchors(html: str, anchors: Anchors) -> list[str]:
    """Return the anchors in a piece of raw HTML: the ids and names of its tags, and those that GitHub gives
    its headings, numbered among the other `anchors` of the document.
    """
    html = _COMMENT.sub("", html)
    found = []
    for tag in _TAG.findall(html) if "=" in html else ():
        for key, *values in _ATTRIBUTE.findall(tag):
            if key.lower() in ("id", "name") and any(values):
                found.append("".join(values))
    for _, title in _HTML_HEADING.findall(html):
        found.append(anchors.add(unescape(_ANY_TAG.sub("", title)).strip()))
    return found


def is_path_like(code: str) -> bool:
    """Say whether an inline code may be a path: it has a slash or a Markdown ending, and no space."""
    return ("/" in code or code.endswith(".md")) and not any(c.isspace() for c in code)


def loose_footnotes(text: str) -> list[re.Match[str]]:
    """Return the `[^name]` that stand in a text which the reader did not take for footnotes."""
    return list(_LOOSE_FOOTNOTE.finditer(text)) if "[^" in text else []


def take_back(doc: Doc, where: dict[str, list[Place]], before: list[int]) -> None:
    """Make references of the loose footnotes that are defined after all, each in its place among the others.

    `before` says for each loose one how many references stand before it. GitHub folds the case of names.
    """
    defined = {name.casefold() for name in doc.notes}
    back = [n for n, name in enumerate(doc.loose) if name.casefold() in defined]
    for moved, n in enumerate(back):
        doc.refs.insert(before[n] + moved, doc.loose[n])
        if where["loose"]:
            where["refs"].insert(before[n] + moved, where["loose"][n])
    for n in reversed(back):
        del doc.loose[n]
        if where["loose"]:
            del where["loose"][n]


def read_meta(text: str) -> tuple[dict[str, Any], str]:
    """Return frontmatter as plain data and, where it cannot be read, the problem in one line.

    Dates become texts. Frontmatter that is very deep, or of more than some thousand values once its aliases
    are followed, is refused.
    """
    import yaml
    from frontmatter.default_handlers import YAMLHandler

    try:
        # Both take many of these characters; nearly all frontmatter has few, and is not read twice.
        if "*" in text or sum(map(text.count, "[{-?")) > _META_DEPTH or " " * _META_DEPTH in text:
            _weigh(text)
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


def _weigh(text: str) -> None:
    """Raise ValueError for YAML that is too deep or, its aliases followed, too large to be loaded.

    The loader calls itself for each level and copies what is merged; the events here do neither.
    """
    import yaml
    from frontmatter.default_handlers import SafeLoader

    total = 0
    sizes: dict[str | None, int] = {}
    opened: list[tuple[str | None, int]] = []
    for event in yaml.parse(text, Loader=SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            total += sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.NodeEvent):
            total += 1
            sizes[event.anchor] = 1
            if isinstance(event, yaml.CollectionStartEvent):
                opened.append((event.anchor, total))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            sizes[anchor] = total - before + 1
        if len(opened) > _META_DEPTH:
            raise ValueError("deeper than frontmatter should be")
        if total > 2 * _META_LIMIT:  # keys count here as well
            raise ValueError(_TOO_MUCH)


def _plain(value: Any, budget: list[int]) -> Any:
    budget[0] -= 1
    if budget[0] < 0:
        raise ValueError(_TOO_MUCH)
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
    fast = _Fast(text, pyromark, placed=False)
    return fast.doc if fast.whole else _Fast(text, pyromark, placed=True).doc


@lru_cache(maxsize=2)
def places(text: str) -> dict[str, list[Place]]:
    """Return where the facts of `text` stand, by kind, in the order in which `read` lists them.

    The answer for the last texts is kept, because findings come several a file: do not change it.
    """
    try:
        import pyromark
    except ImportError:
        from oracle_tools.bundle.markdown_reference import places as reference_places

        return reference_places(text)
    return _Fast(text, pyromark, placed=True).places


def place(text: str, doc: Doc, at: At) -> Place:
    """Return where one fact of `text` stands: a link's target, a code's text, else its first character.

    Where a target or code stands as often as `doc` has it in its plain form, and in no other, it is found
    without parsing again. A byte order mark is no character of the text.
    """
    text = text.removeprefix("\ufeff")
    if at.kind in _PLAIN_FORM:
        facts: list[str] = getattr(doc, at.kind)
        fact = facts[at.n]
        before, after = _PLAIN_FORM[at.kind]
        plain = f"{before}{fact}{after}"
        if len(facts) > _MANY:  # each look goes through the text, and there may be one for each fact
            known = places(text)[at.kind]
            return known[at.n] if at.n < len(known) else Place(1, 1)
        wanted = facts.count(fact)
        elsewhere = text.count(fact) - text.count(f"[{fact}]") - wanted
        if fact and text.count(plain) == wanted and not elsewhere:
            offset = -1
            for _ in range(facts[: at.n + 1].count(fact)):
                offset = text.index(plain, offset + 1)
            offset += len(before)
            return Place(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))
    known = places(text)[at.kind]
    return known[at.n] if at.n < len(known) else Place(1, 1)


class _Fast:
    """One pass over pyromark's events, which come in the order of the text.

    Ranges double the cost of a pass, and a cold check of a large tree is made of passes; so places are
    asked for in a second pass, over the few texts in which something was found. Loose footnotes are read in
    that pass as well, because only the raw text tells `\\[^x]` from `[^x]`. Without it, `whole` says whether
    every `[^` of the text was a footnote, so that there are none.
    """

    def __init__(self, text: str, pyromark: Any, placed: bool) -> None:
        self.doc = doc = Doc()
        doc.size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        text = text.removeprefix("\ufeff")
        doc.lines = line_count(text)
        meta, start, doc.problem = frontmatter(text)
        if start:
            doc.meta, doc.problem = read_meta(meta)
        self._first = text.count("\n", 0, start) + 1 if placed else 1
        self._text = text[start:]
        if not self._text.isascii():
            self._text = self._text.encode("utf-8", "replace").decode()
        self._data = self._text.encode() if placed else b""
        self._line, self._offset, self._column = self._first, 0, 1
        self._where: dict[str, int] | None = None
        self.places: dict[str, list[Place]] = {kind: [] for kind in PLACED}
        self._before: list[int] = []  # how many references stand before each loose one
        reader = pyromark.events_with_range if placed else pyromark.events
        events = reader(self._text, options=options(pyromark), merge_text=True)
        self._walk(self._ranged(events) if placed else events)
        self.whole = placed or self._text.count("[^") == len(doc.refs) + len(doc.notes)
        if doc.loose:
            take_back(doc, self.places, self._before)
        doc.title = next((heading.text for heading in doc.headings if heading.level == 1), "")

    def _at(self, offset: int) -> Place:
        if offset < self._offset:
            self._line, self._offset, self._column = self._first, 0, 1
        ends = self._data.count(b"\n", self._offset, offset)
        start = self._data.rfind(b"\n", self._offset, offset) + 1 if ends else self._offset
        self._line += ends
        self._column = (1 if ends else self._column) + len(
            self._data[start:offset].decode("utf-8", "replace")
        )
        self._offset = offset
        return Place(self._line, self._column)

    def _ranged(self, events: Any) -> Iterator[Any]:
        in_code = False
        for event, self._where in events:
            if "Text" in event:
                if not in_code and "[^" in event["Text"]:
                    self._loose(self._where["start"], self._where["end"])
            elif event == {"End": "CodeBlock"}:
                in_code = False
            elif "Start" in event and "CodeBlock" in event["Start"]:
                in_code = True
            yield event

    def _loose(self, start: int, end: int) -> None:
        while start and self._data[start - 1] == ord("\\"):  # an escape stands before its text
            start -= 1
        raw = self._data[start:end].decode("utf-8", "replace")
        for match in loose_footnotes(raw):
            before = raw[: match.start()]
            if (len(before) - len(before.rstrip("\\"))) % 2 == 0:
                self.doc.loose.append(match[1])
                self.places["loose"].append(self._at(start + len(before.encode())))
                self._before.append(len(self.doc.refs))

    def _note(self, kind: str, facts: list[str], fact: str) -> None:
        facts.append(fact)
        if self._where is not None:
            start, end = self._where["start"], self._where["end"]
            if kind in _PLAIN_FORM:
                opening = _PLAIN_FORM[kind][0]
                inside = self._data.rfind(f"{opening}{fact}".encode(), start, end)
                # A target in another form is where the link begins: what looks like it may be its text.
                start = inside + len(opening) if inside >= 0 else start
            self.places[kind].append(self._at(start))

    def _walk(self, events: Any) -> None:
        # This loop sees every event of every file of a cold check: it asks for the frequent ones first.
        doc, anchors = self.doc, Anchors()
        headings, links, notes = doc.headings, doc.links, doc.notes
        collected: list[str] | None = None  # the text of the heading or the lead, while one is open
        held: list[str] | None = None  # the same, while an image's alternative text goes by
        html: list[str] = []
        before = images = notes_open = 0
        wants_lead = lead_open = False
        for event in events:
            if "Text" in event:
                if collected is not None:
                    collected.append(event["Text"])
            elif "Start" in event:
                value = event["Start"]
                if value == "Paragraph":
                    if wants_lead and collected is None and not notes_open:
                        collected, lead_open = [], True
                elif value.__class__ is dict:
                    ((tag, detail),) = value.items()
                    if tag == "Link" or tag == "Image":
                        target = detail["dest_url"]
                        form = detail["link_type"]
                        if form != "Email" and not (form == "Autolink" and target.startswith("mailto:")):
                            self._note("links", links, target)
                        if tag == "Image":
                            if not images:
                                held, collected = collected, None
                            images += 1
                    elif tag == "Heading":
                        collected, lead_open = [], False
                        before = len(links) + len(notes)
                        if self._where is not None:
                            self.places["headings"].append(self._at(self._where["start"]))
                    elif tag == "FootnoteDefinition":
                        notes_open += 1
                        self._note("notes", notes, detail)
            elif "End" in event:
                value = event["End"]
                if value == "Paragraph":
                    if lead_open and collected is not None:
                        doc.lead = " ".join("".join(collected).split())
                        wants_lead = not doc.lead
                        collected, lead_open = None, False
                elif value.__class__ is dict:
                    if "Heading" in value and collected is not None:
                        text = "".join(collected)
                        level = int(value["Heading"][1:])
                        headings.append(Heading(level, text.strip(), anchors.add(text), before))
                        wants_lead = not doc.lead
                        collected = None
                elif value == "HtmlBlock":
                    doc.anchors += html_anchors("".join(html), anchors)
                    html.clear()
                elif value == "Image":
                    images -= 1
                    if not images:
                        collected = held
                elif value == "FootnoteDefinition":
                    notes_open -= 1
            elif "Code" in event:
                value = event["Code"]
                if collected is not None:
                    collected.append(value)
                if ("/" in value or "." in value) and is_path_like(value):
                    self._note("codes", doc.codes, value)
            elif "FootnoteReference" in event:
                self._note("refs", doc.refs, event["FootnoteReference"])
            elif "Html" in event:
                html.append(event["Html"])
            elif "InlineHtml" in event:
                doc.anchors += html_anchors(event["InlineHtml"], anchors)
            elif collected is not None and (event == "SoftBreak" or event == "HardBreak"):
                collected.append(" ")


def options(pyromark: Any) -> Any:
    """Return the extensions that every pass reads with."""
    options = pyromark.Options
    return options.ENABLE_TABLES | options.ENABLE_FOOTNOTES | options.ENABLE_STRIKETHROUGH


def blocks(text: str) -> list[str]:
    """Return the kinds of the top-level blocks of `text`, and `InlineHtml` for each tag inside them.

    The names are pulldown-cmark's: Paragraph, Heading, List, BlockQuote, CodeBlock, HtmlBlock, Rule, …
    """
    try:
        import pyromark
    except ImportError:
        from oracle_tools.bundle.markdown_reference import blocks as reference_blocks

        return reference_blocks(text)
    text = text.removeprefix("\ufeff")
    start = frontmatter(text)[1]
    kinds = ["MetadataBlock"] if start else []
    depth = 0
    events: Any = pyromark.events(text[start:], options=options(pyromark))
    for event in events:
        if not isinstance(event, dict):
            if event == "Rule" and not depth:
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
