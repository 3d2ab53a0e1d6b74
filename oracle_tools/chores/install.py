"""Puts a clone of the bundle where Claude Code looks for skills, or brings that clone up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from oracle_tools.bundle import git
from oracle_tools.bundle.errors import OracleError, shown

Merges = Mapping[str, Callable[[str, str], str]]
"""For a path, the function that makes one text of theirs and ours."""


def target(name: str, project: Path | None, home: Path) -> Path:
    """Return where the skill `name` belongs: in `project`, or for every project of the user."""
    return (project or home) / ".claude" / "skills" / name


def install(root: Path, place: Path, source: str = "", merges: Merges = MappingProxyType({})) -> str:
    """Clone the bundle to `place`, or update the clone that is there, and return what was done.

    The clone comes from `source`, else from where the bundle at `root` itself was cloned, else from the
    bundle. An update keeps what the clone has learned: its own commits are put on top, and `merges` says by
    path how a file is made of two that both grew. Raises OracleError
    where there is no repository to clone, or `place` holds something else.
    """
    if git.git_folder(place) == place / ".git":
        git.update(place, merges)
        return f"updated {shown(place)}"
    if place.exists() and any(place.iterdir()):
        raise OracleError(f"{shown(place)} is there and is no clone; move it away first")
    address = source or git.origin(root)
    if not address:
        if git.git_folder(root) != root / ".git":
            raise OracleError(f"{shown(root)} is no repository; say where to clone from with --from ADDRESS")
        address = str(root)
    git.clone(address, place)
    return f"cloned {shown(address)} to {shown(place)}"
