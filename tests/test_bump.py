"""A pin moves, and what is cited goes along by its content."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle_tools.bundle.edits import Write, apply
from oracle_tools.bundle.errors import OracleError
from oracle_tools.bundle.pins import pins
from oracle_tools.bundle.tree import Tree, scan
from oracle_tools.chores.bump import bump
from oracle_tools.chores.cite import cite
from tests import upstream

OLD = "".join(f"line {n}\n" for n in range(1, 21))
NEW = "new\nnew\n" + OLD.replace("line 15\n", "line fifteen\n")


def world(tmp_path: Path) -> tuple[Path, str, str, Tree]:
    theirs = upstream.made(
        tmp_path / "theirs", {"a.py": OLD, "old/b.py": OLD, "gone.py": "x\n", "LICENSE": "MIT\n"}
    )
    old, tree = upstream.hashes(theirs)
    link = f"https://github.com/karpathy/nano/blob/{old}"
    notes = [
        f"[a, lines 3 to 5]({link}/a.py#L3-L5)",
        f"[a]({link}/a.py#L14-L16)",
        f"[b]({link}/old/b.py#L1-L20)",
        f"[gone]({link}/gone.py)",
        f"[all]({link}/a.py)",
        f"[that day](https://github.com/karpathy/nano/commit/{old})",
        f"[other](https://github.com/someone/nano/blob/{old}/a.py#L1)",
        f"[whole]({link}/old/b.py)",
    ]
    text = "# Nano\n\n" + "".join(f"[^n{n}]: {note}: it.\n" for n, note in enumerate(notes))
    bundle = upstream.bundle(tmp_path / "bundle", old, tree, {"karpathy/01-nano.md": text})
    (theirs / "gone.py").unlink()
    (theirs / "new").mkdir()
    (theirs / "old" / "b.py").rename(theirs / "new" / "b.py")
    upstream.put(theirs, {"a.py": NEW, "LICENSE": "Apache\n"})
    upstream.committed(theirs)
    return theirs, old, upstream.hashes(theirs)[0], bundle


@pytest.mark.parametrize("named", [True, False])
def test_lines_go_along_and_changed_ones_are_listed(tmp_path: Path, named: bool) -> None:
    theirs, old, new, tree = world(tmp_path)
    mirror = upstream.mirror(tmp_path / "mirrors", theirs)
    bumped = bump(tree, "nano", new if named else "", mirror)
    apply(tmp_path / "bundle", bumped.edits)
    text = (tmp_path / "bundle/karpathy/01-nano.md").read_text(encoding="utf-8")
    base = "https://github.com/karpathy/nano/blob"
    assert [line.partition(": ")[2].removesuffix(": it.") for line in text.splitlines()[2:]] == [
        f"[a, lines 5 to 7]({base}/{new}/a.py#L5-L7)",
        f"[a]({base}/{old}/a.py#L14-L16)",
        f"[b]({base}/{new}/new/b.py#L1-L20)",
        f"[gone]({base}/{old}/gone.py)",
        f"[all]({base}/{new}/a.py)",
        f"[that day](https://github.com/karpathy/nano/commit/{old})",
        f"[other](https://github.com/someone/nano/blob/{old}/a.py#L1)",
        f"[whole]({base}/{new}/new/b.py)",
    ]
    assert bumped.lines == [
        f"{upstream.NANO}: {old[:12]} to {new[:12]}; 4 citations carried over, 2 of them to other lines; "
        "2 left at the old commit",
        "  karpathy/01-nano.md:4: [^n1]: look at a.py, lines 14-16, which changed",
        "  karpathy/01-nano.md:6: [^n3]: look at gone.py, which is gone",
        "  the licence file changed: compare `license` with it",
    ]
    (pin,) = pins(scan(tmp_path / "bundle"))
    assert (pin.commit, pin.tree) == upstream.hashes(theirs)
    assert not cite(scan(tmp_path / "bundle"), mirror).wrong, "whatever was moved is right where it is now"


@pytest.mark.parametrize(("copies", "carried"), [(1, True), (2, False)])
def test_a_block_that_moved_is_found_where_it_stands_once(tmp_path: Path, copies: int, carried: bool) -> None:
    block, rest = "alpha\nbeta\n", "".join(f"line {n}\n" for n in range(20))
    theirs = upstream.made(tmp_path / "theirs", {"a.py": block + rest})
    old, tree_of = upstream.hashes(theirs)
    text = f"# N\n\n[^a]: [a](https://github.com/karpathy/nano/blob/{old}/a.py#L1-L2): it.\n"
    tree = upstream.bundle(tmp_path / "bundle", old, tree_of, {"karpathy/01-nano.md": text})
    upstream.put(theirs, {"a.py": rest + "between\n".join([block] * copies)})
    upstream.committed(theirs)
    edits = bump(tree, "nano", "", None, str(theirs)).edits
    moved = [edit.text for edit in edits if isinstance(edit, Write) and edit.path == "karpathy/01-nano.md"]
    assert bool(moved) == carried and all("#L21-L22" in text for text in moved)


def test_a_bump_to_the_pin_changes_nothing(tmp_path: Path) -> None:
    theirs, old, _, tree = world(tmp_path)
    bumped = bump(tree, "nano", old, None, str(theirs))
    assert bumped.edits == [] and "is the pin already" in bumped.lines[0]


def test_an_address_serves_too(tmp_path: Path) -> None:
    theirs, _, new, tree = world(tmp_path)
    assert len(bump(tree, "nano", new, None, theirs.as_uri()).edits) == 2
    assert len(bump(tree, "nano", "", None, theirs.as_uri()).edits) == 2


def test_only_the_pin_changes_in_the_frontmatter(tmp_path: Path) -> None:
    theirs, _, new, tree = world(tmp_path)
    path = f"{upstream.NANO}/INDEX.md"
    before = tree.text(path)
    after = next(edit.text for edit in bump(tree, "nano", new, None, str(theirs)).edits if edit.path == path)
    changed = [(a, b) for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]
    assert [b.partition(":")[0] for _, b in changed] == ["commit", "tree", "retrieved"]


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    theirs, _, _, tree = world(tmp_path)
    with pytest.raises(OracleError, match="40 hexadecimal digits"):
        bump(tree, "nano", "main", None, str(theirs))
    with pytest.raises(OracleError, match="does not have both"):
        bump(tree, "nano", "a" * 40, None, str(theirs))
    with pytest.raises(OracleError, match="has no karpathy/nano"):
        bump(tree, "nano", "", tmp_path / "empty")
