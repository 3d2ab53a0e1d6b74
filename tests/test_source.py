"""Pulling a pinned codebase brings exactly its commit, whatever the repository does to abuse that."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle_tools.bundle import gitsource
from oracle_tools.bundle.errors import OracleError
from oracle_tools.bundle.pins import (
    ABSENT,
    MODIFIED,
    PRESENT,
    RECORD,
    STALE,
    blob_hash,
    chosen,
    pins,
    tree_hash,
    verdict,
)
from oracle_tools.bundle.tree import Tree, scan
from oracle_tools.chores import source
from oracle_tools.chores.source import Asked, Pulled
from tests import small, upstream
from tests.upstream import NANO


def quiet(name: str, done: int, total: int) -> None:
    pass


def pull(tree: Tree, **options: object) -> Pulled:
    (result,) = source.pull(tree, ["nano"], Asked(**options), quiet)  # type: ignore[arg-type]
    return result


def state(tree: Tree) -> str:
    return verdict(tree.root or Path(), pins(tree)[0]).state


def copied(root: Path) -> set[str]:
    folder = root / NANO
    found = (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return {path.relative_to(folder).as_posix() for path in found} - {"INDEX.md", RECORD}


def prepared(tmp_path: Path, files: dict[str, str | bytes] | None = None) -> tuple[Path, Tree]:
    theirs = upstream.made(tmp_path / "theirs", files)
    return theirs, upstream.bundle(tmp_path / "bundle", *upstream.hashes(theirs))


def test_a_pull_brings_the_files_of_the_pin_and_no_git(tmp_path: Path) -> None:
    theirs, tree = prepared(tmp_path)
    ours = (tmp_path / "bundle" / NANO / "INDEX.md").read_text(encoding="utf-8")
    assert state(tree) == ABSENT
    result = pull(tree, origin=str(theirs))
    assert result.done and result.line.startswith(f"{NANO}: 6 files of ")
    folder = tmp_path / "bundle" / NANO
    assert copied(tmp_path / "bundle") == {*upstream.FILES} - {"INDEX.md"} | {"INDEX.upstream.md"}
    assert (folder / "INDEX.md").read_text(encoding="utf-8") == ours
    assert (folder / "INDEX.upstream.md").read_text(encoding="utf-8") == "# Theirs\n"
    assert os.access(folder / "run.sh", os.X_OK) and not os.access(folder / "model.py", os.X_OK)
    assert not list(folder.rglob(".git")) and not list(folder.parent.glob(".oracle-*"))
    assert state(tree) == PRESENT
    assert "already" in pull(tree, origin="/nowhere").line


@pytest.mark.parametrize("form", ["karpathy+nano/repo", "karpathy/nano.git", "karpathy/nano"])
def test_a_mirror_serves_as_origin(tmp_path: Path, form: str) -> None:
    theirs, tree = prepared(tmp_path)
    (tmp_path / "mirrors" / form).parent.mkdir(parents=True)
    small.git(tmp_path, "clone", "--quiet", "--bare", "--", str(theirs), f"mirrors/{form}")
    assert pull(tree, mirror=tmp_path / "mirrors").done
    assert state(tree) == PRESENT
    result = pull(tree, mirror=tmp_path / "empty", force=True)
    assert not result.done and "has no karpathy/nano" in result.line


def test_an_address_is_fetched_shallowly_and_only_that_commit(tmp_path: Path) -> None:
    theirs, _ = prepared(tmp_path)
    earlier = upstream.hashes(theirs)[0]
    upstream.put(theirs, {"wanted.md": "wanted"})
    upstream.committed(theirs)
    wanted, tree_of = upstream.hashes(theirs)
    upstream.put(theirs, {"later.md": "later"})
    upstream.committed(theirs)
    tree = upstream.bundle(tmp_path / "bundle", wanted, tree_of)
    with gitsource.fetched(theirs.as_uri(), wanted) as store:
        assert store.tree_of(wanted) == tree_of
        assert not store.tree_of(upstream.hashes(theirs)[0]) and not store.tree_of(earlier)
    assert pull(tree, origin=theirs.as_uri()).done
    assert "later.md" not in copied(tmp_path / "bundle") and state(tree) == PRESENT


@pytest.mark.parametrize(
    "address", ["ext::sh -c touch% /tmp/owned", "--upload-pack=touch owned", "/no/such/place"]
)
def test_a_bad_address_fails_in_one_line_and_leaves_nothing(tmp_path: Path, address: str) -> None:
    _, tree = prepared(tmp_path)
    result = pull(tree, origin=address)
    assert not result.done and "was not fetched" in result.line and "\n" not in result.line
    assert state(tree) == ABSENT and not list((tmp_path / "bundle" / NANO).parent.glob(".oracle-*"))


def test_an_address_runs_no_command_even_where_git_would_allow_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, tree = prepared(tmp_path)
    (tmp_path / ".gitconfig").write_text('[protocol "ext"]\n\tallow = always\n', encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not pull(tree, origin=f"ext::touch {tmp_path}/owned").done
    assert not (tmp_path / "owned").exists()


def test_nothing_of_a_hostile_repository_is_executed(tmp_path: Path) -> None:
    owned = tmp_path / "owned"
    files: dict[str, str | bytes] = {
        ".gitattributes": "* filter=evil diff=evil\n*.md export-subst ident eol=crlf\n",
        ".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = {tmp_path}/theirs\n',
        "a.md": "$Id$\nline\n",
    }
    theirs, _ = prepared(tmp_path, files)
    for hook in ("post-checkout", "post-merge", "reference-transaction", "pre-commit", "post-index-change"):
        path = theirs / ".git" / "hooks" / hook
        path.write_text(f"#!/bin/sh\ntouch {owned}\n", encoding="utf-8")
        path.chmod(0o755)
    for key in ("filter.evil.smudge", "core.fsmonitor", "core.pager", "uploadpack.packObjectsHook"):
        small.git(theirs, "config", key, f"touch {owned}")
    tree = upstream.bundle(tmp_path / "bundle", *upstream.hashes(theirs))
    assert pull(tree, origin=str(theirs)).done
    assert pull(tree, origin=theirs.as_uri(), force=True).done
    assert not owned.exists()
    assert (tmp_path / "bundle" / NANO / "a.md").read_bytes() == b"$Id$\nline\n"


def test_links_submodules_pointers_and_large_files_are_reported_and_not_followed(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    theirs = upstream.made(
        tmp_path / "theirs", {"a/b/file": "x", "model.bin": pointer, "big": b"0" * 2_000_000}
    )
    links = {
        "inside": "a/b/file",
        "outside": "../../secret",
        "absolute": "/etc/passwd",
        "a/b/top": "../..",
        "a/b/by-way": "top/..",
        "loop": "loop",
    }
    for path, target in links.items():
        (theirs / path).symlink_to(target)
    upstream.committed(theirs)
    upstream.with_entries(theirs, f"160000 {'1' * 40}\tmodule")
    tree = upstream.bundle(tmp_path / "bundle", *upstream.hashes(theirs))
    result = pull(tree, origin=str(theirs), max_size=1.0)
    assert result.done
    assert copied(tmp_path / "bundle") == {"a/b/file", "model.bin", "inside", "a/b/top"}
    said = {remark.partition(": ")[0]: remark.partition(": ")[2] for remark in result.remarks}
    assert said == {
        "a/b/by-way": "a symbolic link out of the folder, to top/..; left out",
        "absolute": "a symbolic link out of the folder, to /etc/passwd; left out",
        "big": "1.9 MiB, over --max-size 1; left out",
        "loop": "a symbolic link out of the folder, to loop; left out",
        "model.bin": "a Git LFS pointer; its content is not fetched",
        "module": "a submodule; left out",
        "outside": "a symbolic link out of the folder, to ../../secret; left out",
    }
    assert state(tree) == PRESENT, "what was left out is known by its hash"


def test_paths_that_leave_the_folder_or_belong_to_git_are_left_out(tmp_path: Path) -> None:
    theirs = upstream.made(tmp_path / "theirs", {"a": "x"})
    blob = small.git(theirs, "rev-parse", "HEAD:a").strip()

    for name in ("..", ".git", ".GIT"):
        inner = upstream.tree_object(theirs, f"100644 blob {blob}\tevil")
        outer = upstream.tree_object(theirs, f"040000 tree {inner}\t{name}")
        commit = small.git(theirs, "commit-tree", outer, "-m", "evil").strip()
        tree = upstream.bundle(tmp_path / "bundle", commit, outer)
        result = pull(tree, origin=str(theirs), force=True)
        assert result.done and "left out" in result.remarks[0]
        assert copied(tmp_path / "bundle") == set()
        assert not (tmp_path / "bundle" / NANO).parent.joinpath("evil").exists()


def test_every_spelling_of_our_files_gives_way(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "index.md": "a", "Index.md": "b", "INDEX.upstream.md": "c", RECORD: "d", "docs/INDEX.md": "e",
    }  # fmt: skip
    theirs, tree = prepared(tmp_path, files)
    assert pull(tree, origin=str(theirs)).done
    kept = {"INDEX.upstream-2.md", "INDEX.upstream-3.md", "INDEX.upstream.md", "oracle-pull.upstream.json"}
    assert copied(tmp_path / "bundle") == kept | {"docs/INDEX.md"}
    assert (tmp_path / "bundle" / NANO / "INDEX.upstream.md").read_text(encoding="utf-8") == "c"
    assert state(tree) == PRESENT


def test_a_failed_pull_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, tree = prepared(tmp_path)
    assert pull(tree, origin=str(theirs)).done
    before = {p: (tmp_path / "bundle" / NANO / p).read_bytes() for p in copied(tmp_path / "bundle")}
    upstream.put(theirs, {"model.py": "class New: ...\n"})
    upstream.committed(theirs)
    tree = upstream.bundle(tmp_path / "bundle", *upstream.hashes(theirs))
    assert state(tree) == STALE

    def same() -> bool:
        return before == {
            p: (tmp_path / "bundle" / NANO / p).read_bytes() for p in copied(tmp_path / "bundle")
        }

    mine = tmp_path / "bundle" / NANO / "mine.txt"
    mine.write_text("mine", encoding="utf-8")
    assert "--force" in pull(tree, origin=str(theirs)).line and mine.exists()
    mine.unlink()
    real, calls = Path.rename, []

    def failing(self: Path, target: Path) -> Path:
        calls.append(self)
        if len(calls) == 9:
            raise OSError(28, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    result = pull(tree, origin=str(theirs))
    monkeypatch.undo()
    assert not result.done and "No space left" in result.line and same()
    monkeypatch.setattr(gitsource.Store, "blob", lambda self, oid: b"something else")
    result = pull(tree, origin=str(theirs))
    monkeypatch.undo()
    assert not result.done and "not what its hash says" in result.line and same()
    assert not list((tmp_path / "bundle" / NANO).parent.glob(".oracle-*"))
    assert pull(tree, origin=str(theirs)).done and state(tree) == PRESENT


def test_a_pin_whose_tree_is_not_the_commits_brings_nothing(tmp_path: Path) -> None:
    theirs, _ = prepared(tmp_path)
    tree = upstream.bundle(tmp_path / "bundle", upstream.hashes(theirs)[0], "a" * 40)
    result = pull(tree, origin=str(theirs))
    assert not result.done and "mend the pin" in result.line and state(tree) == ABSENT
    tree = upstream.bundle(tmp_path / "bundle", "b" * 40, "a" * 40)
    assert "does not have" in pull(tree, origin=str(theirs)).line


def test_verify_names_the_files_that_differ(tmp_path: Path) -> None:
    theirs, tree = prepared(tmp_path)
    assert source.verify(tree, []) == ("no copy to verify; oracle source pull brings one", True)
    assert not source.verify(tree, ["nano"])[1], "one that is asked for by name should be there"
    assert pull(tree, origin=str(theirs)).done
    said, good = source.verify(tree, [])
    assert good and said == f"{NANO}: present, tree {upstream.hashes(theirs)[1][:12]}"
    folder = tmp_path / "bundle" / NANO
    (folder / "model.py").write_text("changed\n", encoding="utf-8")
    (folder / "README.md").unlink()
    (folder / "new.txt").write_text("new\n", encoding="utf-8")
    (folder / "run.sh").chmod(0o644)
    said, good = source.verify(tree, [])
    assert not good
    assert said.splitlines()[1:] == [
        "  README.md: missing",
        "  model.py: changed",
        "  new.txt: added",
        "  run.sh: mode is 100644, was 100755",
    ]
    assert state(tree) == MODIFIED
    result = pull(tree, origin=str(theirs))
    assert not result.done and "--force" in result.line and (folder / "new.txt").exists()
    assert pull(tree, origin=str(theirs), force=True).done and not (folder / "new.txt").exists()


def test_a_record_that_was_tampered_with_is_not_believed(tmp_path: Path) -> None:
    theirs, tree = prepared(tmp_path)
    assert pull(tree, origin=str(theirs)).done
    record = tmp_path / "bundle" / NANO / RECORD
    model = tmp_path / "bundle" / NANO / "model.py"
    true = model.read_bytes()
    model.write_text("changed\n", encoding="utf-8")
    changed = blob_hash(b"changed\n")
    record.write_text(record.read_text(encoding="utf-8").replace(blob_hash(true), changed), encoding="utf-8")
    assert "record of the pull is not that of the pin" in source.verify(tree, [])[0]
    model.write_bytes(true)
    record.write_text("{", encoding="utf-8")
    assert state(tree) == PRESENT, "without a record the files still hash to the pin's tree"


def test_list_shows_pins_and_notes_by_kind(tmp_path: Path) -> None:
    note = (
        "---\ndescription: d\nkeywords: [k]\nkind: talk\npeople: [A, B]\ndate: 2023-01-17\n"
        "address: https://example.org/v\n---\n\n# The talk\n"
    )
    theirs = upstream.made(tmp_path / "theirs")
    files = {"source-documents/karpathy/00-talk.md": note, "source-documents/karpathy/01-x.md": "# No kind\n"}
    tree = upstream.bundle(tmp_path / "bundle", *upstream.hashes(theirs), files)
    assert "karpathy/00-nano  absent" in source.listing(tree)
    row = "talk  2023-01-17  A, B    The talk  https://example.org/v  source-documents/karpathy/00-talk.md"
    assert source.listing(tree, "talk").splitlines()[1:] == [row]
    assert source.listing(tree, "paper").splitlines()[1:] == []
    assert "The talk" not in source.listing(tree, "codebase")
    with pytest.raises(OracleError, match="no kind podcast"):
        source.listing(tree, "podcast")


def test_names_of_codebases(tmp_path: Path) -> None:
    _, tree = prepared(tmp_path)
    every = pins(tree)
    for word in ("nano", "00-nano", "karpathy/nano", "KARPATHY/00-NANO", NANO, f"{NANO}/"):
        assert chosen(every, [word]) == every
    with pytest.raises(OracleError, match="no pinned codebase llama"):
        chosen(every, ["llama"])
    with pytest.raises(OracleError, match="one codebase"):
        source.pull(scan(tmp_path / "theirs"), [], Asked(origin="x"), quiet)


NAMES = st.text("ab.-0", min_size=1, max_size=3).filter(lambda word: word.strip("."))


@settings(max_examples=25, deadline=None)
@given(paths=st.sets(st.lists(NAMES, min_size=1, max_size=3).map("/".join), min_size=1, max_size=8))
def test_the_tree_hash_is_gits(tmp_path_factory: pytest.TempPathFactory, paths: set[str]) -> None:
    files = sorted(p for p in paths if not any(other.startswith(f"{p}/") for other in paths))
    folder = tmp_path_factory.mktemp("theirs") / "repo"
    upstream.made(folder, {path: path for path in files})
    rows = (line.split(maxsplit=3) for line in small.git(folder, "ls-tree", "-r", "HEAD").splitlines())
    assert tree_hash((mode, oid, path) for mode, _, oid, path in rows) == upstream.hashes(folder)[1]
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "note",
    [
        '["..", ["bundle"]]',
        '["00-nano", ["../../../SKILL.md"]]',
        '["00-nano", ["INDEX.md"]]',
        '["00-nano", 7]',
        "{",
        "[]",
    ],
)
def test_a_note_of_a_swap_that_somebody_made_up_moves_nothing(tmp_path: Path, note: str) -> None:
    theirs, tree = prepared(tmp_path)
    evil = (tmp_path / "bundle" / NANO).parent / ".oracle-pull-evil"
    (evil / "new").mkdir(parents=True)
    (evil / "old").mkdir()
    (evil / "swap").write_text(note, encoding="utf-8")
    ours = (tmp_path / "bundle" / NANO / "INDEX.md").read_bytes()
    assert pull(tree, origin=str(theirs)).done
    assert (tmp_path / "bundle" / NANO / "INDEX.md").read_bytes() == ours
    assert not evil.exists()
    assert (tmp_path / "bundle").is_dir()
