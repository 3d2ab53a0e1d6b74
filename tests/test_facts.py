"""Every refuted claim finds the text that repeats it, and leaves alone the text that corrects it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from oracle_tools.bundle.passages import CODE, ITEM, NOTE, QUOTE, ROW, TEXT, passages
from oracle_tools.bundle.refuted import MARK, Claim, claims, repeated
from oracle_tools.chores.facts import facts

every = pytest.mark.parametrize("claim", claims(), ids=lambda claim: claim.name)


def found(text: str) -> list[str]:
    return [claim.name for passage in passages(text) for _, claim in repeated(passage, claims())]


def test_there_are_at_least_sixty() -> None:
    assert len(claims()) >= 60
    assert len({claim.pattern.pattern for claim in claims()}) == len(claims())


@every
def test_the_claim_is_found(claim: Claim) -> None:
    assert claim.name in found(f"# Title\n\n{claim.flagged}\n")
    assert claim.name in found(f"# Title\n\n- Before it. {claim.flagged} After it.\n")


@every
def test_a_true_sentence_on_the_subject_is_left_alone(claim: Claim) -> None:
    assert found(f"# Title\n\n{claim.fine}\n") == []
    assert found(f"# Title\n\n{claim.correction}\n") == [], "the correction repeats a claim"


@every
def test_a_correction_may_repeat_it(claim: Claim) -> None:
    bare = claim.flagged.rstrip(".").replace(". ", ", ")
    assert found(f"# Title\n\n## Traps\n\n{claim.flagged}\n") == []
    assert found(f"# Title\n\n{claim.flagged} {MARK}\n") == []
    assert found(f"# Title\n\n| Misattributed line | Whose |\n|---|---|\n| {claim.flagged} | x |\n") == []
    if claim.pattern.search(f"Wrong: {bare}"):
        assert found(f"# Title\n\nIt is wrong that {bare}.\n") == []


@every
def test_whatever_the_pattern_finds_holds_one_of_each_list_of_words(claim: Claim) -> None:
    required = _required(_parser.parse(claim.pattern.pattern))
    assert claim.words and {frozenset(words) for words in claim.words} <= set(required)


def _required(pattern: Iterable[tuple[object, Any]]) -> list[frozenset[str]]:
    """Return sets of texts; every match of a parsed pattern holds one of each."""
    found: list[frozenset[str]] = []
    literal = ""
    for kind, detail in [*pattern, (None, None)]:
        if kind is _constants.LITERAL:
            literal += chr(detail).lower()
            continue
        if len(literal) > 1:
            found.append(frozenset({literal}))
        literal = ""
        if kind is _constants.SUBPATTERN:
            found += _required(detail[3])
        elif kind is _constants.BRANCH:
            branches = [_required(branch) for branch in detail[1]]
            if all(branches):
                found.append(frozenset().union(*map(_best, branches)))
        elif kind is _constants.MAX_REPEAT and detail[0]:
            found += _required(detail[2])
    return found


def _best(found: list[frozenset[str]]) -> frozenset[str]:
    return max(found, key=lambda texts: (min(map(len, texts)), -len(texts)))


@every
def test_it_says_what_is_right_and_where_that_stands(claim: Claim) -> None:
    assert claim.claim and claim.why and claim.correction
    assert re.fullmatch(r"https://\S+", claim.source)
    assert not re.search(r"/blob/(?!\w{40}/)", claim.source)
    assert facts(claim.name).startswith(claim.name)


def test_a_number_that_a_qualification_makes_right_is_left_alone() -> None:
    assert found("R1 was trained for $5.6M.") == ["r1-5.6m"]
    assert found("R1 builds on V3, which was trained for $5.6M.") == []


def test_a_correction_in_another_sentence_counts_only_where_it_speaks_of_the_first() -> None:
    assert found("3FS is a training system. That is wrong.") == []
    assert found("3FS is a training system. MLA is not a cache.") == ["3fs-training"]
    assert found("MLA is not a cache. 3FS is a training system.") == ["3fs-training"]


def test_a_question_and_a_footnote_claim_nothing() -> None:
    assert found('- "Is 3FS a training system?" → [02](02-3fs.md)') == []
    assert found("[^old]: [Old README](https://example.org): 3FS is a training system.") == []


def test_a_claim_is_found_across_lines_and_told_by_its_own() -> None:
    meta = "---\ndescription: 3FS is a training system.\n---\n"
    text = f"{meta}\n# T\n\nFirst.\nThen: 3FS is\na training system.\n"
    lines = [line for passage in passages(text) for line, _ in repeated(passage, claims())]
    assert lines == [8]


def test_every_word_of_a_query_counts() -> None:
    assert facts("file system fire-flyer").count("claimed:") == 2
    assert facts().count("claimed:") == len(claims())
    assert facts("no such words anywhere") == ""


def test_passages() -> None:
    text = (
        "# T\n\nA\nb.\n\n- one\n- two\n  more\n\n| H |\n|---|\n| x |\n\n> said\n\n"
        "```\ncode\n```\n\n[^n]: note\n## Sub\n\nlast\n"
    )
    assert [(p.kind, p.line, p.text.split()[0]) for p in passages(text)] == [
        (TEXT, 3, "A"),
        (ITEM, 6, "-"),
        (ITEM, 7, "-"),
        (ROW, 12, "|"),
        (QUOTE, 14, ">"),
        (CODE, 16, "```"),
        (CODE, 17, "code"),
        (CODE, 18, "```"),
        (NOTE, 20, "[^n]:"),
        (TEXT, 23, "last"),
    ]
    assert list(passages(text))[3].columns == "| H |"
    assert list(passages(text))[-1].headings == ("T", "Sub")
