"""Every rule has a case file, and says of each case what the file says."""

from __future__ import annotations

import pytest

from oracle_tools.check import rules  # noqa: F401  importing it registers every rule
from oracle_tools.check.rule import RULES
from oracle_tools.check.run import check, mend, selected
from tests.case_files import FOLDER, Case, read_cases

FILES = sorted(FOLDER.glob("*.md"))
CASES = [case for path in FILES for case in read_cases(path)]


def says(case: Case, tree: object) -> list[str]:
    found = selected(check(tree), [case.rule], [])  # type: ignore[arg-type]
    return [f"{f.path}:{f.line}:{f.column} {f.message}" for f in found]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{case.title}")
def test_case(case: Case) -> None:
    tree = case.tree()
    assert says(case, tree) == case.findings

    batches = mend(tree, select=[case.rule])
    for batch in batches:
        tree = tree.after(batch)
    assert bool(batches) == bool(case.fixed or case.removed)
    for path, text in case.fixed.items():
        assert tree.text(path) == text
    for path in case.removed:
        assert not tree.exists(path)
    assert mend(tree, select=[case.rule]) == []


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.code)
def test_every_rule_is_documented_and_shown(rule: object) -> None:
    path = FOLDER / f"{rule.code}-{rule.name}.md"  # type: ignore[attr-defined]
    cases = [case for case in CASES if case.rule == rule.code]  # type: ignore[attr-defined]
    doc = rule.doc  # type: ignore[attr-defined]
    assert path in FILES, "a rule without a case file"
    assert any(case.findings for case in cases), "no case in which the rule finds something"
    assert any(not case.findings for case in cases), "no case in which the rule finds nothing"
    assert doc.partition("\n")[0].endswith("."), "the docstring begins with a sentence"
    assert "\nBad: " in doc and "\nGood: " in doc
    if rule.fixable:  # type: ignore[attr-defined]
        assert any(case.fixed or case.removed for case in cases), "no case that shows the fix"


def test_no_case_file_without_a_rule() -> None:
    assert {path.stem for path in FILES} <= {f"{rule.code}-{rule.name}" for rule in RULES.values()}
