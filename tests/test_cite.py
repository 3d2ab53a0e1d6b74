"""Every citation is opened: what is right is right, and what is wrong is said with where it really is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle_tools.bundle.citations import citations, names
from oracle_tools.bundle.edits import apply
from oracle_tools.bundle.tree import Tree, scan
from oracle_tools.chores import source
from oracle_tools.chores.cite import Answer, cite, found_at, stands
from tests import upstream
from tests.upstream import NANO

TRAIN = "src/train.py"


class World:
    """A repository, a mirror of it, and a bundle that cites it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.theirs = upstream.made(folder / "theirs")
        self.commit, tree = upstream.hashes(self.theirs)
        self.mirror = upstream.mirror(folder / "mirrors", self.theirs)
        self.root = folder / "bundle"
        upstream.bundle(self.root, self.commit, tree)

    def link(self, path: str, lines: str = "", commit: str = "", repository: str = "karpathy/nano") -> str:
        return f"https://github.com/{repository}/blob/{commit or self.commit}/{path}{lines}"

    def note(self, *parts: str) -> Tree:
        """Return the tree with a knowledge file that has one footnote of these parts."""
        path = self.root / "karpathy" / "01-nano.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text("# Nano\n\nIt steps.[^a]\n\n[^a]: " + " ".join(parts) + "\n", encoding="utf-8")
        return scan(self.root)

    def cite(self, *parts: str, **options: bool) -> Answer:
        return cite(self.note(*parts), self.mirror, **options)

    def text(self) -> str:
        return (self.root / "karpathy" / "01-nano.md").read_text(encoding="utf-8")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def right(answer: Answer) -> bool:
    return not answer.wrong and not answer.others and not answer.closed


@pytest.mark.parametrize(
    ("path", "lines", "said"),
    [
        (TRAIN, "#L2-L4", "`loss.backward()` and `optimizer.step()`, `for step in range(10)`"),
        (TRAIN, "#L1", "`lr=3e-4`, `src/train.py`, `train.py` and `lr`"),
        (TRAIN, "#L1-L4", "`lr … optimizer`, `for ... loss`, ``loss.backward( )``"),
        (TRAIN, "#L2-L4", "`range(10): loss.backward()`"),
        ("model.py", "", "`class Block`, `Block`"),
        ("-rf", "#L1", "`option`"),
    ],
)
def test_a_right_citation(world: World, path: str, lines: str, said: str) -> None:
    answer = world.cite(f"[nano, {path}]({world.link(path, lines)}): {said}.")
    assert right(answer)
    assert answer.text.splitlines()[-1].split() == ["all", "1", "1", "0", "0", "0"]


@pytest.mark.parametrize(
    ("path", "lines", "said", "wrong"),
    [
        (TRAIN, "#L1", "`step`", "`step` does not stand in src/train.py, line 1; it stands in lines 2, 4"),
        (TRAIN, "#L1", "`loss.backward()`", "in src/train.py, line 1; it stands in line 3"),
        (TRAIN, "#L1-L2", "`Block`", "in src/train.py, lines 1-2; it stands in model.py line 4"),
        (
            TRAIN,
            "#L1-L4",
            "`ste`",
            "in src/train.py, lines 1-4, and nowhere in the repository",
        ),
        (TRAIN, "#L1", "`range(10): loss`", "line 1; it stands in src/train.py, over several lines"),
        (TRAIN, "#L1-L5", "", "cites src/train.py, lines 1-5; the file has 4 lines"),
        (TRAIN, "#L3-L2", "", "cites src/train.py, lines 3-2; the file has 4 lines"),
        ("train.py", "#L1", "", "cites train.py, which is not there; there is src/train.py"),
        ("gone.py", "#L1", "", "cites gone.py, which is not there"),
    ],
)
def test_a_wrong_citation_says_where_it_really_is(
    world: World, path: str, lines: str, said: str, wrong: str
) -> None:
    answer = world.cite(f"[nano]({world.link(path, lines)}): {said}")
    (line,) = answer.wrong
    assert line.startswith("karpathy/01-nano.md:5: [^a] ") and line.endswith(wrong)


def test_a_name_may_stand_in_any_place_that_the_footnote_cites(world: World) -> None:
    two = f"[a]({world.link(TRAIN, '#L1')}): `lr`; [b]({world.link('model.py', '#L4')}): "
    assert right(cite(world.note(two, "`Block`"), world.mirror))
    (wrong,) = world.cite(two, "`nowhere_else`").wrong
    assert "src/train.py, line 1 or model.py, line 4" in wrong


def test_another_commit_is_right_but_not_the_pin(world: World) -> None:
    upstream.put(world.theirs, {"new.py": "fresh = 1\n"})
    upstream.committed(world.theirs)
    other = upstream.hashes(world.theirs)[0]
    world.mirror = upstream.mirror(world.folder / "again", world.theirs)
    answer = world.cite(f"[nano]({world.link('new.py', '#L1', other)}): `fresh`")
    assert not answer.wrong and dict(answer.others) == {f"karpathy/nano@{other[:12]}": 1}
    assert "1 citation, right, but not the pin" in answer.text
    (wrong,) = world.cite(f"[nano]({world.link('new.py', '#L1', 'a' * 40)}): `fresh`").wrong
    assert "cites aaaaaaaaaaaa, which karpathy/nano does not have" in wrong


def test_without_a_copy_or_a_pin_it_is_not_checkable(world: World) -> None:
    tree = world.note(f"[nano]({world.link(TRAIN, '#L1')}): `wrong_but_who_knows`")
    answer = cite(tree, None)
    assert dict(answer.closed) == {"karpathy/nano: not checkable: no copy": 1} and not answer.wrong
    tree = world.note(f"[x]({world.link(TRAIN, '#L1', repository='someone/else')}): `x`")
    assert dict(cite(tree, world.mirror).closed) == {"someone/else: not checkable: no pin": 1}


def test_the_pulled_copy_answers_as_the_mirror_does(world: World) -> None:
    text = f"[a]({world.link(TRAIN, '#L1')}): `lr`; [b]({world.link('INDEX.md', '#L1')}): `Theirs`, `gone`"
    tree = world.note(text)
    asked = source.Asked(origin=str(world.theirs))
    (pulled,) = source.pull(tree, ["nano"], asked, lambda name, done, total: None)
    assert pulled.done
    tree = scan(world.root)
    assert cite(tree).wrong == cite(tree, world.mirror).wrong != []
    (world.root / NANO / TRAIN).write_text("lr = 0\n", encoding="utf-8")
    assert list(cite(scan(world.root)).closed) == [
        "karpathy/nano: not checkable: the copy does not have its content"
    ]


def test_links_in_the_text_folders_and_commits_are_opened_too(world: World) -> None:
    base = "https://github.com/Karpathy/nano"
    tree = world.note("x")
    path = world.root / "karpathy" / "01-nano.md"
    good = [f"{base}/tree/{world.commit}/src", f"{base}/tree/{world.commit}", f"{base}/commit/{world.commit}"]
    path.write_text(
        "# Nano\n\n" + "\n".join(f"- [x]({address})" for address in good) + f"\n\n"
        f"[gone]({base}/tree/{world.commit}/lib) and [far]({base}/blob/{world.commit}/README.md#L9)\n\n"
        f"```\n{base}/blob/{world.commit}/in-code.md\n```\n",
        encoding="utf-8",
    )
    (world.folder / "mirrors" / "Karpathy+nano").symlink_to("karpathy+nano")
    tree = scan(world.root)
    answer = cite(tree, world.mirror)
    assert [line.partition(" ")[2] for line in answer.wrong] == [
        "cites the folder lib, which is not there",
        "cites README.md, line 9; the file has 3 lines",
    ]
    assert sum(answer.counts["Karpathy/nano"].values()) == 5


def test_a_notebook_is_read_as_its_cells_say(world: World) -> None:
    notebook = '{\n "source": [\n  "print(\\"hi\\")\\n",\n  "x = \'\\u00e4\'"\n ]\n}\n'
    upstream.put(world.theirs, {"a.ipynb": notebook})
    upstream.committed(world.theirs)
    other = upstream.hashes(world.theirs)[0]
    world.mirror = upstream.mirror(world.folder / "again", world.theirs)
    answer = world.cite(f"[n]({world.link('a.ipynb', '#L3-L4', other)}): `print(\"hi\")`, `x = 'ä'`")
    assert not answer.wrong


def test_fix_moves_a_range_whose_names_stand_once_elsewhere(world: World) -> None:
    lines = [f"line_{n} = {n}" for n in range(1, 101)]
    upstream.put(world.theirs, {"long.py": "\n".join([*lines, "twice", "twice"]) + "\n"})
    upstream.committed(world.theirs)
    upstream.bundle(world.root, *upstream.hashes(world.theirs))
    world.commit = upstream.hashes(world.theirs)[0]
    world.mirror = upstream.mirror(world.folder / "again", world.theirs)

    def fixed(where: str, said: str) -> str:
        answer = world.cite(f"[nano, lines {where}]({world.link('long.py', f'#L{where}')}): {said}", fix=True)
        apply(world.root, answer.edits)
        return world.text().partition("[^a]: ")[2].partition(")")[0].replace(world.link("long.py"), "")

    assert fixed("10-L12", "`line_40`") == "[nano, lines 10-L12](#L40-L42"
    assert fixed("10-L12", "`line_10` and `line_14`") == "[nano, lines 10-L12](#L10-L14"
    assert fixed("10-L12", "`line_10` and `line_90`") == "[nano, lines 10-L12](#L10-L12", "too far to be sure"
    assert fixed("10-L12", "`twice`") == "[nano, lines 10-L12](#L10-L12", "it stands there twice"
    assert fixed("10-L12", "`nowhere`") == "[nano, lines 10-L12](#L10-L12"
    text = world.text()
    assert cite(scan(world.root), world.mirror, fix=True).edits == [] and world.text() == text


def test_fix_changes_the_lines_that_the_label_names(world: World) -> None:
    answer = world.cite(f"[train.py, line 1]({world.link(TRAIN, '#L1')}): `optimizer`", fix=True)
    apply(world.root, answer.edits)
    assert f"[train.py, line 4]({world.link(TRAIN, '#L4')})" in world.text()
    assert not answer.wrong and "moved from src/train.py, line 1 to line 4" in answer.text
    assert right(cite(scan(world.root), world.mirror))


def test_thousands_of_citations_take_seconds(world: World) -> None:
    rows = [f"[^n{n}]: [nano]({world.link(TRAIN, '#L1-L4')}): `lr`, `optimizer.step()`" for n in range(5_000)]
    world.note("\n".join(["x", *rows]))
    started = time.perf_counter()
    answer = cite(scan(world.root), world.mirror)
    assert answer.counts["karpathy/nano"]["right"] == 5_000
    assert time.perf_counter() - started < 5


def test_where_citations_are_found() -> None:
    address = f"https://github.com/a/b/blob/{'1' * 40}/x%20y.py#L3C1-L5C2"
    text = (
        f"---\ndescription: {address}\n---\n\n# T\n\n[^one]: [x `not me`?]({address}): `a`,\n  ``b `c` ``.\n"
        f"[^two]: <{address}>; `d`\n\nSee {address.replace('blob', 'raw')}.\n"
    )
    found = list(citations(Tree.of({"k/01-x.md": text})))
    assert [(c.line, c.note, c.names) for c in found] == [
        (7, "one", ("not me", "a", "b `c`")),
        (9, "two", ("d",)),
        (11, "", ()),
    ]
    link = found[0].links[0]
    assert (link.repository, link.file, link.first, link.last) == ("a/b", "x y.py", 3, 5)
    assert text[link.start : link.end] == address
    assert link.address(link.commit, link.file, 3, 3).endswith("/x%20y.py#L3")


def test_names_are_what_stands_in_backticks_outside_of_addresses() -> None:
    assert names("[`a`](https://x.org/`b`) `` c`d `` and ``` e ``` `") == ["a", "c`d", "e"]


@given(words=st.lists(st.sampled_from(["ab", "(", ")", "=", "_c", "1", "."]), min_size=1, max_size=6))
def test_white_space_makes_no_difference_and_words_are_whole(words: list[str]) -> None:
    name = " ".join(words)
    assert stands(name, f"before {name} after")
    assert stands(name, "x " + " \n\t ".join(words) + " y")
    assert stands("".join(words), f"x {''.join(words)} y")
    if words[-1] == "ab":
        assert not stands(name, f"x {name}c")
    if words[0] == "ab":
        assert not stands(name, f"x c{name}")
    assert found_at(name, ["", f"{name}", "z"]) == [2]
