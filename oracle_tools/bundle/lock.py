"""One writer at a time: a lock that processes of one bundle share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oracle_tools.bundle.edits import recover
from oracle_tools.bundle.errors import OracleError
from oracle_tools.bundle.git import git_folder

LOCK_WAIT = 60.0
"""Seconds to wait for another writer."""


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the bundle's lock: in git's folder where there is one, else in the bundle.

    First undoes what a killed process left half done. Raises OracleError where that cannot be, where another
    process keeps the lock for longer than LOCK_WAIT, and where it cannot be made.
    """
    from filelock import FileLock, Timeout

    folder = git_folder(root)
    path = (folder or root) / (".oracle-lock" if folder is None else "oracle.lock")
    try:
        with FileLock(path, timeout=LOCK_WAIT):
            recover(root)
            yield
    except Timeout as error:
        raise OracleError(
            f"another oracle has been writing for {LOCK_WAIT:.0f} s; try again later"
        ) from error
    except PermissionError as error:
        raise OracleError(f"cannot write {path.name}: {error.strerror}; the bundle is read-only") from error
