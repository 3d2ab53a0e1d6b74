"""Edits as a unified diff, for a person to look at before anything is written."""

from __future__ import annotations

from collections.abc import Sequence

from oracle_tools.bundle.edits import Delete, Edit, Move, Write
from oracle_tools.bundle.tree import Tree


def difference(tree: Tree, edits: Sequence[Edit]) -> str:
    """Return what `edits` would change in `tree` as git would show it; "" where they change nothing."""
    from difflib import unified_diff

    out: list[str] = []
    for edit in edits:
        if isinstance(edit, Move):
            out.append(f"rename {edit.path}\n    => {edit.to}\n")
        elif isinstance(edit, Delete):
            out.append(f"delete {edit.path}\n")
        elif isinstance(edit, Write):
            there = tree.is_file(edit.path)
            old = tree.text(edit.path) if there else ""
            for line in unified_diff(
                old.splitlines(keepends=True),
                edit.text.splitlines(keepends=True),
                f"a/{edit.path}" if there else "/dev/null",
                f"b/{edit.path}",
            ):
                out.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
        tree = tree.after([edit])
    return "".join(out)
