"""Executes the open PARTs of a plan side by side, each in a sub-process of a command that the user names."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

from oracle_tools.bundle.errors import OracleError, shown
from oracle_tools.bundle.plan import DONE
from oracle_tools.bundle.workspace import CLAIMED, Claim, Workspace, claim, fail, is_alive, open_workspace

TIME_LIMIT = 30 * 60
"""Seconds a PART may take."""

POLL = 0.1
"""Seconds between two looks at claims that other runners hold."""

_OUTPUT_LIMIT = 1_000_000


class Event(NamedTuple):
    """What happened to a try: started, done or failed, and with `detail` how."""

    n: int
    attempt: int
    what: str
    detail: str = ""


@dataclass(slots=True)
class Run:
    """One run of a plan: the command, and how it works.

    `text` returns what a runner of PART n reads; `deliver` takes PART, try and knowledge file, and raises
    OracleError for one that it refuses; `tell` hears of every event, from any thread.
    """

    root: Path
    folder: str
    command: list[str]
    text: Callable[[int], str]
    deliver: Callable[[int, int, str], object]
    tell: Callable[[Event], None]
    jobs: int = 1
    limit: float = TIME_LIMIT
    remote: str = ""
    _running: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def go(self) -> Workspace:
        """Run until no PART can be taken and none is under way; return the workspace as it is then.

        Claims of a run that was killed are taken over once none of its sub-processes lives. Raises
        OracleError where a command or a file cannot be used; the sub-processes are ended first.
        """
        with ThreadPoolExecutor(self.jobs) as pool:
            workers = [pool.submit(self._work) for _ in range(self.jobs)]
            try:
                for worker in as_completed(workers):
                    worker.result()
            except BaseException:
                self._stopped.set()
                for process in [*self._running]:
                    _kill(process)
                raise
        return open_workspace(self.root, self.folder)

    def _work(self) -> None:
        name = f"oracle expand run, process {os.getpid()}"
        while not self._stopped.is_set():
            space = open_workspace(self.root, self.folder)
            mine = claim(space, name, steal=True, held=True, remote=self.remote)
            if mine is not None:
                try:
                    self._try(mine)
                finally:
                    if mine.handle is not None:
                        os.close(mine.handle)
            elif not self._others(space):
                return
            else:
                self._stopped.wait(POLL)

    def _others(self, space: Workspace) -> bool:
        """Say whether a runner of this or another run on this machine is still at work on a PART."""
        claimed = [n for n, state in space.states.items() if state == CLAIMED]
        return any(is_alive(self.root, space.drops[n][-1]) for n in claimed if n in space.drops)

    def _try(self, mine: Claim) -> None:
        n, attempt = mine.drop.n, mine.drop.attempt
        self.tell(Event(n, attempt, "started", mine.part.path))
        with tempfile.TemporaryFile() as output:
            why = self._execute(mine, output)
            if self._stopped.is_set():
                return
            said = _read(output)
        if not why and not self._is_done(n) and said.startswith("---\n"):
            try:
                self.deliver(n, attempt, said)
            except OracleError as error:
                why = str(error)
        space = open_workspace(self.root, self.folder)
        if space.states[n] == DONE:
            drop = space.delivery(n)
            self.tell(Event(n, attempt, "done", f"{drop.lines} lines" if drop else ""))
            return
        own = next((drop for drop in space.drops[n] if drop.attempt == attempt), mine.drop)
        if not own.why:
            last = (said.strip().splitlines() or [""])[-1]
            why = why or "the runner ended without delivering"
            own = fail(self.root, self.folder, n, f"{why}: {last}" if last not in why else why, attempt)
        self.tell(Event(n, attempt, "failed", own.why))

    def _is_done(self, n: int) -> bool:
        return open_workspace(self.root, self.folder).states[n] == DONE

    def _execute(self, mine: Claim, output: IO[bytes]) -> str:
        """Run the command for one PART and return why it failed, or ""; its output goes to `output`."""
        environment = {
            **os.environ,
            "ORACLE_ROOT": str(self.root),
            "ORACLE_PLAN": self.folder,
            "ORACLE_PART": str(mine.drop.n),
            "ORACLE_TRY": str(mine.drop.attempt),
        }
        try:
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                # As long as the sub-process lives, so does the lock on its claim, whatever becomes of us.
                pass_fds=() if mine.handle is None or os.name == "nt" else (mine.handle,),
            )
        except OSError as error:
            raise OracleError(f"cannot run {shown(self.command[0])}: {error.strerror}") from error
        self._running.add(process)
        if self._stopped.is_set():
            _kill(process)
        try:
            process.communicate(self.text(mine.drop.n).encode(), timeout=self.limit)
        except subprocess.TimeoutExpired:
            return f"ran into the time limit of {self.limit:g} s"
        finally:
            _kill(process)
            self._running.discard(process)
        return f"exit code {process.returncode}" if process.returncode else ""


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a sub-process and everything that it has started in its group."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _read(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read(_OUTPUT_LIMIT).decode("utf-8", "replace")


def parsed(command: str) -> list[str]:
    """Return a command line as a list of arguments; no shell will see it. Raises OracleError for an empty
    one, and for quotes that do not close.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise OracleError(f"--command {shown(command)}: {error}") from error
    if not words:
        raise OracleError('say what to run, as in --command "claude -p"')
    return words
