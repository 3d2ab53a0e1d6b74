"""oracle tidy: proposals with their reasons, and a bundle as clean after them as before."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle_tools.bundle.layout import MAX_LINES
from oracle_tools.bundle.tree import Tree, scan
from oracle_tools.check.run import check, failed
from oracle_tools.chores.index import index
from oracle_tools.chores.tidy import TINY_LINES, tidy
from oracle_tools.cli import run
from tests.small import commit_all, git, identity, knowledge, write


def long_file(sections: int, lines: int) -> str:
    body = [f"## Section {n}\n\n" + "A line.\n\n" * (lines // 2 - 1) for n in range(sections)]
    return knowledge("Long", "d", "k", "Lead.").replace("\n## Sources", "\n" + "".join(body) + "## Sources")


def said(texts: dict[str, str]) -> list[str]:
    return [f"{proposal} | {proposal.reason}" for proposal in tidy(Tree.of(texts))]


def test_a_long_file_is_split_at_its_sections_each_part_as_long_as_it_may_be() -> None:
    (proposal,) = said({"k/01-long.md": long_file(7, 100)})
    assert proposal.startswith("oracle split k/01-long.md --at section-2 --at section-5 | ")
    assert f"over {MAX_LINES}" in proposal


def test_a_long_file_of_one_section_cannot_be_split() -> None:
    assert said({"k/01-long.md": long_file(1, MAX_LINES)}) == []


def test_tiny_files_of_one_subject_are_merged_and_others_not() -> None:
    texts = {
        "k/01-a.md": knowledge("A", "d", "cache, x", "A."),
        "k/02-b.md": knowledge("B", "d", "Cache, y", "B."),
        "k/03-c.md": knowledge("C", "d", "z", "C."),
        "k/04-d.md": knowledge("D", "d", "cache", "D.\n\n" * TINY_LINES),
        "l/01-e.md": knowledge("E", "d", "cache", "E."),
    }
    assert said(texts) == [
        f"oracle merge k/01-a.md k/02-b.md --into k/01-a.md | each under {TINY_LINES} lines, all about cache"
    ]


def test_files_with_a_common_beginning_form_a_folder() -> None:
    body = "Text.\n\n" * TINY_LINES
    names = ["01-cache-keys", "02-cache-bytes", "05-cache-life", "03-other", "04-more"]
    texts = {f"k/{name}.md": knowledge(name, "d", name, body) for name in names}
    assert said(texts) == [
        "oracle mv k/01-cache-keys.md k/02-cache-bytes.md k/05-cache-life.md k/cache"
        " | 3 files begin with cache"
    ]
    only = {path: text for path, text in texts.items() if "cache" in path}
    assert said(only) == []  # the folder is about nothing else
    inside = {path.replace("k/", "cache/k/"): text for path, text in texts.items()}
    assert said(inside) == []  # and so is a folder that bears the name already


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for key, value in identity().items():
        monkeypatch.setenv(key, value)
    return commit_all(
        write(
            tmp_path / "small",
            {
                "deepseek/02-long.md": long_file(7, 100),
                "deepseek/03-tiny.md": knowledge("Tiny", "d", "mla, t", "See [long](02-long.md#section-5)."),
            },
        )
    )


def test_proposals_change_nothing_and_show_their_diff(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = git(root, "rev-parse", "HEAD")
    assert run(["--root", str(root), "tidy", "--diff"]) == 0
    shown = capsys.readouterr().out
    assert "oracle split deepseek/02-long.md" in shown
    assert "+# Section 2" in shown
    assert git(root, "rev-parse", "HEAD") == before
    assert git(root, "status", "--porcelain") == ""


def test_applied_each_is_a_commit_and_the_bundle_is_clean(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--root", str(root), "index"]) == 0
    git(root, "commit", "--quiet", "--all", "--message=index")
    assert not failed([f for f in check(scan(root)) if f.code != "K007"])
    assert run(["--root", str(root), "tidy", "--apply"]) == 0
    log = git(root, "log", "--format=%s").splitlines()
    assert log[0] == "Reorganize: merge into deepseek/01-latent-attention.md"
    assert log[1] == "Reorganize: split deepseek/02-long.md"
    tree = scan(root)
    assert not failed(check(tree))
    assert index(tree) == []
    assert "(05-section-5.md#section-5)" in tree.text("deepseek/01-latent-attention.md")
    assert run(["--root", str(root), "tidy"]) == 0
    assert capsys.readouterr().out.endswith("nothing to tidy\n")
