"""P: expansion plans say what is open, done and failed, in marks that every reader knows."""

from __future__ import annotations

from collections.abc import Iterator

from oracle_tools.bundle.edits import Write
from oracle_tools.bundle.layout import INGEST_AUTO
from oracle_tools.bundle.plan import DONE, FAILED, mark_state, read_plan
from oracle_tools.check.rule import Page, Problem, Severity, page_rule


@page_rule("P001", "malformed-part", Severity.WARNING, roles="plan")
def malformed_part(page: Page) -> Iterator[Problem]:
    """Every PART of a plan can be read: one number, one section, a title, one state.

    A PART that cannot be read is never run, or run twice. PARTs are headings of level 2 to 4.

    Bad: `## PART: Create the file`, `## PART 4-6: …`, or `## PART 3: …` twice
    Good: `## PART 3: Create karpathy/tokenization/02-minbpe.md (200 lines)`
    """
    for trouble in read_plan(page.text).troubles:
        yield page.problem(trouble.why, trouble.line)


@page_rule("P002", "unknown-mark", Severity.WARNING, roles="plan", fixable=True)
def unknown_mark(page: Page) -> Iterator[Problem]:
    """A box holds a mark that has a meaning: `[ ]` open, `[✓]` or `[x]` done, `[/]` failed.

    Double-encoded marks, and emoji for marks, are mended by --fix; what else was meant only a person knows.

    Bad: `- [âœ“] PART 1: …`, `- [?] PART 2: …`
    Good: `- [✓] PART 1: …`
    """
    unknown = read_plan(page.text).unknown_marks
    meant = {number: (mark, _written(to)) for number, mark, to in unknown if mark_state(to)}
    rows = page.text.split("\n")
    for number, (mark, to) in meant.items():
        rows[number - 1] = rows[number - 1].replace(f"[{mark}]", f"[{to}]", 1)
    fix = (Write(page.path, "\n".join(rows)),)  # all marks at once: one file takes one fix a round
    for number, mark, to in unknown:
        if number not in meant:
            yield page.problem(f"[{mark}] is no mark; use [ ], [✓] or [/]", number)
        else:
            wrong = "has the wrong encoding" if to != mark else "is an emoji, not a mark"
            yield page.problem(f"[{mark}] {wrong}; write [{meant[number][1]}]", number, fix=fix)


def _written(mark: str) -> str:
    """Return a mark as plans write it: without emoji."""
    return "✓" if mark_state(mark) == DONE else mark.strip()


@page_rule("P003", "unfinished-in-completed", Severity.WARNING, roles="plan")
def unfinished_in_completed(page: Page) -> Iterator[Problem]:
    """An archived plan has no open PART.

    Work that lies in `completed/` is not found again.

    Bad: `_ingest-auto/completed/expansion-x-2026-01-01/ingestion.md` with `- [ ] PART 2: …`
    Good: every PART done or failed
    """
    if page.path.startswith(f"{INGEST_AUTO}/completed/"):
        for part in read_plan(page.text).parts:
            if part.state not in (DONE, FAILED):
                yield page.problem(
                    f"PART {part.n} is open; finish it or mark it [/]", part.mark_line or part.line
                )
