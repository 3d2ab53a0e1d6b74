"""`oracle route`: a question in, files with sections and lines out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle_tools.bundle import cache
from oracle_tools.bundle.errors import OracleError
from oracle_tools.bundle.tree import Tree, scan
from oracle_tools.chores.route import Router, evaluate, read_evaluation
from tests import small

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORACLE_CACHE_DIR", str(tmp_path / "cache"))


def first(question: str, files: dict[str, str] | None = None) -> str:
    routes = Router(Tree.of({**small.BUNDLE, **(files or {})})).routes(question)
    return routes[0].path if routes else ""


@pytest.mark.parametrize(
    ("question", "path"),
    [
        ("how do gradients flow?", "karpathy/01-backpropagation.md"),
        ("GRADIENT", "karpathy/01-backpropagation.md"),
        ("why is the cahce small", "deepseek/01-latent-attention.md"),
        ("why do my numbers double", "karpathy/01-backpropagation.md"),
        ("micro grad", "karpathy/02-micrograd.md"),
        ("what's a scalar engine's job", "karpathy/02-micrograd.md"),
        ("back propagation", "karpathy/01-backpropagation.md"),
        ("backprop", "karpathy/01-backpropagation.md"),
        ("latentattention", "deepseek/01-latent-attention.md"),
        ("got a joke?", small.HUMOR),
        ('"OR" AND NOT (near) gradient* ^title: {x}', "karpathy/01-backpropagation.md"),
        ("quantum chromodynamics", ""),
        ("?!", ""),
        ("", ""),
    ],
)
def test_a_question_leads_to_its_file(question: str, path: str) -> None:
    assert first(question) == path


def test_the_section_and_its_lines_are_named() -> None:
    body = "Intro.\n\n## Where it is cold\n\nPenguins.\n\n## Where it is hot\n\nCamels walk.\n\nAnd drink."
    text = small.knowledge("Animals", "Where animals live.", "animals", body)
    route = Router(Tree.of({**small.BUNDLE, "karpathy/03-animals.md": text})).routes("camels")[0]
    rows = text.split("\n")
    assert route.section == "Where it is hot"
    assert rows[route.start - 1] == "## Where it is hot"
    assert rows[route.end - 1].startswith("And drink.")


def test_sources_do_not_attract_questions() -> None:
    text = small.knowledge("Other", "Something else.", "other", "Nothing.").replace("A paper", "On zebras")
    assert first("zebras", {"karpathy/03-other.md": text}) == ""


def test_a_repository_name_in_two_words_finds_it_and_two_known_words_stay_two() -> None:
    files = {
        "deepseek/02-store.md": small.knowledge("Store", "A file system.", "KVCache", "Holds a kvcache."),
        "deepseek/03-keys.md": small.knowledge(
            "Keys", "Why the kv cache is read.", "kv, cache", "The kv cache."
        ),
    }
    assert first("kv cache", files) == "deepseek/03-keys.md"
    assert first("kvcache", files) == "deepseek/02-store.md"


@given(st.text(max_size=60))
def test_no_question_breaks_it(question: str) -> None:
    Router(Tree.of(small.BUNDLE)).routes(question)


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every file count as left alone for long enough to be remembered."""
    monkeypatch.setattr(cache, "SETTLED", -(10**18))


def test_a_kept_index_follows_every_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch)
    root = small.write(tmp_path / "bundle")

    def ask(question: str) -> list[tuple[object, ...]]:
        kept = [tuple(route) for route in Router(scan(root)).routes(question)]
        assert kept == [tuple(route) for route in Router(scan(root), cached=False).routes(question)]
        return kept

    assert ask("gradients")
    assert not ask("zebras")
    (root / "karpathy" / "03-animals.md").write_text(
        small.knowledge("Zebras", "Stripes.", "zebra", "Striped.")
    )
    assert ask("zebras")
    path = root / "karpathy" / "03-animals.md"
    path.write_text(path.read_text().replace("Zebras", "Horses").replace("zebra", "horse"))
    assert not ask("zebras")
    assert ask("horses")
    index = root / "karpathy" / "INDEX.md"
    index.write_text(index.read_text() + '- "Who has hooves?" → [03](03-animals.md)\n')
    assert ask("hooves")
    path.unlink()
    assert not ask("horses")
    assert not ask("hooves")


def test_a_cache_that_cannot_be_kept_costs_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = small.write(tmp_path / "bundle")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ORACLE_CACHE_DIR", str(tmp_path / "file" / "below"))
    assert Router(scan(root)).routes("gradients")
    monkeypatch.setenv("ORACLE_CACHE_DIR", str(tmp_path / "cache"))
    Router(scan(root)).close()
    for path in (tmp_path / "cache").iterdir():
        path.write_bytes(os.urandom(4096))
    assert Router(scan(root)).routes("gradients")


def test_an_unreadable_file_is_left_out(tmp_path: Path) -> None:
    root = small.write(tmp_path / "bundle")
    (root / "karpathy" / "01-backpropagation.md").write_bytes(b"\xff\xfe gradients")
    assert all(
        route.path != "karpathy/01-backpropagation.md" for route in Router(scan(root)).routes("gradients")
    )


def test_the_figures_are_those_of_the_ranks() -> None:
    router = Router(Tree.of(small.BUNDLE))
    asked = [
        ("gradients", ["karpathy/01-backpropagation.md"]),
        ("micrograd", ["karpathy/01-backpropagation.md"]),
        ("nothing known", ["karpathy/02-micrograd.md"]),
    ]
    ranks = [[route.path for route in router.routes(question)] for question, _ in asked]
    second = ranks[1].index("karpathy/01-backpropagation.md") + 1 if len(ranks[1]) > 1 else 0
    found = evaluate(router, asked)
    assert found.recall_at_1 == pytest.approx(1 / 3)
    assert found.recall_at_5 == pytest.approx((1 + bool(second)) / 3)
    assert found.mean_reciprocal_rank == pytest.approx((1 + (1 / second if second else 0)) / 3)
    assert len(found.missed) == 2 - bool(second)


@pytest.mark.parametrize("path", ["../outside.yaml", "/etc/hostname", "karpathy/../../outside.yaml"])
def test_an_evaluation_outside_the_bundle_is_refused(tmp_path: Path, path: str) -> None:
    root = small.write(tmp_path / "bundle")
    (tmp_path / "outside.yaml").write_text("- secret\n")
    with pytest.raises(OracleError, match="leaves the bundle"):
        read_evaluation(path, scan(root))


def test_this_bundle_is_routed_well() -> None:
    tree = scan(ROOT)
    asked = read_evaluation("tests/questions.yaml", tree)
    assert len(asked) >= 150
    assert evaluate(Router(tree, cached=False), asked).recall_at_5 > 0.9
