"""Whatever is in a file, it is read: without a traceback, in time that grows with its length.

`tests/corpus/` holds what readers have stumbled over; each of its files is tried as every kind of input, and
mutated. `ORACLE_FUZZ=SECONDS` fuzzes for longer than a test should.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle_tools.bundle import hostile
from oracle_tools.bundle.errors import OracleError
from oracle_tools.bundle.layout import Config, read_config
from oracle_tools.bundle.markdown import lines, places, read, read_meta
from oracle_tools.bundle.markdown_reference import read as read_reference
from oracle_tools.bundle.plan import read_plan
from oracle_tools.bundle.relink import moved
from oracle_tools.bundle.spans import spans
from oracle_tools.bundle.tree import Tree
from oracle_tools.check.run import check
from oracle_tools.chores.index import index
from oracle_tools.chores.joke import jokes
from oracle_tools.chores.merge import merge
from oracle_tools.chores.split import split

CORPUS = {
    path.name: path.read_bytes().decode("utf-8", "surrogateescape")
    for path in sorted((Path(__file__).parent / "corpus").iterdir())
}
PIECES = [
    "[", "]", "(", ")", "](", "[^a]", "[^a]: ", "<!--", "-->", "`", "```\n", "~~~\n", "# ", "## H\n", "---\n",
    "| ", "|---|\n", "- ", "> ", "1. ", "    ", "\t", "\n", "\n\n", "*", "_", "**", "\\", "&amp;", "&#0;",
    "<a href='x.md'>", "</a>", "<b", "x.md", "../", "%2e", "#a", "é", "漢", "\u200b", "\ufeff", "\r", "\x00",
    "\u2028", "🩺", "- [ ] PART 1: ", "## PART 2: x\n", "key: ", "&x ", "*x ", "{", "}", "a", " ", "0",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES) | st.sampled_from(sorted(CORPUS.values())), max_size=40).map("".join)


def bundle(text: str) -> Tree:
    return Tree.of(
        {
            "SKILL.md": text,
            "karpathy/INDEX.md": text,
            "karpathy/01-a.md": text,
            "karpathy/02-b.md": f"---\ndescription: d\nkeywords: [k]\n---\n\n# B\n\n{text}\n",
            "karpathy/jokes.md": text,
            "_ingest-auto/expansion-x-2026-01-31/ingestion.md": text,
        },
        Config(humor="karpathy/jokes.md"),
    )


def reorganized(text: str) -> None:
    """Move, split and merge; what cannot be taken apart is refused in one line."""
    for do in (
        lambda tree: moved(tree, {"karpathy/02-b.md": "deepseek/07-c.md"}),
        lambda tree: split(tree, "karpathy/02-b.md", ["h"]),
        lambda tree: merge(tree, ["karpathy/02-b.md", "karpathy/01-a.md"], "karpathy/02-b.md"),
    ):
        tree = bundle(text)
        try:
            tree.after(do(tree))
        except OracleError as error:
            assert "\n" not in str(error)


READERS: dict[str, Callable[[str], object]] = {
    "markdown": read,
    "places": places,
    "reference": read_reference,
    "lines": lambda text: list(lines(text)),
    "spans": spans,
    "frontmatter": read_meta,
    "plan": read_plan,
    "jokes": jokes,
    "hostile": lambda text: hostile.cleaned(text, Counter()),
    "check": lambda text: check(bundle(text)),
    "index": lambda text: index(bundle(text)),
    "reorganized": reorganized,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", CORPUS)
def test_the_corpus_is_read(reader: str, name: str) -> None:
    READERS[reader](CORPUS[name])


@pytest.mark.parametrize("reader", READERS)
@given(text=TEXTS)
@settings(deadline=timedelta(seconds=20), max_examples=40)
def test_anything_is_read(reader: str, text: str) -> None:
    READERS[reader](text)


@given(text=st.text(max_size=300) | TEXTS)
def test_any_configuration_is_read_or_refused_in_one_line(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("bundle")
    (root / "oracle.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        assert isinstance(read_config(root), Config)
    except OracleError as error:
        assert "\n" not in str(error)


GROWING = {
    "brackets": "[" * 100,
    "closed": "[a](" * 50,
    "footnotes": "[^a]" * 50,
    "definitions": "[^a]: x\n\n" * 20,
    "quotes": "> " * 100,
    "items": "- " * 100,
    "stars": "*a " * 60 + "**b " * 60,
    "backticks": "".join("`" * n + " " for n in range(20)),
    "comments": "<!-- " * 40,
    "tags": "<a " * 60,
    "entities": "&" * 200,
    "table": "| a " * 40 + "\n" + "|---" * 40 + "\n",
    "anchors": "# a\n\n" * 40,
    "parts": "## PART 1: a (1 lines)\n\n- [ ] PART 1: a\n\n" * 20,
    "fences": "```\n" * 50,
    "links": "[a](b.md#c) " * 40,
    "codes": "`a/b.md` " * 40,
    "flow": "[" * 50 + "\n",
    "keys": "a: &x [*x]\n" * 20,
}


def seconds(read: Callable[[str], object], text: str) -> float:
    """The shortest of three: what the machine does besides only makes it longer."""
    taken = []
    for _ in range(3):
        start = time.process_time()
        read(text)
        taken.append(time.process_time() - start)
    return min(taken)


@pytest.mark.parametrize("reader", [name for name in READERS if name not in ("reference", "reorganized")])
@pytest.mark.parametrize("kind", GROWING)
def test_time_grows_with_the_length(reader: str, kind: str) -> None:
    """Eight times the text may take sixteen times as long; squared growth would take sixty-four."""
    piece = GROWING[kind]
    small = seconds(READERS[reader], piece * 20)
    large = seconds(READERS[reader], piece * 160)
    assert large < 16 * small + 0.25


@pytest.mark.skipif("ORACLE_FUZZ" not in os.environ, reason="ORACLE_FUZZ=SECONDS asks for it")
def test_fuzzing() -> None:
    chance = random.Random()
    end = time.monotonic() + float(os.environ.get("ORACLE_FUZZ", "0"))
    while time.monotonic() < end:
        text = "".join(chance.choices([*PIECES, *CORPUS.values()], k=chance.randrange(80)))
        if chance.random() < 0.5:
            data = bytearray(text.encode("utf-8", "surrogateescape"))
            for _ in range(chance.randrange(20)):
                if data:
                    data[chance.randrange(len(data))] = chance.randrange(256)
            text = data.decode("utf-8", "replace")
        for name, reader in READERS.items():
            try:
                reader(text)
            except BaseException as error:
                raise AssertionError(f"{name} fell over {text!r}") from error
