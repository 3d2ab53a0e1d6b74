"""Many processes on one bundle: nothing is lost or doubled, and a reader sees no half-made change."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from oracle_tools.bundle.tree import scan
from oracle_tools.check.run import check, failed
from oracle_tools.chores.index import index
from tests import small

ORACLE = [sys.executable, "-m", "oracle_tools"]
JOKES = 50


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return small.commit_all(small.write(tmp_path / "bundle"))


@pytest.fixture
def world(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, **small.identity(), "ORACLE_CACHE_DIR": str(tmp_path / "cache")}


def started(root: Path, world: dict[str, str], *words: str) -> subprocess.Popen[str]:
    command = [*ORACLE, "--root", str(root), *words]
    return subprocess.Popen(command, env=world, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_fifty_jokes_at_once_are_fifty_jokes_in_fifty_commits(root: Path, world: dict[str, str]) -> None:
    told = [f"Joke number {n} walks into a bar." for n in range(JOKES)]
    processes = [started(root, world, "joke", "add", joke) for joke in told]
    said = [process.communicate() for process in processes]
    assert [err for _, err in said] == [""] * JOKES
    text = (root / small.HUMOR).read_text(encoding="utf-8")
    assert all(text.count(joke) == 1 for joke in told)
    assert text.startswith(small.BUNDLE[small.HUMOR])
    assert len(small.git(root, "log", "--format=%h").split()) == JOKES + 1
    assert small.git(root, "status", "--porcelain") == ""
    assert started(root, world, "joke", "verify").wait() == 0


def test_the_same_joke_at_once_is_stored_once(root: Path, world: dict[str, str]) -> None:
    processes = [started(root, world, "joke", "add", "Only one of us is original.") for _ in range(8)]
    codes = sorted(process.wait() for process in processes)
    assert codes == [0] + [codes[-1]] * 7
    assert codes[-1] != 0
    assert (root / small.HUMOR).read_text(encoding="utf-8").count("Only one of us") == 1


def test_a_check_during_moves_sees_a_bundle_before_or_after_and_never_ends_badly(
    root: Path, world: dict[str, str]
) -> None:
    there, back = "karpathy/01-backpropagation.md", "karpathy/05-gradients.md"
    for _ in range(3):
        for old, new in ((there, back), (back, there)):
            move = started(root, world, "mv", old, new)
            checks = [started(root, world, "check", "--quiet") for _ in range(3)]
            for process in checks:
                out, err = process.communicate()
                assert "Traceback" not in err
                assert process.returncode in (0, 1), err  # 1: it read one file before, another after
                assert "S004" not in out
            assert move.wait() == 0
    tree = scan(root)
    assert not failed(check(tree))
    assert index(tree) == []
    assert (root / there).read_text(encoding="utf-8") == small.BUNDLE[there]


def test_moves_of_two_people_are_both_done_or_refused(root: Path, world: dict[str, str]) -> None:
    moves = [
        ("karpathy/01-backpropagation.md", "karpathy/07-a.md"),
        ("karpathy/02-micrograd.md", "karpathy/08-b.md"),
        ("karpathy/01-backpropagation.md", "deepseek/07-a.md"),
        ("deepseek/01-latent-attention.md", "deepseek/09-c.md"),
    ]
    processes = [started(root, world, "mv", *move) for move in moves]
    codes = [process.wait() for process in processes]
    assert codes[1] == codes[3] == 0
    assert sorted((codes[0], codes[2])) == [0, 2]
    tree = scan(root)
    assert not failed(check(tree))
    assert index(tree) == []
    assert small.git(root, "status", "--porcelain") == ""


def test_a_joke_and_a_topic_of_shell_characters_are_only_text(root: Path, world: dict[str, str]) -> None:
    joke = "$(touch pwned) `touch pwned` ; touch pwned | touch pwned & touch pwned > pwned 'a' \"b\" \\ *"
    assert started(root, world, "joke", "add", joke).wait() == 0
    assert joke in (root / small.HUMOR).read_text(encoding="utf-8")
    assert "touch pwned" in small.git(root, "log", "-1", "--format=%s")
    part = "karpathy/03-a.md: $(touch pwned)"
    assert started(root, world, "expand", "new", "$(touch pwned); ../../x", "--part", part).wait() == 0
    assert (root / "_ingest-auto").is_dir()
    assert not list(root.rglob("pwned"))
    assert not list(root.parent.glob("pwned"))
