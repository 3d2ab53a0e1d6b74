"""The same facts as `markdown.read`, by markdown-it-py: the reference, and the fallback."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from oracle_tools.bundle.markdown import (
    PLACED,
    Anchors,
    Doc,
    Heading,
    Place,
    html_anchors,
    is_path_like,
    line_count,
    loose_footnotes,
    read_meta,
)

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token


def read(text: str) -> Doc:
    """Return the facts of `text`, as `markdown.read` does."""
    return _read(text)[0]


def places(text: str) -> dict[str, list[Place]]:
    """Return where the facts of `text` stand. Columns are 1: markdown-it-py knows lines only."""
    return _read(text)[1]


def _read(text: str) -> tuple[Doc, dict[str, list[Place]]]:
    doc = Doc()
    where: dict[str, list[Place]] = {kind: [] for kind in PLACED}
    doc.size = len(text.encode("utf-8", "surrogatepass"))
    text = text.removeprefix("\ufeff")
    doc.lines = line_count(text)
    tokens = _reader().parse(text)
    anchors, line = Anchors(), 1
    level, want_lead = 0, False
    for number, token in enumerate(tokens):
        placed = tokens[number + 1] if token.type == "footnote_open" else token
        line = placed.map[0] + 1 if placed.map else line
        if token.type == "front_matter":
            doc.meta, doc.problem = read_meta(token.content)
        elif token.type == "heading_open":
            level = int(token.tag[1:])
        elif token.type == "paragraph_open":
            want_lead = bool(doc.headings) and not doc.lead
        elif token.type == "footnote_open":
            doc.notes.append(token.meta["label"])
            where["notes"].append(Place(line, 1))
        elif token.type == "html_block":
            doc.anchors += html_anchors(token.content)
        elif token.type == "inline":
            before = len(doc.links) + len(doc.notes)
            content = _inline(doc, where, token, line)
            if level:
                doc.headings.append(Heading(level, content, anchors.add(content), before))
                where["headings"].append(Place(line, 1))
            elif want_lead:
                doc.lead = content
            level, want_lead = 0, False
    doc.title = next((heading.text for heading in doc.headings if heading.level == 1), "")
    return doc, where


def _reader() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.footnote import footnote_plugin
    from mdit_py_plugins.front_matter import front_matter_plugin

    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"]).disable("text_join")
    reader.use(front_matter_plugin).use(footnote_plugin, inline=False)
    # The targets stand as they are written: whether they resolve is not the reader's business.
    reader.normalizeLink = lambda url: url  # type: ignore[method-assign]
    reader.validateLink = lambda url: True  # type: ignore[method-assign]
    return reader


def _inline(doc: Doc, where: dict[str, list[Place]], token: Token, line: int) -> str:
    parts: list[str] = []

    def note(kind: str, fact: str) -> None:
        getattr(doc, kind).append(fact)
        where[kind].append(Place(line, 1))

    for child in token.children or ():
        if child.type in ("softbreak", "hardbreak"):
            line += 1
            parts.append(" ")
        elif child.type == "link_open" and child.info != "auto":
            note("links", str(child.attrGet("href")))
        elif child.type == "link_open":
            target = unquote(str(child.attrGet("href")))
            if not target.startswith("mailto:"):
                note("links", target)
        elif child.type == "image":
            note("links", str(child.attrGet("src")))
            parts.append(child.content)
        elif child.type == "code_inline":
            parts.append(child.content)
            if is_path_like(child.content):
                note("codes", child.content)
        elif child.type == "html_inline":
            doc.anchors += html_anchors(child.content)
        elif child.type == "footnote_ref":
            note("refs", child.meta["label"])
        elif child.type in ("text", "text_special"):
            parts.append(child.content)
            for match in loose_footnotes(child.content):
                note("loose", match[1])
    return " ".join("".join(parts).split())


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
    "footnote_open": "FootnoteDefinition",
    "front_matter": "MetadataBlock",
}


def blocks(text: str) -> list[str]:
    """Return the kinds of the top-level blocks of `text`, as `markdown.blocks` names them."""
    kinds: list[str] = []
    for token in _reader().parse(text):
        if token.level == 0 and token.type in _KINDS:
            kinds.append(_KINDS[token.type])
        kinds += ["InlineHtml" for child in token.children or () if child.type == "html_inline"]
    return kinds
