"""Reads other people's repositories as data. Nothing of theirs is checked out, configured, or executed.

A repository is opened as a `Store`: a scratch git folder of ours that either borrows the objects of a local
repository or holds what a shallow fetch brought. Trees and blobs are then read as bytes, so hooks, filters of
`.gitattributes`, submodules and the configuration of the other repository never take part.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from oracle_tools.bundle.errors import OracleError, shown

COMMIT = re.compile(r"[0-9a-f]{40}")

_OURS = (
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "protocol.version=2"),
    *("-c", "gc.auto=0"),
    *("-c", "maintenance.auto=false"),
    *("-c", "http.lowSpeedLimit=1000"),
    *("-c", "http.lowSpeedTime=60"),
)
_PROTOCOLS = "file:git:http:https:ssh"


class Item(NamedTuple):
    """One entry of a commit's tree: git's mode (`100644`), object id, size in bytes (-1 where git does not
    have it), and path, undecodable bytes as surrogates.
    """

    mode: str
    oid: str
    size: int
    path: str


def _environment(**more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    quiet = {"LC_ALL": "C.UTF-8", "GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": _PROTOCOLS}
    return {**clean, **quiet, **more}


_ISOLATED = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def _git(folder: Path, *arguments: str, isolated: bool = True) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", *_OURS, f"--git-dir={folder}", *arguments],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=_environment(**(_ISOLATED if isolated else {})),
            check=False,
        )
    except FileNotFoundError as error:
        raise OracleError("there is no git program; install git") from error


class Store:
    """The objects of one repository. Not for several threads at once; `close` ends its git process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._batch: subprocess.Popen[bytes] | None = None

    def tree_of(self, commit: str) -> str:
        """Return the tree hash of `commit`, or "" where the repository does not have the commit."""
        if not COMMIT.fullmatch(commit):
            return ""
        done = _git(
            self._folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{tree}}"
        )
        return done.stdout.decode("ascii", "replace").strip() if not done.returncode else ""

    def listing(self, commit: str) -> list[Item]:
        """Return every file, link and submodule of `commit`. Raises OracleError where git cannot list it."""
        done = _git(self._folder, "ls-tree", "-r", "-l", "-z", "--full-tree", commit)
        if done.returncode:
            raise OracleError(f"the files of {commit[:12]} cannot be listed ({_said(done)}); fetch it again")
        found = []
        for row in done.stdout.split(b"\0")[:-1]:
            head, _, path = row.partition(b"\t")
            mode, _, oid, size = head.decode("ascii").split()
            found.append(Item(mode, oid, int(size) if size.isdigit() else -1, os.fsdecode(path)))
        return found

    def blob(self, oid: str) -> bytes | None:
        """Return the bytes of a blob, or None where the repository does not have it."""
        if self._batch is None:
            self._batch = subprocess.Popen(
                ["git", *_OURS, f"--git-dir={self._folder}", "cat-file", "--batch"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(**_ISOLATED),
            )
        asked, answers = self._batch.stdin, self._batch.stdout
        assert asked is not None and answers is not None
        asked.write(oid.encode("ascii") + b"\n")
        asked.flush()
        head = answers.readline().split()
        if len(head) != 3:
            return None
        data = answers.read(int(head[2]))
        answers.read(1)
        return data if head[1] == b"blob" else None

    def renames(self, old: str, new: str) -> dict[str, str]:
        """Return the files that got another path between two commits: old path to new path."""
        options = ("-r", "-z", "-M", "--diff-filter=R", "--name-status", "--no-ext-diff", "--no-textconv")
        fields = _git(self._folder, "diff-tree", *options, old, new, "--").stdout.split(b"\0")
        return {os.fsdecode(fields[n + 1]): os.fsdecode(fields[n + 2]) for n in range(0, len(fields) - 2, 3)}

    def head(self) -> str:
        """Return the commit that HEAD names, or "" where there is none."""
        done = _git(self._folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        return done.stdout.decode("ascii", "replace").strip() if not done.returncode else ""

    def close(self) -> None:
        """End the git process that reads blobs."""
        if self._batch is not None:
            self._batch.communicate()
            self._batch = None


@contextmanager
def borrowed(objects: Path) -> Iterator[Store]:
    """Open a local repository by its folder of objects. Nothing is copied, and nothing else of it is read.

    Raises OracleError for a path that git cannot borrow from.
    """
    where = str(objects.resolve())
    if "\n" in where or where.startswith('"'):
        raise OracleError(f"{shown(where)}: git cannot read objects from such a path; rename the folder")
    with _scratch() as folder:
        (folder / "objects" / "info").mkdir()
        (folder / "objects" / "info" / "alternates").write_text(f"{where}\n", encoding="utf-8")
        store = Store(folder)
        try:
            yield store
        finally:
            store.close()


@contextmanager
def fetched(address: str, *commits: str) -> Iterator[Store]:
    """Fetch exactly these commits, without their history, tags or submodules, and open what came.

    Raises OracleError saying what git said, where it did not get them.
    """
    with _scratch() as folder:
        options = ("--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
        done = _git(folder, "fetch", *options, "--", address, *commits, isolated=False)
        if done.returncode:
            wanted = ", ".join(commit[:12] for commit in commits)
            raise OracleError(
                f"{shown(address)}: {wanted} was not fetched ({_said(done)}); try --mirror or --from"
            )
        store = Store(folder)
        try:
            yield store
        finally:
            store.close()


def newest(address: str) -> str:
    """Return the commit that HEAD of the repository at `address` names.

    Raises OracleError where it does not answer.
    """
    with _scratch() as folder:
        done = _git(folder, "ls-remote", "--", address, "HEAD", isolated=False)
    commit = done.stdout.decode("ascii", "replace").partition("\t")[0]
    if done.returncode or not COMMIT.fullmatch(commit):
        raise OracleError(f"{shown(address)}: no newest commit ({_said(done)}); name the commit")
    return commit


def objects_of(folder: Path) -> Path | None:
    """Return the folder of objects of the repository at `folder`, bare or with a work tree, or None."""
    for place in (folder, folder / ".git"):
        if (place / "HEAD").is_file() and (place / "objects").is_dir():
            return place / "objects"
    return None


def mirrored(mirror: Path, owner: str, name: str) -> Path | None:
    """Return the folder of objects of OWNER/NAME in a folder of mirrors, or None where it has none.

    A mirror lies at `OWNER+NAME/repo`, `OWNER/NAME.git`, or `OWNER/NAME`.
    """
    if "/" in owner + name or ".." in (owner, name):
        return None
    for place in (f"{owner}+{name}/repo", f"{owner}/{name}.git", f"{owner}/{name}"):
        if objects := objects_of(mirror / place):
            return objects
    return None


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="oracle-source-") as made:
        folder = Path(made)
        (folder / "objects").mkdir()
        (folder / "refs").mkdir()
        (folder / "HEAD").write_text("ref: refs/heads/none\n", encoding="utf-8")
        yield folder


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    return shown(lines[-1]) if lines else f"git ended with {done.returncode}"
