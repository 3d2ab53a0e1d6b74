"""N: numbered kebab-case names, so that a folder reads in order and a link can be guessed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from oracle_tools.bundle.edits import Move
from oracle_tools.bundle.layout import INDEX, SOURCE_CODEBASES
from oracle_tools.bundle.tree import Tree, name, parent
from oracle_tools.check.rule import Problem, Severity, tree_rule

_NUMBER = re.compile(r"\d+-")
_ORDER = re.compile(r"(\d{1,3})-")
_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}\.md$")
_DATED_ADDITION = re.compile(r"\d+-\d+-[a-z0-9]+(?:-[a-z0-9]+)*-\d{4}-\d{2}-\d{2}\.md$")
_KEBAB_FILE = re.compile(r"(?:\d+-)?[a-z0-9]+(?:[-.][a-z0-9]+)*\.md$")
_KEBAB_FOLDER = re.compile(r"[a-z0-9]+(?:[-.][a-z0-9]+)*$")
_GAPS_SHOWN = 5


def _numbers(tree: Tree) -> Iterator[tuple[str, dict[int, list[str]]]]:
    """Yield each folder that orders its children by number, with its numbered children by number.

    A number of four digits or more is a year or a timestamp and orders nothing.
    """
    for folder in [*tree.knowledge_folders, *tree.source_folders]:
        if folder.split("/")[0] == SOURCE_CODEBASES:
            continue
        numbered: dict[int, list[str]] = {}
        for path in tree.files(folder):
            match = _ORDER.match(name(path))
            if match and tree.is_knowledge(path) and not _DATED_ADDITION.match(name(path)):
                numbered.setdefault(int(match[1]), []).append(path)
        yield folder, numbered
    # The codebases of all sides share one sequence of numbers.
    shared: dict[int, list[str]] = {}
    for path in tree.codebases:
        match = _ORDER.match(name(path))
        if match:
            shared.setdefault(int(match[1]), []).append(path)
    yield SOURCE_CODEBASES, shared


@tree_rule("N001", "lowercase-index", fixable=True)
def lowercase_index(tree: Tree) -> Iterator[Problem]:
    """An index is spelled INDEX.md, in capitals.

    On a case-sensitive file system `index.md` is another file, and readers find nothing.

    Bad: `karpathy/index.md`
    Good: `karpathy/INDEX.md`
    """
    for folder in ["", *tree.indexed_folders, *tree.codebases]:
        for path in tree.files(folder):
            if name(path) != INDEX and name(path).lower() == INDEX.lower():
                target = f"{folder}/{INDEX}".lstrip("/")
                fix = () if tree.exists(target) else (Move(path, target),)
                todo = "rename it" if fix else f"merge it into {INDEX}, which is there too"
                yield Problem(path, f"an index is spelled {INDEX}; {todo}", fix=fix)


@tree_rule("N002", "unnumbered-file", Severity.WARNING)
def unnumbered_file(tree: Tree) -> Iterator[Problem]:
    """A knowledge file's name begins with its number.

    The number is the order in which the folder is read.

    Bad: `karpathy/tokenization/minbpe.md`
    Good: `karpathy/tokenization/02-minbpe.md`
    """
    for path in tree.knowledge:
        if not _NUMBER.match(name(path)):
            yield Problem(path, "has no number; name it NN-topic.md")
    for path in tree.codebases:
        if not _NUMBER.match(name(path)):
            yield Problem(path, "has no number; name it NN-name")


@tree_rule("N003", "shared-number", Severity.WARNING)
def shared_number(tree: Tree) -> Iterator[Problem]:
    """Two files of a folder bear the same number.

    Their order is then an accident. Dated additions are legal: `PARENT-SUB-topic-YYYY-MM-DD.md`, and
    `PARENT-topic-YYYY-MM-DD.md` beside the one file without a date whose number they bear.

    Bad: `03-lora.md` beside `03-dora.md`
    Good: `03-lora.md`, `04-dora.md`
    """
    for _, numbered in _numbers(tree):
        for number, paths in sorted(numbered.items()):
            plain = [path for path in paths if not _DATED.search(path)] or paths
            if len(plain) > 1:
                others = ", ".join(name(path) for path in plain[:-1])
                yield Problem(plain[-1], f"shares number {number:02d} with {others}; renumber one of them")


@tree_rule("N004", "number-gap", Severity.INFO)
def number_gap(tree: Tree) -> Iterator[Problem]:
    """A folder's numbers leave one out.

    Often something was removed or is still to come; sometimes it was lost.

    Bad: `01-…`, `02-…`, `05-…`
    Good: `01-…`, `02-…`, `03-…`
    """
    for folder, numbered in _numbers(tree):
        gaps = [
            f"{before + 1:02d}" if after == before + 2 else f"{before + 1:02d}–{after - 1:02d}"
            for before, after in itertools.pairwise(sorted({0, *numbered}))
            if after > before + 1
        ]
        if gaps:
            more = " …" if len(gaps) > _GAPS_SHOWN else ""
            yield Problem(folder, f"no number {', '.join(gaps[:_GAPS_SHOWN])}{more}")


@tree_rule("N005", "misplaced-overview", Severity.WARNING)
def misplaced_overview(tree: Tree) -> Iterator[Problem]:
    """An overview is the first file of its folder, number 00.

    Readers open 00 first.

    Bad: `04-overview.md`
    Good: `00-overview.md`
    """
    for path in tree.knowledge:
        match = re.fullmatch(r"(?:(\d+)-)?overview\.md", name(path))
        if match and match[1] and int(match[1]) != 0:
            yield Problem(path, "an overview bears number 00; renumber it")


@tree_rule("N006", "not-kebab-case", Severity.WARNING)
def not_kebab_case(tree: Tree) -> Iterator[Problem]:
    """Names are lower-case words joined by hyphens.

    Paths can then be typed, guessed and linked on every system. Codebases keep their own names.

    Bad: `02-MiniBPE_notes.md`
    Good: `02-minbpe-notes.md`
    """
    for path in tree.knowledge:
        if not _KEBAB_FILE.match(name(path)):
            yield Problem(path, "is not kebab-case; use lower-case words joined by hyphens")
    documents = [f for f in tree.source_folders if f.split("/")[0] != SOURCE_CODEBASES and parent(f)]
    for folder in [*tree.knowledge_folders, *documents]:
        if not _KEBAB_FOLDER.match(name(folder)):
            yield Problem(folder, "is not kebab-case; use lower-case words joined by hyphens")
