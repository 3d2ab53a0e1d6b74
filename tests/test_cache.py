"""With the cache or without it, a check finds the same."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle_tools.bundle import cache as cache_module
from oracle_tools.bundle.cache import SETTLED, Cache, cache_folder
from oracle_tools.bundle.edits import Delete, Edit, Move, Write, apply
from oracle_tools.bundle.tree import Tree, scan
from oracle_tools.check import run
from oracle_tools.check.rule import Finding
from oracle_tools.check.run import check

ROOT_ONLY = pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
NOW = time.time_ns

GOOD = "---\ndescription: What is it?\nkeywords: [x]\n---\n\n# Title\n\nText.\n"
HOUSE = {
    "SKILL.md": "---\nname: k\ndescription: d\n---\n\n# Skill\n\n[dead](gone.md)\n",
    "k/INDEX.md": "# K\n\n**Answers.**\n",
    "k/00-a.md": GOOD,
    "k/02-c.md": GOOD,
    "k/01-b.md": "# No frontmatter\n\n[a](00-a.md) [b](gone.md) x[^gone]\n",
    "k/Bad Name.md": "---\na: [\n---\n",
    "_ingest/new.md": "# New\n",
}


def put(root: Path, path: str, text: str | bytes) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(text if isinstance(text, bytes) else text.encode())


def house(root: Path) -> Path:
    for path, text in HOUSE.items():
        put(root, path, text)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return house(tmp_path / "bundle")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an hour later, so that every file has settled."""
    monkeypatch.setattr(time, "time_ns", lambda: NOW() + 3_600_000_000_000)


def cold(root: Path) -> list[Finding]:
    return check(scan(root))


def warm(root: Path, folder: Path, head: str = "") -> list[Finding]:
    tree = scan(root)
    cache = Cache(root, tree.config, folder)
    try:
        return check(tree, cache, head)
    finally:
        cache.close()


def remembered(root: Path, folder: Path) -> set[str]:
    tree = scan(root)
    cache = Cache(root, tree.config, folder)
    try:
        return set(cache.facts(tree, notes=True))
    finally:
        cache.close()


def tick(root: Path) -> None:
    """Let the clock of the file system move on, however coarse it is, without sleeping."""
    probe = root.parent / f"{root.name}-clock"
    probe.touch()
    before = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == before:
        probe.touch()


def never(*_: object) -> Any:
    raise AssertionError("a rule was run")


# What is remembered


@pytest.mark.usefixtures("later")
def test_an_unchanged_bundle_is_answered_without_running_a_rule(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = warm(root, folder)
    assert found == cold(root)
    assert found
    monkeypatch.setattr(run, "_run", never)
    assert warm(root, folder) == found
    with pytest.raises(AssertionError):
        warm(root, folder, head="another commit")
    monkeypatch.undo()


@pytest.mark.usefixtures("later")
def test_after_an_edit_only_the_edited_file_is_read(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm(root, folder)
    assert remembered(root, folder) == set(scan(root).documents)
    tick(root)
    put(root, "k/00-a.md", GOOD + "\n[dead](gone.md)\n")
    expected = cold(root)

    read: list[str] = []
    real = Tree.text
    monkeypatch.setattr(Tree, "text", lambda tree, path: read.append(path) or real(tree, path))
    assert warm(root, folder) == expected
    # Texts with findings are read again for the places; of those without, only what changed.
    assert "k/00-a.md" in read
    assert "k/02-c.md" not in read


def write(root: Path) -> None:
    put(root, "k/00-a.md", "# Other\n")


def write_same_size(root: Path) -> None:
    """The size stays, and the time is put back: only ctime tells."""
    path = root / "k/01-b.md"
    old = path.stat()
    data = path.read_bytes()
    put(root, "k/01-b.md", data.replace(b"00-a.md", b"00-z.md"))
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (old.st_size, old.st_mtime_ns)


def replace_same_size(root: Path) -> None:
    path = root / "k/01-b.md"
    old = path.stat()
    put(root, "k/01-b.new", path.read_bytes().replace(b"00-a.md", b"00-z.md"))
    (root / "k/01-b.new").replace(path)
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))


def delete(root: Path) -> None:
    (root / "k/00-a.md").unlink()


def rename(root: Path) -> None:
    (root / "k/00-a.md").rename(root / "k/02-a.md")


def swap(root: Path) -> None:
    a, b, aside = (root / "k" / name for name in ("00-a.md", "01-b.md", "x"))
    a.rename(aside)
    b.rename(a)
    aside.rename(b)


def rename_folder(root: Path) -> None:
    (root / "k").rename(root / "q")


def add(root: Path) -> None:
    put(root, "k/gone.md", GOOD)


def link(root: Path) -> None:
    (root / "k/00-a.md").unlink()
    (root / "k/00-a.md").symlink_to("01-b.md")


def make_unreadable(root: Path) -> None:
    put(root, "k/00-a.md", b"\xff")


def configure(root: Path) -> None:
    put(root, "oracle.toml", 'humor = "k/00-a.md"\n')


def make_package(root: Path) -> None:
    put(root, "k/__init__.py", "")


CHANGES = [
    write,
    write_same_size,
    replace_same_size,
    delete,
    rename,
    swap,
    rename_folder,
    add,
    link,
    make_unreadable,
    configure,
    make_package,
]


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("change", CHANGES)
def test_after_a_change_the_cache_knows_it(root: Path, folder: Path, change: Any) -> None:
    before = warm(root, folder)
    tick(root)
    change(root)
    expected = cold(root)
    assert expected != before, "a change that no rule notices proves nothing"
    assert warm(root, folder) == expected
    assert warm(root, folder) == expected


@pytest.mark.parametrize(
    ("age", "kept"), [(0, False), (SETTLED, False), (SETTLED + 1, True), (-(10**18), False)]
)
def test_what_changed_a_moment_ago_is_not_remembered(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, age: int, kept: bool
) -> None:
    newest = max(path.stat().st_ctime_ns for path in root.rglob("*"))
    monkeypatch.setattr(time, "time_ns", lambda: newest + age)
    warm(root, folder)
    oldest_only = remembered(root, folder) < set(scan(root).documents)
    assert oldest_only != kept
    monkeypatch.setattr(run, "_run", lambda *_: iter(()))
    assert (warm(root, folder) != []) == kept


def test_one_fresh_file_among_settled_ones(root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tick(root)
    put(root, "k/00-a.md", "# Fresh\n")
    fresh = (root / "k/00-a.md").stat().st_ctime_ns
    monkeypatch.setattr(time, "time_ns", lambda: fresh + SETTLED)
    warm(root, folder)
    assert remembered(root, folder) == set(scan(root).documents) - {"k/00-a.md"}


@pytest.mark.usefixtures("later")
def test_a_file_dated_in_the_future_is_not_remembered(root: Path, folder: Path) -> None:
    os.utime(root / "k/00-a.md", ns=(NOW() + 10**15, NOW() + 10**15))
    assert warm(root, folder) == cold(root)
    assert "k/00-a.md" not in remembered(root, folder)


@pytest.mark.usefixtures("later")
def test_two_bundles_do_not_share(tmp_path: Path, root: Path, folder: Path) -> None:
    other = house(tmp_path / "other")
    put(other, "k/00-a.md", "# Other\n")
    assert warm(root, folder) == cold(root)
    assert warm(other, folder) == cold(other)
    assert warm(root, folder) == cold(root)


PATHS = ["k/00-a.md", "k/01-b.md", "k/INDEX.md", "k/d/00-c.md"]
EDITS = st.one_of(
    st.builds(
        Write,
        st.sampled_from(PATHS),
        st.sampled_from([GOOD, "# T\n\n[a](00-a.md)\n", "# T\n\n[a](00-b.md)\n"]),
    ),
    st.builds(Move, st.sampled_from(PATHS), st.sampled_from(["k/02-d.md", "k/d/01-e.md"])),
    st.builds(Delete, st.sampled_from(PATHS)),
)


@settings(deadline=None, max_examples=25)
@given(st.lists(EDITS, min_size=1, max_size=5))
def test_after_any_edits_the_cache_finds_what_a_cold_run_finds(
    tmp_path_factory: pytest.TempPathFactory, edits: list[Edit]
) -> None:
    base = tmp_path_factory.mktemp("law")
    root = house(base / "bundle")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: NOW() + 3_600_000_000_000)
        warm(root, base / "cache")
        for edit in edits:
            tree = scan(root)
            if isinstance(edit, Move) and (not tree.exists(edit.path) or tree.exists(edit.to)):
                continue
            tick(root)
            apply(root, [edit])
            assert warm(root, base / "cache") == cold(root)


# What can be wrong with a cache


def database(root: Path, folder: Path) -> Path:
    (path,) = folder.glob("*.sqlite3")
    return path


def overwrite(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def middle(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:100] + b"\xa5" * (len(data) - 100))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def folder_in_its_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


def damaged_rows(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE facts SET soon = '[1,2' || soon")
        connection.execute("UPDATE replay SET answer = '[[1]]'")
    connection.close()


def rows_of_another_kind(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE facts SET soon = '{}', notes = '7'")
        connection.execute("UPDATE replay SET answer = '{}x'")
    connection.close()


def other_tables(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.executescript("DROP TABLE facts; CREATE TABLE facts (path TEXT, other TEXT);")
        connection.execute("DELETE FROM made")
        connection.execute("DELETE FROM replay")
    connection.close()


def no_notes(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE facts SET notes = NULL")
        connection.execute("DELETE FROM replay")
    connection.close()


DAMAGES = {
    "empty": lambda path: overwrite(path, b""),
    "no database": lambda path: overwrite(path, b"\x00\xff random " * 999),
    "a database by its first bytes": lambda path: overwrite(path, b"SQLite format 3\x00" + b"\xff" * 5000),
    "pages": middle,
    "cut off": truncate,
    "a folder": folder_in_its_place,
    "rows": damaged_rows,
    "rows of another kind": rows_of_another_kind,
    "tables": other_tables,
    "notes": no_notes,
}


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_changes_nothing(root: Path, folder: Path, damage: str) -> None:
    expected = cold(root)
    warm(root, folder)
    DAMAGES[damage](database(root, folder))
    assert warm(root, folder) == expected
    assert warm(root, folder) == expected


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("damage", [name for name in DAMAGES if name != "a folder"])
def test_a_damaged_cache_is_made_anew(root: Path, folder: Path, damage: str) -> None:
    warm(root, folder)
    DAMAGES[damage](database(root, folder))
    warm(root, folder)
    assert remembered(root, folder) == set(scan(root).documents)


@settings(deadline=None, max_examples=25)
@given(st.binary(max_size=300), st.integers(0, 20_000))
def test_any_bytes_in_a_cache_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, place: int
) -> None:
    base = tmp_path_factory.mktemp("bytes")
    root, folder = house(base / "bundle"), base / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: NOW() + 3_600_000_000_000)
        expected = cold(root)
        warm(root, folder)
        path = database(root, folder)
        whole = path.read_bytes()
        path.write_bytes(whole[:place] + data + whole[place + len(data) :])
        # A changed answer inside an intact file is not noticed; so the answers and rows are put aside.
        if data and data not in whole:
            with pytest.MonkeyPatch.context() as inner:
                inner.setattr(Cache, "answer", lambda *_: None)
                inner.setattr(Cache, "facts", lambda *_, **__: {})
                assert warm(root, folder) == expected


@pytest.mark.usefixtures("later")
def test_a_cache_folder_that_cannot_be(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file/below", Path("/proc/nowhere"), tmp_path / ("x" * 300)):
        assert warm(root, folder) == cold(root)


@ROOT_ONLY
@pytest.mark.usefixtures("later")
def test_a_cache_that_cannot_be_written(root: Path, folder: Path) -> None:
    warm(root, folder)
    tick(root)
    write(root)
    database(root, folder).chmod(0o444)
    folder.chmod(0o555)
    try:
        assert warm(root, folder) == cold(root)
    finally:
        folder.chmod(0o755)


@pytest.fixture
def locked(root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    warm(root, folder)
    connect = sqlite3.connect
    holder = connect(database(root, folder), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    impatient = lambda path, **options: connect(path, **{**options, "timeout": 0})  # noqa: E731
    monkeypatch.setattr(cache_module.sqlite3, "connect", impatient)
    yield
    holder.close()


@pytest.mark.usefixtures("later", "locked")
def test_a_cache_that_another_process_holds(root: Path, folder: Path) -> None:
    write(root)
    assert warm(root, folder) == cold(root)


@pytest.mark.usefixtures("later")
def test_a_closed_cache_answers_nothing(root: Path, folder: Path) -> None:
    tree = scan(root)
    cache = Cache(root, tree.config, folder)
    cache.close()
    assert check(tree, cache) == cold(root)
    assert cache.facts(tree) == {}


@pytest.mark.usefixtures("later")
def test_a_name_that_is_no_text(root: Path, folder: Path) -> None:
    bad = os.fsdecode(b"k/\xff.md")
    put(root, bad, GOOD)
    assert warm(root, folder) == cold(root)
    assert warm(root, folder) == cold(root)
    assert remembered(root, folder) == set(scan(root).documents) - {bad}


def test_what_changes_while_a_check_runs_is_not_remembered(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = scan(root)
    monkeypatch.setattr(time, "time_ns", lambda: NOW() + 3_600_000_000_000)  # the check takes an hour
    tree.scanned = max(entry.ctime for entry in tree.entries.values()) + SETTLED
    cache = Cache(root, tree.config, folder)
    check(tree, cache)
    cache.close()
    assert remembered(root, folder) < set(scan(root).documents)
    monkeypatch.setattr(run, "_run", lambda *_: iter(()))
    assert warm(root, folder) == []  # no answer was kept either


def test_the_folder_for_caches(tmp_path: Path) -> None:
    assert cache_folder({"ORACLE_CACHE_DIR": str(tmp_path)}) == tmp_path
    assert cache_folder({}).name == "karpathy-deep-oracle"


# On several processes


@pytest.mark.usefixtures("later")
def test_several_processes_find_what_one_finds(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        put(root, f"k/d/{number:02}-é.md", HOUSE["k/01-b.md"] * (number + 1))
    put(root, "k/d/bad.md", b"\xff")
    put(root, "oracle.toml", '[[ignore]]\npath = "k/d/"\nrule = "L"\nreason = "a test"\n')
    expected = cold(root)

    shares: list[int] = []
    real = run._in_parallel
    monkeypatch.setattr(
        run, "_in_parallel", lambda tree, paths: shares.append(len(paths)) or real(tree, paths)
    )
    monkeypatch.setattr(run, "PARALLEL_FROM", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert cold(root) == expected
    assert warm(root, folder) == expected
    assert warm(root, folder) == expected
    assert len(shares) == 2
    # What the workers learned is kept, but for the file that cannot be read.
    assert remembered(root, folder) == set(scan(root).documents) - {"k/d/bad.md"}
