"""The only place that talks to git: short commands for what every start pays for, GitPython for history."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from oracle_tools.bundle.errors import OracleError, shown

LOCK_WAIT = 10.0
"""Seconds to wait for another process's index.lock."""


class CommitFailed(OracleError):
    """The change is on the disk and git did not commit it."""


_LITERAL = "GIT_LITERAL_PATHSPECS"
_UNDER_WAY = (
    ("rebase-merge", "a rebase"),
    ("rebase-apply", "a rebase"),
    ("MERGE_HEAD", "a merge"),
    ("CHERRY_PICK_HEAD", "a cherry-pick"),
    ("REVERT_HEAD", "a revert"),
)


def run_git(
    root: Path, *arguments: str, text: str | None = None, literal: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run git in `root` with `text` on standard input, and return what it said, in English.

    Paths are taken as they are, not as patterns, where `literal`. Raises FileNotFoundError without git.
    """
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "", "GIT_OPTIONAL_LOCKS": "0"}
    environment[_LITERAL] = "1" if literal else "0"
    return subprocess.run(
        ["git", *arguments],
        cwd=root,
        input=text,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        env=environment,
        check=False,
    )


def git_folder(root: Path) -> Path | None:
    """Return the `.git` of the work tree that `root` lies in, or None. Asks no process."""
    for folder in (root, *root.parents):
        found = folder / ".git"
        try:
            if found.is_dir():
                return found
            if found.is_file():
                pointer = found.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
                return (folder / pointer).resolve()
        except (OSError, UnicodeDecodeError):
            return None
    return None


def head(root: Path) -> str:
    """Return the commit that HEAD names, or "" where there is none. Asks no process."""
    folder = git_folder(root)
    if folder is None:
        return ""
    try:
        text = (folder / "HEAD").read_text(encoding="utf-8").strip()
        if not text.startswith("ref: "):
            return text
        reference = text.removeprefix("ref: ")
        common = folder
        if (folder / "commondir").is_file():
            common = (folder / (folder / "commondir").read_text(encoding="utf-8").strip()).resolve()
        for place in (folder, common):
            if (place / reference).is_file():
                return (place / reference).read_text(encoding="utf-8").strip()
        if (common / "packed-refs").is_file():
            for line in (common / "packed-refs").read_text(encoding="utf-8").splitlines():
                if line.endswith(f" {reference}"):
                    return line.partition(" ")[0]
    except (OSError, UnicodeDecodeError):
        return ""
    return ""


def versions(root: Path, path: str) -> Sequence[str]:
    """Return the texts that `path` had in each commit of the first-parent history, oldest first.

    Empty without git, outside a work tree, and for a file that was never committed. A commit that
    deleted the file gives the empty text.
    """
    if not head(root):
        return ()
    try:
        from git import Repo
        from git.exc import GitError

        try:
            with Repo(root, search_parent_directories=True) as repo:
                repo.git.update_environment(**{_LITERAL: "1"})
                inside = (root / path).relative_to(Path(repo.working_dir).resolve()).as_posix()
                return [
                    _blob(commit.tree, inside)
                    for commit in repo.iter_commits(paths=inside, first_parent=True, reverse=True)
                ]
        except (GitError, ValueError, OSError):
            return ()
    except ImportError:  # GitPython refuses to be imported where there is no git program
        return ()


def _blob(tree: object, inside: str) -> str:
    try:
        data: bytes = tree[inside].data_stream.read()  # type: ignore[index]
    except KeyError:
        return ""
    return data.decode("utf-8", "surrogateescape")


def commit(root: Path, paths: Sequence[str], message: str) -> str:
    """Commit exactly `paths`, as they are on the disk, and return "" or why it was not done on purpose.

    What the user has staged besides stays staged and uncommitted. Returns a reason, and commits nothing,
    outside a work tree, without a git program, and where every path is ignored. Raises CommitFailed where
    git was asked and refused: a hook, no identity, a merge or rebase under way, a lock that stays.
    """
    folder = git_folder(root)
    if folder is None:
        return "this is not a git work tree"
    for marker, what in _UNDER_WAY:
        # Git itself would commit in the middle of a rebase, and `rebase --abort` would lose it.
        if (folder / marker).exists():
            raise CommitFailed(f"{what} is under way; finish it, then {_again(paths)}", exit_code=1)
    try:
        result = _commit_only(root, paths, message)
    except FileNotFoundError:
        return "there is no git program"
    if result.returncode and "did not match any file" in result.stderr:
        # A path is new to git: it takes part only when git has been told that it is there.
        ignored = _ignored(root, paths)
        paths = [path for path in paths if path not in ignored]
        if not paths:
            return "git ignores it"
        _retry_locked(root, "add", "--intent-to-add", "--", *[p for p in paths if (root / p).exists()])
        result = _commit_only(root, paths, message)
    if result.returncode:
        raise CommitFailed(_why(result, paths), exit_code=1)
    return ""


def uncommitted(root: Path, paths: Sequence[str]) -> list[str]:
    """Return what at or below `paths` git tracks and differs from the last commit; none without git."""
    if git_folder(root) is None:
        return []
    asked = ("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=no", "--", *paths)
    try:
        said = run_git(root, *asked).stdout
    except FileNotFoundError:
        return []
    return [line[3:] for line in said.split("\0") if line]


def untracked(root: Path, paths: Sequence[str]) -> list[str]:
    """Return those of `paths`, files, that are new to git and not ignored; none without git."""
    if git_folder(root) is None or not paths:
        return []
    asked = ("ls-files", "-z", "--others", "--exclude-standard", "--", *paths)
    try:
        said = run_git(root, *asked).stdout
    except FileNotFoundError:
        return []
    return [path for path in said.split("\0") if path]


def _ignored(root: Path, paths: Sequence[str]) -> set[str]:
    """Return those of `paths` that git ignores. `check-ignore` refuses literal pathspecs; `./` is as good."""
    asked = "\0".join(f"./{path}" for path in paths)
    said = run_git(root, "check-ignore", "-z", "--stdin", text=asked, literal=False).stdout
    return {path.removeprefix("./") for path in said.split("\0")}


def _commit_only(root: Path, paths: Sequence[str], message: str) -> subprocess.CompletedProcess[str]:
    return _retry_locked(root, "commit", "--quiet", f"--message={message}", "--only", "--", *paths)


def _retry_locked(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    import time

    deadline = time.monotonic() + LOCK_WAIT
    while True:
        result = run_git(root, *arguments)
        locked = (result.returncode and "index.lock" in result.stderr) or "cannot lock ref" in result.stderr
        if not locked or time.monotonic() > deadline:
            return result
        time.sleep(0.05)


def _again(paths: Sequence[str]) -> str:
    return f"git commit --only -- {' '.join(shown(path) for path in paths)}"


def _why(result: subprocess.CompletedProcess[str], paths: Sequence[str]) -> str:
    lines = [line.strip() for line in (result.stderr + "\n" + result.stdout).splitlines() if line.strip()]
    said = " ".join(lines)
    again = _again(paths)
    if "tell me who you are" in said or "empty ident" in said or "unable to auto-detect email" in said:
        return f"git does not know who you are; run git config user.name and user.email, then {again}"
    if "index.lock" in said:
        return f"another git process holds index.lock; when it is done, {again}"
    reason = lines[-1] if lines else f"git ended with {result.returncode}"
    return f"git refused ({shown(reason)}); mend that, then {again}"


def origin(root: Path) -> str:
    """Return the address that the work tree at `root` was cloned from, or ""."""
    if git_folder(root) is None:
        return ""
    try:
        return run_git(root, "remote", "get-url", "origin").stdout.strip()
    except FileNotFoundError:
        return ""


def clone(address: str, target: Path) -> None:
    """Clone `address` to `target`. Raises OracleError where git says no."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _done(
        run_git(target.parent, "clone", "--quiet", "--", address, str(target)),
        f"cannot clone {shown(address)}",
    )


def update(root: Path, merges: Mapping[str, Callable[[str, str], str]]) -> None:
    """Bring the clone at `root` up to date; its own commits and changes are put on top of what is new.

    Where both sides changed a path of `merges`, its function makes the text from theirs and ours. Raises
    OracleError where git says no, or another path is in conflict; the clone is then as it was.
    """
    result = run_git(root, "pull", "--quiet", "--rebase", "--autostash")
    while result.returncode and (conflicts := _conflicts(root)):
        for path in conflicts:
            if path not in merges:
                run_git(root, "rebase", "--abort")
                raise OracleError(
                    f"cannot update {shown(root)}: {shown(path)} changed on both sides; merge it by hand"
                )
            theirs, ours = (run_git(root, "show", f":{stage}:./{path}").stdout for stage in (2, 3))
            (root / path).write_text(merges[path](theirs, ours), encoding="utf-8", newline="")
            run_git(root, "add", "--", path)
        result = run_git(root, "-c", "core.editor=true", "rebase", "--continue")
    if result.returncode:
        run_git(root, "rebase", "--abort")
    _done(result, f"cannot update {shown(root)}")


def _conflicts(root: Path) -> list[str]:
    listed = run_git(root, "diff", "--name-only", "--relative", "--diff-filter=U", "-z").stdout
    return [path for path in listed.split("\0") if path]


def _done(result: subprocess.CompletedProcess[str], what: str) -> None:
    if result.returncode:
        lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
        raise OracleError(
            f"{what} ({shown(lines[-1] if lines else result.returncode)}); mend that and try again"
        )
