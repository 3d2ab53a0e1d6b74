"""Makes a text that comes from anywhere safe to keep: what hides is taken out, what commands is fenced.

Everything here is `text -> text` with a count of what was done, so that a report can say it. Code stays as
it is, apart from characters that nobody can see.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator

from oracle_tools.bundle.markdown import frontmatter, lines

HIDDEN_CHARACTERS = "hidden characters removed"
HIDDEN_ELEMENTS = "elements hidden by style removed"
SCRIPTS = "scripts, styles and embedded objects removed"
COMMENTS = "comments removed"
LOCAL_LINKS = "local links and images made plain text"
FLAGGED = "passages that read like instructions to an agent, fenced"

_BREAKS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_HIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*0*\.?0*\s*(?:[;!}]|$)"
    r"|font-size\s*:\s*0*\.?[0-2]?(?:px|pt|em|rem|%)?\s*(?:[;!}]|$)|color\s*:\s*transparent"
    r"|(?:left|top|right|text-indent)\s*:\s*-\d{3,}|(?:width|height)\s*:\s*0(?:px)?\s*(?:[;!}]|$)",
    re.IGNORECASE,
)
DROPPED = ("script", "style", "noscript", "template", "iframe", "object", "embed", "applet", "svg")
"""Elements that are taken out with what is in them."""

_DROPPED = re.compile(rf"<({'|'.join(DROPPED)})\b[^>]*>.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
# Every quantity is bounded: what is never closed costs no more than its length.
_TAGS = re.compile(
    r"""<(/?)([a-z][a-z0-9]*)\b((?:[^<>"']{1,500}|"[^"]{0,2000}"|'[^']{0,2000}'){0,60}+)>""", re.IGNORECASE
)
_HIDDEN_ATTRIBUTE = re.compile(r"\shidden(?=[\s=/]|$)", re.IGNORECASE)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_HARMLESS = re.compile(r"</?(?:br|sub|sup|kbd|b|i|em|strong|p)\s*/?>", re.IGNORECASE)
_TAG = re.compile(r"(?<!\\)<(?=[A-Za-z/!?])(?![A-Za-z][A-Za-z0-9+.-]*:[^\s<>]*>|[^\s<>@]+@[^\s<>]+>)")

_LONG = re.compile(r"([^\n]{4000,8000}?) |([^\n]{8000})")

_CODE_SPAN = re.compile(r"(?<![`\\])(`+)(?!`)[^\x00\n]*?(?<!`)\1(?!`)")
_MASKED = re.compile("\x00(\\d+)\x00")
_LINK = re.compile(
    r"(!?)\[((?:[^\[\]\\]|\\.|\[[^\[\]]{0,300}\]){0,1000}?)\]"
    r"\(\s*(<[^<>\n]*>|[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:\s+(?:\"[^\"]*\"|'[^']*'|\([^()]*\)))?\s*\)",
    re.DOTALL,
)
_REFERENCE = re.compile(r"^( {0,3})\[([^\]\n^][^\]\n]*)\]:[ \t]*(\S+).*$", re.MULTILINE)
_FAR = re.compile(r"(?:https?://|mailto:)[^\s<>]+$", re.IGNORECASE)
_FOOTNOTE = re.compile(r"(?<!\\)\[\^")
_HANDLE = re.compile(r"^([ \t]*)@(?=\w)", re.MULTILINE)
_ATX = re.compile(r"^([\s>*+.)\d-]*?)(#{1,6})(?=[ \t]|$)(.*)$")
_UNDERLINE = re.compile(r"^ {0,3}(=+|-+)[ \t]*$")
_NO_PARAGRAPH = re.compile(r"\s*(?:$|[#>|`~]|[-*+][ \t]|\d+[.)][ \t])")
_FENCE = re.compile(r"^([\s>*+.)\d-]*(?:`{3,}|~{3,}))[ \t]*([\w+#.-]*).*$")
_RUN = re.compile(r"`{3,}|~{3,}")

_THINGS = r"(?:instruction|prompt|rule|message|context|direction|command|guideline)s?"
_INSTRUCTIONS = re.compile(
    "|".join(
        (
            rf"\b(?:ignore|disregard|forget|override|bypass)\b[^.!?]{{0,40}}\b(?:previous|prior|above|earlier|"
            rf"preceding|system|your|these|all)\b[^.!?]{{0,30}}\b{_THINGS}\b",
            r"\byou are now\b|\bfrom now on,? you\b|\bpretend (?:to be|you are)\b|\bdo anything now\b",
            r"\byou are (?:an? |the )?(?:helpful |large )?(?:ai|assistant|language model|chatgpt|claude)\b",
            rf"\b(?:new|updated|real|hidden|secret) (?:system )?{_THINGS}\s*:|\bsystem prompt\b|\bjailbreak",
            rf"\b{_THINGS} (?:to|for) (?:the |an? |any )?(?:ai|assistant|agent|model|llm|claude|chatgpt)\b",
            r"\b(?:ai|assistant|agent|llm|claude)s?,? (?:reading this|must|should|please|you must)\b",
            r"\bdo not (?:tell|inform|mention|reveal|alert|show)\b[^.!?]{0,30}\buser\b",
            r"(?:^|\n)\W{0,4}(?:system|assistant|human|developer)\s?(?:message|prompt)?\s?:",
            r"<\|\w+\|>|\[/?inst\]|<</?sys>>|\bbegin system\b",
            r"</?(?:\w+:)?(?:system|system-reminder|assistant|user|instructions?|function_calls?|function_results?"
            r"|tool_calls?|tool_use|tool_results?|invoke|parameter|antml)\b[^>]*>",
            r"[\"'](?:tool_calls|function_call|tool_use|tool_name|tool_input)[\"']",
        )
    ),
    re.IGNORECASE,
)


def is_hiding(style: str) -> bool:
    """Say whether a CSS declaration hides what it is about."""
    return bool(_HIDING.search(style))


def is_instruction(text: str) -> bool:
    """Say whether `text` reads like instructions to an agent, or imitates what only its harness says."""
    plain = unicodedata.normalize("NFKC", _HIDDEN.sub("", text))
    plain = re.sub(r"[ \t]+", " ", re.sub(r"[*_~\\]+(?![a-z]*>)", "", plain))
    plain = re.sub(r" ?\n[ >]*(?=[a-z])", " ", plain)
    return bool(_INSTRUCTIONS.search(text) or _INSTRUCTIONS.search(plain))


def visible(text: str, counts: Counter[str]) -> str:
    """Return `text` with plain line breaks and without the characters that nobody can see."""
    text, removed = _HIDDEN.subn("", _BREAKS.sub("\n", text))
    counts[HIDDEN_CHARACTERS] += removed
    return text


def cleaned(text: str, counts: Counter[str], markup: bool = True) -> str:
    """Return a text as it may stand below a title of ours, as Markdown, and count what was done to it.

    With `markup`, it is Markdown by its author's will: it may have frontmatter, and its HTML is not shown.
    No heading is of level 1, no fence stays open, no HTML works, no link is local, no footnote is defined,
    no code is marked to be run; what reads like instructions stands in a fence.
    """
    text = _LONG.sub(lambda match: (match[1] or match[2]) + "\n", visible(text, counts))
    meta, start, _ = frontmatter(text) if markup else ("", 0, "")
    text = (f"{_fenced(meta.strip(), 'yaml')}\n\n" if meta.strip() else "") + text[start:]
    # A blank line first: what begins with --- now is a thematic break and no frontmatter.
    text = _without_elements("\n" + text, counts) if markup else "\n" + text
    shift = any(_level(line.text) == 1 for line in lines(text) if not line.code) or bool(
        re.search(r"^ {0,3}=+[ \t]*$", text, re.MULTILINE)
    )
    out: list[str] = []
    for code, block in _blocks(text):
        if code:
            if is_instruction(block):
                counts[FLAGGED] += 1
            out.append("\n".join(_FENCE.sub(r"\1\2", row) for row in block.split("\n")))
        elif is_instruction(block):
            counts[FLAGGED] += 1
            out.append("\n" + _fenced(block, "text") + "\n")
        else:
            out.append(_prose(_demoted(block, shift), counts))
    return closed(re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip("\n"))


def _blocks(text: str) -> Iterator[tuple[bool, str]]:
    """Yield the runs of code lines, and of other lines up to a blank one, as (is code, text)."""
    kept: list[str] = []
    was: tuple[bool, bool] | None = None
    for line in lines(text):
        now = (line.code, line.code or bool(line.text.strip()))
        if kept and was is not None and now != was:
            yield was[0], "\n".join(kept)
            kept = []
        kept.append(line.text)
        was = now
    if kept and was is not None:
        yield was[0], "\n".join(kept)


def _fenced(text: str, language: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def closed(text: str) -> str:
    """Return `text` with the fence closed that it may have left open; it is then the last line."""
    if not _ends_in_code(text):
        return text
    longest = max((len(run) for run in _RUN.findall(text)), default=3)
    ends = (f"{text}\n{sign * longest}" for sign in "`~")
    return next((end for end in ends if not _ends_in_code(end)), text)


def _ends_in_code(text: str) -> bool:
    return list(lines(f"\n{text}\n\nend"))[-1].code


def _without_elements(text: str, counts: Counter[str]) -> str:
    """Return `text` without comments, scripts and hidden elements, where they are not code."""
    fences: list[str] = []

    def mask(code: str) -> str:
        fences.append(code)
        return f"\x00{len(fences) - 1}\x00"

    text = "\n".join(mask(block) if code else _held(block, mask) for code, block in _blocks(text))
    for pattern, what in ((_COMMENT, COMMENTS), (_DROPPED, SCRIPTS)):
        text, removed = pattern.subn("", text)
        counts[what] += removed

    return _unmasked(_without_hidden(text, counts), fences)


def _without_hidden(text: str, counts: Counter[str]) -> str:
    """Return `text` without the elements that are hidden by their own attributes, and all that is in them."""
    opened: dict[str, list[re.Match[str]]] = {}
    hidden: list[tuple[int, int]] = []
    for tag in _TAGS.finditer(text):
        same = opened.setdefault(tag[2].lower(), [])
        if not tag[1]:
            if not tag[3].endswith("/"):
                same.append(tag)
        elif same:
            begun = same.pop()
            if is_hiding(begun[3]) or _HIDDEN_ATTRIBUTE.search(begun[3]):
                hidden.append((begun.start(), tag.end()))
    kept, at = [], 0
    for start, end in sorted(hidden):
        if start >= at:
            counts[HIDDEN_ELEMENTS] += 1
            kept.append(text[at:start])
        at = max(at, end)
    return "".join([*kept, text[at:]])


def _held(block: str, mask: Callable[[str], str]) -> str:
    """Return the block with its code spans masked; with none of them, where it is not plain which they are:
    one that goes over several lines or cells may be cut off, and what follows it is no code then.
    """
    rest = _CODE_SPAN.sub("", block)
    if "`" in rest or any("|" in span[0] for span in _CODE_SPAN.finditer(block)):
        return block
    return _CODE_SPAN.sub(lambda span: mask(span[0]), block)


def _unmasked(text: str, masked: list[str]) -> str:
    while _MASKED.search(text):
        text = _MASKED.sub(lambda match: masked[int(match[1])], text)
    return text


def _level(line: str) -> int:
    match = _ATX.match(line)
    return len(match[2]) if match else 0


def _demoted(block: str, shift: bool) -> str:
    """Return the block with its headings a level lower if `shift`, and underlined ones as `#` ones."""
    rows: list[str] = []
    for row in block.split("\n"):
        under = _UNDERLINE.match(row)
        if under and rows and not _NO_PARAGRAPH.match(rows[-1]):
            rows[-1] = f"{'#' * ((1 if '=' in under[1] else 2) + shift)} {rows[-1].strip()}"
            if len(rows) > 1:
                rows.insert(-1, "")
            rows.append("")
            continue
        match = _ATX.match(row)
        rows.append(f"{match[1]}{'#' * min(6, len(match[2]) + shift)}{match[3]}" if match else row)
    return "\n".join(rows)


def _prose(block: str, counts: Counter[str]) -> str:
    spans: list[str] = []

    def mask(span: str) -> str:
        spans.append(span)
        return f"\x00{len(spans) - 1}\x00"

    def linked(match: re.Match[str]) -> str:
        image, words, target = match[1], " ".join(match[2].split()), match[3].strip("<>")
        words = f"image: {words}".removesuffix(": ") if image else words
        if _FAR.match(target) and "\x00" not in target:
            return f"[{words or target}]({target.replace('(', '%28').replace(')', '%29')})"
        counts[LOCAL_LINKS] += 1
        return f"({words})" if image else words

    def referred(match: re.Match[str]) -> str:
        far = _FAR.match(match[3].strip("<>"))
        counts[LOCAL_LINKS] += not far
        return f"{match[1]}[{match[2]}]: {match[3]}" if far else f"{match[1]}\\[{match[2]}]: {match[3]}"

    block = _held(block, mask)
    block = _FOOTNOTE.sub(r"\\[^", block)
    for _ in range(2):  # an image may be the text of a link
        block = _LINK.sub(linked, block)
    block = _REFERENCE.sub(referred, block)
    tags: list[str] = []

    def keep(match: re.Match[str]) -> str:
        tags.append(match[0])
        return f"\x01{len(tags) - 1}\x01"

    block = _TAG.sub(r"\\<", _HARMLESS.sub(keep, block))
    block = re.sub("\x01(\\d+)\x01", lambda match: tags[int(match[1])], block)
    return _unmasked(_HANDLE.sub(r"\1\\@", block), spans)
