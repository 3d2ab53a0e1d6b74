"""A region is filled, and everything around it stays a person's."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oracle_tools.bundle.regions import fill, marks, regions

OPEN, CLOSE = "<!-- oracle:files -->", "<!-- /oracle:files -->"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (f"{OPEN}\nx\n{CLOSE}\n", ["files"]),
        (f"{OPEN}\n{CLOSE}", ["files"]),
        (f"# T\r\n\r\n{OPEN}\r\nx\r\n{CLOSE}\r\n", ["files"]),
        (f"{OPEN}  \n{CLOSE}\t\n", ["files"]),
        (marks("a", "x") + marks("b-c"), ["a", "b-c"]),
        (f"```\n{OPEN}\n{CLOSE}\n```\n", []),
        (f"~~~ html\n{OPEN}\n{CLOSE}\n~~~\n\n{OPEN}\nx\n{CLOSE}\n", ["files"]),
        (f"---\na: |\n{OPEN}\n{CLOSE}\n---\n", []),
        (f"{OPEN}\nno end\n", []),
        (OPEN, []),
        (f"no start\n{CLOSE}\n", []),
        (f"{CLOSE}\n{OPEN}\n", []),
        (f"{OPEN}\n```\n{CLOSE}\n```\n", []),
        (f"{OPEN}\n<!-- /oracle:folders -->\n{CLOSE}\n", ["files"]),
        (f"text {OPEN}\n{CLOSE}\n", []),
        (f"  {OPEN}\n  {CLOSE}\n", []),
        ("<!-- oracle:Files -->\n<!-- /oracle:Files -->\n", []),
        ("<!--oracle:files-->\n<!--/oracle:files-->\n", []),
        ("", []),
    ],
)
def test_regions(text: str, names: list[str]) -> None:
    assert list(regions(text)) == names


def test_of_two_regions_with_one_name_the_first_counts() -> None:
    text = f"{OPEN}\none\n{CLOSE}\n{OPEN}\ntwo\n{CLOSE}\n"
    assert fill(text, "files", "new") == f"{OPEN}\nnew\n{CLOSE}\n{OPEN}\ntwo\n{CLOSE}\n"


def test_a_region_after_a_quoted_fence() -> None:
    assert list(regions(f"> ```\n> code\n> ```\n\n{OPEN}\n{CLOSE}\n")) == ["files"]


def test_a_region_in_a_text_that_begins_with_a_rule() -> None:
    assert list(regions(f"---\n# T\n\n{OPEN}\n{CLOSE}\n")) == ["files"]


def test_a_region_knows_what_it_bounds() -> None:
    text = f"é\r\n{OPEN}\r\nold\r\n{CLOSE}\r\n"
    region = regions(text)["files"]
    assert (region.line, text[region.start : region.end]) == (2, "old\r\n")


@pytest.mark.parametrize(
    ("text", "content", "filled"),
    [
        (f"{OPEN}\nold\n{CLOSE}\nend", "new", f"{OPEN}\nnew\n{CLOSE}\nend"),
        (f"{OPEN}\nold\n{CLOSE}\n", "", f"{OPEN}\n{CLOSE}\n"),
        (f"{OPEN}\n{CLOSE}\n", "\na\n\nb\n\n", f"{OPEN}\na\n\nb\n{CLOSE}\n"),
        (f"{OPEN}\r\n{CLOSE}\r\n", "a\nb", f"{OPEN}\r\na\r\nb\r\n{CLOSE}\r\n"),
        (f"{OPEN}\r\n{CLOSE}\r\n", "a\r\nb\r\n", f"{OPEN}\r\na\r\nb\r\n{CLOSE}\r\n"),
        (f"{OPEN}\n{CLOSE}\n", "a\r\nb", f"{OPEN}\na\nb\n{CLOSE}\n"),
        (f"x\n{OPEN}  \nold\n{CLOSE}", "\\1 \\g<0> é", f"x\n{OPEN}  \n\\1 \\g<0> é\n{CLOSE}"),
    ],
)
def test_fill(text: str, content: str, filled: str) -> None:
    assert fill(text, "files", content) == filled


@pytest.mark.parametrize("text", ["", "# T\n", f"{OPEN}\n", f"```\n{OPEN}\n{CLOSE}\n```\n", marks("folders")])
def test_fill_without_the_region_says_so(text: str) -> None:
    with pytest.raises(KeyError, match="files"):
        fill(text, "files", "x")


def test_marks_make_a_region() -> None:
    text = marks("files", "\nx\n")
    assert text == f"{OPEN}\nx\n{CLOSE}\n"
    assert fill(text, "files", "x") == text


# Lines that a person may write around a region, balanced so that the region stays one.
AROUND = st.lists(
    st.one_of(
        st.text(alphabet="a é#|<!->\t*", max_size=8),
        st.sampled_from(
            [
                f"```\n{OPEN}\n{CLOSE}\n```",
                "~~~\ncode\n~~~",
                "<!-- oracle:folders -->\nkept\n<!-- /oracle:folders -->",
                "<!-- oracle:lonely -->",
                CLOSE,
                "",
            ]
        ),
    ),
    max_size=5,
)
CONTENTS = st.lists(st.text(alphabet="a é|[](){}\\$1*#-", max_size=10), max_size=5).map("\n".join)


@settings(deadline=None)
@given(AROUND, AROUND, CONTENTS, CONTENTS, st.sampled_from(["\n", "\r\n"]), st.booleans())
@example([], [], "", "x", "\n", False)
def test_only_the_region_changes_and_filling_again_changes_nothing(
    before: list[str], after: list[str], old: str, new: str, newline: str, ended: bool
) -> None:
    head = "".join(f"{line}\n" for line in ["# T", *before, OPEN]).replace("\n", newline)
    tail = "\n".join([CLOSE, *after, *([""] if ended else [])]).replace("\n", newline)
    text = head + (f"{old}\n" if old else "").replace("\n", newline) + tail

    once = fill(text, "files", new)

    assert once.startswith(head)
    assert once.endswith(tail)
    inside = once[len(head) : len(once) - len(tail)]
    assert inside.replace(newline, "\n").strip("\n") == new.strip("\n")
    assert newline == "\n" or "\n" not in inside.replace("\r\n", "")
    assert fill(once, "files", new) == once
