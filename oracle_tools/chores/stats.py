"""What a reader pays: files, bytes and estimated tokens, and what is loaded until the right file is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from oracle_tools.bundle.layout import INDEX, SKILL
from oracle_tools.bundle.tokens import BYTES_A_TOKEN, estimate
from oracle_tools.bundle.tree import Tree, parent


class Row(NamedTuple):
    """A folder with its Markdown files directly in it, their bytes and estimated tokens."""

    folder: str
    files: int
    size: int
    tokens: int


class Led(NamedTuple):
    """A question that was led: the paths that answer it, the paths proposed for it in order, and the size in
    bytes of the answer that proposed them.
    """

    expected: Sequence[str]
    proposed: Sequence[str]
    size: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Median tokens until the right file is loaded, and without that file: by the indexes, and by routes."""

    by_index: float
    by_index_without: float
    by_route: float
    by_route_without: float


def rows(tree: Tree) -> list[Row]:
    """Return a row for SKILL.md, one for each folder that a reader may open, and their sum."""
    found = [_row(tree, SKILL, [SKILL])] if tree.is_file(SKILL) else []
    for folder in [*tree.indexed_folders, *tree.codebases]:
        files = tree.files(folder)
        if files:
            found.append(_row(tree, f"{folder}/", files))
    count, size = sum(row.files for row in found), sum(row.size for row in found)
    total = Row("all", count, size, sum(row.tokens for row in found))
    return [*found, total]


def _row(tree: Tree, folder: str, files: Sequence[str]) -> Row:
    size = sum(tree.entries[path].size for path in files)
    return Row(folder, len(files), size, estimate(size))


def cost(tree: Tree, asked: Sequence[Led]) -> Cost:
    """Return what the questions cost a reader in the median.

    By the indexes a reader loads SKILL.md, the INDEX.md of the right folder, and the file. By routes it loads
    SKILL.md, the answer of `oracle route`, and the proposed files in order until the right one; where none is
    right, all of them, and then the index and the file.
    """
    skill = _tokens(tree, SKILL)
    by_index, without, by_route, route_without = [], [], [], []
    for led in asked:
        right = led.expected[0]
        index = f"{parent(right)}/{INDEX}".lstrip("/")
        without.append(skill + _tokens(tree, index))
        by_index.append(without[-1] + _tokens(tree, right))
        before = skill + estimate(led.size)
        for path in led.proposed:
            if path in led.expected:
                right = path
                break
            before += _tokens(tree, path)
        else:
            before += _tokens(tree, index)
        route_without.append(before)
        by_route.append(before + _tokens(tree, right))
    return Cost(*(median(values or [0]) for values in (by_index, without, by_route, route_without)))


def _tokens(tree: Tree, path: str) -> int:
    return estimate(tree.entries[path].size) if tree.is_file(path) else 0


def as_text(table: Sequence[Row]) -> str:
    """Return the rows for a person, with the method of the estimate."""
    width = max(len(row.folder) for row in table)
    lines = [f"{'folder':<{width}}  {'files':>6}  {'bytes':>10}  {'tokens':>8}"]
    lines += [f"{row.folder:<{width}}  {row.files:>6,}  {row.size:>10,}  {row.tokens:>8,}" for row in table]
    lines.append(f"Tokens are estimated as bytes divided by {BYTES_A_TOKEN}.")
    return "\n".join(lines)


def cost_as_text(questions: int, found: Cost) -> str:
    """Return the cost of an evaluation set for a person."""
    return "\n".join(
        (
            f"Until the right file is loaded, median of {questions} questions, in tokens:",
            f"  by the indexes    {found.by_index:>8,.0f}, without the file {found.by_index_without:>7,.0f}",
            f"  by oracle route   {found.by_route:>8,.0f}, without the file {found.by_route_without:>7,.0f}",
        )
    )
