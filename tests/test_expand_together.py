"""Many runners at once, as real processes: nothing is lost and nothing is done twice, whoever dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest

from oracle_tools.bundle import refs, workspace
from oracle_tools.bundle.edits import apply
from oracle_tools.bundle.errors import OracleError
from oracle_tools.bundle.tree import scan
from oracle_tools.bundle.workspace import claim, fail, open_workspace
from oracle_tools.chores import expand, runners
from oracle_tools.cli import _judge
from tests import small

FOLDER = "_ingest-auto/expansion-x-2026-01-31"
ORACLE = [sys.executable, "-m", "oracle_tools"]
PATIENCE = 60.0

RUNNER = """
import os, pathlib, subprocess, sys, time

log, how = pathlib.Path(sys.argv[1]), sys.argv[2]
n, attempt = os.environ["ORACLE_PART"], os.environ["ORACLE_TRY"]
asked = sys.stdin.read()
assert f"PART {n}:" in asked and "knows already" in asked, asked
(log / f"started-{n}-{attempt}").write_text(str(os.getpid()))
if how == "hang" and n == "1":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (log / f"child-{attempt}").write_text(str(child.pid))
    child.wait()
if how == "gate" and int(n) > 2:
    end = time.monotonic() + 60
    while not (log / "gate").exists() and time.monotonic() < end:
        time.sleep(0.02)
if how == "flaky" and int(n) % 2 and attempt == "1" or how == "broken" and n == "2":
    sys.exit(f"PART {n} went wrong")
text = sys.argv[3].replace("NUMBER", n)
if how == "fault":
    text = text.replace("[^source]:", "[^other]:")
if how in ("print", "hang"):
    sys.stdout.write(text)
else:
    plan = ["expand", "deliver", os.environ["ORACLE_PLAN"], n]
    done = subprocess.run([sys.executable, "-m", "oracle_tools", *plan], input=text, text=True)
    sys.exit(done.returncode)
"""


def knowledge(n: object) -> str:
    return small.knowledge(f"Part {n}", f"What part {n} is.", "part, test", "So it is.")


@pytest.fixture(autouse=True)
def own_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {**small.identity(), "ORACLE_CACHE_DIR": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    for name in ("ORACLE_ROOT", "ORACLE_REMOTE", "ORACLE_TRY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "log").mkdir()
    (tmp_path / "runner.py").write_text(RUNNER)


def bundle(root: Path, count: int) -> Path:
    small.write(root)
    parts = [expand.Wanted(f"karpathy/{n + 2:02d}-part-{n}.md", f"part {n}") for n in range(1, count + 1)]
    apply(root, [expand.new(scan(root), "x", parts, "Research", date(2026, 1, 31))])
    return small.commit_all(root)


def command(tmp_path: Path, how: str) -> list[str]:
    return [sys.executable, str(tmp_path / "runner.py"), str(tmp_path / "log"), how, knowledge("NUMBER")]


def a_run(root: Path, argv: list[str], jobs: int = 4, limit: float = PATIENCE) -> list[runners.Event]:
    heard: list[runners.Event] = []
    runners.Run(
        root,
        FOLDER,
        argv,
        text=lambda n: expand.show(open_workspace(root, FOLDER), n, "nothing"),
        deliver=lambda n, attempt, text: expand.deliver(root, FOLDER, n, text, _judge, attempt),
        tell=heard.append,
        jobs=jobs,
        limit=limit,
    ).go()
    return heard


def states(root: Path) -> Counter[str]:
    return Counter(open_workspace(root, FOLDER).states.values())


def tries(root: Path) -> dict[int, list[str]]:
    return {n: [drop.status for drop in drops] for n, drops in open_workspace(root, FOLDER).drops.items()}


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


WORKER = """
import sys
from pathlib import Path
from oracle_tools.bundle.workspace import claim, open_workspace
from oracle_tools.chores import expand
from oracle_tools.cli import _judge
from tests.test_expand_together import FOLDER, knowledge

root, name = Path(sys.argv[1]), sys.argv[2]
while mine := claim(open_workspace(root, FOLDER), name):
    n = mine.drop.n
    expand.deliver(root, FOLDER, n, knowledge(n) + f"<!-- {name} -->", _judge, mine.drop.attempt)
    print(n)
"""


def test_eight_runners_over_forty_parts(tmp_path: Path) -> None:
    root = bundle(tmp_path / "bundle", 40)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(root), f"runner-{n}"], stdout=subprocess.PIPE, text=True
        )
        for n in range(8)
    ]
    done = [line for worker in workers for line in worker.communicate(timeout=300)[0].split()]
    assert [worker.returncode for worker in workers] == [0] * 8
    assert sorted(map(int, done)) == list(range(1, 41))
    assert tries(root) == {n: ["delivered"] for n in range(1, 41)}
    for drops in open_workspace(root, FOLDER).drops.values():
        assert (root / drops[0].file).read_text().endswith(f"<!-- {drops[0].runner} -->\n")
    assert not list(root.rglob("*.tmp")) and not list(root.glob(".oracle-edits-*"))


def test_one_claim_and_one_delivery_when_all_want_the_same_part(tmp_path: Path) -> None:
    root = bundle(tmp_path / "bundle", 1)
    together(root, *[["claim", FOLDER, "1", "--runner", f"r{n}"] for n in range(6)], wins=1)
    deliveries = [["deliver", FOLDER, "1"] for _ in range(6)]
    together(root, *deliveries, wins=1, text=knowledge(1))
    assert tries(root) == {1: ["delivered"]}


def together(root: Path, *commands: list[str], wins: int, text: str = "") -> None:
    """Start all commands, then give each its text; exactly `wins` of them succeed."""
    started = [
        subprocess.Popen(
            [*ORACLE, "--root", str(root), "expand", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for words in commands
    ]
    for process in started:
        _, said = process.communicate(text, timeout=PATIENCE)
        assert process.returncode == 0 or (said.startswith("oracle: ") and said.count("\n") == 1), said
    assert [process.returncode for process in started].count(0) == wins


@pytest.mark.parametrize("how", ["print", "deliver"])
def test_run_executes_every_part_once(tmp_path: Path, how: str) -> None:
    root = bundle(tmp_path / "bundle", 6)
    heard = a_run(root, command(tmp_path, how))
    assert Counter(event.what for event in heard) == {"started": 6, "done": 6}
    assert tries(root) == {n: ["delivered"] for n in range(1, 7)}
    assert a_run(root, command(tmp_path, how)) == []


def test_a_failing_runner_is_retried_once(tmp_path: Path) -> None:
    root = bundle(tmp_path / "bundle", 4)
    a_run(root, command(tmp_path, "flaky"))
    assert tries(root) == {
        1: ["failed", "delivered"],
        2: ["delivered"],
        3: ["failed", "delivered"],
        4: ["delivered"],
    }


def test_a_runner_that_fails_twice_leaves_the_part_failed_with_its_reason(tmp_path: Path) -> None:
    root = bundle(tmp_path / "bundle", 3)
    heard = a_run(root, command(tmp_path, "broken"))
    assert states(root) == {"done": 2, "failed": 1}
    assert [e.detail for e in heard if e.what == "failed"] == ["exit code 1: PART 2 went wrong"] * 2
    assert a_run(root, command(tmp_path, "print")) == []


def test_a_file_with_faults_is_a_failure_that_says_why(tmp_path: Path) -> None:
    root = bundle(tmp_path / "bundle", 1)
    heard = a_run(root, command(tmp_path, "fault"))
    assert states(root) == {"failed": 1}
    assert "[^source] is not defined" in heard[-1].detail


def test_a_runner_that_says_nothing_has_failed(tmp_path: Path) -> None:
    root = bundle(tmp_path / "bundle", 1)
    heard = a_run(root, [sys.executable, "-c", "pass"])
    assert heard[-1].detail == "the runner ended without delivering"


def test_the_time_limit_ends_a_runner_and_all_it_started(tmp_path: Path) -> None:
    root = bundle(tmp_path / "bundle", 2)
    heard = a_run(root, command(tmp_path, "hang"), limit=3.0)
    assert states(root) == {"done": 1, "failed": 1}
    assert [e.detail for e in heard if e.what == "failed"] == ["ran into the time limit of 3 s"] * 2
    for attempt in (1, 2):
        child = int((tmp_path / "log" / f"child-{attempt}").read_text())
        until(lambda child=child: not is_running(child))  # type: ignore[misc]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("argv", [["/no/such/program"], ["/etc/hostname"]])
def test_a_command_that_cannot_run_stops_the_run(tmp_path: Path, argv: list[str]) -> None:
    root = bundle(tmp_path / "bundle", 3)
    with pytest.raises(OracleError, match="cannot run"):
        a_run(root, argv)
    a_run(root, command(tmp_path, "print"))
    assert states(root) == {"done": 3}


def test_a_command_is_no_shell_line() -> None:
    assert runners.parsed("claude -p 'take the PART' ; rm -rf $HOME") == [
        "claude", "-p", "take the PART", ";", "rm", "-rf", "$HOME",
    ]  # fmt: skip
    for wrong in ("", "  ", "claude 'open"):
        with pytest.raises(OracleError):
            runners.parsed(wrong)


@pytest.mark.parametrize("survivors", [True, False], ids=["its runners live on", "its runners die too"])
def test_a_killed_run_is_resumed(tmp_path: Path, survivors: bool) -> None:
    root, log = bundle(tmp_path / "bundle", 6), tmp_path / "log"
    line = " ".join(f"'{word}'" for word in command(tmp_path, "gate"))
    words = [*ORACLE, "--root", str(root), "expand", "run", FOLDER, "--jobs", "3", "--command", line]
    first = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    until(lambda: states(root)["done"] == 2 and len(list(log.glob("started-*"))) == 5)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    begun = [path for path in log.glob("started-*") if int(path.name.split("-")[1]) > 2]
    if not survivors:
        for path in begun:
            os.killpg(int(path.read_text()), signal.SIGKILL)
    second = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    until(lambda: len(list(log.glob("started-*"))) == (6 if survivors else 8))
    (log / "gate").touch()
    said = second.communicate(timeout=PATIENCE)[0]
    assert second.returncode == 0 and "6/6 PARTs" in said
    assert all(statuses.count("delivered") == 1 for statuses in tries(root).values())
    started = Counter(path.name.split("-")[1] for path in log.glob("started-*"))
    assert started == {n: 1 if survivors or n in "126" else 2 for n in "123456"}


def test_an_interrupted_run_ends_its_runners(tmp_path: Path) -> None:
    root, log = bundle(tmp_path / "bundle", 3), tmp_path / "log"
    line = " ".join(f"'{word}'" for word in command(tmp_path, "hang"))
    words = [*ORACLE, "--root", str(root), "expand", "run", FOLDER, "--jobs", "1", "--command", line]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    until(lambda: (log / "child-1").exists() and bool((log / "child-1").read_text()))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    until(lambda: not is_running(int((log / "child-1").read_text())))
    assert states(root)["failed"] == 0


def test_a_terminal_shows_the_progress(tmp_path: Path) -> None:
    root = bundle(tmp_path / "bundle", 3)
    line = " ".join(f"'{word}'" for word in command(tmp_path, "broken"))
    words = [*ORACLE, "--root", str(root), "expand", "run", FOLDER, "--jobs", "2", "--command", line]
    ours, theirs = os.openpty()
    process = subprocess.Popen(words, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    said = b""
    with suppress(OSError):  # the other end is closed
        while chunk := os.read(ours, 65536):
            said += chunk
    os.close(ours)
    assert process.wait(timeout=PATIENCE) == 1
    assert b"Traceback" not in said and b"2/3 PARTs done; 1 failed" in said
    assert b"PART 2, try 2: failed exit code 1: PART 2 went wrong" in said


# More machines than one


@pytest.fixture
def machines(tmp_path: Path) -> tuple[Path, Path]:
    """Two clones of a bare repository that holds a bundle with a plan of ten PARTs."""
    origin = bundle(tmp_path / "origin", 10)
    small.git(tmp_path, "clone", "--quiet", "--bare", str(origin), str(tmp_path / "server.git"))
    for name in ("anna", "ben"):
        small.git(tmp_path, "clone", "--quiet", str(tmp_path / "server.git"), str(tmp_path / name))
    return tmp_path / "anna", tmp_path / "ben"


def on(root: Path, n: int = 0) -> int:
    """Claim on the remote from the clone `root`; return the number of the PART, 0 for none."""
    mine = claim(open_workspace(root, FOLDER), root.name, n, remote="origin")
    return mine.drop.n if mine else 0


def test_a_claim_of_one_machine_is_known_to_the_other(machines: tuple[Path, Path], tmp_path: Path) -> None:
    anna, ben = machines
    assert [on(anna), on(ben), on(anna), on(ben, 1), on(ben, 4)] == [1, 2, 3, 0, 4]
    assert tries(ben) == {2: ["claimed"], 4: ["claimed"]}
    listed = small.git(tmp_path / "server.git", "for-each-ref", "--format=%(refname)", "refs/oracle")
    assert listed.split() == [f"refs/oracle/claims/x-2026-01-31/0{n}-1" for n in (1, 2, 3, 4)]
    held = small.git(tmp_path / "server.git", "cat-file", "blob", "refs/oracle/claims/x-2026-01-31/02-1")
    assert 'runner: "ben"' in held


def test_the_server_decides_who_was_first(
    machines: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, ben = machines
    known = refs.claims
    answers = iter([set[str]()])  # ben looked before anna pushed
    assert on(anna) == 1
    monkeypatch.setattr(refs, "claims", lambda *asked: next(answers, None) or known(*asked))
    assert on(ben) == 2
    assert tries(ben) == {2: ["claimed"]}


def test_two_machines_at_once_share_the_parts(machines: tuple[Path, Path]) -> None:
    code = "import sys; from pathlib import Path; from tests.test_expand_together import on\n"
    code += "while n := on(Path(sys.argv[1])): print(n)"
    workers = [
        subprocess.Popen([sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE, text=True)
        for root in machines
        for _ in range(2)
    ]
    said = [line for worker in workers for line in worker.communicate(timeout=300)[0].split()]
    assert sorted(map(int, said)) == list(range(1, 11))
    ours = [set(tries(root)) for root in machines]
    assert ours[0] & ours[1] == set() and ours[0] | ours[1] == set(range(1, 11))


def test_work_travels_by_commits(machines: tuple[Path, Path]) -> None:
    anna, ben = machines
    assert on(anna) == 1
    expand.deliver(anna, FOLDER, 1, knowledge(1), _judge)
    assert on(anna) == 2
    fail(anna, FOLDER, 2, "no source here")
    small.git(anna, "add", "--all")
    small.git(anna, "commit", "--quiet", "--message=work")
    small.git(anna, "push", "--quiet")
    assert on(ben, 2) == 0, "nobody told ben yet that the first try has failed"
    small.git(ben, "pull", "--quiet")
    assert list(open_workspace(ben, FOLDER).states.values())[:2] == ["done", "open"]
    assert on(ben, 2) == 2
    assert tries(ben)[2] == ["failed", "claimed"]


@pytest.mark.parametrize(
    "remote", ["nowhere", "https://example.org/x", "ext::sh -c id", "../server.git", "-x", "a\\b"]
)
def test_only_a_configured_remote_is_asked(machines: tuple[Path, Path], remote: str) -> None:
    with pytest.raises(OracleError, match="is no remote"):
        claim(open_workspace(machines[0], FOLDER), "anna", remote=remote)
    assert tries(machines[0]) == {}


def test_an_address_is_refused_even_as_a_remotes_name(machines: tuple[Path, Path]) -> None:
    with (machines[0] / ".git/config").open("a") as config:
        config.write('[remote "ext::sh"]\n\turl = /nowhere\n')
    with pytest.raises(OracleError, match="is no remote"):
        claim(open_workspace(machines[0], FOLDER), "anna", remote="ext::sh")


def test_a_server_that_does_not_answer_leaves_no_claim(
    machines: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, _ = machines
    hook = tmp_path / "server.git/hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho closed today >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(OracleError, match="refused the claim"):
        on(anna)
    small.git(anna, "remote", "set-url", "origin", str(tmp_path / "gone.git"))
    with pytest.raises(OracleError, match="did not answer"):
        on(anna)
    assert tries(anna) == {}
    monkeypatch.setenv("ORACLE_REMOTE", "origin")
    words = [*ORACLE, "--root", str(anna), "expand", "claim", FOLDER]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "did not answer" in done.stderr


def test_no_allowed_command_has_an_option_that_leads_outside() -> None:
    import typer

    from oracle_tools.cli import app

    group = typer.main.get_command(app).commands["expand"]  # type: ignore[attr-defined]
    allowed = {"status": {"--json"}, "show": set(), "claim": {"--steal", "--runner"}, "deliver": {"--try"}}
    allowed["fail"] = {"--why", "--try"}
    for name, options in allowed.items():
        found = {o for p in group.commands[name].params for o in p.opts if o.startswith("-")}
        assert found - {"--help", "-h"} == options


def test_status_is_data_for_machines(tmp_path: Path) -> None:
    root = bundle(tmp_path / "bundle", 2)
    claim(open_workspace(root, FOLDER), "anna", 2)
    words = [*ORACLE, "--root", str(root), "expand", "status", "--json"]
    data = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    assert [part["state"] for part in data["plans"][0]["parts"]] == ["open", "claimed"]
    assert workspace.workspaces(root) == [FOLDER]
