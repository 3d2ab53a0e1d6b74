"""A tree says what a disk holds, what each part is for, and what edits will make of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle_tools.bundle.edits import Delete, Edit, Move, Write, apply
from oracle_tools.bundle.errors import OracleError
from oracle_tools.bundle.layout import Config
from oracle_tools.bundle.tree import (
    FILE,
    FOLDER,
    LINK,
    READ_LIMIT,
    Tree,
    Unreadable,
    glance,
    parent,
    resolve,
    scan,
)

ROOT_ONLY = pytest.mark.skipif(os.geteuid() == 0, reason="root may list anything")


def put(root: Path, files: dict[str, str]) -> None:
    """Make the files, and the folders where a path ends with `/`."""
    for path, text in files.items():
        target = root / path
        (target if path.endswith("/") else target.parent).mkdir(parents=True, exist_ok=True)
        if not path.endswith("/"):
            target.write_bytes(text.encode())


def kinds(tree: Tree) -> dict[str, str]:
    return {path: entry.kind for path, entry in tree.entries.items()}


# What is there

HOUSE = {
    "SKILL.md": "# Skill\n",
    "INDEX.md": "# Index\n",
    "README.md": "# Readme\n",
    "LICENSE": "",
    "karpathy/INDEX.md": "",
    "karpathy/00-a.md": "",
    "karpathy/humor.md": "",
    "karpathy/deep/01-b.md": "",
    "karpathy/deep/picture.png": "",
    "karpathy/.hidden/02-c.md": "",
    "karpathy/README.md": "",
    "empty/": "",
    "oracle_tools/__init__.py": "",
    "oracle_tools/notes.md": "",
    "tests/cases/x.md": "",
    "agents/a.md": "",
    "_ingest/README.md": "",
    "_ingest/new.md": "",
    "_ingest/completed/old.md": "",
    "_ingest-auto/expansion-x/ingestion.md": "",
    "_ingest-auto/expansion-x/KNOWLEDGE-DROP-1.md": "",
    "source-documents/karpathy/00-talk.md": "",
    "source-documents/karpathy/INDEX.md": "",
    "source-codebases/INDEX.md": "",
    "source-codebases/karpathy/INDEX.md": "",
    "source-codebases/karpathy/00-nano/INDEX.md": "",
    "source-codebases/karpathy/00-nano/README.md": "",
    "source-codebases/karpathy/00-nano/src/INDEX.md": "",
}
CONFIG = Config(sides=("karpathy",), humor="karpathy/humor.md")


def test_a_tree_of_texts_has_the_folders_above_them() -> None:
    tree = Tree.of({"a/b/c.md": "x", "d/": "", "e.md": "é"})
    assert kinds(tree) == {"a": "d", "a/b": "d", "a/b/c.md": "f", "d": "d", "e.md": "f"}
    assert tree.entries["e.md"].size == 2
    assert tree.text("a/b/c.md") == "x"


@pytest.mark.parametrize(
    ("path", "exists", "folder", "file"),
    [
        ("", True, True, False),
        ("a", True, True, False),
        ("a/b.md", True, False, True),
        ("a/link", True, False, False),
        ("b.md", False, False, False),
        ("a/b", False, False, False),
    ],
)
def test_what_lies_at_a_path(tmp_path: Path, path: str, exists: bool, folder: bool, file: bool) -> None:
    put(tmp_path, {"a/b.md": ""})
    (tmp_path / "a/link").symlink_to("b.md")
    tree = scan(tmp_path)
    assert (tree.exists(path), tree.is_folder(path), tree.is_file(path)) == (exists, folder, file)


def test_children_are_sorted_and_direct() -> None:
    tree = Tree.of({"k/b.md": "", "k/a.md": "", "k/x.txt": "", "k/d/e.md": "", "k/c/": "", "top.md": ""})
    assert tree.files("k") == ["k/a.md", "k/b.md"]
    assert tree.folders("k") == ["k/c", "k/d"]
    assert tree.files("") == ["top.md"]
    assert tree.folders("") == ["k"]
    assert tree.files("gone") == tree.folders("gone") == []
    assert list(tree.walk("")) == ["", "k", "k/c", "k/d"]


def test_a_tree_without_a_disk_has_only_its_texts() -> None:
    tree = Tree.of({"a.md": "# T\n"})
    assert tree.doc("a.md").title == "T"
    assert tree.earlier("a.md") == ()
    with pytest.raises(Unreadable):
        tree.text("b.md")


# What it is for


@pytest.fixture(params=["texts", "disk"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    if request.param == "texts":
        return Tree.of(HOUSE, CONFIG)
    put(tmp_path, HOUSE)
    return scan(tmp_path, CONFIG)


def test_the_parts_of_the_house(house: Tree) -> None:
    assert house.knowledge_roots == ["empty", "karpathy"]
    assert house.knowledge_folders == ["empty", "karpathy", "karpathy/deep"]
    assert house.source_folders == [
        "source-documents",
        "source-documents/karpathy",
        "source-codebases",
        "source-codebases/karpathy",
    ]
    assert house.codebases == ["source-codebases/karpathy/00-nano"]
    assert house.knowledge == [
        "karpathy/00-a.md",
        "karpathy/deep/01-b.md",
        "source-documents/karpathy/00-talk.md",
    ]
    hidden = {"karpathy/.hidden/02-c.md"}  # on a disk it is not even seen
    pulled = {"source-codebases/karpathy/00-nano/README.md", "source-codebases/karpathy/00-nano/src/INDEX.md"}
    others = {"tests/cases/x.md", "_ingest/completed/old.md"}
    judged = {path for path in HOUSE if path.endswith(".md")} - pulled - others
    assert set(house.documents) - hidden == judged - hidden
    assert house.documents == sorted(house.documents)


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("SKILL.md", "skill"),
        ("INDEX.md", "index"),
        ("README.md", "other"),
        ("karpathy/INDEX.md", "index"),
        ("karpathy/00-a.md", "knowledge"),
        ("karpathy/humor.md", "humor"),
        ("karpathy/README.md", "other"),
        ("oracle_tools/notes.md", "other"),
        ("_ingest/new.md", "other"),
        ("_ingest-auto/expansion-x/ingestion.md", "plan"),
        ("_ingest-auto/expansion-x/KNOWLEDGE-DROP-1.md", "other"),
        ("source-documents/karpathy/00-talk.md", "knowledge"),
        ("source-codebases/karpathy/00-nano/INDEX.md", "index"),
    ],
)
def test_the_role_of_a_file(house: Tree, path: str, role: str) -> None:
    assert house.role(path) == role
    assert house.is_knowledge(path) == (role == "knowledge")


def test_a_hidden_folder_holds_no_knowledge() -> None:
    assert Tree.of({"k/.h/00-a.md": "", ".top/00-b.md": ""}).knowledge == []


@pytest.mark.parametrize(
    ("sides", "path", "codebase", "pulled"),
    [
        (("k",), "source-codebases/k/00-n", "source-codebases/k/00-n", False),
        (("k",), "source-codebases/k/00-n/INDEX.md", "source-codebases/k/00-n", False),
        (("k",), "source-codebases/k/00-n/x.md", "source-codebases/k/00-n", True),
        (("k",), "source-codebases/k/00-n/src/INDEX.md", "source-codebases/k/00-n", True),
        (("k",), "source-codebases/k", None, False),
        (("k",), "source-codebases/k/INDEX.md", None, False),
        (("k",), "source-codebases", None, False),
        (("k",), "source-codebases/INDEX.md", None, False),
        (("k",), "source-codebases/01-alone/x.md", "source-codebases/01-alone", True),
        ((), "source-codebases/k/00-n/x.md", "source-codebases/k/00-n", True),
        ((), "source-codebases/01-alone/x.md", "source-codebases/01-alone", True),
        ((), "source-codebases/01-alone", "source-codebases/01-alone", False),
        (("k",), "k/00-n/x.md", None, False),
        (("k",), "", None, False),
    ],
)
def test_codebases(sides: tuple[str, ...], path: str, codebase: str | None, pulled: bool) -> None:
    texts = {"source-codebases/k/00-n/src/INDEX.md": "", "source-codebases/01-alone/x.md": ""}
    tree = Tree.of(texts, Config(sides=sides))
    assert tree.codebase_of(path) == codebase
    assert tree.is_pulled(path) == pulled


@pytest.mark.parametrize(
    ("path", "target", "leads"),
    [
        ("a/b.md", "c.md", "a/c.md"),
        ("a/b.md", "./c.md", "a/c.md"),
        ("a/b.md", "../c.md", "c.md"),
        ("a/b.md", "../a/./b.md", "a/b.md"),
        ("a/b.md", "d/", "a/d"),
        ("a/b.md", "..", ""),
        ("a/b.md", "../..", None),
        ("a/b.md", "../../a/b.md", None),
        ("a/b.md", "/c.md", "c.md"),
        ("a/b.md", "/../c.md", None),
        ("b.md", "c//d.md", "c/d.md"),
        ("b.md", "../b.md", None),
        ("b.md", "a/../c.md", "c.md"),
        ("b.md", "", ""),
    ],
)
def test_resolve(path: str, target: str, leads: str | None) -> None:
    assert resolve(path, target) == leads


# What a disk holds


def test_scan_leaves_out_what_is_not_the_bundle(tmp_path: Path) -> None:
    kept = {
        "SKILL.md": "",
        ".claude-plugin/plugin.json": "{}",
        ".github/x.md": "",
        "k/build/a.md": "",
        "k/dist/a.md": "",
        "source-codebases/k/00-n/.git/config": "",
        "source-codebases/k/00-n/.hidden/a.md": "",
        "source-codebases/k/00-n/node_modules/a.md": "",
        "source-codebases/k/00-n/build/a.md": "",
    }
    left_out = {
        ".git/config": "",
        ".venv/a.md": "",
        "venv/a.md": "",
        "k/.hidden/a.md": "",
        "k/node_modules/a.md": "",
        "k/__pycache__/a.md": "",
        "build/a.md": "",
        "dist/a.md": "",
        "x.egg-info/a.md": "",
        ".oracle-lock": "",
        "k/.oracle-abc.tmp": "",
        "source-codebases/k/.oracle-abc.tmp": "",
    }
    put(tmp_path, kept | left_out)
    found = {path for path, entry in scan(tmp_path).entries.items() if entry.kind == FILE}
    # Of a codebase's own git folder only its presence is of interest.
    assert found == set(kept) - {"source-codebases/k/00-n/.git/config"}
    assert scan(tmp_path).is_folder("source-codebases/k/00-n/.git")


def test_links_are_noted_and_not_followed(tmp_path: Path) -> None:
    put(tmp_path, {"root/k/a.md": "", "outside/b.md": ""})
    root = tmp_path / "root"
    (root / "k/loop").symlink_to(root)
    (root / "k/out").symlink_to("../../outside")
    (root / "k/file.md").symlink_to("a.md")
    (root / "k/gone.md").symlink_to("nowhere.md")
    tree = scan(root)
    assert kinds(tree) == {
        "k": FOLDER,
        "k/a.md": FILE,
        "k/file.md": LINK,
        "k/gone.md": LINK,
        "k/loop": LINK,
        "k/out": LINK,
    }
    assert tree.entries["k/out"].target == "../../outside"
    assert tree.documents == tree.files("k") == ["k/a.md"]


@pytest.mark.parametrize(
    "name", [b"two\nlines.md", b"\xff\xfe.md", b"tab\t.md", "é 日.md".encode(), b"a\\b.md"]
)
def test_a_file_of_any_name_is_read(tmp_path: Path, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("# T\n")
    tree = scan(tmp_path)
    (path,) = tree.documents
    assert os.fsencode(path) == name
    assert tree.doc(path).title == "T"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"ok\xff", "not UTF-8 at byte 2"),
        ("x".encode("utf-16"), "not UTF-8"),
        (b"x" * (READ_LIMIT + 1), "larger than 16 MiB"),
    ],
)
def test_a_text_that_cannot_be_read_says_why(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "a\nb.md").write_bytes(data)
    tree = scan(tmp_path)
    with pytest.raises(Unreadable, match=says) as error:
        tree.text("a\nb.md")
    assert str(error.value).isprintable()
    doc = tree.doc("a\nb.md")
    assert doc.unreadable
    assert says in doc.problem
    assert doc.headings == []


def test_a_text_keeps_its_line_endings(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"\xef\xbb\xbfa\r\nb\r")
    assert scan(tmp_path).text("a.md") == "\ufeffa\r\nb\r"


def test_a_file_that_vanished_after_the_scan_is_unreadable(tmp_path: Path) -> None:
    put(tmp_path, {"a.md": "x"})
    tree = scan(tmp_path)
    (tmp_path / "a.md").unlink()
    assert tree.doc("a.md").unreadable


def test_a_pipe_is_not_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    assert scan(tmp_path).documents == []


def test_a_root_that_is_none_is_an_error(tmp_path: Path) -> None:
    put(tmp_path, {"a.md": ""})
    for root in (tmp_path / "gone", tmp_path / "a.md"):
        with pytest.raises(OracleError, match="cannot be listed"):
            scan(root)


@ROOT_ONLY
def test_a_folder_that_cannot_be_listed_says_so(tmp_path: Path) -> None:
    put(tmp_path, {"k/a.md": "", "b.md": ""})
    (tmp_path / "k").chmod(0)
    try:
        tree = scan(tmp_path)
    finally:
        (tmp_path / "k").chmod(0o755)
    assert kinds(tree) == {"b.md": FILE, "k": FOLDER}
    assert "Permission denied" in tree.entries["k"].target


def test_a_glance_sees_only_what_it_looks_at(tmp_path: Path) -> None:
    put(tmp_path, {"k/a.md": "# T\n", "b.md": ""})
    (tmp_path / "l.md").symlink_to("b.md")
    tree = glance(tmp_path, Config(), ["k/a.md", "gone.md", "k", "l.md"])
    assert kinds(tree) == {"k/a.md": FILE, "k": FOLDER, "l.md": LINK}
    assert tree.doc("k/a.md").title == "T"


# What it becomes


def contents(tree: Tree) -> dict[str, str]:
    """Each path with its kind and, of a Markdown file, its text."""
    return {
        path: entry.kind + (tree.text(path) if entry.kind == FILE and path.endswith(".md") else "")
        for path, entry in tree.entries.items()
    }


FILES = {"a.md": "# A\n", "b.md": "# B\n", "d/x.md": "# X\n", "d/e/y.md": "# Y\n", "z.txt": "z"}


@pytest.mark.parametrize(
    "edits",
    [
        [],
        [Write("a.md", "new")],
        [Write("n/m/new.md", "new")],
        [Write("d/x.md", "1"), Write("d/x.md", "2")],
        [Delete("a.md")],
        [Delete("d")],
        [Delete("d/e/y.md")],
        [Delete("gone.md")],
        [Move("a.md", "c.md")],
        [Move("a.md", "d/a.md"), Move("d/a.md", "d/e/a.md")],
        [Move("d", "f")],
        [Move("d", "f"), Write("f/x.md", "new"), Delete("f/e")],
        [Move("a.md", "t.md"), Move("b.md", "a.md"), Move("t.md", "b.md")],
        [Move("a.md", "A.md")],
        [Move("z.txt", "y.txt"), Write("z.txt", "new")],
        [Move("a.md", "n/a.md")],
        [Move("d", "n/m/d")],
    ],
)
def test_after_edits_the_tree_is_what_the_disk_will_be(tmp_path: Path, edits: list[Edit]) -> None:
    put(tmp_path, FILES)
    of_texts, of_disk = Tree.of(FILES), scan(tmp_path)
    before = contents(of_texts)
    expected = [contents(of_texts.after(edits)), contents(of_disk.after(edits))]
    for edit in edits:
        apply(tmp_path, [edit])
    found = contents(scan(tmp_path))
    assert expected == [found, found]
    assert contents(of_texts) == before


def test_after_edits_the_facts_are_those_of_the_new_texts(tmp_path: Path) -> None:
    put(tmp_path, FILES)
    for tree in (Tree.of(FILES), scan(tmp_path)):
        for path in tree.documents:
            tree.doc(path)
        # The same size, so that nothing but the text tells them apart.
        after = tree.after([Write("a.md", "# Z\n"), Move("b.md", "t.md"), Move("d/x.md", "b.md")])
        assert {path: after.doc(path).title for path in after.documents} == {
            "a.md": "Z",
            "b.md": "X",
            "d/e/y.md": "Y",
            "t.md": "B",
        }
        assert tree.doc("a.md").title == "A"


def test_after_edits_the_parts_are_worked_out_anew() -> None:
    tree = Tree.of({"k/00-a.md": ""})
    assert tree.knowledge == ["k/00-a.md"]
    assert tree.after([Move("k/00-a.md", "k/01-b.md")]).knowledge == ["k/01-b.md"]
    assert tree.after([Write("k/__init__.py", "")]).knowledge == []


def test_a_moved_file_that_is_no_markdown_keeps_its_text(tmp_path: Path) -> None:
    put(tmp_path, FILES)
    assert scan(tmp_path).after([Move("z.txt", "y.txt")]).text("y.txt") == "z"


def test_a_text_moves_with_its_file(tmp_path: Path) -> None:
    put(tmp_path, FILES)
    (tmp_path / "d/bad.md").write_bytes(b"\xff")
    once = scan(tmp_path).after([Move("z.txt", "y.txt"), Move("d", "f"), Move("a.md", "t.md")])
    tree = once.after(
        [Move("y.txt", "n/x.txt"), Write("y.txt", "new"), Move("f/x.md", "a.md"), Delete("b.md")]
    )
    assert (tree.text("n/x.txt"), tree.text("y.txt")) == ("z", "new")
    assert (tree.text("a.md"), tree.text("t.md"), tree.text("f/e/y.md")) == ("# X\n", "# A\n", "# Y\n")
    assert tree.doc("f/bad.md").unreadable
    assert tree.is_folder("n")


PLACES = [f"{folder}{file}" for folder in ("", "d/", "d/e/", "f/") for file in ("a.md", "b.md")]
EDITS = st.one_of(
    st.builds(Write, st.sampled_from(PLACES), st.sampled_from(["# 1\n", "# 2\r\n", "", "é"])),
    st.builds(Move, st.sampled_from([*PLACES, "d", "d/e"]), st.sampled_from([*PLACES, "g", "d/h", "f"])),
    st.builds(Delete, st.sampled_from([*PLACES, "d", "f"])),
)


def possible(tree: Tree, edit: Edit) -> bool:
    """Say whether a disk would do it."""
    if isinstance(edit, Delete):
        return True
    above = parent(edit.to if isinstance(edit, Move) else edit.path)
    while above and not tree.is_file(above):
        above = parent(above)
    if isinstance(edit, Move):
        free = tree.exists(edit.path) and not tree.exists(edit.to)
        return free and not above and not edit.to.startswith(f"{edit.path}/")
    return not above and not tree.is_folder(edit.path)


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(PLACES), st.sampled_from(["# A\n", "é\r\n", ""])),
    st.lists(EDITS, max_size=6),
    st.booleans(),
)
def test_any_edits_make_of_a_tree_what_they_make_of_a_disk(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, str], wanted: list[Edit], together: bool
) -> None:
    root = tmp_path_factory.mktemp("tree")
    put(root, files)
    tree = Tree.of(files)
    edits = []
    for edit in wanted:
        if possible(tree, edit):
            edits.append(edit)
            tree = tree.after([edit])
    predicted = contents(scan(root).after(edits))
    if together:
        apply(root, edits)
    else:
        for edit in edits:
            apply(root, [edit])
    found = contents(scan(root))
    assert predicted == found
    assert contents(tree) == found
