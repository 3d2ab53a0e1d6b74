"""Carries out a reorganization: its edits with fresh indexes, as one commit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from oracle_tools.bundle import git
from oracle_tools.bundle.cache import Cache
from oracle_tools.bundle.edits import Edit, Move, Write, apply, touched
from oracle_tools.bundle.errors import OracleError, shown
from oracle_tools.bundle.relink import mentions
from oracle_tools.bundle.tree import Tree, parent, scan

Plan = Callable[[Tree], tuple[Sequence[Edit], str]]
"""Makes of a bundle the edits that reorganize it, and the message of the commit."""

Index = Callable[[Tree, Collection[str]], Sequence[Write]]
"""Makes the writes that the indexes of some folders of a bundle need."""


def planned(root: Path, plan: Plan, indexed: Index) -> tuple[Tree, list[Edit], str]:
    """Return the bundle at `root`, the edits of `plan` and of the indexes after it, and the message."""
    tree = scan(root)
    Cache(root, tree.config).facts(tree)
    edits, message = plan(tree)
    indexes = indexed(tree.after(edits), _folders(edits)) if edits else ()
    again = {edit.path for edit in indexes}
    return tree, [*(e for e in edits if not (isinstance(e, Write) and e.path in again)), *indexes], message


def _folders(edits: Sequence[Edit]) -> set[str]:
    """Return the folders whose files come or go, and those above them: whose indexes may change."""
    places = [edit.path for edit in edits if not isinstance(edit, Write) or edit.new]
    places += [edit.to for edit in edits if isinstance(edit, Move)]
    # The new folder of a moved one has the same index as the old; it is listed above.
    found = {""}
    while places:
        places = [above for path in places if (above := parent(path))]
        found.update(places)
    return found


def carry_out(root: Path, plan: Plan, indexed: Index, commit: bool = True) -> Iterator[str]:
    """Change the bundle at `root` as `plan` says, and commit exactly that; yield lines for a person.

    Raises OracleError, and changes nothing, where a file that would change has changes of its own that are
    not committed: one commit could not hold the one without the other.
    """
    tree, edits, message = planned(root, plan, indexed)
    if not edits:
        yield "nothing to do"
        return
    paths = touched(edits)
    if commit and (changed := git.uncommitted(root, paths)):
        raise OracleError(
            f"{shown(changed[0])} has changes that are not committed; commit them first, or say --no-commit"
        )
    moves = {edit.path: edit.to for edit in edits if isinstance(edit, Move)}
    named = mentions(tree, moves)
    apply(root, edits)
    for old, new in moves.items():
        yield f"{shown(old)} -> {shown(new)}"
    rewritten = sum(isinstance(edit, Write) for edit in edits)
    why = git.commit(root, paths, message) if commit else "asked not to"
    yield f"{rewritten} files rewritten; {f'not committed ({why})' if why else 'committed'}"
    if named:
        yield f"these still name the old path: {', '.join(map(shown, named))}"
