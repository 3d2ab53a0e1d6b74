"""The same facts as `markdown.read`, by markdown-it-py: the reference, and the fallback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracle_tools.bundle.markdown import (
    PLACED,
    Anchors,
    Doc,
    Heading,
    Place,
    frontmatter,
    html_anchors,
    is_path_like,
    line_count,
    loose_footnotes,
    read_meta,
    take_back,
)

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token


def read(text: str) -> Doc:
    """Return the facts of `text`, as `markdown.read` does."""
    return _Reader(text).doc


def places(text: str) -> dict[str, list[Place]]:
    """Return where the facts of `text` stand. Columns are 1: markdown-it-py knows lines only."""
    return _Reader(text).where


class _Reader:
    """One pass over the tokens of markdown-it-py."""

    def __init__(self, text: str) -> None:
        self.doc = doc = Doc()
        self.where: dict[str, list[Place]] = {kind: [] for kind in PLACED}
        self._anchors = Anchors()
        self._before: list[int] = []  # how many references stand before each loose one
        doc.size = len(text.encode("utf-8", "surrogatepass"))
        text = text.removeprefix("\ufeff")
        doc.lines = line_count(text)
        meta, start, doc.problem = frontmatter(text)
        if start:
            doc.meta, doc.problem = read_meta(meta)
        self._walk(_parser().parse(text[start:]), text.count("\n", 0, start) + 1)
        take_back(doc, self.where, self._before)
        doc.title = next((heading.text for heading in doc.headings if heading.level == 1), "")

    def _note(self, kind: str, fact: str, line: int) -> None:
        getattr(self.doc, kind).append(fact)
        self.where[kind].append(Place(line, 1))

    def _walk(self, tokens: list[Token], first: int) -> None:
        doc, line = self.doc, first
        level = notes_open = 0
        want_lead = False
        for number, token in enumerate(tokens):
            # A definition has no line of its own; what it says has one.
            placed = tokens[number + 1] if token.type == "footnote_reference_open" else token
            line = placed.map[0] + first if placed.map else line
            if token.type == "heading_open":
                level = int(token.tag[1:])
            elif token.type == "paragraph_open":
                want_lead = bool(doc.headings) and not (doc.lead or token.hidden or notes_open)
            elif token.type == "footnote_reference_open":
                notes_open += 1
                self._note("notes", token.meta["label"], line)
            elif token.type == "footnote_reference_close":
                notes_open -= 1
            elif token.type == "html_block":
                doc.anchors += html_anchors(token.content, self._anchors)
            elif token.type == "inline":
                before = len(doc.links) + len(doc.notes)
                content = self._inline(token, line)
                if level:
                    heading = Heading(level, content.strip(), self._anchors.add(content), before)
                    doc.headings.append(heading)
                    self.where["headings"].append(Place(line, 1))
                elif want_lead:
                    doc.lead = " ".join(content.split())
                level, want_lead = 0, False

    def _inline(self, token: Token, line: int) -> str:
        parts: list[str] = []
        for child in token.children or ():
            if child.type in ("softbreak", "hardbreak"):
                line += 1
                parts.append(" ")
            elif child.type == "link_open":
                target = str(child.attrGet("href"))
                if child.info != "auto" or not target.startswith("mailto:"):
                    self._note("links", target, line)
            elif child.type == "image":
                self._note("links", str(child.attrGet("src")), line)
            elif child.type == "code_inline":
                parts.append(child.content)
                if is_path_like(child.content):
                    self._note("codes", child.content, line)
            elif child.type == "html_inline":
                self.doc.anchors += html_anchors(child.content, self._anchors)
            elif child.type == "footnote_ref":
                self._note("refs", child.meta["label"], line)
            elif child.type in ("text", "text_special"):
                parts.append(child.content)
                for match in loose_footnotes(child.content):
                    self._before.append(len(self.doc.refs))
                    self._note("loose", match[1], line)
        return "".join(parts)


def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.footnote import footnote_plugin

    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"]).disable("text_join")
    # Where they stand, and not at the end: there, unused and repeated definitions would be missing.
    parser.use(footnote_plugin, inline=False, move_to_end=False)
    # The targets stand as they are written: whether they resolve is not the reader's business.
    parser.normalizeLink = lambda url: url  # type: ignore[method-assign]
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    return parser


_KINDS = {
    "paragraph_open": "Paragraph",
    "heading_open": "Heading",
    "bullet_list_open": "List",
    "ordered_list_open": "List",
    "blockquote_open": "BlockQuote",
    "fence": "CodeBlock",
    "code_block": "CodeBlock",
    "html_block": "HtmlBlock",
    "hr": "Rule",
    "table_open": "Table",
    "footnote_reference_open": "FootnoteDefinition",
}


def blocks(text: str) -> list[str]:
    """Return the kinds of the top-level blocks of `text`, as `markdown.blocks` names them."""
    text = text.removeprefix("\ufeff")
    start = frontmatter(text)[1]
    kinds = ["MetadataBlock"] if start else []
    for token in _parser().parse(text[start:]):
        if token.level == 0 and token.type in _KINDS:
            kinds.append(_KINDS[token.type])
        kinds += ["InlineHtml" for child in token.children or () if child.type == "html_inline"]
    return kinds
