"""An expansion's workspace: the plan and the drop files of its tries, from which every PART's state is read.

A claim is the exclusive creation of a drop file, so no two runners hold the same try. The boxes in the plan
are a view for people: what a drop file says counts.
"""

from __future__ import annotations

import json
import os
import re
import socket
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from oracle_tools.bundle import refs
from oracle_tools.bundle.edits import Write, apply, guarded
from oracle_tools.bundle.errors import OracleError, shown
from oracle_tools.bundle.layout import INGEST_AUTO, PLAN
from oracle_tools.bundle.lock import locked
from oracle_tools.bundle.markdown import read
from oracle_tools.bundle.plan import DONE, FAILED, OPEN, Part, Plan, read_plan
from oracle_tools.bundle.tree import READ_LIMIT, Unreadable, read_text

try:
    import fcntl
except ImportError:  # Windows: there a dead runner's claim is recognised by its age alone
    fcntl = None  # type: ignore[assignment]

CLAIMED = "claimed"
DELIVERED = "delivered"

COMPLETED = f"{INGEST_AUTO}/completed"
PREFIX = "expansion-"

TRIES = 2
"""Failures after which a PART stays failed."""

STALE_AFTER = 2 * 60 * 60
"""Seconds after which `--steal` takes a claim over; at once where its runner is known to be dead."""

_DROP = re.compile(r"KNOWLEDGE-DROP-PART-(\d+)-try-(\d+)\.md")
_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_LABEL_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Drop:
    """One try at a PART, as its drop file tells: `status` is claimed, delivered or failed.

    `host` is set while a runner on that machine holds a lock on the file; `claimed` and `time` are ISO 8601.
    """

    path: str
    n: int
    attempt: int
    status: str = CLAIMED
    runner: str = ""
    claimed: str = ""
    time: str = ""
    host: str = ""
    file: str = ""
    lines: int = 0
    sources: int = 0
    why: str = ""

    def text(self, body: str = "") -> str:
        """Return the drop file: the facts as frontmatter, then `body`."""
        facts = {
            "part": self.n, "try": self.attempt, "runner": self.runner, "status": self.status,
            "claimed": self.claimed, "time": self.time, "host": self.host, "file": self.file,
            "lines": self.lines, "sources": self.sources, "why": self.why,
        }  # fmt: skip
        rows = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items()]
        head = "\n".join(["---", *rows, "---"])
        return f"{head}\n\n# PART {self.n}, try {self.attempt}: {self.status}\n{body and chr(10)}{body}"


@dataclass(frozen=True)
class Workspace:
    """A workspace below `root`: its folder relative to it, its plan and the plan's text, and its tries."""

    root: Path
    folder: str
    text: str
    plan: Plan
    drops: dict[int, list[Drop]]
    outside: bool = False

    @property
    def name(self) -> str:
        """The folder's last part."""
        return PurePosixPath(self.folder).name

    @property
    def topic(self) -> str:
        """The topic as the folder's name has it."""
        return _DATE.sub("", self.name.removeprefix(PREFIX))

    @property
    def archived(self) -> bool:
        """Whether the workspace lies in `completed/`: then nothing in it changes any more."""
        return self.folder.startswith(f"{COMPLETED}/")

    def part(self, n: int) -> Part:
        """Return PART `n`; raises OracleError where the plan has none."""
        part = self.plan.part(n)
        if part is None:
            there = ", ".join(str(part.n) for part in self.plan.parts) or "none"
            raise OracleError(f"no PART {n} in {shown(self.folder)}; there are {there}")
        return part

    def section(self, part: Part) -> str:
        """Return the plan's text about `part`, its heading included."""
        return "\n".join(self.text.split("\n")[part.line - 1 : part.end - 1]).rstrip() + "\n"

    def state(self, part: Part) -> str:
        """Return open, claimed, done or failed: what the tries say, or the plan's box where there is none."""
        tries = self.drops.get(part.n, [])
        if not tries:
            return part.state
        if any(self._landed(drop) for drop in tries):
            return DONE
        if tries[-1].status != FAILED:
            return CLAIMED
        return FAILED if sum(drop.status == FAILED for drop in tries) >= TRIES else OPEN

    def _landed(self, drop: Drop) -> bool:
        # A delivery that was cut off between the drop and the file is still under way.
        there = self.outside or self.archived or (self.root / drop.file).is_file()
        return drop.status == DELIVERED and there

    def delivery(self, n: int) -> Drop | None:
        """Return the try that delivered PART `n`, or None."""
        return next((drop for drop in self.drops.get(n, []) if self._landed(drop)), None)

    @cached_property
    def states(self) -> dict[int, str]:
        """The state of every PART, by number."""
        return {part.n: self.state(part) for part in self.plan.parts}

    def progress(self) -> str:
        """Return how many PARTs are done of how many, as in `11/12 PARTs`."""
        return f"{list(self.states.values()).count(DONE)}/{len(self.states)} PARTs"

    def again(self) -> Workspace:
        """Return the workspace as it is on the disk now."""
        return open_workspace(self.root, self.folder)


def now() -> str:
    """Return the time, in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def label(text: str) -> str:
    """Return `text` as one line of printable characters, cut where it is long."""
    plain = "".join(c for c in " ".join(text.split()) if c.isprintable())
    return plain if len(plain) <= _LABEL_LIMIT else plain[: _LABEL_LIMIT - 1] + "…"


def open_workspace(root: Path, folder: str, outside: bool = False) -> Workspace:
    """Return the workspace at `folder`, relative to `root`.

    Raises OracleError where there is no plan in it, or it leaves the bundle.
    """
    plan = guarded(root, f"{folder}/{PLAN}")
    if not plan.is_file():
        raise OracleError(f"{shown(folder)}: no {PLAN} there; oracle expand status lists the plans")
    text = read_text(plan, f"{folder}/{PLAN}")
    drops: dict[int, list[Drop]] = {}
    for item in sorted(plan.parent.iterdir()):
        match = _DROP.fullmatch(item.name)
        if match and item.is_file() and not item.is_symlink():
            drop = _read_drop(item, f"{folder}/{item.name}", int(match[1]), int(match[2]))
            drops.setdefault(drop.n, []).append(drop)
    for tries in drops.values():
        tries.sort(key=lambda drop: drop.attempt)
    return Workspace(root, folder, text, read_plan(text), drops, outside)


def _read_drop(item: Path, path: str, n: int, attempt: int) -> Drop:
    """Return what a drop file tells; one that cannot be read is a claim as old as the file."""
    meta: dict[str, Any] = {}
    with suppress(Unreadable):
        meta = read(read_text(item)).meta
    since = datetime.fromtimestamp(item.stat().st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = str(meta.get("status"))
    facts: dict[str, Any] = {
        key: str(meta.get(key) or "") for key in ("runner", "time", "host", "file", "why")
    }
    facts |= {key: value for key in ("lines", "sources") if isinstance(value := meta.get(key), int)}
    facts["claimed"] = str(meta.get("claimed") or since)
    return Drop(path, n, attempt, status if status in (DELIVERED, FAILED) else CLAIMED, **facts)


def workspaces(root: Path) -> list[str]:
    """Return the folders of all plans of the bundle, those under way first, the archived ones after them."""
    found = []
    for base in (INGEST_AUTO, COMPLETED):
        with suppress(FileNotFoundError):
            items = [item for item in (root / base).iterdir() if not item.is_symlink()]
            names = sorted(item.name for item in items if (item / PLAN).is_file())
            found += [f"{base}/{name}" for name in names]
    return found


def find(root: Path, word: str) -> Workspace:
    """Return the workspace that a person means by `word`: its path or its plan's, its name, or its topic.

    Raises OracleError where there is none, or more than one.
    """
    named = word
    with suppress(OSError, ValueError):
        named = Path(word).absolute().relative_to(root).as_posix()
    word = word.rstrip("/").removesuffix(f"/{PLAN}")
    named = named.removesuffix(f"/{PLAN}")
    known = workspaces(root)
    name = PurePosixPath(named).name
    dated = [f for f in known if PurePosixPath(f).name in (name, PREFIX + name)]
    same_topic = [f for f in known if _DATE.sub("", PurePosixPath(f).name) == PREFIX + word]
    for found in ([f for f in known if f in (named, word)], dated, same_topic):
        if len(found) > 1:
            raise OracleError(f"{shown(word)} may be {' or '.join(shown(f) for f in found)}; name one")
        if found:
            return open_workspace(root, found[0])
    raise OracleError(f"no plan {shown(word)} in {INGEST_AUTO}/; oracle expand status lists them")


def look(root: Path, word: str) -> Workspace:
    """Return the workspace that `find` finds, or else the plan that lies at `word`, anywhere.

    Only a file with the plan's name is read. Raises OracleError where there is none.
    """
    try:
        return find(root, word)
    except OracleError:
        there = Path(word).expanduser().absolute()
        plan = there if there.name == PLAN else there / PLAN
        if not plan.is_file() or plan.is_symlink() or plan.stat().st_size > READ_LIMIT:
            raise
        return open_workspace(plan.parent.parent, plan.parent.name, outside=True)


def is_alive(root: Path, drop: Drop) -> bool:
    """Say whether a runner on this machine still holds the lock on a claim's drop file."""
    if fcntl is None or drop.host != socket.gethostname():
        return False
    try:
        with (root / drop.path).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def is_left(root: Path, drop: Drop) -> bool:
    """Say whether a claim was left behind: its runner is known to be dead, or it is too old."""
    if drop.host == socket.gethostname():
        return not is_alive(root, drop)
    with suppress(ValueError):
        return (datetime.now(UTC) - datetime.fromisoformat(drop.claimed)).total_seconds() > STALE_AFTER
    return False


@dataclass(frozen=True, slots=True)
class Claim:
    """A try that is ours. `handle` is the locked drop file where it was claimed to be held, else None.

    The lock lasts as long as somebody has the handle open: this process, or one that inherited it.
    """

    drop: Drop
    part: Part
    handle: int | None = None


def claim(
    space: Workspace, runner: str, n: int = 0, steal: bool = False, held: bool = False, remote: str = ""
) -> Claim | None:
    """Take PART `n`, or the next open one where `n` is 0; return None where no PART can be taken.

    With `steal`, a claim that was left behind is taken over by a new try. With `held`, only claims whose
    runner is known to be dead are stolen, and the new one is locked for as long as its handle is open. With
    `remote`, a git remote's name, the claim is made there too, and no other clone can make it.
    Raises OracleError for a PART that there is not, an archived plan, and a remote that does not answer.
    """
    if space.archived:
        raise OracleError(f"{shown(space.folder)} is archived; plan a new expansion with oracle expand new")
    space = space.again()
    taken = refs.claims(space.root, remote, _ref(space, "")) if remote else set()
    for part in [space.part(n)] if n else space.plan.parts:
        if not _attempt(space, part, steal, held):
            continue
        with locked(space.root):
            space = space.again()
            attempt = _attempt(space, part, steal, held)
            if not attempt or f"{part.n:02d}-{attempt}" in taken:
                continue
            mine = _create(space, part, attempt, runner, held)
        if mine and (not remote or _announced(space, mine, remote)):
            return mine
    return None


def _attempt(space: Workspace, part: Part, steal: bool, held: bool) -> int:
    """Return the number of the try that a claim of `part` would be, or 0 where it cannot be claimed."""
    tries = space.drops.get(part.n, [])
    if not tries:
        return int(part.state == OPEN)
    last, state = tries[-1], space.state(part)
    left = state == CLAIMED and steal and (last.host or not held) and is_left(space.root, last)
    return last.attempt + 1 if state == OPEN or left else 0


def _create(space: Workspace, part: Part, attempt: int, runner: str, held: bool) -> Claim | None:
    """Create the drop file of a try; return None where somebody else has just done so."""
    path = f"{space.folder}/KNOWLEDGE-DROP-PART-{part.n:02d}-try-{attempt}.md"
    host = socket.gethostname() if held and fcntl else ""
    time = now()
    drop = Drop(path, part.n, attempt, CLAIMED, label(runner), time, time, host, part.path)
    try:
        handle = os.open(guarded(space.root, path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return None
    if host and fcntl:
        fcntl.flock(handle, fcntl.LOCK_EX)
    os.write(handle, drop.text().encode())
    os.fsync(handle)
    if not held:
        os.close(handle)
    return Claim(drop, part, handle if held else None)


def _announced(space: Workspace, mine: Claim, remote: str) -> bool:
    """Push the claim as a ref of its own; where another clone has it already, take ours back."""
    reference = _ref(space, f"{mine.drop.n:02d}-{mine.drop.attempt}")
    accepted = False
    try:
        accepted = refs.push_new(space.root, remote, reference, mine.drop.text())
    finally:
        if not accepted:
            (space.root / mine.drop.path).unlink(missing_ok=True)
    return accepted


def _ref(space: Workspace, claim: str) -> str:
    name = re.sub(r"[^A-Za-z0-9-]", "-", space.name.removeprefix(PREFIX))
    return f"{refs.CLAIMS}/{name}/{claim}"


def current(space: Workspace, n: int, attempt: int = 0) -> Drop:
    """Return the claim under way for PART `n`, which must be try `attempt` where that is not 0.

    Raises OracleError where there is none, or another runner has taken the PART over.
    """
    if space.archived:
        raise OracleError(f"{shown(space.folder)} is archived; plan a new expansion with oracle expand new")
    state = space.state(space.part(n))
    if state != CLAIMED:
        hint = f"; oracle expand claim PLAN {n} takes it" if state == OPEN else ""
        raise OracleError(f"PART {n} is {state}, not claimed{hint}")
    drop = space.drops[n][-1]
    if attempt and drop.attempt != attempt:
        raise OracleError(f"PART {n} was taken over by {drop.runner} (try {drop.attempt}); yours has ended")
    return drop


def fail(root: Path, folder: str, n: int, why: str, attempt: int = 0) -> Drop:
    """Give a claimed PART back as failed, for the reason `why`; it opens once more, then stays failed.

    `attempt` is the runner's try where it knows it. Raises OracleError for a PART that is not claimed, and
    without a reason.
    """
    if not label(why):
        raise OracleError("say why it failed; the next runner reads it")
    with locked(root):
        drop = current(open_workspace(root, folder), n, attempt)
        drop = replace(drop, status=FAILED, time=now(), host="", why=label(why))
        apply(root, [Write(drop.path, drop.text())])
    return drop


def somebody() -> str:
    """Return a name for a runner that gave none: user and machine."""
    import getpass

    with suppress(OSError, KeyError):
        return f"{getpass.getuser()}@{socket.gethostname()}"
    return socket.gethostname()


def why_not(space: Workspace, n: int = 0) -> str:
    """Return why no PART, or not PART `n`, can be claimed."""
    stated = f"{STALE_AFTER // 3600} hours"
    if not n:
        states = [state for state in space.states.values() if state != DONE]
        left = ", ".join(f"{states.count(s)} {s}" for s in (CLAIMED, FAILED, OPEN) if s in states)
        hint = f"; --steal takes over a claim after {stated}" if CLAIMED in states else ""
        hint += "; what is open is claimed on the remote" if OPEN in states else ""
        return f"no PART to claim: {space.progress()} done{left and '; '}{left}{hint}"
    state = space.states[n]
    if state == CLAIMED and space.drops.get(n):
        drop = space.drops[n][-1]
        return f"PART {n} is claimed by {drop.runner} since {drop.claimed}; --steal takes it after {stated}"
    return f"PART {n} is {state}" if state != OPEN else f"PART {n} is claimed on the remote"
