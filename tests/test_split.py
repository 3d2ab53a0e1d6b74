"""oracle split and oracle merge: a file becomes several, several become one, and nothing is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle_tools.bundle.errors import OracleError
from oracle_tools.bundle.layout import Config
from oracle_tools.bundle.tree import Tree
from oracle_tools.check.run import check
from oracle_tools.chores.merge import merge
from oracle_tools.chores.split import split

LONG = """\
---
description: How a cache works, from the keys to the bytes.
keywords: [KV cache, keys, bytes, "a, b"]
---

# The cache

A first paragraph.[^a] See [bytes](#bytes) and [the same](03-cache.md#bytes-1).

## Keys

Keys are kept.[^b] Back to [the cache](#the-cache).

### Bytes

Two a number.[^a][^c]

## Bytes

Many.[^Shared] See [keys](#keys), [next](04-next.md#t).

### Detail

Fine.

## After

The end.[^b]

## Related

- [Next](04-next.md): what comes

## Sources

[^a]: [A](https://a.example): says a.
[^b]: [B](https://b.example): says b, as [next](04-next.md) does.
[^c]: [C](https://c.example): says c.
    And more.
[^shared]: [D](https://d.example): as [^c].
"""

NEXT = """\
---
description: d
keywords: [k]
---

# T

See [bytes](03-cache.md#bytes-1), [all](03-cache.md), [after](03-cache.md#after).[^a]

## Sources

[^a]: [Another A](https://x.example): x.
"""


def bundle(long: str = LONG) -> Tree:
    return Tree.of(
        {
            "k/f/INDEX.md": "# F\n\n**F.**\n\n[03-cache.md](03-cache.md#keys)\n",
            "k/f/03-cache.md": long,
            "k/f/04-next.md": NEXT,
        },
        Config(),
    )


def done(tree: Tree, *at: str) -> Tree:
    return tree.after(split(tree, "k/f/03-cache.md", at))


def test_a_section_becomes_a_file_of_its_own() -> None:
    tree = done(bundle(), "bytes-1", "Keys")
    assert tree.files("k/f") == [
        "k/f/03-cache.md",
        "k/f/04-next.md",
        "k/f/05-keys.md",
        "k/f/06-bytes.md",
        "k/f/INDEX.md",
    ]
    assert (
        tree.text("k/f/06-bytes.md")
        == """\
---
description: "Bytes: Many."
keywords: [keys, bytes]
---

# Bytes

Many.[^Shared] See [keys](05-keys.md#keys), [next](04-next.md#t).

## Detail

Fine.

## After

The end.[^b]

## Related

- [The cache](03-cache.md): what this belongs to

## Sources

[^b]: [B](https://b.example): says b, as [next](04-next.md) does.
[^c]: [C](https://c.example): says c.
    And more.
[^shared]: [D](https://d.example): as [^c].
"""
    )


def test_what_is_left_keeps_its_name_and_only_its_footnotes() -> None:
    text = done(bundle(), "Keys").text("k/f/03-cache.md")
    assert text.startswith(LONG[: LONG.index("A first paragraph")])
    assert "[bytes](05-keys.md#bytes) and [the same](05-keys.md#bytes-1)" in text
    related = "## Related\n\n- [Next](04-next.md): what comes\n\n"
    assert text.endswith(f"{related}## Sources\n\n[^a]: [A](https://a.example): says a.\n")


def test_links_from_elsewhere_follow_to_the_part() -> None:
    tree = done(bundle(), "Keys", "After")
    assert "[bytes](05-keys.md#bytes-1), [all](03-cache.md), [after](06-after.md#after)" in tree.text(
        "k/f/04-next.md"
    )
    assert "(05-keys.md#keys)" in tree.text("k/f/INDEX.md")


@pytest.mark.parametrize("at", [["Keys"], ["bytes-1"], ["Keys", "bytes-1", "After"], ["bytes"], ["#detail"]])
def test_nothing_is_dead_after_a_split(at: list[str]) -> None:
    codes = {finding.code for finding in check(done(bundle(), *at))}
    assert codes & {"L001", "L002", "K001", "K002", "K003", "K004", "K005"} == set()


@pytest.mark.parametrize(
    ("at", "why"),
    [
        (["Nothing"], "no heading Nothing; there are Keys, Bytes"),
        (["The cache"], "is the title"),
        ([], "no heading to split at"),
        (["Sources"], "no heading Sources"),
    ],
)
def test_refused_headings(at: list[str], why: str) -> None:
    with pytest.raises(OracleError, match=why):
        done(bundle(), *at)


def test_a_file_with_reference_definitions_is_not_taken_apart() -> None:
    with pytest.raises(OracleError, match="has reference definitions"):
        done(bundle(LONG.replace("Fine.", "Fine, [r].\n\n[r]: 04-next.md")), "Keys")


# Merging


def merged(tree: Tree, *paths: str, into: str) -> Tree:
    return tree.after(merge(tree, [f"k/f/{path}" for path in paths], f"k/f/{into}"))


def test_files_become_sections_of_the_first() -> None:
    tree = merged(bundle(), "03-cache.md", "04-next.md", into="03-cache.md")
    assert tree.files("k/f") == ["k/f/03-cache.md", "k/f/INDEX.md"]
    text = tree.text("k/f/03-cache.md")
    assert 'keywords: [KV cache, keys, bytes, "a, b", k]' in text
    assert (
        "## T\n\nSee [bytes](03-cache.md#bytes-1), [all](03-cache.md), [after](03-cache.md#after).[^a-2]"
        in text
    )
    assert "[next](03-cache.md#t)" in text
    assert text.endswith("[^a-2]: [Another A](https://x.example): x.\n")
    assert "## Related" not in text  # all that was related is here now
    assert {f.code for f in check(tree)} & {"L001", "L002", "K004", "K005"} == set()


def test_the_same_definition_is_one_footnote_and_a_heading_twice_gets_a_suffix() -> None:
    other = NEXT.replace("Another A](https://x.example): x.", "A](https://a.example):  says a.")
    tree = bundle().after([])
    tree = Tree.of({**{p: tree.text(p) for p in tree.files("k/f")}, "k/f/04-next.md": other + ""})
    twice = (
        tree.text("k/f/04-next.md")
        .replace("[^a]\n", "[^b]\n\n## Keys\n\nSee [up](#keys).\n")
        .replace("[^a]:", "[^b]:")
    )
    tree = Tree.of({**{p: tree.text(p) for p in tree.files("k/f")}, "k/f/04-next.md": twice})
    text = merged(tree, "03-cache.md", "04-next.md", into="03-cache.md").text("k/f/03-cache.md")
    assert text.count("https://a.example") == 1
    assert "[after](03-cache.md#after).[^a]" in text
    assert "[up](#keys-1)" in text


def test_into_a_new_file() -> None:
    tree = merged(bundle(), "04-next.md", "03-cache.md", into="07-both.md")
    assert tree.files("k/f") == ["k/f/07-both.md", "k/f/INDEX.md"]
    assert "(07-both.md#keys)" in tree.text("k/f/INDEX.md")
    assert "[all](07-both.md#the-cache)" in tree.text("k/f/07-both.md")


@pytest.mark.parametrize(
    ("paths", "into", "why"),
    [
        (["03-cache.md"], "03-cache.md", "two files or more"),
        (["03-cache.md", "03-cache.md"], "03-cache.md", "each of them once"),
        (["03-cache.md", "04-next.md"], "INDEX.md", "exists already"),
        (["03-cache.md", "04-next.md"], "next.md", "name it NN-kebab-name.md"),
        (["03-cache.md", "INDEX.md"], "03-cache.md", "no knowledge file"),
    ],
)
def test_refused_merges(paths: list[str], into: str, why: str) -> None:
    with pytest.raises(OracleError, match=why):
        merged(bundle(), *paths, into=into)


# There and back


@st.composite
def files(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A file of sections with footnotes and links to each other, and some of its headings."""
    titles = draw(st.lists(st.sampled_from("ABCDE"), min_size=1, max_size=5, unique=True))
    names = ["x", "y", "z"]
    words = st.lists(
        st.sampled_from([f"[^{name}]" for name in names] + [f"[t](#s-{t.lower()})" for t in titles]),
        max_size=3,
    )
    body = ["# Title", f"Lead.{''.join(draw(words))}"]
    for title in titles:
        body += [f"## S {title}", f"Text {title}.{''.join(draw(words))}"]
        if draw(st.booleans()):
            body += [f"### Sub {title}", f"More {title}.{''.join(draw(words))}"]
    text = "\n\n".join(body)
    notes = [f"[^{name}]: [N](https://{name}.example): {name}." for name in names if f"[^{name}]" in text]
    sources = ["## Sources", "\n".join(notes)] if notes else []
    meta = "---\ndescription: d\nkeywords: [k, title]\n---"
    at = draw(st.lists(st.sampled_from(titles), min_size=1, unique=True))
    return "\n\n".join([meta, text, *sources]) + "\n", [f"S {title}" for title in at]


def alike(text: str) -> tuple[str, list[str]]:
    """What splitting and merging keeps: all but the levels of headings and the order of the definitions.

    A link may name the file beside the anchor.
    """
    text = re.sub(r"^#+ ", "# ", text, flags=re.MULTILINE).replace("(01-p.md#", "(#")
    lines = text.split("\n")
    notes = sorted(line for line in lines if line.startswith("[^"))
    return "\n".join(line for line in lines if not line.startswith("[^")), notes


@given(files())
def test_split_and_merged_again_it_is_the_same(given: tuple[str, list[str]]) -> None:
    text, at = given
    tree = Tree.of({"k/f/01-p.md": text})
    apart = tree.after(split(tree, "k/f/01-p.md", at))
    parts = apart.files("k/f")
    assert len(parts) == len(at) + 1
    again = apart.after(merge(apart, parts, "k/f/01-p.md"))
    assert again.files("k/f") == ["k/f/01-p.md"]
    assert alike(again.text("k/f/01-p.md")) == alike(text)
