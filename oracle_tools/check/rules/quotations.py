"""What somebody is said to have said carries its source where it stands. One rule of family K."""

from __future__ import annotations

import re
from collections.abc import Iterator

from oracle_tools.bundle.passages import CODE, NOTE, QUOTE, Passage, passages
from oracle_tools.bundle.refuted import is_headed
from oracle_tools.check.rule import Page, Problem, page_rule

WORDS = 6
"""Words from which on a text in double quotation marks is a quotation."""

_QUOTED = re.compile(r"\"([^\"“”]+)\"|“([^“”]+)”")
_INLINE = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)|\]\([^)\s]*(?:\s+\"[^\"]*\")?\)|<[^<>]+>")
_REFERENCE = re.compile(r"\[\^[^\]\s]+\]")


@page_rule("K013", "unsourced-quotation")
def unsourced_quotation(page: Page) -> Iterator[Problem]:
    """A quotation has a footnote in its own paragraph.

    That is a blockquote, or six words or more in double quotation marks. A list item, and a row of a table,
    is a paragraph. Lines that are marked as misattributed, by a heading or by the first row of their table,
    are nobody's words, and code is no quotation.

    Bad: `He calls it "the most exciting thing that I have ever seen".`
    Good: `He calls it "the most exciting thing that I have ever seen".[^talk]`
    """
    if '"' not in page.text and "“" not in page.text and ">" not in page.text:
        return
    for passage in passages(page.text):
        if passage.kind not in (CODE, NOTE) and not is_headed(passage):
            text = _INLINE.sub(lambda match: " " * len(match[0]), passage.text)
            at = _quotation(passage, text)
            if at is not None and not _REFERENCE.search(text):
                message = (
                    "a quotation without a footnote in its paragraph; say where it was said, or paraphrase"
                )
                yield page.problem(message, passage.line_at(at))


def _quotation(passage: Passage, text: str) -> int | None:
    """Return where the first quotation of the passage begins, or None."""
    if passage.kind == QUOTE:
        return 0
    for match in _QUOTED.finditer(text):
        if len((match[1] or match[2]).split()) >= WORDS:
            return match.start()
    return None
