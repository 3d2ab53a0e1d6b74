"""Every rule has a case file, and says of each case what the file says."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from oracle_tools.bundle.cache import SETTLED, Cache
from oracle_tools.bundle.regions import marks
from oracle_tools.bundle.tree import Tree, scan
from oracle_tools.check import rules  # noqa: F401  importing it registers every rule
from oracle_tools.check.rule import RULES
from oracle_tools.check.run import check, mend, selected
from oracle_tools.chores.index import index
from tests import small
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


def test_what_the_scan_leaves_out_may_be_linked_while_it_is_there(tmp_path: Path) -> None:
    links = "[a](../.gitignore) [b](../dist/x) [c](../.env)\n"
    root = small.write(tmp_path / "bundle", {"karpathy/README.md": links, ".gitignore": "", "dist/x": ""})
    cache = Cache(root, scan(root).config, tmp_path / "cache")
    time.sleep(2 * SETTLED / 1e9)  # so that the answer is kept

    def found() -> list[str]:
        return [f.message for f in selected(check(scan(root), cache), ["L001"], [])]

    dead = "does not exist; mend the link, or write the file"
    assert found() == [f"../.env {dead}"]
    (root / "dist/x").rename(root / ".env")
    assert found() == [f"../dist/x {dead}"], "an answer was kept that the disk refutes"


def test_the_tools_version_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    plugin = '{"name": "small-oracle", "version": "0"}'
    root = small.write(tmp_path / "bundle", {".claude-plugin/plugin.json": plugin})
    (root / "oracle_tools").mkdir()
    (root / "oracle_tools/__init__.py").write_bytes(b"__version__ = '1'  # \xff\n")
    assert selected(check(scan(root)), ["B004"], []) == []


def test_only_what_has_a_fix_is_called_fixable() -> None:
    tree = Tree.of({"karpathy/01-a.md": "Lost: \ufffd\n", "karpathy/02-b.md": "na\u00c3\u00afve\n"})
    assert [f.fixable for f in selected(check(tree), ["K009"], [])] == [False, True]


def test_a_wrongly_decoded_description_is_mended_in_the_index_too() -> None:
    text = "---\ndescription: it\u00e2\u20ac\u2122s\nkeywords: [a]\n---\n# A\n"
    tree = Tree.of({"karpathy/01-a.md": text, "karpathy/INDEX.md": f"# K\n\n{marks('files')}"})
    tree = tree.after(index(tree))
    for batch in mend(tree):
        tree = tree.after(batch)
    assert mend(tree) == []
    assert "| it\u2019s |" in tree.text("karpathy/INDEX.md")
