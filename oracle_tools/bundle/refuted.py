"""Claims that circulate about the bundle's subjects and are wrong, and how a text marks a correction.

The claims are in `refuted.yaml`: what is claimed, the pattern that finds it, why it is wrong, what is right,
and a source. A passage repeats a claim when its pattern is found, unless it is marked as a correction:

- its sentence says so (`not`, `never`, `wrong`, `refuted`, `misattributed`, `no longer`, …), or the next one
  begins by saying so; of a table row, the whole row counts;
- it stands below a heading, or in a table with a first row, that says so (`Misattributed lines`, `Traps`, …);
- it holds the mark `<!-- refuted -->`, for what no word says.

A question claims nothing, and a footnote says what its source says: neither repeats a claim.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from oracle_tools.bundle.passages import CODE, NOTE, ROW, Passage

DATA = Path(__file__).with_name("refuted.yaml")
MARK = "<!-- refuted -->"

_REACH = 250
"""Characters that a pattern may reach from one of its words: each gap in a pattern is bounded."""

_SAYS_NO = re.compile(
    r"\b(?:not|never|nor|neither|nobody|nowhere|cannot|wrong(?:ly)?|false(?:ly)?|refuted|invented|incorrect(?:ly)?"
    r"|untrue|myths?|mistaken?|misattribut\w+|misquot\w+|misread\w*|misnamed|misdated|garbled|debunked"
    r"|rumou?r\w*|confus\w+|contradict\w*|stale|outdated|no longer|no source|no such|rather than|instead of"
    r"|contrary to)\b|n['’]t\b",
    re.IGNORECASE,
)
_SAYS_SO_NEXT = re.compile(
    r"(?:that|this|it|both|the (?:claim|number|figure|line|quotation)s?)\s+(?:is|are|was|were|has|have)\s+"
    r"(?:\w+\s+)?(?:not|never|wrong|false|refuted|invented|incorrect|untrue|mistaken|misattributed|misquoted|no)\b"
    r"|(?:that|this|it)\s+(?:isn|wasn|doesn|didn)['’]t\b|(?:wrong|false|no)\b[.:,;]",
    re.IGNORECASE,
)
_HEADED = re.compile(
    r"\b(?:misattribut\w+|misquot\w+|misread\w*|misconceptions?|refuted|wrong|false|myths?|mistakes?|garbled"
    r"|invented|rumou?rs?|traps?|corrections?|corrected|errors?|not said|no source|does not|did not)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?][\"”')\]*]*(?:\[\^[^\]]+\])*\s+(?=[A-Z\"“(*\[`$0-9])")
_ASKS = re.compile(r"\?[\"”')\]]*(?:\[\^[^\]]+\])*(?:$|\s)")


class Claim(NamedTuple):
    """A refuted claim. `unless` finds the qualification that makes it right, where there is one. What the
    pattern finds holds one of each of `words`, in lower case.

    `flagged` is a sentence that repeats the claim, `fine` a sentence on the same subject that does not.
    """

    name: str
    claim: str
    pattern: re.Pattern[str]
    words: tuple[tuple[str, ...], ...]
    unless: re.Pattern[str] | None
    why: str
    correction: str
    source: str
    flagged: str
    fine: str


@lru_cache(maxsize=1)
def claims() -> tuple[Claim, ...]:
    """Return every refuted claim, in the order of the file."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    rows = yaml.load(DATA.read_text(encoding="utf-8"), loader)
    return tuple(_claim(name, row) for name, row in rows.items())


def _claim(name: str, row: dict[str, Any]) -> Claim:
    unless = row.get("unless")
    return Claim(
        name,
        row["claim"],
        re.compile(row["pattern"], re.IGNORECASE),
        tuple(map(tuple, row["words"])),
        re.compile(unless, re.IGNORECASE) if unless else None,
        row["why"],
        row["correction"],
        row["source"],
        row["flagged"],
        row["fine"],
    )


def possible(text: str, among: Sequence[Claim]) -> list[Claim]:
    """Return the claims whose pattern `text` may hold, line breaks taken for spaces."""
    flat = text.replace("\n", " ")
    lowered = flat.lower()
    present: dict[tuple[str, ...], bool] = {}  # claims share their words, and each is looked for once

    def holds(words: tuple[str, ...]) -> bool:
        if words not in present:
            present[words] = any(word in lowered for word in words)
        return present[words]

    return [claim for claim in among if all(map(holds, claim.words)) and _near(claim, flat, lowered)]


def _near(claim: Claim, flat: str, lowered: str) -> bool:
    """Say whether the pattern is found around one of its words: cheaper than going through the whole text."""
    words = min(claim.words, key=lambda group: sum(map(lowered.count, group)), default=())
    if not words:
        return claim.pattern.search(flat) is not None
    for word in words:
        at = lowered.find(word)
        while at >= 0:
            if claim.pattern.search(flat, max(0, at - _REACH), at + len(word) + _REACH):
                return True
            at = lowered.find(word, at + 1)
    return False


def repeated(passage: Passage, among: Sequence[Claim]) -> Iterator[tuple[int, Claim]]:
    """Yield the line and the claim for each of these claims that `passage` repeats without marking it."""
    if passage.kind == NOTE or is_headed(passage) or MARK in passage.text:
        return
    for claim in among:
        for match in claim.pattern.finditer(passage.text):
            own, following = _sentences(passage, match.start(), match.end())
            qualified = claim.unless is not None and claim.unless.search(f"{match[0]} {own}")
            asked = _ASKS.search(own)
            if not (qualified or asked or _SAYS_NO.search(own) or _SAYS_SO_NEXT.match(following)):
                yield passage.line_at(match.start()), claim
                break


def is_headed(passage: Passage) -> bool:
    """Say whether a heading above the passage, or the first row of its table, says that it corrects."""
    return any(map(_HEADED.search, (*passage.headings, passage.columns)))


def _sentences(passage: Passage, start: int, end: int) -> tuple[str, str]:
    """Return what else is said in the sentences that the characters from `start` to `end` stand in, and the
    sentence that follows.
    """
    text = passage.text
    if passage.kind in (ROW, CODE):
        return f"{text[:start]} {text[end:]}", ""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)] + [len(text)]
    first = max((at for at in ends if at <= start), default=0)
    last = next(at for at in ends if at >= end)
    following = text[last : next((at for at in ends if at > last), len(text))]
    return f"{text[first:start]} {text[end:last]}", following
