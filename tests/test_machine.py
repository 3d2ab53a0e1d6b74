"""The unusual machine: each has a sensible outcome, said in one line, and never a traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle_tools.cli import run
from tests import small

JOKE = "Ein Gradient geht zum Arzt: „Mir ist so flach.“ 🩺"
MOVE = ("mv", "karpathy/01-backpropagation.md", "karpathy/05-gradients.md")


@pytest.fixture
def world(tmp_path: Path) -> dict[str, str]:
    """The least that a process needs to be given: where programs are, who commits, where the cache is."""
    kept = {key: os.environ[key] for key in ("PATH", "SYSTEMROOT", "TMPDIR") if key in os.environ}
    return {**kept, **small.identity(), "HOME": str(tmp_path), "ORACLE_CACHE_DIR": str(tmp_path / "cache")}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return small.commit_all(small.write(tmp_path / "bundle"))


def oracle(
    root: Path, world: dict[str, str], *words: str, stdin: str = "", **more: object
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "oracle_tools", "--root", str(root), *words]
    done = subprocess.run(
        command, cwd=root, env=world, input=stdin.encode(), capture_output=True, check=False, **more  # type: ignore[call-overload]
    )  # fmt: skip
    out, err = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
    assert "Traceback" not in out + err
    return subprocess.CompletedProcess(command, done.returncode, out, err)


def works(root: Path, world: dict[str, str]) -> None:
    """Ask, check, learn and move, as on any other machine."""
    assert oracle(root, world, "check").returncode == 0
    assert "01-backpropagation.md" in oracle(root, world, "route", "chain rule gradient").stdout
    assert "Committed in" in oracle(root, world, "joke", "add", stdin=JOKE).stdout
    assert JOKE in oracle(root, world, "joke", "list").stdout
    assert oracle(root, world, "joke", "verify").returncode == 0
    assert "committed" in oracle(root, world, *MOVE).stdout
    assert oracle(root, world, "index", "--check").returncode == 0
    assert oracle(root, world, "check").returncode == 0
    assert small.git(root, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    "locale", [{}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_no_locale_of_utf_8(root: Path, world: dict[str, str], locale: dict[str, str]) -> None:
    works(root, {**world, **locale})


def test_no_home(root: Path, world: dict[str, str]) -> None:
    del world["HOME"], world["ORACLE_CACHE_DIR"]
    works(root, world)


def test_a_home_that_cannot_be_written(root: Path, world: dict[str, str]) -> None:
    del world["ORACLE_CACHE_DIR"]
    works(root, {**world, "HOME": os.devnull, "XDG_CACHE_HOME": os.devnull})


def test_no_git_program(root: Path, world: dict[str, str], tmp_path: Path) -> None:
    world["PATH"] = str(tmp_path)
    assert oracle(root, world, "check").returncode == 0
    told = oracle(root, world, "joke", "add", stdin=JOKE)
    assert told.returncode == 0
    assert "Not committed (there is no git program); stored in" in told.stdout
    moved = oracle(root, world, *MOVE)
    assert moved.returncode == 0
    assert "not committed (there is no git program)" in moved.stdout
    assert oracle(root, world, "check").returncode == 0


def test_no_work_tree(tmp_path: Path, world: dict[str, str]) -> None:
    root = small.write(tmp_path / "plain")
    told = oracle(root, world, "joke", "add", stdin=JOKE)
    assert "Not committed (this is not a git work tree)" in told.stdout
    assert oracle(root, world, *MOVE).returncode == 0
    assert oracle(root, world, "check").returncode == 0


def test_a_shallow_clone(root: Path, world: dict[str, str], tmp_path: Path) -> None:
    small.git(root, "commit", "--quiet", "--allow-empty", "--message=more")
    small.git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{root}", "shallow")
    works(tmp_path / "shallow", world)


def test_a_worktree(root: Path, world: dict[str, str], tmp_path: Path) -> None:
    small.git(root, "worktree", "add", "--quiet", str(tmp_path / "tree"))
    works(tmp_path / "tree", world)


def test_a_submodule(root: Path, world: dict[str, str], tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    small.git(outer, "init", "--quiet", "--initial-branch=main")
    small.git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(root), "oracle")
    works(outer / "oracle", world)


def test_a_bundle_below_the_top_of_a_repository(tmp_path: Path, world: dict[str, str]) -> None:
    small.write(tmp_path / "repo/skills/small")
    small.commit_all(tmp_path / "repo")
    works(tmp_path / "repo/skills/small", world)


def test_a_long_path_with_spaces_and_letters_of_the_world(tmp_path: Path, world: dict[str, str]) -> None:
    folder = (
        tmp_path
        / "ein Ordner für das Orakel 神託 – und noch mehr"
        / ("ö x" * 30)
        / "das ' $HOME `Bündel` #%20"
    )
    assert len(str(folder)) > 200
    works(small.commit_all(small.write(folder)), world)


def test_behind_a_symbolic_link(root: Path, world: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    works(tmp_path / "link", world)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter, as pytest's are not."""
    folder = Path(tempfile.mkdtemp(prefix="oracle-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(not hasattr(os, "fork") or os.geteuid() != 0, reason="only root can become somebody else")
def test_a_user_whom_the_machine_does_not_know(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in {**small.identity(), "ORACLE_CACHE_DIR": str(open_folder / "cache")}.items():
        monkeypatch.setenv(key, value)
    for key in ("HOME", "USER", "LOGNAME"):
        monkeypatch.delenv(key, raising=False)
    root = small.commit_all(small.write(open_folder / "bundle"))
    commands = [["check"], ["joke", "add", JOKE], list(MOVE), ["expand", "status"], ["check"]]
    for words in commands[:2]:  # a process that is somebody else may not be allowed to import any more
        run(["--root", str(small.commit_all(small.write(open_folder / words[0]))), *words])
    for path in (open_folder, *open_folder.rglob("*")):
        os.chown(path, 4321, 4321)
    child = os.fork()
    if not child:
        os.setgroups([])
        os.setgid(4321)
        os.setuid(4321)
        os._exit(max(run(["--root", str(root), *words]) for words in commands))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.chown(root, os.getuid(), os.getgid())
    assert JOKE in (root / small.HUMOR).read_text(encoding="utf-8")
    assert (root / "karpathy/05-gradients.md").is_file()


def test_a_bundle_of_somebody_else_that_git_does_not_trust(root: Path, world: dict[str, str]) -> None:
    told = oracle(root, {**world, "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}, "joke", "add", stdin=JOKE)
    assert "safe.directory" in told.stdout + told.stderr or "dubious ownership" in told.stdout + told.stderr
    assert JOKE in (root / small.HUMOR).read_text(encoding="utf-8")


def test_a_closed_pipe(root: Path, world: dict[str, str]) -> None:
    command = f'"{sys.executable}" -m oracle_tools --root "{root}" check --explain all | head -1'
    done = subprocess.run(["bash", "-c", command], env=world, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
