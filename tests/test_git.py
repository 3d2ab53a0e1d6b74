"""What the tools ask of git, in repositories made for each test."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from oracle_tools.bundle import git
from oracle_tools.bundle.git import CommitFailed

IDENTITY = {
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


@pytest.fixture(autouse=True)
def own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration, identity or repository of whoever runs the tests; no waiting for locks."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setattr(git, "LOCK_WAIT", -1.0)


def run(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.rstrip("\n")


def put(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(text.encode())


def committed(root: Path, path: str, text: str, message: str = "m") -> None:
    put(root, path, text)
    run(root, "add", "--", path)
    run(root, "commit", "-q", "-m", message, "--", path)


def made(root: Path) -> Path:
    root.mkdir(parents=True)
    run(root, "init", "-q", "-b", "main")
    return root


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with two committed files."""
    root = made(tmp_path / "repo")
    put(root, "a.md", "one\n")
    put(root, "b.md", "one\n")
    run(root, "add", ".")
    run(root, "commit", "-q", "-m", "first")
    return root


def changed(root: Path, commit: str = "HEAD") -> list[str]:
    return run(root, "show", "--name-status", "--format=", "--no-renames", commit).splitlines()


def status(root: Path) -> list[str]:
    return run(root, "status", "--porcelain").splitlines()


# commit


def test_only_the_named_path_is_committed(repo: Path) -> None:
    put(repo, "a.md", "two\n")
    put(repo, "b.md", "staged\n")
    put(repo, "c.md", "staged and new\n")
    run(repo, "add", "b.md", "c.md")
    put(repo, "b.md", "and edited again\n")
    put(repo, "d.md", "untracked\n")

    assert git.commit(repo, ["a.md"], "second: é\n\nwith a body") == ""

    assert changed(repo) == ["M\ta.md"]
    assert run(repo, "log", "-1", "--format=%B") == "second: é\n\nwith a body"
    assert status(repo) == ["MM b.md", "A  c.md", "?? d.md"]
    assert run(repo, "show", ":b.md") == "staged"


def test_the_disk_is_committed_and_not_what_was_staged_before(repo: Path) -> None:
    put(repo, "a.md", "staged\n")
    run(repo, "add", "a.md")
    put(repo, "a.md", "on the disk\n")
    assert git.commit(repo, ["a.md"], "m") == ""
    assert run(repo, "show", "HEAD:a.md") == "on the disk"
    assert status(repo) == []


def test_a_new_file_is_committed(repo: Path) -> None:
    put(repo, "n/new.md", "new\n")
    put(repo, "other.md", "staged\n")
    run(repo, "add", "other.md")
    assert git.commit(repo, ["n/new.md"], "m") == ""
    assert changed(repo) == ["A\tn/new.md"]
    assert status(repo) == ["A  other.md"]


def test_the_first_commit_of_a_repository(tmp_path: Path) -> None:
    root = made(tmp_path / "repo")
    put(root, "a.md", "one\n")
    assert git.commit(root, ["a.md"], "m") == ""
    assert changed(root) == ["A\ta.md"]
    assert git.head(root) == run(root, "rev-parse", "HEAD")


def test_a_move_is_committed_from_both_ends(repo: Path) -> None:
    (repo / "a.md").rename(repo / "z.md")
    assert git.commit(repo, ["a.md", "z.md"], "m") == ""
    assert changed(repo) == ["D\ta.md", "A\tz.md"]
    assert status(repo) == []


def test_a_deletion_is_committed(repo: Path) -> None:
    (repo / "a.md").unlink()
    assert git.commit(repo, ["a.md"], "m") == ""
    assert changed(repo) == ["D\ta.md"]


@pytest.mark.parametrize("name", ["-x.md", "é 日.md", "*.md", "[ab].md", ":(top)x.md", "two\nlines.md"])
def test_a_name_is_a_name_and_nothing_else(repo: Path, name: str) -> None:
    put(repo, name, "new\n")
    put(repo, "a.md", "changed\n")
    assert git.commit(repo, [name], "m") == ""
    assert run(repo, "show", "-z", "--name-only", "--format=", "HEAD").rstrip("\0") == name
    assert " M a.md" in status(repo)


def test_a_bundle_below_the_top_of_its_repository(repo: Path) -> None:
    put(repo, "sub/x.md", "new\n")
    put(repo, "x.md", "not this one\n")
    assert git.commit(repo / "sub", ["x.md"], "m") == ""
    assert changed(repo) == ["A\tsub/x.md"]


def test_an_ignored_file_gives_a_reason(repo: Path) -> None:
    put(repo, ".gitignore", "*.tmp\n")
    put(repo, "x.tmp", "x\n")
    before = git.head(repo)
    assert git.commit(repo, ["x.tmp"], "m") == "git ignores it"
    assert git.head(repo) == before
    assert status(repo) == ["?? .gitignore"]


def test_beside_an_ignored_file_the_other_is_committed(repo: Path) -> None:
    put(repo, ".gitignore", "*.tmp\n")
    put(repo, "x.tmp", "x\n")
    put(repo, "a.md", "two\n")
    put(repo, "new.md", "new\n")
    assert git.commit(repo, ["x.tmp", "a.md", "new.md"], "m") == ""
    assert changed(repo) == ["M\ta.md", "A\tnew.md"]


@pytest.mark.parametrize("name", ["-x.tmp", "*.tmp", "[ab].tmp", ":(top)x.tmp", "two\nlines.tmp"])
def test_an_ignored_name_is_a_name_and_nothing_else(repo: Path, name: str) -> None:
    put(repo, ".gitignore", "*.tmp\n")
    put(repo, name, "x\n")
    assert git.commit(repo, [name], "m") == "git ignores it"


def test_no_work_tree_gives_a_reason(tmp_path: Path) -> None:
    put(tmp_path, "a.md", "x")
    assert git.commit(tmp_path, ["a.md"], "m") == "this is not a git work tree"


def test_no_git_program_gives_a_reason(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(repo, "a.md", "two\n")
    monkeypatch.setenv("PATH", str(repo))
    assert git.commit(repo, ["a.md"], "m") == "there is no git program"


def test_a_detached_head_is_committed_to(repo: Path) -> None:
    run(repo, "checkout", "-q", "--detach")
    put(repo, "a.md", "two\n")
    assert git.commit(repo, ["a.md"], "m") == ""
    assert changed(repo) == ["M\ta.md"]
    assert run(repo, "rev-parse", "main") != git.head(repo)


def hook(root: Path, name: str, program: str) -> None:
    put(root, f".git/hooks/{name}", f"#!/bin/sh\n{program}\n")
    (root / f".git/hooks/{name}").chmod(0o755)


@pytest.mark.parametrize("path", ["a.md", "new.md"])
def test_a_hook_that_refuses_is_quoted(repo: Path, path: str) -> None:
    hook(repo, "pre-commit", "echo 'no jokes today' >&2; exit 1")
    put(repo, path, "two\n")
    before = git.head(repo)
    with pytest.raises(CommitFailed, match="no jokes today") as error:
        git.commit(repo, [path], "m")
    assert error.value.exit_code == 1
    assert f"git commit --only -- {path}" in str(error.value)
    assert "\n" not in str(error.value)
    assert git.head(repo) == before
    assert (repo / path).read_text() == "two\n"


def test_without_an_identity_it_says_what_to_set(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in IDENTITY:
        monkeypatch.delenv(name)
    run(repo, "config", "user.useConfigOnly", "true")
    put(repo, "a.md", "two\n")
    with pytest.raises(CommitFailed, match=r"run git config user\.name"):
        git.commit(repo, ["a.md"], "m")


def conflict(root: Path, command: str) -> None:
    """Leave `root` in the middle of a `command`, with a conflict in b.md."""
    run(root, "checkout", "-q", "-b", "other")
    committed(root, "b.md", "other\n")
    run(root, "checkout", "-q", "main")
    committed(root, "b.md", "main\n")
    subprocess.run(["git", command, "other"], cwd=root, capture_output=True, check=False)
    assert "UU b.md" in status(root)


@pytest.mark.parametrize("path", ["a.md", "new.md"])
@pytest.mark.parametrize(
    "command",
    [
        "merge",
        "cherry-pick",
        "rebase",
    ],
)
def test_in_the_middle_of_something_it_says_of_what(repo: Path, command: str, path: str) -> None:
    conflict(repo, command)
    put(repo, path, "two\n")
    before = git.head(repo)
    with pytest.raises(CommitFailed, match=f"a {command} is under way"):
        git.commit(repo, [path], "m")
    assert git.head(repo) == before
    assert "UU b.md" in status(repo)


def test_in_the_middle_of_a_revert_it_says_so(repo: Path) -> None:
    committed(repo, "b.md", "two\n")
    committed(repo, "b.md", "three\n")
    subprocess.run(["git", "revert", "HEAD~"], cwd=repo, capture_output=True, check=False)
    put(repo, "a.md", "two\n")
    with pytest.raises(CommitFailed, match="a revert is under way"):
        git.commit(repo, ["a.md"], "m")


def test_git_is_asked_in_english(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "de")
    monkeypatch.setenv("PATH", f"{repo}{os.pathsep}{os.environ['PATH']}")
    put(repo, "git", '#!/bin/sh\necho "$LANGUAGE,$LC_ALL"\n')
    (repo / "git").chmod(0o755)
    assert git.run_git(repo).stdout == ",C.UTF-8\n"


def test_a_lock_that_stays_is_named(repo: Path) -> None:
    put(repo, "a.md", "two\n")
    put(repo, ".git/index.lock", "")
    with pytest.raises(CommitFailed, match=r"holds index\.lock"):
        git.commit(repo, ["a.md"], "m")
    assert (repo / ".git/index.lock").exists()


def test_nothing_to_commit_is_said(repo: Path) -> None:
    before = git.head(repo)
    with pytest.raises(CommitFailed, match="git refused"):
        git.commit(repo, ["a.md"], "m")
    assert git.head(repo) == before


# head


def test_head_of_a_branch(repo: Path) -> None:
    assert git.head(repo) == run(repo, "rev-parse", "HEAD")
    put(repo, "sub/x.md", "")
    assert git.head(repo / "sub") == run(repo, "rev-parse", "HEAD")


def test_head_of_a_branch_with_slashes_and_of_packed_refs(repo: Path) -> None:
    run(repo, "checkout", "-q", "-b", "x/main")
    committed(repo, "a.md", "two\n")
    run(repo, "tag", "-a", "-m", "t", "v1")
    run(repo, "pack-refs", "--all", "--prune")
    assert not (repo / ".git/refs/heads/x/main").exists()
    assert git.head(repo) == run(repo, "rev-parse", "HEAD")
    # A newer loose ref goes before an older packed one.
    committed(repo, "a.md", "three\n")
    assert git.head(repo) == run(repo, "rev-parse", "HEAD")


def test_head_detached(repo: Path) -> None:
    committed(repo, "a.md", "two\n")
    run(repo, "checkout", "-q", "HEAD~")
    assert git.head(repo) == run(repo, "rev-parse", "HEAD")


@pytest.mark.parametrize("packed", [False, True])
def test_head_of_a_worktree(repo: Path, tmp_path: Path, packed: bool) -> None:
    tree = tmp_path / "tree"
    run(repo, "worktree", "add", "-q", "-b", "side", str(tree))
    committed(tree, "a.md", "two\n")
    if packed:
        run(repo, "pack-refs", "--all", "--prune")
    assert git.head(tree) == run(tree, "rev-parse", "HEAD")
    assert git.head(repo) == run(repo, "rev-parse", "HEAD")
    assert git.head(tree) != git.head(repo)
    put(tree, "a.md", "three\n")
    assert git.commit(tree, ["a.md"], "m") == ""
    assert git.head(tree) == run(tree, "rev-parse", "HEAD")


def test_head_of_a_submodule(repo: Path, tmp_path: Path) -> None:
    outer = made(tmp_path / "outer")
    run(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repo), "sub")
    assert (outer / "sub/.git").is_file()
    assert git.head(outer / "sub") == run(outer / "sub", "rev-parse", "HEAD")


def test_no_head(tmp_path: Path) -> None:
    assert git.head(tmp_path) == ""
    assert git.head(made(tmp_path / "unborn")) == ""
    put(tmp_path, "broken/.git", "gitdir: nowhere\n")
    assert git.head(tmp_path / "broken") == ""


# versions


def test_versions_are_the_texts_of_history_oldest_first(repo: Path) -> None:
    committed(repo, "a.md", "two é\r\n")
    committed(repo, "b.md", "not this one\n")
    (repo / "a.md").unlink()
    run(repo, "commit", "-q", "-a", "-m", "gone")
    committed(repo, "a.md", "three\n")
    put(repo, "a.md", "not committed\n")
    assert git.versions(repo, "a.md") == ["one\n", "two é\r\n", "", "three\n"]


def test_versions_follow_the_first_parent(repo: Path) -> None:
    run(repo, "checkout", "-q", "-b", "side")
    committed(repo, "a.md", "side one\n")
    committed(repo, "a.md", "side two\n")
    run(repo, "checkout", "-q", "main")
    committed(repo, "b.md", "main\n")
    run(repo, "merge", "-q", "--no-ff", "-m", "merge", "side")
    assert git.versions(repo, "a.md") == ["one\n", "side two\n"]


def test_versions_below_the_top_and_in_a_worktree(repo: Path, tmp_path: Path) -> None:
    committed(repo, "sub/x.md", "one\n")
    assert git.versions(repo / "sub", "x.md") == ["one\n"]
    run(repo, "worktree", "add", "-q", "-b", "side", str(tmp_path / "tree"))
    committed(tmp_path / "tree", "sub/x.md", "two\n")
    assert git.versions(tmp_path / "tree/sub", "x.md") == ["one\n", "two\n"]


def test_versions_of_bytes_that_are_no_text(repo: Path) -> None:
    (repo / "a.md").write_bytes(b"\xff\n")
    run(repo, "commit", "-q", "-a", "-m", "m")
    assert git.versions(repo, "a.md")[-1].encode("utf-8", "surrogateescape") == b"\xff\n"


def test_versions_of_a_name_with_brackets(repo: Path) -> None:
    committed(repo, "[ab].md", "brackets\n")
    assert git.versions(repo, "[ab].md") == ["brackets\n"]


def test_no_versions(repo: Path, tmp_path: Path) -> None:
    put(repo, "new.md", "x")
    put(tmp_path, "outside/a.md", "x")
    assert list(git.versions(repo, "new.md")) == []
    assert list(git.versions(repo, "never.md")) == []
    assert list(git.versions(tmp_path / "outside", "a.md")) == []
    assert list(git.versions(made(tmp_path / "unborn"), "a.md")) == []


# git_folder


def test_the_folder_of_git(repo: Path, tmp_path: Path) -> None:
    assert git.git_folder(repo) == repo / ".git"
    assert git.git_folder(repo / "deep" / "er") == repo / ".git"
    assert git.git_folder(tmp_path) is None
    run(repo, "worktree", "add", "-q", "-b", "side", str(tmp_path / "tree"))
    assert git.git_folder(tmp_path / "tree") == repo / ".git/worktrees/tree"
