"""Moves and renumbers files and folders: which path goes where, and what must not be.

What names them is rewritten by `bundle.relink`, so a chore here only says old path and new path.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from oracle_tools.bundle.edits import Move, guarded
from oracle_tools.bundle.errors import OracleError, shown
from oracle_tools.bundle.layout import INDEX, SOURCE_CODEBASES
from oracle_tools.bundle.naming import misplaced, number_of
from oracle_tools.bundle.tree import Tree, name, parent

WIDTH = 2
"""Digits of a number in a name, at least."""


def mv(tree: Tree, sources: Sequence[str], target: str) -> dict[str, str]:
    """Return where each of `sources`, files and folders, goes: to `target`, or into it where it is a folder
    or there are several.

    Raises OracleError for what is not there or has a fixed place, for a target that exists, is no place for
    it, leaves the bundle or differs from another name only in the case of letters, and for a number that
    another file of the folder bears.
    """
    several = len(sources) > 1
    into = several or (tree.is_folder(target) and target.lower() != sources[0].lower())
    if several and (tree.is_file(target) or target.endswith(".md")):
        raise OracleError(f"{shown(target)}: no folder; several files are moved into one")
    moves: dict[str, str] = {}
    for source in sources:
        moves[source] = f"{target}/{name(source)}" if into else target
    twice = [path for path, count in Counter(moves.values()).items() if count > 1]
    if twice:
        raise OracleError(f"{shown(twice[0])}: two of them would lie there; move them apart")
    for source, to in moves.items():
        if why := _fixed(tree, source) or _refused(tree, source, to, moves):
            raise OracleError(why)
    _numbers_apart(tree, moves)
    return moves


def _fixed(tree: Tree, path: str) -> str:
    """Return why `path` cannot be moved at all, or ""."""
    if not tree.exists(path) or not path:
        return f"{shown(path)}: no such file or folder in the bundle"
    if "/" not in path:
        return f"{shown(path)}: has a fixed place; what lies in a knowledge folder can be moved"
    if name(path).lower() == INDEX.lower():
        return f"{shown(path)}: belongs to its folder; move the folder"
    if path == tree.config.humor or (tree.config.humor or "/").startswith(f"{path}/"):
        return f"{shown(path)}: the humor sense stays where the configuration has it"
    if tree.codebase_of(path):
        return "" if tree.codebase_of(path) == path else f"{shown(path)}: belongs to a codebase; move that"
    if tree.is_knowledge(path) or (path in tree.indexed_folders):
        return ""
    return f"{shown(path)}: has a fixed place; knowledge files, their folders and codebases can be moved"


def _refused(tree: Tree, source: str, to: str, moves: Mapping[str, str]) -> str:
    """Return why `source` cannot go to `to`, or ""."""
    if to == source:
        return f"{shown(source)}: lies there already"
    if f"{to}/".startswith(f"{source}/"):
        return f"{shown(to)}: lies in what is moved; choose another folder"
    if tree.exists(to) and to not in moves:
        return f"{shown(to)}: exists already; choose another name"
    if tree.root is not None:
        guarded(tree.root, to)
    if (other := _same_but_case(tree, to)) and not f"{other}/".startswith(f"{source}/"):
        return f"{shown(to)}: differs from {shown(other)} only in the case of letters; choose another name"
    if (tree.codebase_of(source) is not None) != to.startswith(f"{SOURCE_CODEBASES}/"):
        return f"{shown(to)}: no place for {shown(source)}"
    if tree.is_knowledge(source):
        return misplaced(tree.after([Move(source, f"{parent(source)}/.gone")]), to)
    if tree.after([Move(source, to)]).is_folder(to) and tree.codebase_of(source) is None:
        inside = f"{to}/00-any.md"
        return misplaced(tree.after([Move(source, to)]), inside) and f"{shown(to)}: no place for knowledge"
    return ""


def _same_but_case(tree: Tree, path: str) -> str:
    """Return what is there and differs from `path`, or from a folder of it, in nothing but case."""
    folded = _folded(tree)
    while path:
        other = folded.get(path.lower())
        if other and other != path:
            return other
        path = parent(path)
    return ""


def _folded(tree: Tree) -> dict[str, str]:
    found = tree.memo.get(_folded)
    if not isinstance(found, dict):
        found = tree.memo[_folded] = {path.lower(): path for path in tree.entries}
    return found


def _numbers_apart(tree: Tree, moves: Mapping[str, str]) -> None:
    for to in moves.values():
        number = number_of(to)
        gone = {old for old in moves if parent(old) == parent(to)}
        there = [*tree.files(parent(to)), *tree.folders(parent(to))]
        others = [path for path in there if path not in gone] + [new for new in moves.values() if new != to]
        for other in others:
            both_files = other.endswith(".md") == to.endswith(".md")
            if (
                number is not None
                and both_files
                and parent(other) == parent(to)
                and number_of(other) == number
            ):
                raise OracleError(
                    f"{shown(to)}: number {number:0{WIDTH}} is {shown(name(other))}'s; choose a free one, or "
                    f"open a place: oracle renumber {shown(parent(to))} --after {number - 1:0{WIDTH}}"
                )


def renumber(tree: Tree, folder: str, after: int | None = None) -> dict[str, str]:
    """Return the moves that close the gaps in the numbers of a folder's files, or its folders' where it has
    no numbered files; with `after`, those that make the next number free. None where nothing has to move.

    Numbers begin where they begin, at 00 or 01. Raises OracleError for what is no folder of knowledge or
    codebases, and for one whose numbers are not each borne once.
    """
    if folder not in tree.indexed_folders:
        raise OracleError(f"{shown(folder)}: no folder of knowledge; name one, as in karpathy/tokenization")
    numbered = _numbered(tree, [path for path in tree.files(folder) if tree.is_knowledge(path)])
    numbered = numbered or _numbered(tree, tree.folders(folder))
    if not numbered:
        raise OracleError(f"{shown(folder)}: nothing in it is numbered")
    if len(set(numbered.values())) < len(numbered):
        raise OracleError(
            f"{shown(folder)}: a number is borne twice; give one of them another with oracle mv"
        )
    if after is None:
        first = min(1, *numbered.values())
        wanted = {path: n for n, path in enumerate(sorted(numbered, key=numbered.__getitem__), start=first)}
    else:
        wanted = dict(numbered)
        place = after + 1
        bearer = {number: path for path, number in numbered.items()}
        while place in bearer:
            wanted[bearer[place]] = place = place + 1
    return {path: _named(path, wanted[path]) for path in numbered if wanted[path] != numbered[path]}


def _numbered(tree: Tree, paths: Iterable[str]) -> dict[str, int]:
    numbers = ((path, number_of(path)) for path in paths)
    return {path: number for path, number in numbers if number is not None}


def _named(path: str, number: int) -> str:
    rest = name(path).partition("-")[2]
    return f"{parent(path)}/{number:0{WIDTH}}-{rest}"


def message(moves: Mapping[str, str], what: str = "") -> str:
    """Return the commit message: what was reorganized, and every move on a line.

    >>> print(message({"a/01-x.md": "b/01-x.md"}))
    Reorganize: a/01-x.md to b/01-x.md
    <BLANKLINE>
    a/01-x.md -> b/01-x.md
    """
    lines = [f"{old} -> {new}" for old, new in moves.items()]
    if not what:
        (old, new), *more = moves.items()
        what = f"{old} to {new}" if not more else f"{len(moves)} moved to {parent(new)}"
    return "\n".join([f"Reorganize: {what}", "", *lines])
