"""Plans, claims, delivery and the end of an expansion, one process at a time."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import typer

from oracle_tools.bundle import edits, git, naming, workspace
from oracle_tools.bundle.edits import Write, apply
from oracle_tools.bundle.errors import OracleError
from oracle_tools.bundle.layout import Config
from oracle_tools.bundle.tree import Tree, scan
from oracle_tools.bundle.workspace import CLAIMED, STALE_AFTER, claim, current, fail, find, open_workspace
from oracle_tools.chores import expand
from oracle_tools.chores.index import index
from oracle_tools.cli import _judge, app, run
from tests import small

TODAY = date(2026, 1, 31)
FOLDER = "_ingest-auto/expansion-x-2026-01-31"


@pytest.fixture(autouse=True)
def own_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {**small.identity(), "ORACLE_CACHE_DIR": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    for name in ("ORACLE_ROOT", "ORACLE_REMOTE", "ORACLE_TRY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return small.commit_all(small.write(tmp_path / "bundle"))


def planned(root: Path, count: int = 2, parts: Sequence[expand.Wanted] = ()) -> str:
    parts = parts or [
        expand.Wanted(f"karpathy/{n + 2:02d}-part-{n}.md", f"part {n}") for n in range(1, count + 1)
    ]
    apply(root, [expand.new(scan(root), "x", parts, "Research", TODAY)])
    return FOLDER


def knowledge(n: int, body: str = "So it is.") -> str:
    return small.knowledge(f"Part {n}", f"What part {n} is.", "part, test", body)


def taken(root: Path, n: int = 0, runner: str = "anna", **more: bool) -> workspace.Drop:
    mine = claim(open_workspace(root, FOLDER), runner, n, **more)
    assert mine is not None
    return mine.drop


def states(root: Path, folder: str = FOLDER) -> list[str]:
    return list(open_workspace(root, folder).states.values())


def delivered(root: Path, n: int, body: str = "So it is.") -> workspace.Drop:
    taken(root, n)
    return expand.deliver(root, FOLDER, n, knowledge(n, body), _judge)


def finalized(root: Path, partial: bool = False) -> list[str]:
    return expand.finalize(root, find(root, FOLDER).folder, index, _judge, partial)


def files(root: Path) -> dict[str, bytes]:
    found = (path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in found if path.name != "oracle.lock"
    }


# Plans


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("KV cache", "kv-cache"),
        ("  What's MLA?  ", "what-s-mla"),
        ("façade / Ångström", "facade-angstrom"),
        ("../../etc", "etc"),
        ("a" * 100, "a" * 60),
    ],
)
def test_a_topic_becomes_a_name(topic: str, expected: str) -> None:
    assert naming.kebab(topic) == expected


@pytest.mark.parametrize("topic", ["", "???", "-", "漢字", "\n"])
def test_a_topic_of_nothing_is_refused(topic: str) -> None:
    with pytest.raises(OracleError, match="no letter"):
        naming.kebab(topic)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../03-x.md", "leaves the bundle"),
        ("/etc/03-x.md", "leaves the bundle"),
        ("karpathy/../../03-x.md", "leaves the bundle"),
        (".git/03-x.md", "git"),
        ("karpathy\\03-x.md", "leaves the bundle"),
        ("03-x.md", "not in a knowledge folder"),
        ("nowhere/03-x.md", "not in a knowledge folder"),
        ("_ingest/03-x.md", "not in a knowledge folder"),
        ("_ingest-auto/03-x.md", "not in a knowledge folder"),
        ("source-codebases/karpathy/03-x.md", "not in a knowledge folder"),
        ("tests/03-x.md", "not in a knowledge folder"),
        ("karpathy/x.md", "name it NN-kebab-name.md"),
        ("karpathy/03-X.md", "name it NN-kebab-name.md"),
        ("karpathy/03-x.txt", "name it NN-kebab-name.md"),
        ("karpathy/INDEX.md", "name it NN-kebab-name.md"),
        ("karpathy/My Folder/03-x.md", "name it NN-kebab-name.md"),
        ("karpathy/.hidden/03-x.md", "name it NN-kebab-name.md"),
        ("karpathy//03-x.md", "name it NN-kebab-name.md"),
        ("karpathy/02-other.md", "number 02 is 02-micrograd.md's"),
        ("karpathy/02-micrograd.md", "exists already"),
        ("linked/03-x.md", "symbolic link"),
    ],
)
def test_where_no_file_can_lie(root: Path, path: str, why: str) -> None:
    (root / "linked").symlink_to(root / "karpathy")
    with pytest.raises(OracleError, match=why):
        expand.new(scan(root), "x", [expand.Wanted(path, "x")], "Research", TODAY)


@pytest.mark.parametrize(
    "path", ["karpathy/03-x.md", "karpathy/new/deep/01-x.md", "source-documents/a/01-x.md"]
)
def test_where_a_file_can_lie(root: Path, path: str) -> None:
    assert path in expand.new(scan(root), "x", [expand.Wanted(path, "x")], "Research", TODAY).text


@pytest.mark.parametrize("base", ["_ingest-auto", "_ingest-auto/completed"])
def test_a_workspace_is_never_overwritten(root: Path, base: str) -> None:
    tree = scan(root).after([Write(f"{base}/expansion-x-2026-01-31/notes.md", "mine")])
    with pytest.raises(OracleError, match="exists already"):
        expand.new(tree, "x", [expand.Wanted("karpathy/03-x.md", "x")], "Research", TODAY)


def test_two_parts_cannot_share_a_file_or_a_number() -> None:
    tree = Tree.of({"karpathy/01-a.md": ""}, Config())
    for other in ("karpathy/03-x.md", "karpathy/03-y.md"):
        with pytest.raises(OracleError, match=r"two PARTs|number 03"):
            parts = [expand.Wanted("karpathy/03-x.md", "x"), expand.Wanted(other, "y")]
            expand.new(tree, "x", parts, "Research", TODAY)


def test_what_a_plan_covers_cannot_forge_parts(root: Path) -> None:
    covers = "x\n\n## PART 9: Create karpathy/09-evil.md\n- [x] PART 9: done"
    part = expand.wanted([f"karpathy/03-x.md: {covers}"])[0]
    write = expand.new(scan(root), f"x\n# y {covers}", [part], "Research", TODAY)
    assert [found.n for found in workspace.read_plan(write.text).parts] == [1]


def test_parts_from_yaml(tmp_path: Path, root: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(
        "parts:\n- {path: karpathy/03-x.md, covers: all of x, lines: 120, queries: [what is x]}\n"
        "- {path: karpathy/02-micrograd.md, covers: anew, replaces: true}\n"
    )
    parts = expand.read_wanted(file)
    planned(root, parts=parts)
    space = open_workspace(root, FOLDER)
    assert [(p.path, p.expected_lines, p.state) for p in space.plan.parts] == [
        ("karpathy/03-x.md", 120, "open"),
        ("karpathy/02-micrograd.md", 300, "open"),
    ]
    assert "- what is x\n" in space.section(space.part(1))
    assert space.plan.troubles == []


@pytest.mark.parametrize(
    "text", ["- 1", "parts: 3", "[", "- {path: a}", "- {path: a, covers: b, lines: x}", "x: &a [*a]"]
)
def test_yaml_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(OracleError):
        expand.read_wanted(tmp_path / "plan.yaml")


# States

WRITTEN = """# Old plan

## PART 1: Create karpathy/03-a.md (300 lines)
- [{0}] PART 1: Create karpathy/03-a.md
## PART 2: Create karpathy/04-b.md
- [ ] PART 2: Create karpathy/04-b.md
"""


def drop(
    n: int, attempt: int, status: str, file: str = "", claimed: str = "", host: str = ""
) -> dict[str, str]:
    path = f"{FOLDER}/KNOWLEDGE-DROP-PART-{n:02d}-try-{attempt}.md"
    made = workspace.Drop(path, n, attempt, status, "anna", claimed or workspace.now(), file=file, host=host)
    return {path: made.text()}


@pytest.mark.parametrize(
    ("mark", "drops", "expected"),
    [
        (" ", {}, "open"),
        ("x", {}, "done"),
        ("✓", {}, "done"),
        ("/", {}, "failed"),
        (" ", drop(1, 1, "claimed"), "claimed"),
        ("✓", drop(1, 1, "claimed"), "claimed"),
        (" ", drop(1, 1, "delivered", "karpathy/02-micrograd.md"), "done"),
        (" ", drop(1, 1, "delivered", "karpathy/03-a.md"), "claimed"),
        (" ", drop(1, 1, "failed"), "open"),
        (" ", drop(1, 1, "failed") | drop(1, 2, "claimed"), "claimed"),
        (" ", drop(1, 1, "failed") | drop(1, 2, "failed"), "failed"),
        (" ", drop(1, 1, "claimed") | drop(1, 2, "failed"), "open"),
        (" ", drop(1, 1, "failed") | drop(1, 9, "claimed") | drop(1, 10, "failed"), "failed"),
        (" ", drop(1, 1, "delivered", "karpathy/02-micrograd.md") | drop(1, 2, "claimed"), "done"),
        (" ", {f"{FOLDER}/KNOWLEDGE-DROP-PART-01-try-1.md": ""}, "claimed"),
        (" ", {f"{FOLDER}/KNOWLEDGE-DROP-PART-01-try-1.md": "---\nstatus: [\n---\n"}, "claimed"),
        (" ", {f"{FOLDER}/KNOWLEDGE-DROP-PART-01-try-1.md": "---\nlines: many\nstatus: 3\n---\n"}, "claimed"),
        (" ", {f"{FOLDER}/KNOWLEDGE-DROP-PART-01-try-x.md": ""}, "open"),
        (" ", {f"{FOLDER}/notes.md": ""}, "open"),
    ],
)
def test_the_state_is_what_the_drops_say(
    tmp_path: Path, mark: str, drops: dict[str, str], expected: str
) -> None:
    root = small.write(tmp_path, {f"{FOLDER}/ingestion.md": WRITTEN.format(mark), **drops})
    assert states(root) == [expected, "open"]


@pytest.mark.parametrize(
    "word",
    [
        "x",
        "expansion-x-2026-01-31",
        "x-2026-01-31",
        FOLDER,
        f"{FOLDER}/",
        f"{FOLDER}/ingestion.md",
        "ABSOLUTE",
    ],
)
def test_a_plan_is_named_in_many_ways(root: Path, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planned(root)
    monkeypatch.chdir(root / "karpathy")
    assert find(root, word.replace("ABSOLUTE", str(root / FOLDER))).folder == FOLDER


@pytest.mark.parametrize("word", ["y", "..", "/", "", "_ingest-auto", "karpathy", "../bundle", "evil"])
def test_what_is_no_plan(root: Path, word: str, tmp_path: Path) -> None:
    planned(root)
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "ingestion.md").write_text(WRITTEN)
    (root / "_ingest-auto" / "evil").symlink_to(tmp_path / "away")
    with pytest.raises(OracleError):
        find(root, word)
    assert workspace.workspaces(root) == [FOLDER]


def test_a_topic_of_two_days_has_to_be_named(root: Path) -> None:
    planned(root)
    small.write(root, {"_ingest-auto/expansion-x-2026-02-01/ingestion.md": WRITTEN})
    with pytest.raises(OracleError, match="may be"):
        find(root, "x")


def test_status_reads_a_plan_anywhere(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "elsewhere" / "ingestion.md"
    plan.parent.mkdir()
    plan.write_text(WRITTEN.format("âœ“") + "\n## PART: without a number\n")
    for word in (plan, plan.parent):
        assert run(["--root", str(root), "expand", "status", str(word), "--json"]) == 0
        data = json.loads(capsys.readouterr().out)
        assert [part["state"] for part in data["parts"]] == ["done", "open"]
        assert set(data["parts"][0]) >= {"n", "title", "path", "state", "expected_lines", "tries"}
        assert data["troubles"][0]["line"] == 8
    for command in (["show"], ["claim"], ["deliver"], ["fail", "--why", "x"]):
        assert run(["--root", str(root), "expand", command[0], str(plan), "1", *command[1:]]) == 2
    secret = tmp_path / "secret.md"
    secret.write_text(WRITTEN)
    assert run(["--root", str(root), "expand", "status", str(secret)]) == 2


# Claims


def test_claims_follow_each_other_until_none_is_left(root: Path) -> None:
    planned(root, 2)
    assert [taken(root).n, taken(root).n] == [1, 2]
    space = open_workspace(root, FOLDER)
    assert claim(space, "ben") is None
    assert claim(space, "ben", 1) is None
    with pytest.raises(OracleError, match="no PART 3"):
        claim(space, "ben", 3)


@pytest.mark.parametrize(
    ("age", "stolen"), [(STALE_AFTER - 60, False), (STALE_AFTER + 60, True), (-3600, False)]
)
def test_an_old_claim_can_be_stolen(tmp_path: Path, age: float, stolen: bool) -> None:
    since = (datetime.now(UTC) - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%SZ")
    plan = {f"{FOLDER}/ingestion.md": WRITTEN.format(" ")}
    root = small.write(tmp_path, plan | drop(1, 1, "claimed", claimed=since))
    assert claim(open_workspace(root, FOLDER), "ben", 1) is None
    mine = claim(open_workspace(root, FOLDER), "ben", 1, steal=True)
    assert bool(mine) == stolen
    if mine:
        assert mine.drop.attempt == 2
        assert claim(open_workspace(root, FOLDER), "carl", 1, steal=True) is None
        with pytest.raises(OracleError, match="taken over by ben"):
            expand.deliver(root, FOLDER, 1, knowledge(1), _judge, attempt=1)


def test_an_unreadable_claim_is_as_old_as_its_file(tmp_path: Path) -> None:
    path = f"{FOLDER}/KNOWLEDGE-DROP-PART-01-try-1.md"
    root = small.write(tmp_path, {f"{FOLDER}/ingestion.md": WRITTEN.format(" "), path: ""})
    assert claim(open_workspace(root, FOLDER), "ben", 1, steal=True) is None
    os.utime(root / path, (0, 0))
    assert taken(root, 1, steal=True).attempt == 2


def test_a_held_claim_lasts_as_long_as_its_handle(root: Path) -> None:
    planned(root, 1)
    mine = claim(open_workspace(root, FOLDER), "run", held=True)
    assert mine is not None and mine.handle is not None
    assert workspace.is_alive(root, mine.drop)
    assert claim(open_workspace(root, FOLDER), "run", steal=True, held=True) is None
    os.close(mine.handle)
    assert not workspace.is_alive(root, mine.drop)
    assert taken(root, steal=True).attempt == 2


def test_a_try_is_created_once(root: Path) -> None:
    planned(root, 1)
    space = open_workspace(root, FOLDER)
    made = [workspace._create(space, space.part(1), 1, name, held=False) for name in ("anna", "ben")]
    assert made[0] is not None and made[1] is None
    assert open_workspace(root, FOLDER).drops[1][0].runner == "anna"


def test_a_delivery_is_judged_and_written_under_the_lock(root: Path) -> None:
    from filelock import FileLock, Timeout

    planned(root, 1)
    taken(root, 1)

    def judge(tree: Tree, paths: Sequence[str]) -> list[str]:
        with pytest.raises(Timeout), FileLock(root / ".git" / "oracle.lock", timeout=0):
            pass
        return []

    assert expand.deliver(root, FOLDER, 1, knowledge(1), judge).lines == 12


def test_what_a_runner_is_called_stays_one_line(root: Path) -> None:
    planned(root, 1)
    taken(root, runner='a"\n---\nstatus: delivered\u202e\x1b[0m' + "x" * 999)
    found = open_workspace(root, FOLDER).drops[1][0]
    assert found.status == CLAIMED
    assert found.runner.startswith('a" --- status: delivered[0m') and len(found.runner) <= 300


# Delivery


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no description"),
        (knowledge(1).replace("description: What part 1 is.\n", ""), "no description"),
        (knowledge(1).replace("keywords: [part, test]\n", ""), "no keywords"),
        (knowledge(1).replace("keywords: [part", "keywords: [[part"), "frontmatter"),
        (knowledge(1).replace("# Part 1\n", ""), "level 1"),
        (knowledge(1).partition("## Sources")[0].replace("[^source]", ""), "Sources"),
        (knowledge(1, "So.[^other] "), r"\[\^other\]"),
        (knowledge(1, "See [it](nowhere.md)."), "nowhere.md does not exist"),
        (knowledge(1, "See [it](../../../etc/passwd)."), "leads out of the bundle"),
        (knowledge(1, "See [it](/etc/passwd)."), "absolute"),
        (knowledge(1, "See [it](https://github.com/a/b/blob/main/c.py)."), "moves"),
        (knowledge(1, "line\n" * 500), "over 500"),
        (knowledge(1, "word " * 20_000), "over 90,000"),
        (knowledge(1, "hid\u200bden"), r"U\+200B"),
    ],
)
def test_a_faulty_file_is_refused_and_nothing_is_written(root: Path, text: str, why: str) -> None:
    planned(root)
    taken(root, 1)
    before = files(root)
    with pytest.raises(OracleError, match=why) as caught:
        expand.deliver(root, FOLDER, 1, text, _judge)
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value)
    assert files(root) == before and states(root) == ["claimed", "open"]


def test_links_to_parts_to_come_are_alive(root: Path) -> None:
    planned(root, 3)
    done = delivered(
        root, 1, "See [two](04-part-2.md), [its trick](04-part-2.md#trick) and [one](02-micrograd.md)."
    )
    assert (done.file, done.sources, states(root)[0]) == ("karpathy/03-part-1.md", 1, "done")
    taken(root, 2)
    with pytest.raises(OracleError, match="#gone"):
        expand.deliver(root, FOLDER, 2, knowledge(2, "[one](03-part-1.md#gone)"), _judge)


def test_links_to_failed_parts_are_dead(root: Path) -> None:
    planned(root)
    for _ in range(2):
        taken(root, 2)
        fail(root, FOLDER, 2, "no source")
    taken(root, 1)
    with pytest.raises(OracleError, match="does not exist"):
        expand.deliver(root, FOLDER, 1, knowledge(1, "[two](04-part-2.md)"), _judge)


def test_a_file_that_is_there_is_not_overwritten(root: Path) -> None:
    planned(root)
    taken(root, 1)
    small.write(root, {"karpathy/03-part-1.md": "mine"})
    with pytest.raises(OracleError, match="exists already"):
        expand.deliver(root, FOLDER, 1, knowledge(1), _judge)
    assert (root / "karpathy/03-part-1.md").read_text() == "mine"


@pytest.mark.parametrize(
    "change", [("Create", "Replace"), ("**Covers:**", "**Replaces:** yes\n\n**Covers:**")]
)
def test_a_plan_may_replace_a_file(root: Path, change: tuple[str, str]) -> None:
    planned(root, 1)
    plan = root / FOLDER / "ingestion.md"
    plan.write_text(plan.read_text().replace("03-part-1", "02-micrograd"))
    taken(root, 1)
    with pytest.raises(OracleError, match="exists already"):
        expand.deliver(root, FOLDER, 1, knowledge(1), _judge)
    plan.write_text(plan.read_text().replace(*change))
    expand.deliver(root, FOLDER, 1, knowledge(1), _judge)
    assert (root / "karpathy/02-micrograd.md").read_text() == knowledge(1)


@pytest.mark.parametrize(
    "path", ["../03-x.md", "SKILL.md", "_ingest/03-x.md", "karpathy/INDEX.md", "bin/03-x.md"]
)
def test_a_plan_cannot_lead_a_delivery_astray(root: Path, path: str) -> None:
    planned(root, 1)
    plan = root / FOLDER / "ingestion.md"
    plan.write_text(plan.read_text().replace("karpathy/03-part-1.md", path))
    taken(root, 1)
    before = files(root)
    with pytest.raises(OracleError, match="not delivered"):
        expand.deliver(root, FOLDER, 1, knowledge(1), _judge)
    assert files(root) == before


def test_a_part_is_delivered_once(root: Path) -> None:
    planned(root)
    delivered(root, 1)
    for n, state in ((1, "done"), (2, "open")):
        with pytest.raises(OracleError, match=f"PART {n} is {state}"):
            expand.deliver(root, FOLDER, n, knowledge(n), _judge)


@pytest.mark.parametrize("step", range(4))
def test_a_delivery_that_is_cut_off_can_be_repeated(
    root: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(root)
    taken(root, 1)
    with monkeypatch.context() as patch:
        interrupt(patch, step)
        try:
            expand.deliver(root, FOLDER, 1, knowledge(1), _judge)
        except KeyboardInterrupt:
            expand.deliver(root, FOLDER, 1, knowledge(1, "Told anew."), _judge)
    assert states(root) == ["done", "open"]
    assert open_workspace(root, FOLDER).drops[1][0].lines == 12


def interrupt(patch: pytest.MonkeyPatch, step: int) -> None:
    """Let the change number `step` on the disk be interrupted, once."""
    whole, count = edits._carry_out, iter(range(1000))

    def cut_off(*arguments: object) -> None:
        if next(count) == step:
            raise KeyboardInterrupt
        whole(*arguments)  # type: ignore[arg-type]

    patch.setattr(edits, "_carry_out", cut_off)


def test_failing_needs_a_claim_and_a_reason(root: Path) -> None:
    planned(root)
    with pytest.raises(OracleError, match="not claimed"):
        fail(root, FOLDER, 1, "why")
    taken(root, 1)
    with pytest.raises(OracleError, match="say why"):
        fail(root, FOLDER, 1, " \n")
    assert current(open_workspace(root, FOLDER), 1).status == CLAIMED


# The end


def ready(root: Path) -> None:
    """Three PARTs: one done in a new folder, one done, one failed twice."""
    parts = [expand.Wanted(p, "x") for p in ("karpathy/new/01-a.md", "karpathy/03-b.md", "karpathy/04-c.md")]
    planned(root, parts=parts)
    delivered(root, 1)
    delivered(root, 2)
    for _ in range(2):
        taken(root, 3)
        fail(root, FOLDER, 3, "the paper is gone")


def test_finalize_commits_exactly_what_belongs_to_it(root: Path) -> None:
    ready(root)
    small.write(root, {"karpathy/01-backpropagation.md": "mine", "_ingest/notes.txt": "mine"})
    small.git(root, "add", "_ingest/notes.txt")
    report = finalized(root)
    assert report[0].startswith("2/3 PARTs; 2 files")
    assert small.git(root, "status", "--short").splitlines() == [
        "A  _ingest/notes.txt",
        " M karpathy/01-backpropagation.md",
    ]
    message = small.git(root, "log", "-1", "--format=%B")
    assert message.startswith(
        "Knowledge Expansion: x (2 files)\n\nType: Research\nWorkspace: _ingest-auto/completed/"
    )
    assert "- PART 3, karpathy/04-c.md: the paper is gone" in message
    assert any("karpathy/new/" in line for line in report)
    assert not (root / FOLDER).exists() and index(scan(root)) == []


def test_finalize_takes_a_plan_that_was_committed(root: Path) -> None:
    planned(root, 1)
    small.git(root, "add", "--all")
    small.git(root, "commit", "--quiet", "--message=plan")
    delivered(root, 1)
    finalized(root)
    assert small.git(root, "status", "--short") == ""
    assert small.git(root, "ls-files", FOLDER) == ""


def test_finalize_indexes_nothing_that_another_plan_has_not_committed(root: Path, tmp_path: Path) -> None:
    other = [expand.Wanted("karpathy/05-other.md", "other"), expand.Wanted("karpathy/fresh/01-o.md", "o")]
    apply(root, [expand.new(scan(root), "other", other, "Research", TODAY)])
    theirs = find(root, "other")
    for n in (1, 2):
        assert claim(theirs, "bert", n) is not None
        expand.deliver(root, theirs.folder, n, knowledge(n), _judge)
    ready(root)
    finalized(root)
    small.git(tmp_path, "clone", "--quiet", str(root), "clone")
    committed = scan(tmp_path / "clone")
    assert "05-other.md" not in committed.text("karpathy/INDEX.md")
    assert "fresh" not in committed.text("SKILL.md") + committed.text("karpathy/INDEX.md")
    assert index(committed) == []
    expand.finalize(root, theirs.folder, index, _judge, False)
    assert "05-other.md" in scan(root).text("karpathy/INDEX.md") and index(scan(root)) == []


def test_a_page_that_a_runner_wrote_for_a_new_folder_is_committed_as_well(root: Path) -> None:
    planned(root, parts=[expand.Wanted("karpathy/fresh/01-a.md", "a")])
    delivered(root, 1)
    page = "# Fresh\n\n**By hand.**\n\n## Files\n\n<!-- oracle:files -->\n<!-- /oracle:files -->\n"
    small.write(root, {"karpathy/fresh/INDEX.md": page})
    assert expand.finalize(root, FOLDER, index, _judge, False)
    assert "**By hand.**" in small.git(root, "show", "HEAD:karpathy/fresh/INDEX.md")
    planned_again = [expand.Wanted("karpathy/fresh/02-b.md", "b")]
    apply(root, [expand.new(scan(root), "y", planned_again, "Research", TODAY)])
    theirs = find(root, "y")
    assert claim(theirs, "bert", 1) is not None
    expand.deliver(root, theirs.folder, 1, knowledge(1), _judge)
    expand.finalize(root, theirs.folder, index, _judge, False)
    assert small.git(root, "status", "--short") == "" and index(scan(root)) == []


def test_finalize_refuses_what_is_unfinished_unless_partial(root: Path) -> None:
    planned(root, 3)
    delivered(root, 1)
    taken(root, 2)
    before = files(root)
    with pytest.raises(OracleError, match="PART 2 is claimed, PART 3 is open") as caught:
        finalized(root)
    assert caught.value.exit_code == 1 and files(root) == before
    assert finalized(root, partial=True)[0].startswith("1/3 PARTs; 1 file;")
    with pytest.raises(OracleError, match="archived"):
        expand.deliver(root, find(root, "x").folder, 2, knowledge(2), _judge)
    assert states(root, find(root, "x").folder)[0] == "done"


def test_finalize_refuses_a_file_with_faults(root: Path) -> None:
    planned(root, 1)
    delivered(root, 1)
    (root / "karpathy/03-part-1.md").write_text(knowledge(1, "[x](gone.md)"))
    before = files(root)
    with pytest.raises(OracleError, match=r"gone\.md") as caught:
        finalized(root)
    assert caught.value.exit_code == 1 and files(root) == before


def history(root: Path) -> tuple[dict[str, bytes], str, str]:
    times = re.compile(rb"\d{4}-\d\d-\d\dT[\d:]+Z")
    seen = {path: times.sub(b"", data) for path, data in files(root).items()}
    log = small.git(root, "log", "--format=%B", "--name-status")
    return seen, log, small.git(root, "status", "--short")


def test_finalize_cut_off_anywhere_is_completed_by_a_second_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = small.commit_all(small.write(tmp_path / "whole"))
    ready(whole)
    report = finalized(whole)
    step = 0
    while True:
        root = small.commit_all(small.write(tmp_path / f"cut-{step}"))
        ready(root)
        with monkeypatch.context() as patch:
            interrupt(patch, step)
            try:
                finalized(root)
                break
            except KeyboardInterrupt:
                assert finalized(root) == report
        assert history(root) == history(whole)
        step += 1
    assert step >= 5, "every change on the disk was interrupted once"


@pytest.mark.parametrize("done", [False, True])
def test_finalize_cut_off_at_the_commit(
    root: Path, tmp_path: Path, done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = small.commit_all(small.write(tmp_path / "whole"))
    for place in (whole, root):
        ready(place)
    finalized(whole)
    original = git.commit

    def cut_off(*arguments: object) -> str:
        if done:
            original(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(git, "commit", cut_off)
        finalized(root)
    assert finalized(root)[-1] == (
        "Committed already" if done else "Committed: Knowledge Expansion: x (2 files)"
    )
    assert history(root) == history(whole)
    assert finalized(root)[-1] == "Committed already"


def test_finalize_that_died_before_the_move_keeps_what_it_indexed(root: Path) -> None:
    ready(root)
    space = open_workspace(root, FOLDER)
    writes = index(scan(root))
    outcome = replace(
        expand._outcome(space, scan(root)), indexes=tuple(w.path for w in writes), folders=("karpathy/new",)
    )
    apply(root, [Write(f"{FOLDER}/OUTCOME.md", outcome.text()), *writes])
    report = finalized(root)
    assert small.git(root, "status", "--short") == ""
    assert any("karpathy/new/" in line for line in report)


def test_finalize_takes_nothing_that_was_edited_later(root: Path) -> None:
    ready(root)
    finalized(root)
    lead = root / "karpathy/new/INDEX.md"
    lead.write_text(lead.read_text().replace("What this oracle knows about new", "When you ask for the new"))
    assert finalized(root)[-1] == "Committed already"
    assert small.git(root, "status", "--short") == " M karpathy/new/INDEX.md\n"


def test_a_refusing_hook_is_mended_and_finalize_repeated(root: Path) -> None:
    ready(root)
    hook = root / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(OracleError, match="git refused"):
        finalized(root)
    hook.unlink()
    assert finalized(root)[-1].startswith("Committed: ")
    assert small.git(root, "status", "--short") == ""


def test_finalize_without_git(tmp_path: Path) -> None:
    root = small.write(tmp_path)
    ready(root)
    assert finalized(root)[-1] == "Not committed (this is not a git work tree)"
    assert finalized(root)[-1] == "Not committed (this is not a git work tree)"


def test_abandon_keeps_what_was_delivered_and_says_so(root: Path) -> None:
    planned(root)
    delivered(root, 1)
    report = expand.abandon(root, FOLDER, "nobody asks")
    assert report[1] == "stays, and is in no index yet: karpathy/03-part-1.md"
    assert small.git(root, "status", "--short") == "?? karpathy/03-part-1.md\n"
    assert "Reason: nobody asks" in small.git(root, "log", "-1", "--format=%B")
    archive = find(root, "x").folder
    assert expand.abandon(root, archive, "again")[-1] == "Committed already"
    with pytest.raises(OracleError, match="not by oracle expand finalize"):
        expand.finalize(root, archive, index, _judge)


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        (
            WRITTEN.format(" "),
            ["- [✓] PART 1: Create karpathy/03-a.md", "- [/] PART 2: Create karpathy/04-b.md"],
        ),
        (
            WRITTEN.format("✓"),
            ["- [✓] PART 1: Create karpathy/03-a.md", "- [/] PART 2: Create karpathy/04-b.md"],
        ),
        ("## PART 1: A a.md\ntext\n## PART 2: B\ntext", ["- [✓] PART 1: A a.md", "- [/] PART 2: B"]),
        ("1. [ ] PART 1: A\n2. [ ] PART 2: B", ["1. [✓] PART 1: A", "2. [/] PART 2: B"]),
    ],
)
def test_boxes_are_a_view_of_the_drops(tmp_path: Path, text: str, boxes: list[str]) -> None:
    plan = {f"{FOLDER}/ingestion.md": text}
    root = small.write(tmp_path, plan | drop(1, 1, "delivered", "karpathy/02-micrograd.md"))
    ticked = expand._ticked(open_workspace(root, FOLDER))
    assert [line for line in ticked.split("\n") if "] PART" in line] == boxes
    assert [part.state for part in workspace.read_plan(ticked).parts] == ["done", "failed"]


# What is written about it

BUNDLE = Path(__file__).parents[1]
WRITTEN_FOR = [
    "_ingest-auto/README.md",
    "_ingest-auto/full-expansion-instructions.md",
    "agents/oracle-knowledge-runner.md",
]


@pytest.mark.parametrize("path", WRITTEN_FOR)
def test_the_instructions_name_commands_and_options_that_exist(path: str) -> None:
    text = (BUNDLE / path).read_text(encoding="utf-8")
    assert text.count("\n") < 300
    commands = typer.main.get_command(app).commands["expand"].commands  # type: ignore[attr-defined]
    for name, rest in re.findall(r"oracle expand ([a-z]+)([^\n]*)", text):
        known = {option for parameter in commands[name].params for option in parameter.opts}
        given = re.findall(r"--[a-z]+", rest.partition("--command")[0].partition("`")[0])
        assert set(given) <= known, (name, rest)


def test_the_runner_is_an_agent_that_clients_accept() -> None:
    doc = scan(BUNDLE).doc("agents/oracle-knowledge-runner.md")
    assert doc.meta["name"] == "oracle-knowledge-runner"
    assert doc.meta["tools"] == "Read, Bash, WebSearch, WebFetch"
    assert (doc.meta["model"], doc.meta["skills"]) == ("inherit", "karpathy-deep-oracle")
