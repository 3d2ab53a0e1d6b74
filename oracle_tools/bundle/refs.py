"""Claims that several machines share: refs on a git server, each of which it accepts once."""

from __future__ import annotations

from pathlib import Path

from oracle_tools.bundle.errors import OracleError, shown
from oracle_tools.bundle.git import git_folder, run_git

CLAIMS = "refs/oracle/claims"


def _ask(root: Path, remote: str, *arguments: str, text: str | None = None) -> str:
    try:
        result = run_git(root, *arguments, text=text)
    except FileNotFoundError as error:
        raise OracleError("there is no git program; claims on a remote need one") from error
    if result.returncode:
        said = (result.stderr.strip().splitlines() or [f"git ended with {result.returncode}"])[-1]
        raise OracleError(f"the remote {shown(remote)} did not answer ({shown(said)}); nothing was claimed")
    return result.stdout


def _known(root: Path, remote: str) -> None:
    """Raise OracleError unless `remote` is the name of a remote that the user has configured.

    An address is refused: it could lead anywhere, and some forms of it run a program.
    """
    named = not remote.startswith("-") and not set(":/\\") & set(remote)
    if not named or git_folder(root) is None or remote not in _ask(root, remote, "remote").splitlines():
        raise OracleError(f"{shown(remote)} is no remote of this bundle; git remote lists their names")


def claims(root: Path, remote: str, below: str) -> set[str]:
    """Return the last parts of the refs that `remote` has below `below`, which ends with a slash.

    Raises OracleError for a remote that is not configured or does not answer.
    """
    _known(root, remote)
    listed = _ask(root, remote, "ls-remote", "--refs", "--", remote, f"{below}*")
    return {line.rpartition("/")[2] for line in listed.splitlines()}


def push_new(root: Path, remote: str, reference: str, text: str) -> bool:
    """Create `reference` on `remote`, holding `text`; return False where it is there already.

    The server decides: of two clones that push the same ref, it accepts one. Raises OracleError for a remote
    that is not configured or does not answer.
    """
    _known(root, remote)
    held = _ask(root, remote, "hash-object", "-w", "--stdin", text=text).strip()
    lease = f"--force-with-lease={reference}:"  # an empty expectation: the ref must not be there
    result = run_git(root, "push", "--no-verify", "--quiet", lease, "--", remote, f"{held}:{reference}")
    if result.returncode == 0:
        return True
    if reference.rpartition("/")[2] in claims(root, remote, reference.rpartition("/")[0] + "/"):
        return False
    said = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
    raise OracleError(f"the remote {shown(remote)} refused the claim ({shown(said)}); nothing was claimed")


def tracked(root: Path, folder: str) -> list[str]:
    """Return the files below `folder` that git knows; none without git."""
    if git_folder(root) is None:
        return []
    try:
        listed = run_git(root, "ls-files", "-z", "--", folder).stdout
    except FileNotFoundError:  # no git program
        return []
    return [path for path in listed.split("\0") if path]


def committed(root: Path, path: str) -> bool:
    """Say whether the file at `path` is in the last commit as it is on the disk; not so without git."""
    if not tracked(root, path):
        return False
    return not run_git(root, "status", "--porcelain", "--", path).stdout
