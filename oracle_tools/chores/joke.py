"""The humor sense: an append-only file of jokes, one a paragraph."""

from __future__ import annotations

import itertools
import random
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from oracle_tools.bundle.edits import Write
from oracle_tools.bundle.errors import OracleError
from oracle_tools.bundle.markdown import blocks
from oracle_tools.bundle.tree import Tree

PREFACE_ENDS = "---"

_ISO_DATE = r"\d{4}-\d{2}-\d{2}"
_TIMESTAMP = re.compile(
    rf"{_ISO_DATE}[T ]\d{{1,2}}:\d{{2}}|^[\[(]?{_ISO_DATE}\b|\b{_ISO_DATE}[\])]?$|^[\[(]?\d{{1,2}}:\d{{2}}"
)
_INVISIBLE = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")
_KEY = re.compile(r"[\w-]+:")
_HEADING = re.compile(r"#{1,6}(?:[ \t]|$)")
_REFUSED_BLOCKS = {
    "Heading": "a heading",
    "List": "a list",
    "BlockQuote": "a block quotation",
    "CodeBlock": "a code block",
    "HtmlBlock": "HTML",
    "InlineHtml": "HTML",
    "Rule": "a thematic break",
    "Table": "a table",
    "FootnoteDefinition": "a footnote",
    "MetadataBlock": "frontmatter",
}


class Joke(NamedTuple):
    """A joke and the 1-based line it begins at."""

    text: str
    line: int


def jokes(text: str) -> list[Joke]:
    """Return the jokes of a humor file, in order.

    The preface is everything up to the first line `---` after the frontmatter, if there is one; without it,
    the headings at the top.
    """
    rows = text.split("\n")
    ends = [i + 1 for i, row in enumerate(rows) if row.rstrip() == PREFACE_ENDS]
    has_meta = len(ends) > 1 and ends[0] == 1 and bool(_KEY.match(rows[1]))
    begins, ends = (ends[1], ends[2:]) if has_meta else (0, ends)
    start = ends[0] if ends else begins
    found: list[Joke] = []
    paragraph: list[str] = []
    for number, row in enumerate([*rows[start:], ""], start=start + 1):
        line = row.rstrip()
        if line:
            paragraph.append(line)
        elif paragraph:
            if found or ends or not _HEADING.match(paragraph[0]):
                found.append(Joke("\n".join(paragraph), number - len(paragraph)))
            paragraph = []
    return found


def refusal(joke: str) -> str:
    """Return why `joke` cannot be stored as one paragraph of text, or "" where it can."""
    if not joke.strip():
        return "there is no joke in it"
    try:
        joke.encode("utf-8")
    except UnicodeEncodeError:
        return "it is not UTF-8 text"
    bad = next((c for c in joke if unicodedata.category(c) == "Cc" and c != "\n"), None)
    if bad is not None:
        return f"it has a control character, U+{ord(bad):04X}"
    if _INVISIBLE.search(joke):
        return "it has an invisible character"
    if "\n\n" in re.sub(r"[ \t]+\n", "\n", joke):
        return "it has a blank line inside; a joke is one paragraph"
    if any(_TIMESTAMP.search(row.strip()) for row in joke.split("\n")):
        return "it has a timestamp; git remembers when it was told"
    kinds = blocks(joke)
    for kind in kinds:
        if kind in _REFUSED_BLOCKS:
            return f"it has {_REFUSED_BLOCKS[kind]}; a joke is plain text"
    return "" if kinds == ["Paragraph"] else "it is not one paragraph of text"


def add(tree: Tree, joke: str) -> list[Write]:
    """Return the write that appends `joke`, with one blank line before and after it.

    Every earlier byte stays. Raises OracleError for a joke that is refused, or stored already, and where
    the configuration names no humor file.
    """
    path = humor_file(tree)
    joke = "\n".join(row.rstrip() for row in joke.strip().replace("\r\n", "\n").split("\n"))
    if why := refusal(joke):
        raise OracleError(f"not stored: {why}")
    text = tree.text(path) if tree.is_file(path) else f"# Humor sense\n\n{PREFACE_ENDS}\n"
    if any(_same(joke, known.text) for known in jokes(text)):
        raise OracleError("not stored: I know that one already")
    return [Write(path, _appended(text, joke))]


def merged(theirs: str, ours: str) -> str:
    """Return `theirs` with the jokes of `ours` that it does not have appended: two clones both learned."""
    known = {tuple(joke.text.split()) for joke in jokes(theirs)}
    text = theirs
    for joke in jokes(ours):
        if tuple(joke.text.split()) not in known:
            text = _appended(text, joke.text)
    return text


def _appended(text: str, joke: str) -> str:
    """Return `text` with `joke` after it, exactly one blank line before and after where `text` allows it."""
    newline = "\r\n" if "\r\n" in text else "\n"
    ends = text.replace("\r\n", "\n")
    before = "" if not ends or ends.endswith("\n\n") else "\n" if ends.endswith("\n") else "\n\n"
    return text + f"{before}{joke}\n\n".replace("\n", newline)


def _same(one: str, other: str) -> bool:
    return one.split() == other.split()


def humor_file(tree: Tree) -> str:
    """Return the path of the humor file; raises OracleError where the bundle has none."""
    path = tree.config.humor
    if not path:
        raise OracleError("no humor file is configured; name one as humor in [tool.oracle] or oracle.toml")
    return path


def stored(tree: Tree) -> list[Joke]:
    """Return the stored jokes; raises OracleError where there is no humor file."""
    path = humor_file(tree)
    return jokes(tree.text(path)) if tree.is_file(path) else []


def pick(tree: Tree, seed: int | None = None) -> str:
    """Return one stored joke, the same one for the same `seed`; raises OracleError where there is none."""
    found = stored(tree)
    if not found:
        raise OracleError("no jokes yet; oracle joke add stores one", exit_code=1)
    return random.Random(seed).choice(found).text


def message(joke: str) -> str:
    """Return the commit message for an added joke: its first five words."""
    return f"Add joke to humor sense: {' '.join(joke.split()[:5])}..."


def told(tree: Tree) -> Sequence[str]:
    """Return the committed versions of the humor file, oldest first; git is asked once."""
    found = tree.memo.get(told)
    if found is None:
        found = tree.memo[told] = tuple(tree.earlier(humor_file(tree)))
    assert isinstance(found, tuple)
    return found


def broken_history(tree: Tree) -> str:
    """Return where an earlier version of the humor file is not the beginning of the next, or "".

    A file that is gone is an empty one, and a joke that goes on is another joke.
    """
    path = humor_file(tree)
    committed = told(tree)
    versions = [*committed, tree.text(path) if tree.is_file(path) else ""] if committed else []
    for number, (old, new) in enumerate(itertools.pairwise(versions), start=1):
        which = "the file on the disk" if number == len(committed) else f"version {number + 1}"
        if not new.startswith(old):
            pairs = enumerate(zip(old.split("\n"), new.split("\n"), strict=False), 1)
            last = min(old.count("\n"), new.count("\n")) + 1
            line = next((n for n, (a, b) in pairs if a != b), last)
            return f"line {line} of version {number} was changed or removed in {which}"
        # The bytes are the same so far. Where a blank line ends them, so are the jokes, unless a line that
        # ends the preface follows: only the other histories are worth reading both texts.
        if old.endswith(("\n\n", "\n\r\n")) and PREFACE_ENDS not in new[len(old) :]:
            continue
        now = jokes(new)
        for n, joke in enumerate(jokes(old)):
            if now[n : n + 1] != [joke]:
                return f"the joke at line {joke.line} of version {number} reads otherwise in {which}"
    return ""
