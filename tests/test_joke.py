"""A joke is added at the end, is found again, and nothing that was told before is touched."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from oracle_tools.bundle.errors import OracleError
from oracle_tools.bundle.layout import Config
from oracle_tools.bundle.tree import Tree
from oracle_tools.chores.joke import add, broken_history, jokes, message, pick, refusal, stored, told

HUMOR = "karpathy/humor.md"


def tree(text: str | None = None, *earlier: str) -> Tree:
    made = Tree.of({} if text is None else {HUMOR: text}, Config(humor=HUMOR))
    made.remember({HUMOR: earlier})
    return made


def added(text: str | None, joke: str) -> str:
    (write,) = add(tree(text), joke)
    assert write.path == HUMOR
    return write.text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("One.", [("One.", 1)]),
        ("One.\n\n\n\nTwo,\nover two lines.\n", [("One.", 1), ("Two,\nover two lines.", 5)]),
        ("# Humor\n\nOne.\n", [("One.", 3)]),
        ("# Humor\n\n## More\n\nOne.\n\n# late\n", [("One.", 5), ("# late", 7)]),
        ("#1 rule: never.\n", [("#1 rule: never.", 1)]),
        ("# Humor\n\nA preface.\n\n---\n\nOne.\n", [("One.", 7)]),
        ("---\nOne.\n", [("One.", 2)]),
        ("---\n\nOne.\n\n---\n\nTwo.\n", [("One.", 3), ("---", 5), ("Two.", 7)]),
        ("A preface.\r\n\r\n---\r\n\r\nOne.\r\n", [("One.", 5)]),
        ("---\ntitle: Humor\n---\n\nOne.\n", [("One.", 5)]),
        ("---\ntitle: Humor\n---\n\n# Humor\n\nOne.\n", [("One.", 7)]),
        ("---\ntitle: Humor\n---\n\nA preface.\n\n---\n\nOne.\n", [("One.", 9)]),
        ("One. \t\n   \nTwo.", [("One.", 1), ("Two.", 3)]),
    ],
)
def test_jokes(text: str, found: list[tuple[str, int]]) -> None:
    assert [tuple(joke) for joke in jokes(text)] == found


@pytest.mark.parametrize(
    ("joke", "why"),
    [
        ("", "no joke"),
        (" \n\t", "no joke"),
        ("one\n\ntwo", "blank line"),
        ("one\n  \ntwo", "blank line"),
        ("# A heading", "a heading"),
        ("under\n---", "a heading"),
        ("- a bullet", "a list"),
        ("1. a number", "a list"),
        ("> said he", "a block quotation"),
        ("```\ncode\n```", "a code block"),
        ("so <b>bold</b>", "HTML"),
        ("<div>\n</div>", "HTML"),
        ("***", "a thematic break"),
        ("| a |\n|---|\n| b |", "a table"),
        ("[^a]: note", "a footnote"),
        ("[2025-01-31 16:45] late", "a timestamp"),
        ("2025-01-31: late", "a timestamp"),
        ("late, 2025-01-31", "a timestamp"),
        ("16:45 late", "a timestamp"),
        ("ding\a", "U+0007"),
        ("cr\rlf", "U+000D"),
        ("zero\u200bwidth", "invisible"),
        ("half \ud800", "UTF-8"),
    ],
)
def test_what_is_refused(joke: str, why: str) -> None:
    assert why in refusal(joke)


@pytest.mark.parametrize(
    "joke",
    [
        "One.",
        "Two\nlines.",
        "*emphasis*, `code`, [a link](x.md), $5 and -inf",
        "On 2025-01-31 I converged.",
        "It is 3:00 in the morning",
        "-inf is modest",
        "#1 rule: never.",
        "👩‍💻 深度",
    ],
)
def test_what_is_a_joke(joke: str) -> None:
    assert refusal(joke) == ""


@pytest.mark.parametrize(
    ("text", "after"),
    [
        (None, "# Humor sense\n\n---\n\nNew.\n\n"),
        ("", "New.\n\n"),
        ("One.", "One.\n\nNew.\n\n"),
        ("One.\n", "One.\n\nNew.\n\n"),
        ("One.\n\n", "One.\n\nNew.\n\n"),
        ("One.\n\n\n", "One.\n\n\nNew.\n\n"),
        ("A.\n\n---\n", "A.\n\n---\n\nNew.\n\n"),
        ("One.\r\n", "One.\r\n\r\nNew.\r\n\r\n"),
        ("A.\r\n\r\n---\r\n\r\nOne.", "A.\r\n\r\n---\r\n\r\nOne.\r\n\r\nNew.\r\n\r\n"),
    ],
)
def test_add(text: str | None, after: str) -> None:
    assert added(text, "New.") == after


def test_a_joke_is_trimmed_and_takes_the_line_ending_of_the_file() -> None:
    assert added("One.\n", "  New, \r\nover two.\t\n") == "One.\n\nNew,\nover two.\n\n"
    assert added("One.\r\n", "New,\nover two.") == "One.\r\n\r\nNew,\r\nover two.\r\n\r\n"


@pytest.mark.parametrize("joke", ["- a bullet", "", "Known  joke."])
def test_what_is_not_stored(joke: str) -> None:
    with pytest.raises(OracleError, match="not stored"):
        add(tree("Known\njoke.\n"), joke)


def test_without_a_humor_file_configured() -> None:
    with pytest.raises(OracleError, match="no humor file is configured"):
        add(Tree.of({}), "One.")


def test_pick() -> None:
    with pytest.raises(OracleError, match="no jokes yet") as error:
        pick(tree())
    assert error.value.exit_code == 1
    many = tree("".join(f"Joke {n}.\n\n" for n in range(20)))
    assert pick(many, 7) == pick(many, 7)
    assert {pick(many, seed) for seed in range(200)} == {joke.text for joke in stored(many)}


def test_message() -> None:
    assert message("I tuned the learning\nrate. It tuned me.") == (
        "Add joke to humor sense: I tuned the learning rate...."
    )


LINES = st.text(
    alphabet=st.one_of(st.sampled_from("ab #-*>`|[]()1.:~_\\é深\t\u00a0\u2028"), st.characters()), max_size=12
)
WORDS = st.text(alphabet=st.sampled_from("ab #-*`|[].:_\\é深\u00a0"), min_size=1, max_size=12)
JOKES = (
    st.lists(WORDS.map(str.rstrip).filter(str.strip), min_size=1, max_size=3)
    .map(lambda rows: "\n".join(rows).strip())
    .filter(lambda joke: not refusal(joke))
)
TEXTS = st.lists(
    st.one_of(LINES, st.sampled_from(["", "---", "# Humor", "title: x", "    ---", "One."])), max_size=8
).flatmap(lambda rows: st.sampled_from(["\n", "\r\n"]).map(lambda newline: newline.join(rows)))


@settings(deadline=None, max_examples=300)
@given(TEXTS, JOKES)
@example("# Humor", "a\n    ---")
@example("# Humor\r\n\r\n---", "one\ntwo")
@example("# Humor", "#1 rule")
@example("---\ntitle: x", "a joke")
def test_the_laws_of_adding(text: str, joke: str) -> None:
    before = jokes(text)
    assume(all(joke.split() != known.text.split() for known in before))
    after = added(text, joke)
    assert after.startswith(text)
    assert jokes(after)[:-1] == before
    assert jokes(after)[-1].text.split() == joke.split()
    newline = "\r\n" if "\r\n" in text else "\n"
    assert after.endswith(newline * 2)
    assert not after.endswith(newline * 3)
    new = after[len(text) :].replace("\r\n", "\n")
    blank = new[: len(new) - len(new.lstrip("\n"))]
    ends = text.replace("\r\n", "\n")
    assert not text or (ends + blank).endswith("\n\n")
    assert not blank or not (ends + blank).endswith("\n\n\n")
    with pytest.raises(OracleError, match="I know that one"):
        added(after, joke)
    assert broken_history(tree(after, text)) == ""


@settings(deadline=None)
@given(st.lists(st.sampled_from(["One.", "Two.", "Three.", "Four."]), unique=True, min_size=1))
def test_a_history_of_adding_is_whole_and_one_without_a_joke_is_not(told_jokes: list[str]) -> None:
    versions = [""]
    for joke in told_jokes:
        versions.append(added(versions[-1], joke))
    assert broken_history(tree(versions[-1], *versions[:-1])) == ""
    assert [joke.text for joke in jokes(versions[-1])] == told_jokes
    for joke in told_jokes:
        assert broken_history(tree(versions[-1].replace(joke, "Gone."), *versions))


@pytest.mark.parametrize(
    ("versions", "why"),
    [
        ([None], ""),
        (["One."], ""),
        (["One.\n", "One.\n"], ""),
        (["One.\n", "One.\n\nTwo.\n"], ""),
        (["One.", "One.\n\nTwo.\n"], ""),
        (["", "One.\n"], ""),
        (["A.\n\n---\n", "A.\n\n---\n\nOne.\n"], ""),
        (["One.\n", "Won.\n"], "line 1 of version 1 was changed or removed in the file on the disk"),
        (["One.\n", "Won.\n", "Won.\n"], "line 1 of version 1 was changed or removed in version 2"),
        (["One.\n\nTwo.\n", "One.\n"], "line 2 of version 1"),
        (["One.\n", None], "line 1 of version 1 was changed or removed in the file on the disk"),
        (["One.\n", "", "One.\n"], "line 1 of version 1 was changed or removed in version 2"),
        (["One.\r\n", "One.\n"], "line 1 of version 1"),
        (["One.", "One. And more.\n"], "the joke at line 1 of version 1 reads otherwise in the file on"),
        (["A.\n\nOne.\n", "A.\n\nOne.\nMore.\n"], "the joke at line 3 of version 1 reads otherwise"),
        (["One.\n\n", "One.\n\n---\n\nTwo.\n"], "the joke at line 1 of version 1 reads otherwise"),
        (["One.\n\n", "One.\n\n---\n"], "the joke at line 1 of version 1 reads otherwise"),
    ],
)
def test_broken_history(versions: list[str | None], why: str) -> None:
    *earlier, now = versions
    found = broken_history(tree(now, *[text or "" for text in earlier]))
    assert found.startswith(why)
    assert bool(found) == bool(why)


def test_git_is_asked_once() -> None:
    made = tree("One.\n", "One.\n")
    assert told(made) == ("One.\n",)
    made.remember({})
    assert told(made) == ("One.\n",)
