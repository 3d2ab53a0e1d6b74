"""Indexes are made from the files, and whatever a person wrote around them stays."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle_tools.bundle.layout import INDEX, Config
from oracle_tools.bundle.markdown import Doc, read
from oracle_tools.bundle.regions import marks, regions
from oracle_tools.bundle.tree import LINK, Entry, Tree
from oracle_tools.chores.index import hindrance, index, needs_index, stale_regions


def knowledge(description: str, keywords: str = "") -> str:
    quoted = description.replace("\\", "\\\\").replace('"', '\\"')
    return f'---\ndescription: "{quoted}"\nkeywords: [{keywords}]\n---\n# Title\n'


def written(texts: dict[str, str], config: Config | None = None) -> dict[str, str]:
    return {edit.path: edit.text for edit in index(Tree.of(texts, config, name="case"))}


def test_a_missing_index_is_made_whole_from_the_bottom_up() -> None:
    made = written(
        {
            "karpathy/10-b.md": knowledge("Ten."),
            "karpathy/9-a.md": knowledge("Nine.", "a, b"),
            "karpathy/voice/01-tone.md": knowledge("How it sounds."),
        }
    )
    assert sorted(made) == [INDEX, f"karpathy/{INDEX}", f"karpathy/voice/{INDEX}"]
    assert made[f"karpathy/{INDEX}"] == (
        "# Karpathy\n\n**What this oracle knows about karpathy.**\n\n"
        "## Files\n\n<!-- oracle:files -->\n| File | Description | Keywords |\n|---|---|---|\n"
        "| [9-a.md](9-a.md) | Nine. | a, b |\n| [10-b.md](10-b.md) | Ten. |  |\n<!-- /oracle:files -->\n\n"
        "## Folders\n\n<!-- oracle:folders -->\n| Folder | Description |\n|---|---|\n"
        "| [voice/](voice/INDEX.md) | What this oracle knows about voice. |\n<!-- /oracle:folders -->\n"
    )


@pytest.mark.parametrize("other", ["index.md", "Index.md"])
def test_an_index_in_another_case_is_not_buried(other: str) -> None:
    made = written({f"karpathy/{other}": "# Mine\n", "karpathy/01-a.md": knowledge("A.")})
    assert f"karpathy/{INDEX}" not in made
    assert "[karpathy/](karpathy/INDEX.md)" in made[INDEX]


def test_nothing_is_written_through_a_symbolic_link() -> None:
    tree = Tree.of({"karpathy/01-a.md": knowledge("A.")})
    tree.entries[f"karpathy/{INDEX}"] = Entry(LINK, target="01-a.md")
    assert [edit.path for edit in index(tree)] == [INDEX]


@pytest.mark.parametrize(
    ("texts", "folders"),
    [
        ({}, [""]),
        ({"karpathy/01-a.md": ""}, ["", "karpathy"]),
        ({"karpathy/README.md": ""}, [""]),
        ({"karpathy/README.md": "", "karpathy/voice/01-a.md": ""}, ["", "karpathy", "karpathy/voice"]),
        ({"karpathy/humor.md": ""}, ["", "karpathy"]),
        ({"karpathy/INDEX.md": ""}, ["", "karpathy"]),
        ({"karpathy/empty/": ""}, [""]),
        ({"tests/01-a.md": "", "_ingest/01-a.md": ""}, [""]),
        ({"source-documents/01-a.md": ""}, ["", "source-documents"]),
        (
            {"source-codebases/karpathy/00-x/INDEX.md": ""},
            ["", "source-codebases", "source-codebases/karpathy"],
        ),
        ({"source-codebases/karpathy/00-x/docs/a.md": ""}, [""]),
    ],
)
def test_folders_that_need_an_index(texts: dict[str, str], folders: list[str]) -> None:
    assert needs_index(Tree.of(texts, Config(humor="karpathy/humor.md"))) == folders


def test_what_the_top_lists() -> None:
    made = written(
        {
            "SKILL.md": f"# Skill\n\n{marks('routes')}",
            "_ingest/README.md": "# Drop box\n\nFor documents.\n",
            "_ingest-auto/notes.md": "# No README.md\n",
            "karpathy/INDEX.md": "---\ndescription: How | he teaches.\n---\n# Karpathy\n",
            "karpathy/01-a.md": knowledge("A."),
            "source-codebases/karpathy/00-nanoGPT/INDEX.md": "# nanoGPT\n\nThe simplest.\n",
            "tests/README.md": "# Tests\n",
        }
    )
    rows = [line for line in made[INDEX].splitlines() if line.startswith("| [")]
    assert rows == [
        "| [_ingest/](_ingest/README.md) | For documents. |",
        "| [karpathy/](karpathy/INDEX.md) | How \\| he teaches. |",
        "| [source-codebases/](source-codebases/INDEX.md) | What this oracle knows about source codebases. |",
    ]
    assert (
        "| [00-nanoGPT/](00-nanoGPT/INDEX.md) | The simplest. |" in made["source-codebases/karpathy/INDEX.md"]
    )
    assert [line for line in made["SKILL.md"].splitlines() if line.startswith("| [")] == [
        "| [karpathy/](karpathy/INDEX.md) | How \\| he teaches. |",
        "| [source-codebases/karpathy/](source-codebases/karpathy/INDEX.md) "
        "| What this oracle knows about karpathy. |",
    ]


BROKEN = "---\ndescription: [\n---\n"


def test_no_table_is_made_while_a_row_of_it_cannot_be_read() -> None:
    texts = {
        "karpathy/01-a.md": BROKEN,
        "karpathy/02-b.md": knowledge("B."),
        "deepseek/INDEX.md": f"# DeepSeek\n\n{marks('files', 'old')}",
        "deepseek/01-a.md": BROKEN,
        "deepseek/mla/01-a.md": knowledge("A."),
    }
    assert list(written(texts)) == ["deepseek/mla/INDEX.md"]
    assert hindrance(Tree.of(texts)).startswith("deepseek/01-a.md: frontmatter is not YAML")


def test_an_index_that_cannot_be_read_is_left_alone_and_named() -> None:
    tree = Tree.of({"karpathy/INDEX.md": "", "karpathy/01-a.md": knowledge("A.")})
    tree.adopt("karpathy/INDEX.md", Doc("karpathy/INDEX.md: not UTF-8 at byte 0; save it as UTF-8", True))
    assert index(tree) == []
    assert hindrance(tree) == "karpathy/INDEX.md: not UTF-8 at byte 0; save it as UTF-8"


def test_what_the_index_does_not_list_hinders_nothing() -> None:
    assert hindrance(Tree.of({"README.md": BROKEN, "_ingest/a.md": BROKEN, "tests/INDEX.md": BROKEN})) == ""


def test_a_table_with_the_other_line_ending_keeps_it() -> None:
    text = f"# K\n\n{marks('files')}\nEnd.\n".replace("\n", "\r\n")
    made = written({INDEX: "# Top\n", "karpathy/INDEX.md": text, "karpathy/01-a.md": knowledge("A.")})
    assert made["karpathy/INDEX.md"].count("\n") == made["karpathy/INDEX.md"].count("\r\n")
    assert written({INDEX: "# Top\n", "karpathy/01-a.md": knowledge("A.")} | made) == {}


def test_stale_regions_are_named_with_their_line() -> None:
    tree = Tree.of({"karpathy/INDEX.md": f"# K\n\n{marks('files')}", "karpathy/01-a.md": knowledge("A.")})
    assert [(region, line) for region, line, _ in stale_regions(tree, "karpathy/INDEX.md")] == [("files", 3)]
    assert stale_regions(tree, "karpathy/01-a.md") == []


WORDS = st.text(
    alphabet=st.one_of(st.sampled_from("ab |[]()`*_<>!-\\é深\"'#:"), st.characters(codec="utf-8"))
)


@settings(deadline=None)
@given(WORDS)
def test_a_description_stays_in_its_cell(words: str) -> None:
    text = knowledge("x " + "".join(c for c in words if c.isprintable()))
    described = read(text)
    made = written({"karpathy/01-a.md": text, INDEX: "# Top\n"})["karpathy/INDEX.md"]
    (row,) = (line for line in made.splitlines() if line.startswith("| [01-a.md]"))
    cells = re.split(r"(?<!\\)(?:\\\\)*\|", row)
    assert len(cells) == 5
    assert "<!--" not in row
    assert described.problem or row.startswith("| [01-a.md](01-a.md) | x")
    assert list(regions(made)) == ["files"]


AROUND = st.lists(
    st.sampled_from(["", "My own words.", "## Questions", "| a | b |", "```", "~~~", "é\t"]), max_size=4
)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, str]:
    """Small trees: folders with knowledge, README.md, and hand-written indexes with and without regions."""
    folders = draw(
        st.lists(
            st.sampled_from(["karpathy", "karpathy/voice", "deepseek", "source-documents", "_ingest", "a b"]),
            unique=True,
        )
    )
    texts: dict[str, str] = {}
    for folder in ["", *folders]:
        prefix = f"{folder}/" if folder else ""
        names = draw(st.lists(st.sampled_from(["01-a.md", "2-b.md", "10 c.md", "README.md"]), unique=True))
        texts |= {
            f"{prefix}{file}": knowledge(draw(st.sampled_from(["A | b", "[x](y)", "", "c"])))
            for file in names
        }
        kind = draw(st.sampled_from(["none", "none", "plain", "regions", "index.md"]))
        inside = "".join(
            marks(name, draw(st.sampled_from(["", "| old |\n|---|"]))) for name in ("files", "folders")
        )
        around = ["\n".join(draw(AROUND)) + "\n" for _ in range(2)]
        if kind == "index.md":
            texts[f"{prefix}index.md"] = "# Mine\n"
        elif kind != "none":
            body = inside if kind == "regions" else ""
            newline = draw(st.sampled_from(["\n", "\r\n"]))
            texts[prefix + INDEX] = f"# Mine\n\n{around[0]}{body}{around[1]}".replace("\n", newline)
    if draw(st.booleans()):
        texts["SKILL.md"] = f"# Skill\n\n{marks('routes', 'old')}\nThe end.\n"
    return texts


def outside(text: str) -> str:
    """Return what of `text` lies outside its regions."""
    for region in sorted(regions(text).values(), key=lambda region: -region.start):
        text = text[: region.start] + text[region.end :]
    return text


@settings(deadline=None)
@given(trees(), st.randoms())
def test_the_laws_of_indexing(texts: dict[str, str], chance: object) -> None:
    made = written(texts)

    shuffled = list(texts.items())
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert written(dict(shuffled)) == made, "the order of files matters"

    assert written(texts | made) == {}, "indexing twice is not indexing once"

    for path, text in made.items():
        assert path.endswith((INDEX, "SKILL.md"))
        if path in texts:
            assert outside(text) == outside(texts[path]), "a person's text was changed"
        else:
            folder = path.removesuffix(INDEX)
            assert f"{folder}index.md" not in texts, "a hand-written index is buried"

    after = Tree.of(texts | made, name="case")
    for folder in needs_index(after):
        prefix = f"{folder}/" if folder else ""
        assert after.is_file(prefix + INDEX) or after.is_file(f"{prefix}index.md")
