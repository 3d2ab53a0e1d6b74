"""Edits reach the disk as they were meant, or not at all."""

from __future__ import annotations

import errno
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle_tools.bundle import edits as edits_module
from oracle_tools.bundle.edits import Delete, Edit, Move, Write, apply, guarded, recover, touched
from oracle_tools.bundle.errors import OracleError
from oracle_tools.bundle.lock import locked
from oracle_tools.bundle.tree import scan

ROOT_ONLY = pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
FULL = OSError(errno.ENOSPC, "No space left on device")


def put(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text.encode())


def seen(root: Path) -> dict[str, bytes | None]:
    """Everything below `root`, temporary files included: bytes of a file, None for a folder or a link."""
    return {
        path.relative_to(root).as_posix(): None if path.is_symlink() or path.is_dir() else path.read_bytes()
        for path in sorted(root.rglob("*"))
    }


def texts(root: Path) -> dict[str, str]:
    return {path: data.decode() for path, data in seen(root).items() if data is not None}


# What is written


def test_a_text_is_written_byte_for_byte(tmp_path: Path) -> None:
    text = "\ufeffé\r\n\r\x00\n\u2028 no newline at the end \udcff"
    apply(tmp_path, [Write("a/b/c.md", text)])
    assert seen(tmp_path)["a/b/c.md"] == text.encode("utf-8", "surrogateescape")


@settings(deadline=None)
@given(st.text(), st.text())
def test_any_text_replaces_any_other(tmp_path_factory: pytest.TempPathFactory, old: str, new: str) -> None:
    root = tmp_path_factory.mktemp("any")
    apply(root, [Write("a.md", old)])
    apply(root, [Write("a.md", new)])
    assert seen(root) == {"a.md": new.encode()}


@pytest.mark.parametrize(
    ("files", "edits", "expected"),
    [
        ({"a.md": "1"}, [], {"a.md": "1"}),
        ({"a.md": "1"}, [Write("a.md", "2")], {"a.md": "2"}),
        ({"a.md": "1"}, [Write("a.md", "")], {"a.md": ""}),
        ({"a.md": "1"}, [Write("b.md", "2", new=True)], {"a.md": "1", "b.md": "2"}),
        ({"a.md": "1"}, [Write("a.md", "2"), Write("a.md", "3")], {"a.md": "3"}),
        ({"a.md": "1"}, [Move("a.md", "b/c.md")], {"b/c.md": "1"}),
        ({"a.md": "1"}, [Move("a.md", "A.md")], {"A.md": "1"}),
        ({"a.md": "1"}, [Move("a.md", "a.md")], {"a.md": "1"}),
        ({"d/x.md": "1", "d/e/y.md": "2"}, [Move("d", "f/g")], {"f/g/x.md": "1", "f/g/e/y.md": "2"}),
        ({"a.md": "1"}, [Move("a.md", "b.md"), Write("b.md", "2")], {"b.md": "2"}),
        ({"a.md": "1"}, [Write("a.md", "2"), Move("a.md", "b.md")], {"b.md": "2"}),
        ({"a.md": "1"}, [Move("a.md", "b.md"), Write("a.md", "2")], {"a.md": "2", "b.md": "1"}),
        ({"a.md": "1", "b.md": "2"}, [Delete("a.md")], {"b.md": "2"}),
        ({"d/x.md": "1", "d/e/y.md": "2", "b.md": "3"}, [Delete("d")], {"b.md": "3"}),
        ({"a.md": "1"}, [Delete("gone.md")], {"a.md": "1"}),
        # In order: what one edit makes or takes away, the next may use.
        ({"d/x.md": "1"}, [Move("d", "e/f"), Write("e/f/x.md", "2")], {"e/f/x.md": "2"}),
        ({"a": "1", "b": "2"}, [Move("a", "t"), Move("b", "a"), Move("t", "b")], {"a": "2", "b": "1"}),
        ({"d/x.md": "1"}, [Move("d/x.md", "x.md"), Delete("d"), Move("x.md", "d")], {"d": "1"}),
        ({"d/x.md": "1"}, [Delete("d/x.md"), Write("d/x.md", "2", new=True)], {"d/x.md": "2"}),
        ({"d/x.md": "1"}, [Delete("d"), Write("d/x.md", "2")], {"d/x.md": "2"}),
        ({"d/x.md": "1"}, [Move("d", "e"), Write("d/y.md", "2")], {"d/y.md": "2", "e/x.md": "1"}),
        ({}, [Write("a.md", "1"), Move("a.md", "b.md")], {"b.md": "1"}),
        ({"a.md": "1", "b.md": "2"}, [Delete("b.md"), Move("a.md", "b.md")], {"b.md": "1"}),
    ],
)
def test_apply(tmp_path: Path, files: dict[str, str], edits: list[Edit], expected: dict[str, str]) -> None:
    put(tmp_path, files)
    apply(tmp_path, edits)
    assert texts(tmp_path) == expected


def test_touched_names_each_path_once() -> None:
    edits = [Write("a", ""), Move("b", "c"), Delete("a"), Move("c", "d")]
    assert touched(edits) == ["a", "b", "c", "d"]


def test_deleting_a_folder_leaves_what_its_links_point_at(tmp_path: Path) -> None:
    put(tmp_path, {"d/x.md": "1", "kept/y.md": "2"})
    (tmp_path / "d/link").symlink_to(tmp_path / "kept")
    apply(tmp_path, [Delete("d")])
    assert texts(tmp_path) == {"kept/y.md": "2"}


@pytest.mark.parametrize("mode", [0o600, 0o755, 0o664])
def test_permissions_are_kept(tmp_path: Path, mode: int) -> None:
    put(tmp_path, {"a.sh": "1"})
    (tmp_path / "a.sh").chmod(mode)
    apply(tmp_path, [Write("a.sh", "2")])
    assert (tmp_path / "a.sh").stat().st_mode & 0o777 == mode


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain.md").write_text("1")
    apply(tmp_path, [Write("new.md", "1")])
    assert (tmp_path / "new.md").stat().st_mode == (tmp_path / "plain.md").stat().st_mode


# What is refused


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "/",
        "/etc/passwd",
        "..",
        "../x.md",
        "a/../../x.md",
        "a/../x.md",
        "C:/x.md",
        "C:x.md",
        "C:\\x.md",
        "a\\b.md",
        "\\\\host\\x.md",
        "a\0b.md",
        ".git",
        ".git/config",
        "./.git/config",
        ".git/../x.md",
        "link/x.md",
        "link/deep/x.md",
        "d/link/x.md",
        "link.md",
        "dangling.md",
        ".GIT/config",
        "d/.git/config",
        "d/C:/x.md",
    ],
)
@pytest.mark.parametrize("kind", ["write", "move", "move to", "delete"])
def test_a_path_that_leaves_the_bundle_is_refused(tmp_path: Path, path: str, kind: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    put(root, {"a.md": "1", "d/b.md": "2", ".git/config": "3"})
    put(outside, {"deep/x.md": "4", "x.md": "5"})
    (root / "link").symlink_to(outside)
    (root / "d/link").symlink_to(outside)
    (root / "link.md").symlink_to(outside / "x.md")
    (root / "dangling.md").symlink_to(outside / "nowhere.md")
    before = seen(tmp_path)
    edit: Edit = {
        "write": Write(path, "evil"),
        "move": Move(path, "new.md"),
        "move to": Move("a.md", path),
        "delete": Delete(path),
    }[kind]
    with pytest.raises(OracleError):
        guarded(root, path)
    with pytest.raises(OracleError):
        apply(root, [Write("d/b.md", "changed"), edit])
    assert seen(tmp_path) == before


@pytest.mark.parametrize(
    "path", ["a.md", "a/b/c.md", "./a.md", ".gitignore", ".github/x.yml", "é 日/a b.md", "..a/b..md"]
)
def test_a_path_inside_is_not_refused(tmp_path: Path, path: str) -> None:
    assert guarded(tmp_path, path) == tmp_path / path


def test_the_bundle_itself_may_lie_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    apply(tmp_path / "link", [Write("a/b.md", "1")])
    assert texts(tmp_path / "real") == {"a/b.md": "1"}


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (Write("a.md", "2", new=True), "a.md: exists already"),
        (Write("d", "2", new=True), "d: exists already"),
        (Move("gone.md", "b.md"), "gone.md: no such file"),
        (Move("a.md", "d/b.md"), "d/b.md: exists already"),
        (Move("a.md", "d"), "d: exists already"),
        (Move("d", "a.md"), "a.md: exists already"),
        (Write("a.md/x.md", "2"), "cannot write"),
        (Write("x" * 300, "2"), "xxx"),
        (Write("d", "2"), "d"),
        (Move("a.md", "a.md/x.md"), "a.md"),
        (Move("d", "d/e/f"), "d"),
        (Write("n/x.md", "\ud800"), "x.md"),
    ],
)
def test_of_several_edits_none_is_done_when_one_is_bad(tmp_path: Path, edit: Edit, says: str) -> None:
    put(tmp_path, {"a.md": "1", "d/b.md": "2", "z.md": "3"})
    before = seen(tmp_path)
    with pytest.raises(OracleError, match=says):
        apply(tmp_path, [Write("z.md", "changed"), Write("y.md", "made"), edit])
    assert seen(tmp_path) == before


def test_a_file_is_new_once(tmp_path: Path) -> None:
    with pytest.raises(OracleError):
        apply(tmp_path, [Write("a.md", "1", new=True), Write("a.md", "2", new=True)])


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_the_git_folder_of_a_copied_codebase_may_be_deleted(tmp_path: Path, kind: str) -> None:
    path = "source-codebases/k/00-n/.git"
    put(tmp_path, {"kept/x": "1", "source-codebases/k/00-n/x.py": "1", "a/.git/x": "1"})
    if kind == "folder":
        put(tmp_path, {f"{path}/objects/x": "1"})
        (tmp_path / path / "objects").chmod(0o555)
    elif kind == "file":
        put(tmp_path, {path: "gitdir: x"})
    else:
        (tmp_path / path).symlink_to(tmp_path / "kept")
    apply(tmp_path, [Delete(path)])
    assert texts(tmp_path) == {"kept/x": "1", "source-codebases/k/00-n/x.py": "1", "a/.git/x": "1"}
    for edit in (Write(path, "1"), Delete(f"{path}/x"), Delete("a/.git"), Move("kept", path)):
        with pytest.raises(OracleError, match="belongs to git"):
            apply(tmp_path, [edit])


def test_a_move_does_not_bring_a_link_into_the_way(tmp_path: Path) -> None:
    put(tmp_path, {"root/d/x.md": "1", "outside/x.md": "1"})
    (tmp_path / "root/d/link").symlink_to(tmp_path / "outside")
    before = seen(tmp_path)
    with pytest.raises(OracleError, match="symbolic link"):
        apply(tmp_path / "root", [Move("d", "e"), Write("e/link/x.md", "evil")])
    assert seen(tmp_path) == before


def test_a_message_stays_one_line(tmp_path: Path) -> None:
    with pytest.raises(OracleError) as error:
        apply(tmp_path, [Move("a\nb\x1b.md", "c.md")])
    assert str(error.value).isprintable()


# What fails half-way


def refuse(*_: object, **__: object) -> None:
    raise FULL


@pytest.mark.parametrize("edits", [[Write("a.md", "2")], [Write("a.md", "2"), Write("b.md", "2")]])
def test_a_full_disk_leaves_every_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edits: list[Edit]
) -> None:
    put(tmp_path, {"a.md": "1", "b.md": "1"})
    before = seen(tmp_path)
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OracleError, match=r"No space left on device; the old files are kept"):
        apply(tmp_path, edits)
    assert seen(tmp_path) == before


def test_a_disk_that_is_full_at_the_second_text_leaves_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, {"a.md": "1", "b.md": "1"})
    before, calls, real = seen(tmp_path), [], os.fsync

    def second(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise FULL
        real(handle)

    monkeypatch.setattr(os, "fsync", second)
    with pytest.raises(OracleError, match="No space left"):
        apply(tmp_path, [Write("a.md", "2"), Write("b.md", "2")])
    assert seen(tmp_path) == before


def test_a_full_disk_leaves_no_empty_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OracleError):
        apply(tmp_path, [Write("new/folder/a.md", "1")])
    assert seen(tmp_path) == {}


def test_an_interruption_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"a.md": "1", "b.md": "1"})
    before = seen(tmp_path)

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        apply(tmp_path, [Write("a.md", "2"), Write("b.md", "2")])
    assert seen(tmp_path) == before


def test_a_rename_that_fails_keeps_the_old_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"a.md": "1"})
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OracleError, match="No space left"):
        apply(tmp_path, [Write("a.md", "2")])
    assert (tmp_path / "a.md").read_text() == "1"


def test_a_rename_that_fails_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, {"a.md": "1", "b.md": "1"})
    before = seen(tmp_path)
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OracleError):
        apply(tmp_path, [Write("a.md", "2"), Write("b.md", "2")])
    assert seen(tmp_path) == before


def test_what_is_said_after_half_of_the_renames_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, {"a.md": "1", "b.md": "1"})
    real = Path.replace

    def second(self: Path, target: Path) -> Path:
        if target.name == "b.md":
            raise FULL
        return real(self, target)

    monkeypatch.setattr(Path, "replace", second)
    with pytest.raises(OracleError) as error:
        apply(tmp_path, [Write("a.md", "2"), Write("b.md", "2")])
    assert texts(tmp_path)["a.md"] == "1" or "the old files are kept" not in str(error.value)


@ROOT_ONLY
@pytest.mark.parametrize(
    "edit", [Write("d/a.md", "2"), Write("d/new.md", "2"), Delete("d/a.md"), Move("d/a.md", "b.md")]
)
def test_a_folder_that_is_read_only_keeps_what_it_has(tmp_path: Path, edit: Edit) -> None:
    put(tmp_path, {"d/a.md": "1", "z.md": "1"})
    before = seen(tmp_path)
    (tmp_path / "d").chmod(0o555)
    try:
        with pytest.raises(OracleError, match="Permission denied"):
            apply(tmp_path, [edit])
    finally:
        (tmp_path / "d").chmod(0o755)
    assert seen(tmp_path) == before


MANY: list[Edit] = [
    Write("a.md", "2"),
    Delete("b.md"),
    Write("n/m/b.md", "2"),
    Move("a.md", "b.md"),
    Write("a.md", "3"),
    Move("d", "n/d"),
    Write("n/d/x.md", "2"),
    Delete("n/d/e"),
    Write("d", "2"),
    Move("n/m/b.md", "n/d/e"),
]
OLD = {"a.md": "1", "b.md": "1", "d/x.md": "1", "d/e/y.md": "1"}
NEW = {"a.md": "3", "b.md": "2", "d": "2", "n/d/x.md": "2", "n/d/e": "2"}
STEPS = 12  # three of them make folders; one more fails for lack of a step
LINKS = pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])


def stop_at(monkeypatch: pytest.MonkeyPatch, at: int, when: str, stop: Any, links: bool) -> None:
    """Let the step of that number not be done (`before`), or be done and not be known of (`after`)."""
    real, calls = edits_module._carry_out, []

    def carry_out(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == at and when == "before":
            stop()
        real(*arguments)
        if len(calls) == at:
            stop()

    monkeypatch.setattr(edits_module, "_carry_out", carry_out)
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", refuse)


@LINKS
def test_many_edits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    put(tmp_path, OLD)
    stop_at(monkeypatch, STEPS + 1, "before", refuse, links)
    apply(tmp_path, MANY)
    assert texts(tmp_path) == NEW


@LINKS
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", range(1, STEPS + 1))
def test_a_step_that_fails_undoes_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, when: str, links: bool
) -> None:
    put(tmp_path, OLD)
    before = seen(tmp_path)
    stop_at(monkeypatch, at, when, refuse, links)
    with pytest.raises(OracleError, match="No space left on device; the old files are kept"):
        apply(tmp_path, MANY)
    assert seen(tmp_path) == before


def killed(root: Path, monkeypatch: pytest.MonkeyPatch, edits: list[Edit], *stop: Any) -> None:
    """Apply `edits` in a process that is killed in the middle."""
    child = os.fork()
    if not child:
        stop_at(monkeypatch, *stop[:2], lambda: os.kill(os.getpid(), signal.SIGKILL), stop[2])
        apply(root, edits)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


@LINKS
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", range(1, STEPS + 1))
def test_what_a_killed_process_left_is_undone_and_can_be_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, when: str, links: bool
) -> None:
    put(tmp_path, OLD)
    before = seen(tmp_path)
    killed(tmp_path, monkeypatch, MANY, at, when, links)
    assert seen(tmp_path) != before
    assert set(scan(tmp_path).entries) == set(before)
    assert seen(tmp_path) == before
    apply(tmp_path, MANY)
    assert texts(tmp_path) == NEW


def test_an_undoing_that_is_killed_goes_on_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, OLD)
    before = seen(tmp_path)
    killed(tmp_path, monkeypatch, MANY, STEPS, "after", True)
    real, cut = edits_module._undo, os.truncate
    for turn in range(2 * STEPS - 1):
        undone: list[Any] = []

        def one(*arguments: Any, undone: list[Any] = undone) -> None:
            undone.append(arguments)
            if len(undone) == 2:
                refuse()
            real(*arguments)

        with monkeypatch.context() as patch:
            # Every other time a step is undone and it is not written down that it was.
            patch.setattr(os, "truncate", cut if turn % 2 else refuse)
            patch.setattr(edits_module, "_undo", one)
            with pytest.raises(OracleError, match="interrupted"):
                recover(tmp_path)
    assert recover(tmp_path)
    assert not recover(tmp_path)
    assert seen(tmp_path) == before


def test_a_lock_undoes_what_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"a.md": "1"})
    (tmp_path / ".git").mkdir()
    killed(tmp_path, monkeypatch, [Write("a.md", "2")], 1, "after", True)
    assert (tmp_path / "a.md").read_text() == "2"
    with locked(tmp_path):
        assert texts(tmp_path) == {"a.md": "1", ".git/oracle.lock": ""}


def test_what_another_process_is_doing_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"a.md": "1"})
    stop_at(monkeypatch, 1, "after", lambda: scan(tmp_path), True)
    apply(tmp_path, [Write("a.md", "2")])
    assert texts(tmp_path) == {"a.md": "2"}


@pytest.mark.parametrize(
    "line",
    [
        ["put", "../x.md", "", 0, False],
        ["move", "a.md", "../x.md", 0, False],
        ["put", "link/x.md", "", 0, False],
        ["put", ".git/config", "", 0, False],
        ["put", "a.md", "", "/../../x.md", True],
        ["put"],
        {},
        7,
    ],
)
def test_a_journal_that_somebody_made_up_stays_inside(tmp_path: Path, line: object) -> None:
    put(tmp_path, {"root/a.md": "1", "x.md": "1", "root/.git/config": "1", "root/.oracle-edits-x/new-1": "1"})
    (tmp_path / "root/link").symlink_to(tmp_path)
    (tmp_path / "root/.oracle-edits-x/journal").write_text(json.dumps(line) + "\n")
    with pytest.raises(OracleError, match="cannot be undone"):
        scan(tmp_path / "root")
    assert {"root/a.md", "x.md", "root/.git/config"} <= set(texts(tmp_path))
