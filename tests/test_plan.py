"""A plan is read in every form that people and runners have written it, and nothing in it raises."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oracle_tools.bundle.plan import DONE, FAILED, MARKS, OPEN, Part, mark_state, read_plan


def only(text: str) -> Part:
    """Return the one PART of a plan in which nothing is wrong."""
    plan = read_plan(text)
    assert (plan.troubles, plan.unknown_marks) == ([], [])
    (part,) = plan.parts
    return part


@pytest.mark.parametrize(
    ("heading", "title", "path"),
    [
        ("## PART 1: Create karpathy/01-a.md", "Create karpathy/01-a.md", "karpathy/01-a.md"),
        ("### PART 1: Create karpathy/01-a.md", "Create karpathy/01-a.md", "karpathy/01-a.md"),
        ("#### PART 1: Create karpathy/01-a.md", "Create karpathy/01-a.md", "karpathy/01-a.md"),
        ("   ## PART 1: 01-a.md ##", "01-a.md", "01-a.md"),
        ("## part 1 - 01-a.md", "01-a.md", "01-a.md"),
        ("## Part 01 — `01-a.md`", "01-a.md", "01-a.md"),
        ("## PART 1. 01-a.md", "01-a.md", "01-a.md"),
        ("## PART 1 Create a.md.", "Create a.md.", "a.md"),
        ("## 🔧 PART 1: a.md", "a.md", "a.md"),
        ("## **PART 1:** a.md", "a.md", "a.md"),
        ("## PART 1: Write the overview", "Write the overview", ""),
        ("## PART 1: Write about C#", "Write about C#", ""),
        ("## PART 1: Name every file *.md and .md", "Name every file *.md and .md", ""),
        ("## PART 1: ./a/b.md and c.md", "./a/b.md and c.md", "./a/b.md"),
        ("## PART 1 - 3 ways to sample", "3 ways to sample", ""),
        ("##\tPART 1: a.md\r", "a.md", "a.md"),
    ],
)
def test_heading(heading: str, title: str, path: str) -> None:
    part = only(f"{heading}\n")
    assert (part.n, part.title, part.path, part.line) == (1, title, path, 1)


@pytest.mark.parametrize(
    ("size", "lines"),
    [
        ("(300 lines)", 300),
        ("(~300 lines)", 300),
        ("(≈ 300 lines)", 300),
        ("(about 300 lines)", 300),
        ("(300-400 lines)", 300),
        ("(300+ lines)", 300),
        ("(1,200 lines)", 1200),
        ("(1 line)", 1),
        ("300 lines", 300),
        ("(many lines)", None),
        ("(300 linear maps)", None),
        (f"({'9' * 5_000} lines)", None),
    ],
)
def test_size_in_the_heading(size: str, lines: int | None) -> None:
    part = only(f"## PART 1: Create karpathy/01-a.md {size}\n")
    assert (part.expected_lines, part.path) == (lines, "karpathy/01-a.md")
    assert lines is None or part.title == "Create karpathy/01-a.md"


@pytest.mark.parametrize(
    "line",
    [
        "**Expected output**: ~420 lines",
        "**Expected**: 420 lines",
        "- Expected size: about 420 lines of Markdown",
        "Expected length: 420-500 lines",
    ],
)
def test_size_in_the_section(line: str) -> None:
    assert only(f"## PART 1: a.md\n\n{line}\n").expected_lines == 420
    assert only(f"## PART 1: a.md (300 lines)\n\n{line}\n").expected_lines == 300


@pytest.mark.parametrize(
    ("mark", "state"),
    [
        *(("[ ]", OPEN), ("[]", OPEN), ("[x]", DONE), ("[X]", DONE), ("[✓]", DONE), ("[✔]", DONE)),
        *(("[/]", FAILED), ("[-]", FAILED), ("[ x ]", DONE)),
    ],
)
@pytest.mark.parametrize("item", ["-", "*", "+", "  -", "1.", "2)"])
def test_mark(mark: str, state: str, item: str) -> None:
    box = f"{item} {mark} PART 1: a.md\n"
    for text, line in ((box, 1), (f"{box}\n## PART 1: a.md\n", 3)):
        part = only(text)
        assert (part.state, part.mark_line, part.line, part.path) == (state, 1, line, "a.md")


@pytest.mark.parametrize("mark", ["âœ“", "âœ…", "âœ”ï¸\x8f", "✅", "✔️"])
def test_a_mark_of_another_spelling_is_understood_and_named(mark: str) -> None:
    plan = read_plan(f"# Plan\n\n- [{mark}] PART 1: a.md\n")
    assert plan.parts[0].state == DONE
    assert [(line, found) for line, found, _ in plan.unknown_marks] == [(3, mark)]


@pytest.mark.parametrize("mark", ["?", "~", "todo", "V3", "�"])
def test_an_unknown_mark_is_open_and_named(mark: str) -> None:
    plan = read_plan(f"- [{mark}] PART 1: a.md\n")
    assert (plan.parts[0].state, plan.troubles) == (OPEN, [])
    assert plan.unknown_marks == [(1, mark, mark)]


@pytest.mark.parametrize(
    "line",
    [
        "- [MLA](../02-mla.md)",
        "- [MLA][ref]",
        "- [^1] note",
        "- [^1]: note",
        "- [V3] the paper",
        "- [1] the same",
        "- [a longer note] on something",
        "[?] no list",
        "```\n- [?] PART 1: a.md\n```",
    ],
)
def test_what_is_no_box(line: str) -> None:
    plan = read_plan(f"{line}\n")
    assert (plan.parts, plan.troubles, plan.unknown_marks) == ([], [], [])


@pytest.mark.parametrize(
    "box",
    [
        "- [✓] PART 1: karpathy/01-a.md (Completed 2025-01-31 16:45)",
        "- [✓] (Completed 2025-01-31 16:45) PART 1: karpathy/01-a.md",
        "- [✓](Completed 2025-01-31 16:45) PART 1: karpathy/01-a.md",
        "- [✓] **PART 1**: karpathy/01-a.md (completed 2025-01-31)",
    ],
)
def test_when_it_was_completed_is_no_part_of_the_title(box: str) -> None:
    part = only(f"{box}\n")
    assert (part.title, part.path, part.state) == ("karpathy/01-a.md", "karpathy/01-a.md", DONE)


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("PART 1 COMPLETE ✅", DONE),
        ("✅ PART 1 COMPLETED", DONE),
        ("**PART 1 COMPLETE** (Completed 2025-01-31 16:45)", DONE),
        ("PART 1: complete.", DONE),
        ("- [✓] PART 1 COMPLETE ✅", DONE),
        ("- [ ] PART 1 COMPLETE ✅", OPEN),
        ("- [/] PART 1 COMPLETE", FAILED),
        ("PART 2 COMPLETE ✅", OPEN),
        ("PART 1: Complete the notes", OPEN),
        ("```\nPART 1 COMPLETE\n```", OPEN),
    ],
)
def test_completion_line(line: str, state: str) -> None:
    assert only(f"## PART 1: a.md\n\n{line}\n").state == state


def test_a_part_has_the_mark_of_its_own_line_before_that_of_its_completion() -> None:
    plan = read_plan("- [ ] PART 1: a.md\n\n## PART 1: a.md\n\nPART 1 COMPLETE ✅\n")
    assert plan.parts[0].state == OPEN
    plan = read_plan("## PART 1: a.md\n\n- [✓] PART 1 COMPLETE\n\n## Boxes\n\n- [ ] PART 1: a.md\n")
    assert (plan.parts[0].state, plan.parts[0].mark_line) == (OPEN, 7)


TROUBLES = [
    ("## PART: Create a.md", "without a number"),
    ("## PART II: a.md", "without a number"),
    ("- [ ] PART: a.md", "without a number"),
    ("## PART 1a: a.md", "PART 1a"),
    ("## PART 1.5: a.md", "PART 1.5"),
    ("## PART 1-3: three files", "PART 1-3"),
    ("## PART 4 & 5", "PART 4 & 5"),
    ("## PART 4 and 5: two files", "PART 4 and 5"),
    ("- [ ] PART 1–3: three files", "PART 1–3"),
    (f"## PART {'9' * 5_000}: a.md", "PART 99999"),
    ("# PART 1: a.md", "level 1"),
    ("##### PART 2: a.md", "level 5"),
    ("## PART 1", "neither a title nor a file"),
    ("## PART 1: a.md\n## PART 1: b.md", "a second time, after line 3"),
    ("- [ ] PART 2: b.md\n\n## PART 1: a.md", "a box and no section"),
    ("- [ ] PART 1: a.md\n- [x] PART 1: a.md", "done here and open at line 3"),
    ("## PART 1: a.md\n\n- [ ] PART 1: a.md\n- [✓] PART 1 COMPLETE", "done here and open at line 5"),
]


@pytest.mark.parametrize(("text", "why"), TROUBLES)
def test_what_cannot_be_read_is_named_with_its_line(text: str, why: str) -> None:
    (trouble,) = read_plan(f"# Plan\n\n{text}\n").troubles
    rows = text.split("\n")
    assert why in trouble.why
    assert trouble.line == 2 + (1 if "box and no" in why else len(rows))


@pytest.mark.parametrize(
    "text",
    [
        "# Part 2 of the story",
        "## Part of the story",
        "## PARTS",
        "## Particles: a study",
        "## The part 1",
        "Part: a word at the beginning of a line",
        "````\n## PART: Create the file\n## PART 1: a.md\n```\n## PART 1: a.md\n````",
        "---\nPART: 1\n---",
    ],
)
def test_what_only_speaks_of_parts(text: str) -> None:
    plan = read_plan(f"{text}\n")
    assert (plan.parts, plan.troubles) == ([], [])


def test_a_whole_plan() -> None:
    text = """# Expansion: Muon

**Topic**: muon
**Created:** 2026-01-31

## Batch 1

- [✓] PART 1: karpathy/01-a.md (Completed 2026-01-31 16:45)
- [/] PART 2: karpathy/02-b.md

## Batch 2

- [ ] PART 10: karpathy/10-c.md

---

## PART 10: Create karpathy/10-c.md (300 lines)

**Topic**: not the plan's

## PART 1: Create karpathy/01-a.md

**Expected output**: ~420 lines

```md
## PART 3: an example
```

## PART 2: The second
"""
    plan = read_plan(text)
    assert (plan.title, plan.meta) == ("Expansion: Muon", {"topic": "muon", "created": "2026-01-31"})
    assert [(p.n, p.path, p.state, p.expected_lines, p.line, p.end, p.mark_line) for p in plan.parts] == [
        (1, "karpathy/01-a.md", DONE, 420, 21, 29, 8),
        (2, "karpathy/02-b.md", FAILED, None, 29, 31, 9),
        (10, "karpathy/10-c.md", OPEN, 300, 17, 21, 13),
    ]
    assert (plan.troubles, plan.unknown_marks) == ([], [])
    assert plan.part(10) is plan.parts[2]
    assert plan.part(3) is None


PIECES = [
    *("## ", "#", "PART", "Part", " 1", "2", "-3", "&", ":", " ", "\t", "\n", "\r\n", "- [", "]", "x", "✓"),
    *("âœ“", "/", "(", ")", "Completed", "COMPLETE", "(300 lines)", "~", "karpathy/", "a.md", "```", "---"),
    *("**", "Expected output", "9" * 30, "²", "١", "\ud800", "\x00", "\u2028"),
]
PLANS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=40).map("".join)


@settings(deadline=None)
@given(PLANS)
@example("## PART ١: a.md\n- [x] PART ²: b.md")
@example(f"## PART {'9' * 5_000}: a.md ({'9' * 5_000} lines)")
def test_no_text_raises_and_every_line_named_is_there(text: str) -> None:
    plan = read_plan(text)
    count = text.count("\n") + 1
    numbers = [part.n for part in plan.parts]
    assert numbers == sorted(set(numbers))
    assert all(1 <= part.line < part.end <= count + 1 and part.mark_line <= count for part in plan.parts)
    assert {part.state for part in plan.parts} <= {OPEN, DONE, FAILED}
    assert all(1 <= trouble.line <= count for trouble in plan.troubles)
    assert all(1 <= line <= count for line, _, _ in plan.unknown_marks)


@settings(deadline=None)
@given(st.permutations([1, 2, 3, 4]), st.lists(st.sampled_from(sorted(MARKS)), min_size=4, max_size=4))
def test_what_was_written_is_read(order: list[int], marks: list[str]) -> None:
    boxes = "".join(f"- [{mark}] PART {n}: a/{n}.md\n" for n, mark in zip(order, marks, strict=True))
    sections = "".join(f"## PART {n}: Create a/{n}.md ({n}00 lines)\n\nText.\n\n" for n in order)
    plan = read_plan(f"# Plan\n\n{boxes}\n{sections}")
    assert [(p.n, p.path, p.expected_lines) for p in plan.parts] == [
        (n, f"a/{n}.md", n * 100) for n in (1, 2, 3, 4)
    ]
    assert [plan.parts[n - 1].state for n in order] == [mark_state(mark) for mark in marks]
    assert plan.troubles == []
