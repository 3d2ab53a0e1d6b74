"""oracle mv and oracle renumber: files go elsewhere, and everything that names them follows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle_tools.bundle import relink
from oracle_tools.bundle.errors import OracleError
from oracle_tools.bundle.layout import Config
from oracle_tools.bundle.relink import follow, moved
from oracle_tools.bundle.tree import Tree, scan
from oracle_tools.check.run import check, failed
from oracle_tools.chores.index import index
from oracle_tools.chores.mv import mv, renumber
from oracle_tools.cli import run
from tests.small import commit_all, git, identity, write

PAGE = "---\ndescription: d\nkeywords: [k]\n---\n\n# T\n\n"


def tree_of(**texts: str) -> Tree:
    return Tree.of({path.replace("__", "/") + ".md": text for path, text in texts.items()})


def after(tree: Tree, moves: dict[str, str]) -> Tree:
    return tree.after(moved(tree, moves))


def content(tree: Tree) -> dict[str, str]:
    return {path: tree.text(path) for path, entry in tree.entries.items() if entry.kind == "f"}


def mended(link: str, moves: dict[str, str], at: str = "a/b/01-x.md") -> str:
    """What a document at `at` says for `link` after the moves, in a bundle of three folders."""
    paths = ["a/00-o.md", "a/b/01-x.md", "a/b/02-y.md", "a/c/01-z.md", "d/01-w.md", "a/b/INDEX.md"]
    texts = dict.fromkeys(paths, "# T\n\n## A b\n")
    texts[at] = f"# T\n\n{link}\n"
    tree = after(Tree.of(texts), moves)
    return tree.text(follow(moves, at)).split("\n\n", 1)[1].removesuffix("\n")


@pytest.mark.parametrize(
    ("link", "moves", "expected"),
    [
        ("[y](02-y.md)", {"a/b/02-y.md": "a/c/02-y.md"}, "[y](../c/02-y.md)"),
        ("[y](02-y.md#a-b)", {"a/b/02-y.md": "a/b/03-v.md"}, "[y](03-v.md#a-b)"),
        (
            "[02-y.md](02-y.md) [02-y](02-y.md)",
            {"a/b/02-y.md": "d/03-v.md"},
            "[03-v.md](../../d/03-v.md) [02-y](../../d/03-v.md)",
        ),
        ("[../c/01-z.md](../c/01-z.md#t)", {"a/c": "d/c"}, "[../../d/c/01-z.md](../../d/c/01-z.md#t)"),
        ("[y](./02-y.md)", {"a/b/02-y.md": "a/b/03-y.md"}, "[y](./03-y.md)"),
        ("[y](../b/02-y.md)", {"a/b/02-y.md": "a/b/03-y.md"}, "[y](../b/03-y.md)"),
        ("[y](<02-y.md> 'a title')", {"a/b/02-y.md": "a/b/03-y.md"}, "[y](<03-y.md> 'a title')"),
        ("![y](02-y.md)", {"a/b/02-y.md": "a/b/03-y.md"}, "![y](03-y.md)"),
        (
            "[y][r]\n\n[r]: 02-y.md 'title'",
            {"a/b/02-y.md": "d/03-y.md"},
            "[y][r]\n\n[r]: ../../d/03-y.md 'title'",
        ),
        ('<a href="02-y.md">y</a>', {"a/b/02-y.md": "a/b/03-y.md"}, '<a href="03-y.md">y</a>'),
        ("[y](02%2Dy.md)", {"a/b/02-y.md": "a/b/03-y.md"}, "[y](03-y.md)"),
        ("[y](02\\-y.md)", {"a/b/02-y.md": "a/b/03-y.md"}, "[y](03-y.md)"),
        ("[b](../b/)", {"a/b": "a/e"}, "[b](../e/)"),
        ("[o](../00-o.md)", {"a/b": "d/e/b"}, "[o](../../../a/00-o.md)"),
        ("[y](02-y.md)", {"a/b": "d/e/b"}, "[y](02-y.md)"),
        ("[self](#a-b)", {"a/b/01-x.md": "d/02-x.md"}, "[self](#a-b)"),
        ("[self](01-x.md#t)", {"a/b/01-x.md": "d/02-x.md"}, "[self](02-x.md#t)"),
        ("[gone](nothing.md)", {"a/b/01-x.md": "d/02-x.md"}, "[gone](../a/b/nothing.md)"),
        ("[out](../../../elsewhere.md)", {"a/b/01-x.md": "d/02-x.md"}, "[out](../../../elsewhere.md)"),
        ("[web](https://x.org/02-y.md)", {"a/b/02-y.md": "a/b/03-y.md"}, "[web](https://x.org/02-y.md)"),
        ("`a/b/02-y.md` and `02-y.md`", {"a/b/02-y.md": "d/02-y.md"}, "`d/02-y.md` and `../../d/02-y.md`"),
        ("`a/b/02-y.md:3-7`", {"a/b": "a/e"}, "`a/e/02-y.md:3-7`"),
        ("`oracle check a/b/`", {"a/b": "a/e"}, "`oracle check a/e/`"),
        ("`a/bcd/x` `[y](02-y.md)`", {"a/b": "a/e"}, "`a/bcd/x` `[y](02-y.md)`"),
        ("[é](02-y.md) ü `02-y.md`", {"a/b/02-y.md": "a/b/03-y.md"}, "[é](03-y.md) ü `03-y.md`"),
        ("~~~\n[y](02-y.md)\n~~~", {"a/b/02-y.md": "a/b/03-y.md"}, "~~~\n[y](02-y.md)\n~~~"),
    ],
)
def test_what_names_a_moved_path_follows(link: str, moves: dict[str, str], expected: str) -> None:
    assert mended(link, moves) == expected


def test_a_link_in_no_known_form_stops_the_move_and_is_named() -> None:
    with pytest.raises(OracleError, match=r"a/b/01-x\.md: the link 02-y\.md cannot be rewritten"):
        mended("[y][r]\n\n[r]:\n02-y.md", {"a/b/02-y.md": "a/b/03-y.md"})


def test_plans_records_and_the_configuration_follow() -> None:
    plan = "# P\n\n## PART 1: Create a/b/03-new.md (100 lines)\n\n- [ ] PART 1: Create a/b/03-new.md\n"
    tree = Tree.of(
        {
            "a/b/01-x.md": PAGE,
            "_ingest-auto/expansion-p-2026-01-01/ingestion.md": plan,
            "pyproject.toml": '[[tool.oracle.ignore]]\npath = "a/b/01-x.md"\nrule = "K001"\nreason = "a/b"\n',
            "oracle.toml": "name = 'a/bc'\n",
        }
    )
    done = after(tree, {"a/b": "a/e"})
    assert "a/b" not in done.text("_ingest-auto/expansion-p-2026-01-01/ingestion.md")
    assert 'path = "a/e/01-x.md"' in done.text("pyproject.toml")
    assert done.text("oracle.toml") == "name = 'a/bc'\n"


STYLES = st.sampled_from(["{}", "./{}", "{}#top", "<{}>"])
FOLDERS = ["a", "a/b", "a/b/c", "d", "d/e"]


@st.composite
def trees(draw: st.DrawFn) -> dict[str, str]:
    """Bundles in which every file links some others, as people write links."""
    paths = [f"{folder}/{n:02}-p.md" for folder in FOLDERS for n in range(draw(st.integers(1, 3)))]
    texts = {}
    for path in paths:
        lines = ["# Title", ""]
        apart = [folder for folder in FOLDERS if not path.startswith(f"{folder}/")]
        for other in draw(st.lists(st.sampled_from([*paths, *apart]), max_size=5)):
            up = path.count("/")
            common = 0
            base, parts = path.split("/")[:-1], other.split("/")
            while common < min(len(base), len(parts) - 1) and base[common] == parts[common]:
                common += 1
            link = "../" * (up - common) + "/".join(parts[common:])
            lines.append(f"- [x]({draw(STYLES).format(link)}) and `{other}`")
        texts[path] = "\n".join(lines) + "\n"
    return texts


@given(trees(), st.data())
def test_there_and_back_is_the_identity(texts: dict[str, str], data: st.DataObject) -> None:
    tree = Tree.of(texts)
    source = data.draw(st.sampled_from([*texts, "a/b", "a/b/c", "d/e"]))
    to = data.draw(st.sampled_from(["y/z", "a/z", "d/e/z", "q/r/z"])) + (
        ".md" if source.endswith(".md") else ""
    )
    if to.startswith(f"{source}/"):
        return
    there = after(tree, {source: to})
    assert content(after(there, {to: source})) == content(tree)


@given(trees(), st.data())
def test_a_move_makes_no_link_dead(texts: dict[str, str], data: st.DataObject) -> None:
    tree = Tree.of(texts)
    source = data.draw(st.sampled_from([*texts, "a/b", "d"]))
    to = data.draw(st.sampled_from(["y/z", "q/r/z"])) + (".md" if source.endswith(".md") else "")
    done = after(tree, {source: to})
    assert [f for f in check(done) if f.code in ("L001", "L003")] == []


@given(trees(), st.data())
def test_the_quick_way_is_the_careful_way(texts: dict[str, str], data: st.DataObject) -> None:
    source = data.draw(st.sampled_from([*texts, "a/b", "d"]))
    moves = {source: "q/r/z.md" if source.endswith(".md") else "q/r/z"}
    quick = content(after(Tree.of(texts), moves))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relink, "_quickly", lambda *_: None)
        assert content(after(Tree.of(texts), moves)) == quick


# What must not be moved, or not there


BUNDLE = {
    "SKILL.md": "x",
    "karpathy/INDEX.md": "# I\n",
    "karpathy/a/INDEX.md": "# I\n",
    "karpathy/a/01-x.md": PAGE,
    "karpathy/a/02-y.md": PAGE,
    "karpathy/b/01-z.md": PAGE,
    "karpathy/jokes.md": "# J\n",
    "source-documents/k/01-n.md": PAGE,
    "source-codebases/00-repo/INDEX.md": "# R\n",
    "source-codebases/00-repo/model.py": "",
}


@pytest.mark.parametrize(
    ("sources", "target", "why"),
    [
        (["karpathy/a/09-no.md"], "karpathy/b/09-no.md", "no such file"),
        (["karpathy/a/01-x.md"], "karpathy/a/02-y.md", "exists already"),
        (["karpathy/a/01-x.md"], "karpathy/a/01-x.md", "lies there already"),
        (["karpathy/a/01-x.md"], "karpathy/a/01-X.md", "name it NN-kebab-name.md"),
        (["karpathy/a/01-x.md"], "karpathy/a/02-Y.md", "only in the case of letters"),
        (["karpathy/a/01-x.md"], "karpathy/A/03-x.md", "only in the case of letters"),
        (["karpathy/a/01-x.md"], "karpathy/b", "number 01 is 01-z.md's"),
        (["karpathy/a/01-x.md"], "notes/01-x.md", "not in a knowledge folder"),
        (["karpathy/a/01-x.md"], "karpathy/a/x.md", "name it NN-kebab-name.md"),
        (["karpathy/a/01-x.md", "karpathy/a/02-y.md"], "karpathy/c.md", "no folder"),
        (["karpathy/a"], "karpathy/a/c", "lies in what is moved"),
        (["karpathy"], "teaching", "has a fixed place"),
        (["SKILL.md"], "karpathy/SKILL.md", "has a fixed place"),
        (["karpathy/a/INDEX.md"], "karpathy/b/INDEX.md", "belongs to its folder"),
        (["karpathy/jokes.md"], "karpathy/a/03-jokes.md", "the humor sense stays"),
        (["source-codebases/00-repo/model.py"], "karpathy/a/model.py", "belongs to a codebase"),
        (["source-codebases/00-repo"], "karpathy/00-repo", "no place for"),
        (["karpathy/a"], "source-codebases/a", "no place for"),
    ],
)
def test_refused(sources: list[str], target: str, why: str) -> None:
    with pytest.raises(OracleError, match=why):
        mv(Tree.of(BUNDLE, Config(humor="karpathy/jokes.md")), sources, target)


def test_into_a_folder_that_is_there() -> None:
    tree = Tree.of(BUNDLE)
    assert mv(tree, ["karpathy/a/02-y.md"], "karpathy/b") == {"karpathy/a/02-y.md": "karpathy/b/02-y.md"}
    assert mv(tree, ["karpathy/a"], "karpathy/b") == {"karpathy/a": "karpathy/b/a"}
    assert mv(tree, ["source-codebases/00-repo"], "source-codebases/01-repo") == {
        "source-codebases/00-repo": "source-codebases/01-repo"
    }


# Numbers


def numbered(*names: str) -> Tree:
    return Tree.of({f"k/f/{name}.md": PAGE for name in names})


@pytest.mark.parametrize(
    ("names", "after", "expected"),
    [
        (["00-a", "02-b", "07-c"], None, ["00-a", "01-b", "02-c"]),
        (["03-a", "04-b"], None, ["01-a", "02-b"]),
        (["01-a", "02-b"], None, ["01-a", "02-b"]),
        (["00-a", "01-b", "02-c", "04-d"], 0, ["00-a", "02-b", "03-c", "04-d"]),
        (["00-a", "02-c"], 0, ["00-a", "02-c"]),
        (["00-a", "01-b"], -1, ["01-a", "02-b"]),
        (["98-a", "99-b"], 97, ["99-a", "100-b"]),
    ],
)
def test_renumbering(names: list[str], after: int | None, expected: list[str]) -> None:
    tree = numbered(*names)
    done = tree.after(moved(tree, renumber(tree, "k/f", after)))
    assert done.files("k/f") == sorted(f"k/f/{name}.md" for name in expected)


def test_a_number_borne_twice_is_not_guessed_at() -> None:
    with pytest.raises(OracleError, match="borne twice"):
        renumber(numbered("01-a", "01-b"), "k/f")


@given(st.sets(st.integers(0, 30), min_size=1, max_size=8))
def test_closing_gaps_twice_is_closing_them_once(numbers: set[int]) -> None:
    tree = numbered(*(f"{n:02}-p{n}" for n in numbers))
    done = tree.after(moved(tree, renumber(tree, "k/f")))
    assert renumber(done, "k/f") == {}


# On the disk


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for key, value in identity().items():
        monkeypatch.setenv(key, value)
    return commit_all(write(tmp_path / "small"))


def oracle(root: Path, *words: str) -> int:
    return run(["--root", str(root), *words])


def texts(root: Path) -> dict[str, bytes]:
    paths = (path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def test_a_move_is_one_commit_that_history_follows(root: Path) -> None:
    before = texts(root)
    assert oracle(root, "mv", "karpathy/01-backpropagation.md", "deepseek/05-backprop.md") == 0
    log = git(root, "log", "--follow", "--format=%s", "--", "deepseek/05-backprop.md").splitlines()
    assert log == ["Reorganize: karpathy/01-backpropagation.md to deepseek/05-backprop.md", "start"]
    assert git(root, "status", "--porcelain") == ""
    tree = scan(root)
    assert not failed(check(tree))
    assert index(tree) == []
    assert oracle(root, "mv", "deepseek/05-backprop.md", "karpathy/01-backpropagation.md") == 0
    assert texts(root) == before


def test_what_the_user_was_writing_is_not_committed_along(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (root / "karpathy/02-micrograd.md").open("a") as file:
        file.write("\nA thought.\n")
    before = texts(root)
    assert oracle(root, "mv", "karpathy/01-backpropagation.md", "karpathy/05-backprop.md") == 2
    assert "karpathy/02-micrograd.md has changes that are not committed" in capsys.readouterr().err
    assert texts(root) == before
    assert oracle(root, "mv", "--no-commit", "karpathy/01-backpropagation.md", "karpathy/05-backprop.md") == 0
    assert "05-backprop.md" in (root / "karpathy/02-micrograd.md").read_text()
    assert git(root, "log", "--format=%s").splitlines() == ["start"]


def test_diff_shows_and_writes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = texts(root)
    assert oracle(root, "mv", "--diff", "karpathy/01-backpropagation.md", "karpathy/05-backprop.md") == 0
    shown = capsys.readouterr().out
    assert "rename karpathy/01-backpropagation.md" in shown
    assert "+A scalar engine. See [backpropagation](05-backprop.md#backpropagation).[^source]" in shown
    assert texts(root) == before


def test_paths_count_from_where_the_user_is(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "karpathy")
    assert run(["mv", "01-backpropagation.md", "../deepseek/02-backpropagation.md"]) == 0
    assert (root / "deepseek/02-backpropagation.md").is_file()
    assert run(["mv", "deepseek/02-backpropagation.md", "karpathy/07-backpropagation.md"]) == 0
    assert (root / "karpathy/07-backpropagation.md").is_file()


def test_a_move_out_of_the_bundle_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert oracle(root, "mv", "karpathy/01-backpropagation.md", "../01-x.md") == 2
    assert "leaves the bundle" in capsys.readouterr().err
    assert oracle(root, "mv", "karpathy/01-backpropagation.md", "/tmp/01-x.md") == 2
    assert "leaves the bundle" in capsys.readouterr().err


def test_other_files_that_name_the_old_path_are_listed(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "questions.yaml").write_text("- karpathy/02-micrograd.md\n")
    assert oracle(root, "mv", "karpathy/02-micrograd.md", "karpathy/03-micrograd.md") == 0
    assert "still name the old path: questions.yaml" in capsys.readouterr().out


def test_renumber_on_the_disk(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert oracle(root, "renumber", "karpathy", "--after", "0") == 0
    names = sorted(path.name for path in (root / "karpathy").glob("0*.md"))
    assert names == ["02-backpropagation.md", "03-micrograd.md"]
    assert not failed(check(scan(root)))
    assert oracle(root, "renumber", "karpathy") == 0
    assert oracle(root, "renumber", "karpathy") == 0
    assert capsys.readouterr().out.endswith("nothing to do\n")
