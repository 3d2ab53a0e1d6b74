"""K: a knowledge file says what it answers, where it has it from, and nothing that cannot be seen."""

from __future__ import annotations

import re
from collections.abc import Iterator

from oracle_tools.bundle.edits import Write
from oracle_tools.bundle.markdown import At, lines
from oracle_tools.check.rule import Page, Problem, Severity, page_rule

LINE_LIMIT = 500
BYTE_LIMIT = 90_000

EVERY_ROLE = "knowledge index skill humor plan other"
WRITTEN_ROLES = "knowledge index skill"

_MOVING_LINK = re.compile(r"https?://(?:www\.)?github\.com/[^/]+/[^/]+/(?:blob|tree|raw|blame)/([^/#?]+)")
_RAW_LINK = re.compile(r"https?://raw\.githubusercontent\.com/[^/]+/[^/]+/(?:refs/heads/)?([^/#?]+)/")
_COMMIT = re.compile(r"[0-9a-f]{40}$")
_HOME = re.compile(r"(?<![\w.~/-])(?:/home/|/Users/)[A-Za-z0-9][\w.-]*|(?<!\w)[A-Za-z]:\\Users\\\w+")
_HANDLE = re.compile(r"[ \t]{0,3}@\w")
_MOJIBAKE_LEAD = re.compile("[\u00c2\u00c3\u00c5\u00e2\u00f0\u00d0\u00d1\ufffd]")
_HIDDEN = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)
_SOURCES = ("sources", "source")
_JOINERS = "\u200c\u200d"


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

    A fact without a source is a rumour with good formatting.

    Bad: no `## Sources`, or one without a footnote or a link
    Good: `## Sources` with the definitions of the footnotes
    """
    doc = page.doc
    if doc.unreadable:
        return
    last = next((n for n, h in reversed(list(enumerate(doc.headings))) if h.text.lower() in _SOURCES), None)
    if last is None:
        yield page.problem("no section Sources; add it with the footnotes")
    elif doc.headings[last].before == len(doc.links) + len(doc.notes):
        yield page.problem("the section Sources is empty; add the footnotes", at=At("headings", last))


@page_rule("K004", "undefined-footnote", roles="knowledge index")
def undefined_footnote(page: Page) -> Iterator[Problem]:
    """Every footnote in the text is defined.

    The claim looks sourced and is not.

    Bad: `a latent of 512.[^config]` and no `[^config]:`
    Good: `[^config]: [config_671B.json](https://…): …`
    """
    defined = set(page.doc.notes)
    for kind in ("refs", "loose"):
        for n, name in enumerate(getattr(page.doc, kind)):
            if name not in defined:
                yield page.problem(f"footnote [^{name}] is not defined", at=At(kind, n))


@page_rule("K005", "unused-footnote", Severity.WARNING, roles="knowledge index")
def unused_footnote(page: Page) -> Iterator[Problem]:
    """Every defined footnote is used, and defined once.

    A source that nothing rests on hides that a claim lost its own.

    Bad: `[^v2]: …` and no `[^v2]` in the text
    Good: each definition has its reference
    """
    used = set(page.doc.refs)
    seen: set[str] = set()
    for n, name in enumerate(page.doc.notes):
        if name not in used:
            yield page.problem(f"footnote [^{name}] is never used", at=At("notes", n))
        elif name in seen:
            yield page.problem(f"footnote [^{name}] is defined twice", at=At("notes", n))
        seen.add(name)


@page_rule("K006", "unpinned-permalink", roles="knowledge index")
def unpinned_permalink(page: Page) -> Iterator[Problem]:
    """A link to code names the commit, in 40 hexadecimal digits.

    A branch moves; next month the lines say something else.

    Bad: `https://github.com/karpathy/nanoGPT/blob/master/model.py#L29`
    Good: `https://github.com/karpathy/nanoGPT/blob/3adf61e154c3fe3fca428ad6bc3818b27a3b8291/model.py#L29`
    """
    for n, link in enumerate(page.doc.links):
        match = _MOVING_LINK.match(link) or _RAW_LINK.match(link)
        if match and not _COMMIT.match(match[1]):
            message = f"links to {match[1]}, which moves; link to a commit of 40 hexadecimal digits"
            yield page.problem(message, at=At("links", n))


@page_rule("K007", "overlong-file", Severity.WARNING, roles="knowledge index")
def overlong_file(page: Page) -> Iterator[Problem]:
    """A file has at most 500 lines.

    A reader pays for the whole file to get one answer.

    Bad: 900 lines on two subjects
    Good: two files
    """
    if page.doc.lines > LINE_LIMIT:
        yield page.problem(f"{page.doc.lines} lines, over {LINE_LIMIT}; split it", LINE_LIMIT + 1)


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

    Bad: `naÃ¯ve`, `itâ€™s`
    Good: `naïve`, `it's`
    """
    if page.text.isascii() or not _MOJIBAKE_LEAD.search(page.text):
        return
    fixed = _decoded(page.text)
    first = next((n for n, (a, b) in enumerate(zip(page.text, fixed, strict=False)) if a != b), None)
    if fixed == page.text or first is None:
        return
    line = page.text.count("\n", 0, first) + 1
    column = first - page.text.rfind("\n", 0, first)
    message = "text decoded with the wrong encoding; --fix decodes it"
    yield page.problem(message, line, column, fix=(Write(page.path, fixed),))


def _decoded(text: str) -> str:
    """Return `text` with the lines that were decoded with the wrong encoding decoded rightly.

    Code is left alone, fenced and inline: a text about mojibake shows it there.
    """
    from ftfy import fix_encoding

    parts = []
    for line in lines(text):
        raw = text[line.offset : line.offset + len(line.text)]
        ending = text[line.offset + len(raw) :].partition("\n")[0] if raw else ""
        if not line.code and _MOJIBAKE_LEAD.search(raw):
            pieces = re.split(r"(`[^`]*`)", raw)
            raw = "".join(p if p.startswith("`") and len(p) > 1 else fix_encoding(p) for p in pieces)
        parts.append(raw + ("\r" if ending.startswith("\r") else ""))
    return "\n".join(parts)


@page_rule("K010", "hidden-characters", roles=EVERY_ROLE)
def hidden_characters(page: Page) -> Iterator[Problem]:
    """No character is invisible: zero-width, bidirectional control, tag, or byte-order mark.

    They hide instructions from people that models read, and break searches.

    Bad: `atten<U+200B>tion`
    Good: `attention`; joiners inside emoji and scripts that need them are fine
    """
    if page.text.isascii():
        return
    for match in _HIDDEN.finditer(page.text):
        start = match.start()
        around = page.text[max(0, start - 1) : start] + page.text[start + 1 : start + 2]
        if match[0] in _JOINERS and len(around) == 2 and not any(c.isascii() for c in around):
            continue
        line = page.text.count("\n", 0, start) + 1
        column = start - page.text.rfind("\n", 0, start)
        yield page.problem(f"hidden character U+{ord(match[0]):04X}; remove it", line, column)


@page_rule("K011", "hard-coded-home-path", roles=WRITTEN_ROLES)
def hard_coded_home_path(page: Page) -> Iterator[Problem]:
    """No path of one person's machine stands in the text.

    It works nowhere else, and tells who wrote it where.

    Bad: `cd /Users/alex/oracle`
    Good: `cd ~/.claude/skills/karpathy-deep-oracle`
    """
    if "/home/" not in page.text and "Users" not in page.text:
        return
    for number, line in enumerate(page.text.split("\n"), start=1):
        for match in _HOME.finditer(line):
            message = f"{match[0]} is a path of one machine; write it relative, or with ~"
            yield page.problem(message, number, match.start() + 1)


@page_rule("K012", "handle-at-line-start", Severity.WARNING, roles="knowledge index skill humor other")
def handle_at_line_start(page: Page) -> Iterator[Problem]:
    """No line of prose begins with an at sign.

    Claude Code reads `@name` at the start of a line as a file to load.

    Bad: a line that begins with `@karpathy`
    Good: `Karpathy (@karpathy)`
    """
    if "@" not in page.text:
        return
    for line in lines(page.text):
        if not line.code and _HANDLE.match(line.text):
            message = "begins with @, which clients take for a file to load; reword it"
            yield page.problem(message, line.number)
