"""What the Markdown reader says about a text, and that its two engines say the same."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle_tools.bundle import markdown, markdown_reference
from oracle_tools.bundle.markdown import PLACED, At, Doc, Heading, place, places

ZWJ = "\N{ZERO WIDTH JOINER}"


# Headings and their anchors


@pytest.mark.parametrize(
    ("text", "headings"),
    [
        ("# One\n\n###### Six ##\n", [(1, "One", "one"), (6, "Six", "six")]),
        ("Setext\n===\n\nTwo\n---\n", [(1, "Setext", "setext"), (2, "Two", "two")]),
        ("#no\n\n####### seven\n\n\\# no\n\n    # code\n", []),
        ("```\n# no\n```\n\n<pre>\n# no\n</pre>\n", []),
        ("> ## quoted\n\n- ## in a list\n", [(2, "quoted", "quoted"), (2, "in a list", "in-a-list")]),
        ("## A & B — c, d.\n", [(2, "A & B — c, d.", "a--b--c-d")]),
        ("## a  b\n", [(2, "a  b", "a--b")]),
        ("## `top_k` in `x.py`\n", [(2, "top_k in x.py", "top_k-in-xpy")]),
        ("## *a* **b** ~~c~~ [d](e.md) <b>f</b>\n", [(2, "a b c d f", "a-b-c-d-f")]),
        ("## a\\_b \\[c] &amp; &eacute;\n", [(2, "a_b [c] & é", "a_b-c--é")]),
        ("## Über ÉTÉ Ж\n", [(2, "Über ÉTÉ Ж", "über-été-ж")]),
        ("## 你好 世界\n", [(2, "你好 世界", "你好-世界")]),
        ("## 🚀 Start\n", [(2, "🚀 Start", "-start")]),
        ("## snake_case __x\n", [(2, "snake_case __x", "snake_case-__x")]),
        (f"## a{ZWJ}b\n", [(2, f"a{ZWJ}b", "ab")]),
        ("##\n", [(2, "", "")]),
        ("# A\n# A\n# A\n", [(1, "A", "a"), (1, "A", "a-1"), (1, "A", "a-2")]),
        ("# A\n# A-1\n# A\n", [(1, "A", "a"), (1, "A-1", "a-1"), (1, "A", "a-2")]),
        ("## C++\n## C#\n## C\n", [(2, "C++", "c"), (2, "C#", "c-1"), (2, "C", "c-2")]),
        ("## Claim[^1]\n\n[^1]: d\n", [(2, "Claim", "claim")]),
        ("## Title <a id='x'></a>\n", [(2, "Title", "title-")]),
        ("<h2>A</h2>\n\n## A\n\n<h2>A</h2>\n\n## A\n", [(2, "A", "a-1"), (2, "A", "a-3")]),
        ("# A\r\n\r\n## A\r\n", [(1, "A", "a"), (2, "A", "a-1")]),
        # GitHub makes an anchor of the text of the rendered heading; an image has none.
        ("# ![logo](l.png) Oracle\n", [(1, "Oracle", "-oracle")]),
    ],
)
def test_headings(text: str, headings: list[tuple[int, str, str]]) -> None:
    assert [(h.level, h.text, h.anchor) for h in markdown.read(text).headings] == headings


def test_title_is_the_first_heading_of_level_one() -> None:
    assert markdown.read("## Before\n\n# Title `x`\n\n# Other\n").title == "Title x"
    assert markdown.read("## Only\n").title == ""


def test_headings_know_their_lines() -> None:
    text = "---\na: 1\n---\n\n# A\n\ntext\n\nB\nb\n---\n\n> x\n>\n> ## C\n"
    assert [where.line for where in places(text)["headings"]] == [5, 9, 15]


@settings(deadline=None)
@given(st.lists(st.text(alphabet="aA-1_ é", max_size=5), max_size=12))
def test_every_anchor_of_a_document_is_its_own(titles: list[str]) -> None:
    anchors = markdown.Anchors()
    given_out = [anchors.add(title) for title in titles]
    assert len(set(given_out)) == len(given_out)


@settings(deadline=None)
@given(st.text())
def test_a_slug_needs_no_second_slugging(text: str) -> None:
    assert markdown.slug(markdown.slug(text)) == markdown.slug(text)


# Links


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("[a](b.md)", ["b.md"]),
        ("[a](b.md 'title') [a](b.md#c) [a](#c)", ["b.md", "b.md#c", "#c"]),
        ("[a](<b c.md>) [a](b%20c.md)", ["b c.md", "b%20c.md"]),
        ("[a](b\\_c.md) [a](b(c).md) [a](&auml;.md)", ["b_c.md", "b(c).md", "ä.md"]),
        ("[a]() [](b.md)", ["", "b.md"]),
        ("![i](i.png)", ["i.png"]),
        ("[![i](i.png)](b.md)", ["b.md", "i.png"]),
        ("[x][r] [r][] [r] ![r]\n\n[R]: b.md 'T'\n", ["b.md"] * 4),
        ("[never used]: b.md\n", []),
        ("[nowhere] [x][nowhere] - [ ] task\n", []),
        ("<https://a.b/ä?q=%20> https://bare.org www.bare.org", ["https://a.b/ä?q=%20"]),
        ("<mailto:a@b.c> <a@b.c>", []),
        ("[mail](mailto:a@b.c)", ["mailto:a@b.c"]),
        ("[a](/abs.md) [a](C:\\x.md) [a](file:///x)", ["/abs.md", "C:\\x.md", "file:///x"]),
        ("[a](javascript:x)", ["javascript:x"]),
        ("\\[a](b.md) `[a](b.md)` [a](b c.md) [a] (b.md)", []),
        ("```md\n[a](b.md)\n```\n\n    [a](b.md)\n", []),
        ("<!-- [a](b.md) -->", []),
        ("| [a](b.md) |\n|---|\n| [c\\|d](e.md) |\n", ["b.md", "e.md"]),
        ("# [a](b.md)\n\n> - [c](d.md)\n", ["b.md", "d.md"]),
        ("[a\nb](c.md)", ["c.md"]),
        ("x[^1]\n\n[^1]: [a](b.md)\n", ["b.md"]),
        ("---\na: [b](c.md)\n---\n", []),
    ],
)
def test_links(text: str, targets: list[str]) -> None:
    assert sorted(markdown.read(text).links) == sorted(targets)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[a](b.md)", (1, 5)),
        ("x\ny [a](b.md)", (2, 7)),
        ("ä日🚀 [a](b.md)", (1, 9)),
        ("x\r\ny [a](b.md)\r\n", (2, 7)),
        ("---\na: é\n---\n\n- é [a](b.md)", (5, 9)),
        ("| é | [a](b.md) |\n|---|---|\n", (1, 11)),
        ("b.md b.md\n\n[a](b.md)", (3, 5)),
        ("x\n\n[a][r]\n\n[r]: b\\_c.md\n", (3, 1)),
        ("\ufeffb.md [a](b.md)", (1, 10)),
        ("`a_b.md` [x](a\\_b.md)", (1, 10)),
        ("`[x](b.md)` [b.md](b.md 'b.md')", (1, 20)),
        ("[b.md][r]\n\n[r]: b.md\n", (1, 1)),
        ("`[x](b.md)` [x](<b.md>)", (1, 13)),
        ("\ufeffx [a](b.md)", (1, 7)),
        ("x [b.md](b.md)", (1, 10)),
    ],
)
def test_a_link_is_found_where_it_stands(text: str, where: tuple[int, int]) -> None:
    doc = markdown.read(text)
    assert len(doc.links) == 1
    assert place(text, doc, At("links", 0)) == where


def test_each_link_is_found_where_it_stands() -> None:
    text = "\ufeff---\na: 1\n---\n\n[b.md](b.md)\n\n- [x](b.md) [![i](b.md)](b.md)\n"
    doc = markdown.read(text)
    found = [place(text, doc, At("links", n)) for n in range(4)]
    assert found[:2] == places(text)["links"][:2] == [(5, 8), (7, 7)]
    assert sorted(found[2:]) == sorted(places(text)["links"][2:]) == [(7, 19), (7, 26)]


# Anchors, footnotes, code


@pytest.mark.parametrize(
    ("text", "anchors"),
    [
        ("<a id='one'></a> <a name=\"two\"></a> <a id=three>", ["one", "two", "three"]),
        ("<div id='block'>\n\ntext\n\n</div>\n", ["block"]),
        ("text `<a id='code'>` \\<a id='escaped'>\n\n```\n<a id='fence'>\n```\n", []),
        ("<a data-id='x' href='#y' title=\" id='z' \">", []),
        ("y <a\nid = x>", ["x"]),
        ("<!-- <a id='x'>\n\n<a id='y'> -->\n\n<!-- never closed <a id='z'>", []),
        ("<h1 align='center'>\n  <img src='l.png'>\n  A &amp; B\n</h1>\n", ["a--b"]),
        ("<H3>A</H3>\n<h3>A</h3>\n<h4>not closed\n", ["a", "a-1"]),
        ("<div\n  class='c'\n  id='x'>\n</div>\n", ["x"]),
        ("<a id='x' name='y'></a>", ["x", "y"]),
        ("<!-- <a id='x'></a> -->", []),
    ],
)
def test_explicit_anchors(text: str, anchors: list[str]) -> None:
    assert markdown.read(text).anchors == anchors


@pytest.mark.parametrize(
    ("text", "refs", "notes", "loose"),
    [
        ("x[^a] y[^a]\n\n[^a]: d\n", ["a", "a"], ["a"], []),
        ("x[^1][^2]\n\n[^1]: d\n[^2]: e\n", ["1", "2"], ["1", "2"], []),
        ("x[^none]\n", [], [], ["none"]),
        ("x\\[^escaped] y\\\\[^loose] \\\\\\[^escaped]", [], [], ["loose"]),
        ("\\[^a] [^b] [^c]\n\n[^b]: d\n", ["b"], ["b"], ["c"]),
        ("[^b] [^A][x](y.md) [^none] [^B]\n\n[^a]: d\n\n[^b]: d\n", ["b", "A", "B"], ["a", "b"], ["none"]),
        ("x\\[^escaped] `[^code]`\n\n```\n[^fence]\n```\n", [], [], []),
        ("[^unused]: d\n", [], ["unused"], []),
        ("[^a]: one\n\n[^a]: two\n\nx[^a]\n", ["a"], ["a", "a"], []),
        ("# H[^1]\n\n| x[^1] |\n|---|\n\n[^1]: d\n", ["1", "1"], ["1"], []),
        ("x[^1]\n\n[^1]: d[^2]\n\n    more\n\n[^2]: e\n", ["1", "2"], ["1", "2"], []),
        ("x[^ä-1]\r\n\r\n[^ä-1]: d\r\n", ["ä-1"], ["ä-1"], []),
        ("[t[^1]](a.md)\n\n[^1]: d\n", ["1"], ["1"], []),
        ("x[^1][t](a.md)\n\n[^1]: d\n", ["1"], ["1"], []),
    ],
)
def test_footnotes(text: str, refs: list[str], notes: list[str], loose: list[str]) -> None:
    doc = markdown.read(text)
    assert (doc.refs, doc.notes, doc.loose) == (refs, notes, loose)


def test_a_footnote_taken_back_is_found_where_it_stands() -> None:
    found = places("[^b] [^a][x](y.md) [^none] [^b]\n\n[^a]: d\n\n[^b]: d\n")
    assert (found["refs"], found["loose"]) == ([(1, 1), (1, 6), (1, 28)], [(1, 20)])


def test_footnotes_are_found_where_they_stand() -> None:
    found = places("é x[^1] é[^none]\n\n  [^1]: é\n    [^gone]\n")
    assert found["refs"] == [(1, 4)]
    assert found["loose"] == [(1, 10), (4, 5)]
    assert [where.line for where in found["notes"]] == [3]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("`a/b.md` `c.md` `d/`", ["a/b.md", "c.md", "d/"]),
        ("`plain` `a b/c` `x.py` `md`", []),
        ("`` a`/b ``", ["a`/b"]),
        ("```\na/b.md\n```\n\n    `a/b`\n", []),
        ("# `h/i`\n\n| `j/k` |\n|---|\n", ["h/i", "j/k"]),
    ],
)
def test_path_like_code(text: str, codes: list[str]) -> None:
    assert markdown.read(text).codes == codes


def test_code_is_found_where_it_stands() -> None:
    text = "x\n\né `a/b`\n"
    assert place(text, markdown.read(text), At("codes", 0)) == (3, 4)


# Frontmatter


def bomb(levels: int) -> str:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "---\n" + "\n".join(rows) + "\n---\n"


def merge_bomb(levels: int) -> str:
    """Each level merges the one below nine times: ten levels keep a reader busy for minutes."""
    rows = ["a0: &a0 {k: 1}"]
    rows += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, levels)]
    return "---\n" + "\n".join(rows) + "\n---\n"


@pytest.mark.parametrize(
    ("text", "meta"),
    [
        ("---\ndescription: x\nkeywords: [a, 1]\n---\n# T\n", {"description": "x", "keywords": ["a", 1]}),
        ("---\r\na: 1\r\n---\r\n# T\r\n", {"a": 1}),
        ("\ufeff---\na: 1\n---\n# T\n", {"a": 1}),
        ("---\na: 1\n...\n# T\n", {"a": 1}),
        ("---\ndate: 2024-01-31\n---\n", {"date": "2024-01-31"}),
        ("---\nat: 2024-01-31 10:00:00\n---\n", {"at": "2024-01-31 10:00:00"}),
        ("---\n2: x\nno: y\n---\n", {"2": "x", "False": "y"}),
        ("---\na: &x [1]\nb: *x\n---\n", {"a": [1], "b": [1]}),
        ("---\na: &x {b: 1}\nc: {<<: *x, d: '***'}\n---\n", {"a": {"b": 1}, "c": {"b": 1, "d": "***"}}),
        ("---  \na: 1\n--- \t\n# T\n", {"a": 1}),
        ("----\na: 1\n----\n", {}),
        ("---\na: |\n  ---\n  x\n---\n", {"a": "---\nx\n"}),
        ("---\n# only a comment\n---\n", {}),
        ("text\n\n---\n", {}),
        ("# T\n\nno frontmatter\n", {}),
        ("---\na: 1\n---\n\n# T\n\n---\nb: 2\n---\n", {"a": 1}),
        ("\n---\na: 1\n---\n", {}),
        ("---\n\na: 1\n---\n", {"a": 1}),
    ],
)
def test_frontmatter(text: str, meta: dict[str, object]) -> None:
    doc = markdown.read(text)
    assert doc.meta == meta
    assert doc.problem == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("---\na: [\n---\n", "not YAML"),
        ("---\na: b: c\n---\n", "line 2"),
        ("---\na: 1\nb: c: d\n---\n", "line 3"),
        ("---\nkey: value\n", "not closed"),
        ("---\r\n***\r\n", "not closed"),
        ("---\n- a\n- b\n---\n", "not a table"),
        ("---\njust text\n---\n", "not a table"),
        ("---\na: !!python/object/apply:os.getcwd []\n---\n", "not YAML"),
        ("---\na: " + "[" * 5000 + "]" * 5000 + "\n---\n", "cannot be read"),
        ("---\na: &x [*x]\n---\n", "cannot be read"),
        ("---\na: 2024-02-31\n---\n", "cannot be read"),
        (bomb(9), "more values"),
        (merge_bomb(6), "more values"),
        (merge_bomb(40), "more values"),
        ("---\n" + "- " * 5000 + "x\n---\n", "deeper"),
        ("---\n" + "\n".join(" " * n + "a:" for n in range(200)) + "\n---\n", "deeper"),
    ],
)
def test_broken_frontmatter_is_one_line_of_problem(text: str, says: str) -> None:
    doc = markdown.read(text + "\n# T\n\n[a](b.md)\n")
    assert says in doc.problem
    assert "\n" not in doc.problem
    assert doc.meta == {}
    assert doc.title == "T"
    assert doc.links == ["b.md"]


def test_deep_frontmatter_does_not_end_the_process() -> None:
    program = (
        "from oracle_tools.bundle.markdown import read\n"
        "text = '---\\na: ' + '[' * 200_000 + ']' * 200_000 + '\\n---\\n'\n"
        "print(read(text).problem)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, "frontmatter" in done.stdout) == (0, True)


def test_text_between_two_rules_is_text() -> None:
    doc = markdown.read("# T\n\n---\nSee [a](b.md).\n\n## Section\n\nend\n\n---\n")
    assert doc.problem == ""
    assert [heading.text for heading in doc.headings] == ["T", "Section"]
    assert doc.links == ["b.md"]


def test_description_and_keywords_are_texts_whatever_was_written() -> None:
    doc = markdown.read("---\ndescription: |\n  two\n  lines\nkeywords: [a, 2, 3.5, 2024-01-31]\n---\n")
    assert doc.description == "two lines"
    assert doc.keywords == ["a", "2", "3.5", "2024-01-31"]
    other = markdown.read("---\ndescription: [x]\nkeywords: a, b\n---\n")
    assert (other.description, other.keywords) == ("", [])


# The rest of a Doc


@pytest.mark.parametrize(
    ("text", "lead"),
    [
        ("# T\n\n**Bold** and\n`code`, [link](a.md).\n\nSecond.\n", "Bold and code, link."),
        ("before\n\n# T\n\nafter\n", "after"),
        ("# T\n\n```\ncode\n```\n\nafter\n", "after"),
        ("# T\n\n## S\n\nafter\n", "after"),
        ("# T\n\n- tight\n- list\n", ""),
        ("no heading\n", ""),
        ("---\na: 1\n---\n# T\r\n\r\nafter\r\n", "after"),
        ("# T\n\n[^1]: a note\n", ""),
        ("# T\n\n[^1]: a note\n\n    more\n\nafter\n", "after"),
        ("# T\n\n![badge](b.png)\n\n![alt](i.png) after\n", "after"),
    ],
)
def test_lead(text: str, lead: str) -> None:
    assert markdown.read(text).lead == lead


@pytest.mark.parametrize(
    ("text", "lines", "size"),
    [
        ("", 0, 0),
        ("x", 1, 1),
        ("x\n", 1, 2),
        ("x\n\n", 2, 3),
        ("é\r\ny", 2, 5),
        ("\ufeff", 0, 3),
        ("\ufeffx", 1, 4),
    ],
)
def test_lines_and_size(text: str, lines: int, size: int) -> None:
    for doc in (markdown.read(text), markdown_reference.read(text)):
        assert (doc.lines, doc.size) == (lines, size)


@pytest.mark.parametrize("text", ["", "\n", "\ufeff", "   \n\t\n", "\x00", "---", "```"])
def test_next_to_nothing_is_read_as_nothing(text: str) -> None:
    facts = markdown.read(text).facts() | {"lines": 0, "size": 0}
    assert facts == Doc().facts()


@settings(deadline=None)
@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    doc = markdown.read(text)
    assert doc.size == len(text.encode())


EVERYTHING = """\
---
description: x é
keywords: [a, 1, 2.5, null, true]
date: 2024-01-31
nested: {a: [1, {b: c}]}
---
# T é

Lead [a](b.md), `c/d.md`, x[^1], y[^none]. <a id="e"></a>

[^1]: note
"""


@pytest.mark.parametrize("text", ["", EVERYTHING, "---\na: [\n---\n# T\n"])
def test_a_doc_survives_json(text: str) -> None:
    doc = markdown.read(text)
    again = Doc.from_row(*doc.to_row())
    assert again.facts() == doc.facts()
    assert all(isinstance(heading, Heading) for heading in again.headings)
    assert again.to_row() == doc.to_row()


# lines


def in_code(text: str) -> list[int]:
    return [line.number for line in markdown.lines(text) if line.code]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a\n```\nb\n```\nc\n", [2, 3, 4]),
        ("a\n~~~ md\nb\n~~~\nc\n", [2, 3, 4]),
        ("````\n```\n````\nc\n", [1, 2, 3]),
        ("```\n~~~\n```\nc\n", [1, 2, 3]),
        ("```\n``` no end\n```\nc\n", [1, 2, 3]),
        ("``` not `a` fence\nb\n", []),
        ("~~~ a `fence`\nb\n~~~\n", [1, 2, 3]),
        ("`` two\nb\n", []),
        ("   ```\nb\n  ```  \nc\n", [1, 2, 3]),
        ("- ```\n  b\n  ```\nc\n", [1, 2, 3]),
        ("> ```\n> b", [1, 2]),
        ("```\n> ```\n```\nc\n", [1, 2, 3]),
        ("1. a\n\n    ```\n    b\n    ```\n\nc\n", [3, 4, 5]),
        ("```\r\nb\r\n```\r\nc\r\n", [1, 2, 3]),
        ("```\nnever closed\n", [1, 2, 3]),
        ("---\na: 1\n---\nb\n", [1, 2, 3]),
        ("---\na: 1\n...\nb\n", [1, 2, 3]),
        ("---\r\na: 1\r\n---\r\nb\r\n", [1, 2, 3]),
        ("a\n---\nb\n---\n", []),
        ("", []),
        ("> ```\n> b\n> ```\nc\n", [1, 2, 3]),
        ("> ```\n> b\n\nc\n", [1, 2]),
        ("- ```\n  b\n\nc\n", [1, 2, 3]),
        ("---\n# T\n\nb\n", []),
        ("--- \na: 1\n---\nb\n", [1, 2, 3]),
    ],
)
def test_lines_know_code(text: str, code: list[int]) -> None:
    assert in_code(text) == code


def fenced(text: str) -> set[int]:
    """The lines of fenced code as the parser has them."""
    import pyromark

    found: set[int] = set()
    events: Any = pyromark.events_with_range(text)
    for event, where in events:
        if isinstance(event, dict) and "Fenced" in str(event.get("Start")):
            inside = text.encode()[where["start"] : where["end"]].removesuffix(b"\n").count(b"\n")
            first = text.encode().count(b"\n", 0, where["start"]) + 1
            found |= set(range(first, first + inside + 1))
    return found


@settings(deadline=None, max_examples=500)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "> ", "> > ", "- ", "  ", "1. ", "   ", "> - ", ">   ", "- > ", "  > "]),
            st.sampled_from(["```", "```", "~~~ md", "````", "a", "", "``` x`y", "# h"]),
        ),
        max_size=8,
    )
)
def test_lines_know_code_as_the_parser_does(rows: list[tuple[str, str]]) -> None:
    text = "\n".join(before + row for before, row in rows)
    blank = {number for number, row in enumerate(text.split("\n"), start=1) if not row.strip(" >")}
    assert set(in_code(text)) - blank == fenced(text) - blank


@settings(deadline=None)
@given(st.text(alphabet="`~ab>- \r\n", max_size=60))
def test_lines_are_the_text(text: str) -> None:
    found = list(markdown.lines(text))
    assert [line.number for line in found] == list(range(1, len(found) + 1))
    assert [line.text for line in found] == [raw.removesuffix("\r") for raw in text.split("\n")]
    assert all(text[line.offset :].startswith(line.text) for line in found)


# blocks


BLOCKS = [
    ("", []),
    ("one paragraph\nof two lines", ["Paragraph"]),
    ("a\n\nb", ["Paragraph", "Paragraph"]),
    ("# h\n\na", ["Heading", "Paragraph"]),
    ("- a\n- b\n", ["List"]),
    ("1. a\n", ["List"]),
    ("> a\n", ["BlockQuote"]),
    ("```\na\n```\n", ["CodeBlock"]),
    ("    a\n", ["CodeBlock"]),
    ("<div>\na\n</div>\n", ["HtmlBlock"]),
    ("***\n", ["Rule"]),
    ("| a |\n|---|\n", ["Table"]),
    ("a <b>c</b>", ["Paragraph", "InlineHtml", "InlineHtml"]),
    ("> a <br>\n", ["BlockQuote", "InlineHtml"]),
    ("---\na: 1\n---\n", ["MetadataBlock"]),
]


@pytest.mark.parametrize(("text", "kinds"), BLOCKS)
def test_blocks(text: str, kinds: list[str]) -> None:
    assert markdown.blocks(text) == kinds
    assert markdown_reference.blocks(text) == kinds


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("> ***\n", ["BlockQuote"]),
        ("a\n\n---\nb\n\n---\n", ["Paragraph", "Rule", "Paragraph", "Rule"]),
    ],
)
def test_blocks_of_the_fast_reader(text: str, kinds: list[str]) -> None:
    assert markdown.blocks(text) == kinds


# The two readers agree


def facts(doc: Doc) -> dict[str, object]:
    """What the readers must agree on, in any order: an image inside a link comes before it or after."""
    return {
        "links": sorted(doc.links),
        "headings": [(heading.level, heading.text, heading.anchor) for heading in doc.headings],
        "anchors": sorted(doc.anchors),
        "refs": sorted(doc.refs),
        "notes": sorted(doc.notes),
        "meta": doc.meta,
        "problem": bool(doc.problem),
    }


def agree(text: str) -> None:
    assert facts(markdown.read(text)) == facts(markdown_reference.read(text))


SAMPLES = [
    EVERYTHING,
    "[a](b.md) ![c](d.png) <https://e.f> <g@h.i> [j][k] [k]\n\n[k]: l.md 'title'\n",
    "[a](<b c.md>) [a](b%20c.md) [a](b\\_c.md) [a](b(c).md) [a]() [a](&auml;.md) [a](javascript:x)\n",
    "[a](b .md) [a] (b.md) \\[a](b.md) [a]\\(b.md) [nowhere] [a [b](c.md) d](e.md)\n",
    "[![i](i.png)](l.md) **[a](b.md)** ~~[c](d.md)~~ [e\nf](g.md)\n",
    "# A\n# A\n## `a` *b* **c** ~~d~~ [e](f.md) <b>g</b>\n\nSetext\nof two\n===\n",
    "## a\\_b &amp; \\[c]\n",
    "## Über ÉTÉ — 你好 🚀, a_b!\n## 1. A & B\n##\n",
    "> ## q\n> [a](b.md)\n\n1. [c](d.md)\n   - [e](f.md)\n\n     [g](h.md)\n",
    "| [a](b.md) | x[^1] |\n|---|---|\n| [c\\|d](e.md) | `f\\|g/h` |\n\n[^1]: d\n",
    "```md\n# no\n[a](b.md)\n[^1]: no\n```\n\n    # no\n    [a](b.md)\n\n~~~\n<a id='no'>\n~~~\n",
    '<a id=\'x\'></a><a name="y">z</a>\n\n<div id="b">\n\n## in html\n\n</div>\n',
    "<!-- [a](b.md) -->\n\n<pre>\n# no\n[a](b.md)\n</pre>\n\n# yes\n",
    "<details>\n<summary>x</summary>\n\n[a](b.md)\n\n</details>\n",
    "x[^a] y[^b] z[^none] \\[^escaped]\n\n[^a]: one [l](m.md)\n    two\n\n    [n](o.md)\n\n[^b]: b\n",
    "x[^1][^2] *[^1]* [t[^2]](u.md)\n\n[^1]: d[^2]\n[^2]: e\n\n# After\n",
    "x[^1]\n[^1]: right after\n\nend\n",
    "---\na: 1\n---\n",
    "---\na: [\n---\n# T\n",
    "---\na: 1\n\nb: 2\n---\n# T\n\n[c](d.md)\n",
    "---\n# T\n\n[a](b.md)\n",
    "***\n\n* * *\n\n___\n",
    "a  \n[b](c.md)\\\n[d](e.md)\n",
    "- [ ] [a](b.md)\n- [x] c\n",
    "> [!NOTE]\n> [a](b.md)\n",
    "",
    "\ufeff# T\n",
    "\ufeff---\na: 1\n---\n# T\n",
    "x[^A] [^B][t](a.md)\n\n[^a]: d\n\n[^b]: e\n",
    "----\na: 1\n----\n",
    "---\na: |\n  b\n  ---\n  c\n---\n",
    "--- \na: 1\n...\t\n# T\n",
    "# T\n\n<h2 align='x'>\n  A &amp; <b>B</b>\n</h2>\n\n## A & B\n\nx <a\nid=y name=z>\n",
    "## a  b\n",
    "## ![a *b*](c.png)\n",
    "<https://a.b/%20>\n",
    "[^1]: never used\n",
    "[^a]: one\n\n[^a]: two\n\nx[^a]\n",
    "<div\n  id='x'>\n</div>\n",
    "# T\n\n---\n[a](b.md)\n\n## S\n\n---\n",
    "\n---\na: 1\n---\n",
    "---\n\na: 1\n---\n",
    "x[^1][t](a.md)\n\n[^1]: d\n",
]


@pytest.mark.parametrize("text", SAMPLES)
def test_the_readers_agree(text: str) -> None:
    agree(text)


@pytest.mark.parametrize("text", SAMPLES)
def test_the_readers_agree_with_windows_line_endings(text: str) -> None:
    agree(text.replace("\n", "\r\n"))


def test_a_blank_line_in_an_html_block_with_windows_line_endings() -> None:
    agree("<pre>\r\n# no\r\n\r\n[a](b.md)\r\n</pre>\r\n\r\n# yes\r\n")


DIFFERENCES = [
    # A definition ends a table (GFM 4.10: "the beginning of another block-level structure").
    "| a |\n|---|\n[^1]: d\n\nx[^1]\n",
    # GitHub has no footnote names with spaces; pulldown-cmark has. Too rare to be worth a parser.
    "x[^a b]\n\n[^a b]: d\n",
    # A link by reference alone, directly before a footnote: pulldown-cmark still sees the link.
    "[a][^1]\n\n[a]: b.md\n\n[^1]: d\n",
    # A footnote as an image's or a link's text is a footnote for pulldown-cmark.
    "![[^1]](a.png)\n\n[^1]: d\n",
    # CommonMark puts U+FFFD for U+0000; pulldown-cmark ends a link's target there.
    "x\x00[a](b\x00.md)\n",
]


@pytest.mark.parametrize("text", DIFFERENCES)
def test_the_known_differences_are_still_there(text: str) -> None:
    assert facts(markdown.read(text)) != facts(markdown_reference.read(text))


WORDS = st.sampled_from(
    ["word", "é", "日本", "🚀", "a_b", "**bold**", "*it*", "~~no~~", "1.5 %", "x < y", "a | b"]
)
INLINES = st.one_of(
    WORDS,
    st.sampled_from(
        [
            "[text](a.md)",
            "[text](b/c.md#d 'title')",
            "[`code`](<e f.md>)",
            "[ref]",
            "[text][ref]",
            "[nowhere]",
            "![alt](i.png)",
            "[![alt](j.png)](k.md)",
            "<https://a.b/c?d=e>",
            "https://bare.org",
            "<m@n.o>",
            "`l/m.md`",
            "`` p`q ``",
            "`[no](no.md)`",
            "claim[^one]",
            "claim[^two].",
            "gone[^gone]",
            "\\[^one]",
            "\\[no](no.md)",
            "<a id='x'></a>",
            "<b>bold</b>",
            "<!-- [no](no.md) -->",
            "$x_1$",
        ]
    ),
)
SENTENCES = st.lists(INLINES, min_size=1, max_size=4).map(" ".join)
TITLES = st.lists(
    st.sampled_from(
        ["Why", "é", "🚀", "a_b", "`c_d`", "**e**", "[f](g.md)", "claim[^one]", "A & B", "2.", "C++"]
    ),
    min_size=1,
    max_size=4,
).map(" ".join)
PARAGRAPHS = st.lists(SENTENCES, min_size=1, max_size=3).map("\n".join)


def prefixed(first: str, rest: str, block: str) -> str:
    head, *tail = block.split("\n")
    return "\n".join([first + head, *(rest + line if line else rest.rstrip() for line in tail)])


LEAVES = st.one_of(
    PARAGRAPHS,
    st.tuples(st.integers(1, 6), TITLES).map(lambda pair: f"{'#' * pair[0]} {pair[1]}"),
    TITLES.map(lambda title: f"{title}\n==="),
    PARAGRAPHS.map(lambda text: f"```md\n# no\n{text}\n```"),
    PARAGRAPHS.map(lambda text: f"~~~\n{text}\n~~~"),
    st.lists(SENTENCES, min_size=1, max_size=3).map(lambda rows: "\n".join(f"- {row}" for row in rows)),
    st.tuples(SENTENCES, SENTENCES).map(
        lambda pair: "| h | i |\n|---|---|\n| {} | {} |".format(*(c.replace("|", "\\|") for c in pair))
    ),
    st.sampled_from(["***", "<div id='d'>\n<p>x</p>\n</div>", "<!-- # no\n[no](no.md) -->", "    # code"]),
)
BLOCK = st.one_of(
    LEAVES,
    LEAVES.map(lambda block: prefixed("> ", "> ", block)),
    LEAVES.map(lambda block: prefixed("- ", "  ", block)),
    LEAVES.map(lambda block: prefixed("1. ", "   ", block)),
)
METAS = st.sampled_from(
    ["", "---\na: 1\nkeywords: [b, é]\n---\n\n", "---\na: [\n---\n\n", "---\n- a\n---\n\n"]
)
# Every footnote is used and every definition stands once: the reference knows no others.
TAIL = "Ends[^one] here[^two].\n\n[ref]: r.md\n\n[^one]: One, [a](n.md).\n\n    # In a note\n\n[^two]: Two.\n"


@settings(deadline=None)
@given(METAS, st.lists(BLOCK, max_size=6), st.booleans())
def test_the_readers_agree_on_made_documents(meta: str, parts: list[str], windows: bool) -> None:
    text = meta + "\n\n".join([*parts, TAIL])
    agree(text.replace("\n", "\r\n") if windows else text)


@settings(deadline=None)
@given(METAS, st.lists(BLOCK, max_size=6), st.booleans())
def test_every_fact_of_a_made_document_has_its_place(meta: str, parts: list[str], windows: bool) -> None:
    text = meta + "\n\n".join([*parts, TAIL])
    text = text.replace("\n", "\r\n") if windows else text
    doc, known, rows = markdown.read(text), places(text), text.split("\n")
    for kind in PLACED:
        facts = getattr(doc, kind)
        assert len(known[kind]) == len(facts)
        for number, where in enumerate(known[kind]):
            assert 1 <= where.column <= len(rows[where.line - 1])
            found = place(text, doc, At(kind, number))
            # The target of a link by reference may also be found where it is defined.
            assert found.line == where.line or rows[found.line - 1].startswith("[ref]:")
    for kind, opening in (("refs", "[^"), ("loose", "[^"), ("notes", "[^")):
        for name, where in zip(getattr(doc, kind), known[kind], strict=True):
            assert rows[where.line - 1][where.column - 1 :].startswith(f"{opening}{name}]")
