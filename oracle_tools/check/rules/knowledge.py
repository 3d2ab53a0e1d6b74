"""K: a knowledge file says what it answers, where it has it from, and nothing that cannot be seen."""

from __future__ import annotations

import re
from collections.abc import Iterator

from oracle_tools.bundle.edits import Write
from oracle_tools.bundle.layout import MAX_LINES
from oracle_tools.bundle.markdown import At, frontmatter, lines, places
from oracle_tools.check.rule import Page, Problem, Severity, page_rule

BYTE_LIMIT = 90_000

EVERY_ROLE = "knowledge index skill humor plan other"
WRITTEN_ROLES = "knowledge index skill"

_CODE_LINK = re.compile(
    r"https?://(?:"
    r"(?:www\.)?github\.com/[^/\s]+/[^/\s]+/(?:blob|tree|raw|blame)/"
    r"|raw\.githubusercontent\.com/[^/\s]+/[^/\s]+/"
    r"|huggingface\.co/(?:[^/\s]+/){1,3}(?:blob|tree|raw|resolve)/"
    r")(?:refs/(?:heads|tags)/)?([^/#?\s()<>\[\]\"'`|]+)"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,39}")
_OWNER = r"[A-Za-z0-9](?:[\w.-]*\w)?"
_HOME = re.compile(
    rf"(?:(?<![\w.~/-])|(?<=file://))/(?:home|Users)/{_OWNER}"
    rf"|(?<!\w)[A-Za-z]:[\\/]{{1,2}}[Uu]sers[\\/]{{1,2}}{_OWNER}"
)
_HANDLE = re.compile(r" {0,3}@\w")
# A byte that leads a character in UTF-8 and one that goes on with it, both read as Windows-1252. The
# continuation of "à" is a no-break space, which editors turn into a plain one.
_MOJIBAKE = re.compile(
    "[\u00c2-\u00f4][\u0080-\u00bf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152"
    "\u017d\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178]|\u00c3 "
)
_LOST = "\ufffd"
_INDENTED = re.compile(r" {4}| {0,3}\t")
_ITEM = re.compile(r"^ {0,3}(?:[-*+]|\d{1,9}[.)])\s", re.MULTILINE)
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL)
_CONTROLS = "".join(chr(n) for n in (*range(32), 127) if chr(n) not in "\t\n\r")
_HIDDEN = re.compile(
    f"[{_CONTROLS}\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\u2800\u3164\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")
_JOINERS = "\u200c\u200d"
_IDEOGRAPH = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_JOINED_SCRIPT = re.compile("[\u0600-\u0dff]")  # Arabic to Sinhala: a joiner shapes the letter before it
_SOURCES = ("sources", "source")


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each run of lines begins and ends that no blank line and no fenced code divides."""
    meta_ends = _meta_ends(text)
    start, end = -1, 0
    for line in lines(text):
        if line.text.strip() and (not line.code or line.offset < meta_ends):
            start, end = line.offset if start < 0 else start, line.offset + len(line.text)
        elif start >= 0:
            yield start, end
            start = -1
    if start >= 0:
        yield start, end


def _prose(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each piece of prose begins and ends in `text`: the frontmatter, and all that is not code.

    Code is what is fenced or in backticks, and a block that begins with four spaces or a tab and does not
    belong to a list.
    """
    meta_ends = _meta_ends(text)
    in_list = False
    for start, end in _blocks(text):
        block = text[start:end]
        if start < meta_ends or not _INDENTED.match(block):
            in_list = bool(_ITEM.search(block))
        elif not in_list:
            continue
        at = start
        for span in _CODE_SPAN.finditer(block):
            yield at, start + span.start()
            at = start + span.end()
        yield at, end


def _meta_ends(text: str) -> int:
    mark = text.startswith("\ufeff")
    return frontmatter(text[mark:])[1] + mark


def _place(text: str, offset: int) -> tuple[int, int]:
    """Return the 1-based line and column of an offset."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


@page_rule("K001", "missing-description")
def missing_description(page: Page) -> Iterator[Problem]:
    """The frontmatter has a description and keywords.

    The index, the route and the reader's choice of file are made from them.

    Bad: no frontmatter, or one that is not YAML
    Good: `description: How MLA shrinks the KV cache.` and `keywords: [MLA, KV cache]`
    """
    doc = page.doc
    if doc.unreadable:
        return
    if doc.problem:
        yield page.problem(f"{doc.problem}; mend the frontmatter")
    elif not doc.description:
        yield page.problem("no description; say in one sentence what question this file answers")
    elif isinstance(doc.meta.get("keywords"), str):
        yield page.problem("keywords must be a list; write keywords: [first, second]")
    elif not doc.keywords:
        yield page.problem("no keywords; list the words a user would search for")


@page_rule("K002", "missing-title")
def missing_title(page: Page) -> Iterator[Problem]:
    """The file has a heading of level 1.

    It is the title in every index and citation.

    Bad: a file that begins with `## Overview`
    Good: `# Multi-head latent attention`
    """
    if not page.doc.title and not page.doc.unreadable:
        yield page.problem("no heading of level 1; give the file a title")


@page_rule("K003", "missing-sources", Severity.WARNING)
def missing_sources(page: Page) -> Iterator[Problem]:
    """The file ends with its sources.

    A fact without a source is a rumour with good formatting. The section reaches to the next heading of its
    level; an address that stands there bare is a link as well, GitHub makes it one.

    Bad: no `## Sources`, or one without a footnote or a link
    Good: `## Sources` with the definitions of the footnotes
    """
    doc = page.doc
    if doc.unreadable:
        return
    last = next((n for n, h in reversed(list(enumerate(doc.headings))) if h.text.lower() in _SOURCES), None)
    if last is None:
        yield page.problem("no section Sources; add it with the footnotes")
        return
    level, before = doc.headings[last].level, doc.headings[last].before
    after = next((n for n in range(last + 1, len(doc.headings)) if doc.headings[n].level <= level), None)
    if before < (doc.headings[after].before if after else len(doc.links) + len(doc.notes)):
        return
    found = [place.line for place in places(page.text)["headings"]]
    section = page.text.split("\n")[found[last] : found[after] - 1 if after else None]
    if not any("://" in row for row in section):
        empty = not any(row.strip(" \t\r=-") for row in section)
        what = "is empty; add the footnotes" if empty else "has no footnote or link; give each source one"
        yield page.problem(f"the section Sources {what}", at=At("headings", last))


@page_rule("K004", "undefined-footnote", roles="knowledge index")
def undefined_footnote(page: Page) -> Iterator[Problem]:
    """Every footnote in the text is defined.

    The claim looks sourced and is not. Names are compared as GitHub does, whatever their case.

    Bad: `a latent of 512.[^config]` and no `[^config]:`
    Good: `[^config]: [config_671B.json](https://…): …`
    """
    defined = {name.casefold() for name in page.doc.notes}
    for kind in ("refs", "loose"):
        for n, name in enumerate(getattr(page.doc, kind)):
            if name.casefold() not in defined:
                message = f"footnote [^{name}] is not defined; write [^{name}]: and its source"
                yield page.problem(message, at=At(kind, n))


@page_rule("K005", "unused-footnote", Severity.WARNING, roles="knowledge index")
def unused_footnote(page: Page) -> Iterator[Problem]:
    """Every defined footnote is used, and defined once.

    A source that nothing rests on hides that a claim lost its own.

    Bad: `[^v2]: …` and no `[^v2]` in the text
    Good: each definition has its reference
    """
    used = {name.casefold() for name in (*page.doc.refs, *page.doc.loose)}
    seen: set[str] = set()
    for n, name in enumerate(page.doc.notes):
        folded = name.casefold()
        if folded not in used:
            message = f"footnote [^{name}] is never used; cite it, or take it out"
            yield page.problem(message, at=At("notes", n))
        elif folded in seen:
            yield page.problem(f"footnote [^{name}] is defined twice; keep one", at=At("notes", n))
        seen.add(folded)


@page_rule("K006", "unpinned-permalink", roles="knowledge index")
def unpinned_permalink(page: Page) -> Iterator[Problem]:
    """A link to code names the commit, in 40 hexadecimal digits.

    A branch moves; next month the lines say something else. Links to files on GitHub and Hugging Face are
    meant, as Markdown or as a bare address; those in code are not.

    Bad: `https://github.com/karpathy/nanoGPT/blob/master/model.py#L29`
    Good: `https://github.com/karpathy/nanoGPT/blob/3adf61e154c3fe3fca428ad6bc3818b27a3b8291/model.py#L29`
    """
    text = page.text
    if all(_COMMIT.fullmatch(_version(match)) for match in _CODE_LINK.finditer(text)):
        return
    for start, end in _prose(text):
        for match in _CODE_LINK.finditer(text, start, end):
            version = _version(match)
            if not _COMMIT.fullmatch(version):
                wrong = "is no full commit" if _SHORT_COMMIT.fullmatch(version) else "moves"
                message = f"links to {version}, which {wrong}; link to a commit of 40 hexadecimal digits"
                yield page.problem(message, *_place(text, match.start()))


def _version(match: re.Match[str]) -> str:
    """Return the branch, tag or commit of a link, without what ends a sentence after a bare address."""
    return match[1].rstrip(".,:;!*_")


@page_rule("K007", "overlong-file", Severity.WARNING, roles="knowledge index")
def overlong_file(page: Page) -> Iterator[Problem]:
    """A file has at most 500 lines.

    A reader pays for the whole file to get one answer.

    Bad: 900 lines on two subjects
    Good: two files
    """
    if page.doc.lines > MAX_LINES:
        yield page.problem(f"{page.doc.lines} lines, over {MAX_LINES}; split it", MAX_LINES + 1)


@page_rule("K008", "oversize-file", roles="knowledge index skill humor")
def oversize_file(page: Page) -> Iterator[Problem]:
    """A file has at most 90,000 bytes.

    Claude Code's Read tool returns about 25,000 tokens and no more.

    Bad: a table of 200 KB
    Good: several files, each read for its own question
    """
    if page.doc.size > BYTE_LIMIT:
        yield page.problem(f"{page.doc.size:,} bytes, over {BYTE_LIMIT:,}; split it")


@page_rule("K009", "mojibake", roles=EVERY_ROLE, fixable=True)
def mojibake(page: Page) -> Iterator[Problem]:
    """No text was decoded with the wrong encoding.

    Code is left alone, because a text about the matter shows it there. U+FFFD stands where a character was
    lost: only a person knows which. A joke that was told stays as it was told.

    Bad: `naÃ¯ve`, `itâ€™s`
    Good: `naïve`, `it's`
    """
    text = page.text
    if text.isascii() or not (_MOJIBAKE.search(text) or _LOST in text):
        return
    fixed = _decoded(text)
    if fixed != text:
        first = next((n for n, (a, b) in enumerate(zip(text, fixed, strict=False)) if a != b), len(fixed))
        told = page.role == "humor"
        message = f"text decoded with the wrong encoding; {'write it again' if told else '--fix decodes it'}"
        fix = () if told else (Write(page.path, fixed),)
        yield page.problem(message, *_place(text, first), fix=fix)
    elif _LOST in text:
        for start, end in _prose(text):
            for offset in range(start, end):
                if text[offset] == _LOST:
                    message = "U+FFFD stands where a character was lost; write it again"
                    yield page.problem(message, *_place(text, offset))


def _decoded(text: str) -> str:
    """Return `text` with the lines of prose that were decoded with the wrong encoding decoded rightly."""
    from ftfy import fix_encoding

    parts, at = [], 0
    for start, end in _prose(text):
        if _MOJIBAKE.search(text, start, end):
            parts += [text[at:start], *map(fix_encoding, text[start:end].splitlines(keepends=True))]
            at = end
    return "".join([*parts, text[at:]])


@page_rule("K010", "hidden-characters", roles=EVERY_ROLE)
def hidden_characters(page: Page) -> Iterator[Problem]:
    """No character is invisible: zero-width, blank, control, bidirectional, tag, or byte-order mark.

    They hide instructions from people that models read, and break searches.

    Bad: `atten<U+200B>tion`
    Good: `attention`; joiners inside emoji and scripts that need them, flags of regions, and the variants of
    Chinese characters are fine
    """
    text = page.text
    if text.isascii() and not any(c in text for c in _CONTROLS):
        return
    flags = [match.span() for match in _FLAG.finditer(text)] if "\U0001f3f4" in text else []
    for match in _HIDDEN.finditer(text):
        start = match.start()
        if not _needed(text, start) and not any(begin < start < end for begin, end in flags):
            message = f"hidden character U+{ord(match[0]):04X}; remove it"
            yield page.problem(message, *_place(text, start))


def _needed(text: str, at: int) -> bool:
    """Say whether the writing needs the hidden character at `at`: a joiner, or the choice of a variant."""
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if text[at] in _JOINERS:
        if not before or before.isascii() or _HIDDEN.match(before):
            return False
        return bool(_JOINED_SCRIPT.match(before)) or not (
            not after or after.isascii() or _HIDDEN.match(after)
        )
    return text[at] >= "\U000e0100" and bool(_IDEOGRAPH.match(before))


@page_rule("K011", "hard-coded-home-path", roles=WRITTEN_ROLES)
def hard_coded_home_path(page: Page) -> Iterator[Problem]:
    """No path of one person's machine stands in the text.

    It works nowhere else, and tells who wrote it where.

    Bad: `cd /Users/alex/oracle`
    Good: `cd ~/.claude/skills/karpathy-deep-oracle`
    """
    text = page.text
    if "/home/" not in text and "sers/" not in text and "\\" not in text:
        return
    for match in _HOME.finditer(text):
        message = f"{match[0]} is a path of one machine; write it relative, or with ~"
        yield page.problem(message, *_place(text, match.start()))


@page_rule("K012", "handle-at-line-start", Severity.WARNING, roles="knowledge index skill humor other")
def handle_at_line_start(page: Page) -> Iterator[Problem]:
    """No line of prose begins with an at sign.

    Claude Code reads `@name` at the start of a line as a file to load. Code and comments are left alone.

    Bad: a line that begins with `@karpathy`
    Good: `Karpathy (@karpathy)`
    """
    if "@" not in page.text:
        return
    in_comment = False
    for line in lines(page.text):
        if line.code:
            continue
        begins = line.text.lstrip().startswith("<!--")
        if not in_comment and _HANDLE.match(line.text):
            message = "begins with @, which clients take for a file to load; reword it"
            yield page.problem(message, line.number)
        in_comment = (in_comment or begins) and "-->" not in line.text
