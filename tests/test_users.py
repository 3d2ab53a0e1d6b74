"""What a user does with the whole: what it costs to read, packing it, installing it, updating it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from oracle_tools.bundle.errors import OracleError
from oracle_tools.bundle.tree import Tree, scan
from oracle_tools.check.run import check, selected
from oracle_tools.chores import pack, stats
from oracle_tools.chores.install import install, target
from oracle_tools.chores.joke import jokes, merged
from oracle_tools.chores.route import Router, as_text, read_evaluation
from tests import small

ROOT = Path(__file__).resolve().parents[1]


def test_every_folder_has_its_row_and_the_rows_add_up() -> None:
    tree = Tree.of(small.BUNDLE)
    *rows, total = stats.rows(tree)
    assert [row.folder for row in rows] == ["SKILL.md", "deepseek/", "karpathy/"]
    assert total.files == sum(row.files for row in rows) == 7
    assert total.size == sum(
        len(small.BUNDLE[p].encode()) for p in small.BUNDLE if p.startswith(("S", "k", "d"))
    )


def test_a_reader_pays_for_what_is_read_before_the_right_file() -> None:
    texts = {"SKILL.md": "s" * 350, "k/INDEX.md": "i" * 700, "k/01-a.md": "a" * 3500, "k/02-b.md": "b" * 35}
    tree = Tree.of(texts)
    first = stats.cost(tree, [stats.Led(["k/01-a.md"], ["k/01-a.md"], 70)])
    assert (first.by_index, first.by_index_without) == (100 + 200 + 1000, 300)
    assert (first.by_route, first.by_route_without) == (100 + 20 + 1000, 120)
    second = stats.cost(tree, [stats.Led(["k/01-a.md"], ["k/02-b.md", "k/01-a.md"], 70)])
    assert second.by_route == 100 + 20 + 10 + 1000
    missed = stats.cost(tree, [stats.Led(["k/01-a.md"], ["k/02-b.md"], 70)])
    assert missed.by_route == 100 + 20 + 10 + 200 + 1000


def test_this_bundle_stays_within_its_budget() -> None:
    tree = scan(ROOT)
    router = Router(tree, cached=False)
    led = []
    for question, paths in read_evaluation("tests/questions.yaml", tree):
        routes = router.routes(question)
        led.append(stats.Led(paths, [route.path for route in routes], len(as_text(routes).encode())))
    cost = stats.cost(tree, led)
    assert max(cost.by_index, cost.by_route) < 12_000
    assert max(cost.by_index_without, cost.by_route_without) < 6_500


def test_packing_is_deterministic_and_clean(tmp_path: Path) -> None:
    tree = scan(ROOT)
    data = pack.pack(tree)
    assert data == pack.pack(scan(ROOT))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path)
    tops = {name.split("/")[1] for name in names}
    assert {name.split("/")[0] for name in names} == {"karpathy-deep-oracle"}
    assert {"SKILL.md", "INDEX.md", "karpathy", "deepseek"} <= tops
    assert not tops & {"oracle_tools", "tests", "bin", "benchmarks", ".github", "pyproject.toml"}
    assert not [name for name in names if "/expansion-" in name]
    unpacked = scan(tmp_path / "karpathy-deep-oracle")
    assert selected(check(unpacked), ["L001", "L002", "B001"], []) == []


def test_pulled_code_and_hidden_files_stay_out_of_the_archive(tmp_path: Path) -> None:
    root = small.write(
        tmp_path / "bundle",
        {
            "source-codebases/karpathy/00-x/INDEX.md": "# x\n",
            "source-codebases/karpathy/00-x/model.py": "x = 1\n",
            "karpathy/.secret/01-a.md": "# a\n",
        },
    )
    paths = pack.packed(scan(root))
    assert "source-codebases/karpathy/00-x/INDEX.md" in paths
    assert not [path for path in paths if path.endswith("model.py") or ".secret" in path]


def test_a_bundle_without_a_name_is_not_packed() -> None:
    with pytest.raises(OracleError, match="names no skill"):
        pack.pack(Tree.of({"SKILL.md": "# no frontmatter\n"}))


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in small.identity().items():
        monkeypatch.setenv(name, value)
    return small.commit_all(small.write(tmp_path / "upstream"))


def joke(root: Path, text: str) -> None:
    environment = {**os.environ, "ORACLE_CACHE_DIR": str(root.parent / "cache")}
    command = [sys.executable, "-m", "oracle_tools", "--root", str(root), "joke", "add", text]
    subprocess.run(command, env=environment, check=True, capture_output=True)


def test_install_clones_and_an_update_keeps_what_was_learned(upstream: Path, tmp_path: Path) -> None:
    place = target("small-oracle", None, tmp_path / "home")
    assert place == tmp_path / "home" / ".claude" / "skills" / "small-oracle"
    assert install(upstream, place).startswith("cloned")
    joke(place, "Told in the clone.")
    joke(upstream, "Told upstream.")
    (upstream / "SKILL.md").write_text((upstream / "SKILL.md").read_text() + "\nVersion two.\n")
    small.git(upstream, "commit", "--quiet", "--all", "--message=version two")

    assert install(upstream, place, merges={small.HUMOR: merged}).startswith("updated")
    humor = (place / small.HUMOR).read_text()
    assert [joke.text for joke in jokes(humor)][1:] == ["Told upstream.", "Told in the clone."]
    assert "Version two." in (place / "SKILL.md").read_text()
    assert selected(check(scan(place)), ["H"], []) == []


def test_an_update_that_git_cannot_make_leaves_the_clone_as_it_was(upstream: Path, tmp_path: Path) -> None:
    place = tmp_path / "clone"
    install(upstream, place)
    for root, word in ((upstream, "theirs"), (place, "ours")):
        (root / "SKILL.md").write_text((root / "SKILL.md").read_text().replace("# small-oracle", f"# {word}"))
        small.git(root, "commit", "--quiet", "--all", f"--message={word}")
    before = small.git(place, "rev-parse", "HEAD")
    with pytest.raises(OracleError, match=r"SKILL\.md changed on both sides"):
        install(upstream, place)
    assert small.git(place, "rev-parse", "HEAD") == before
    assert small.git(place, "status", "--short") == ""


def test_install_does_not_touch_what_it_did_not_make(upstream: Path, tmp_path: Path) -> None:
    place = tmp_path / "skills" / "small-oracle"
    place.mkdir(parents=True)
    (place / "mine.md").write_text("mine\n")
    with pytest.raises(OracleError, match="no clone"):
        install(upstream, place)
    assert (place / "mine.md").read_text() == "mine\n"


def test_install_of_no_repository_asks_for_an_address(tmp_path: Path) -> None:
    with pytest.raises(OracleError, match="--from ADDRESS"):
        install(small.write(tmp_path / "copy"), tmp_path / "home" / "oracle")


def test_install_follows_the_origin(upstream: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    install(upstream, first)
    install(first, second)
    assert small.git(second, "remote", "get-url", "origin").strip() == str(upstream)


def test_the_workflow_runs_what_the_command_has(tmp_path: Path) -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "oracle-check.yml").read_text())
    steps = [step["run"] for step in workflow["jobs"]["check"]["steps"] if "run" in step]
    commands = [step for step in steps if step.startswith("oracle ")]
    assert len(commands) == 2
    root = small.write(tmp_path / "bundle", {"karpathy/03-x.md": "[gone](gone.md)\n"})
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "ORACLE_CACHE_DIR": str(tmp_path / "cache"),
    }
    check_step, sarif_step = (
        subprocess.run(
            ["bash", "-e", "-c", command],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        for command in commands
    )
    assert check_step.returncode == 1
    assert "::error file=karpathy/03-x.md" in check_step.stdout
    assert sarif_step.returncode == 0
    assert "L001" in (root / "oracle.sarif").read_text()


def test_no_two_names_differ_only_in_case_and_none_is_a_link() -> None:
    listed = subprocess.run(["git", "ls-files", "-z", "--stage"], cwd=ROOT, capture_output=True, check=True)
    entries = [entry.split("\t") for entry in listed.stdout.decode().split("\0") if entry]
    names = [name for _, name in entries]
    assert len({name.casefold() for name in names}) == len(names)
    assert not [name for stage, name in entries if stage.startswith("120000")]
