"""C: codebases are pinned, and their copies carry no repository of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from oracle_tools.bundle.edits import Delete
from oracle_tools.bundle.layout import INDEX, PIN_KEYS, SOURCE_CODEBASES
from oracle_tools.bundle.tree import Tree, name
from oracle_tools.check.rule import Problem, tree_rule

_HASH = re.compile(r"[0-9a-f]{40}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_ADDRESS = re.compile(r"(?:https?|ssh|git)://\S+|git@[\w.-]+:\S+")
_FORMS = {"upstream": (_ADDRESS, "an address"), "retrieved": (_DATE, "a date YYYY-MM-DD")}
_FORMS |= dict.fromkeys(("commit", "tree"), (_HASH, "40 hexadecimal digits"))


@tree_rule("C001", "copied-git", fixable=True)
def copied_git(tree: Tree) -> Iterator[Problem]:
    """A copied codebase has no `.git`.

    Git would take it for a submodule and commit nothing of it.

    Bad: `source-codebases/karpathy/00-nanoGPT/.git/`
    Good: the files alone; the commit is in INDEX.md
    """
    for path in tree.entries:
        if name(path) == ".git" and path.startswith(f"{SOURCE_CODEBASES}/"):
            yield Problem(path, "a copied codebase has no .git; --fix deletes it", fix=(Delete(path),))


@tree_rule("C002", "codebase-without-index")
def codebase_without_index(tree: Tree) -> Iterator[Problem]:
    """Every codebase has our INDEX.md.

    It says what the code is, at which commit, and what to read first.

    Bad: `source-codebases/deepseek/02-3FS/` without INDEX.md
    Good: INDEX.md with its pin and map
    """
    for folder in tree.codebases:
        if not any(name(path).lower() == INDEX.lower() for path in tree.files(folder)):
            yield Problem(folder, f"no {INDEX}; write what this codebase is, and its pin")


@tree_rule("C003", "unpinned-codebase")
def unpinned_codebase(tree: Tree) -> Iterator[Problem]:
    """A codebase's INDEX.md pins it: upstream, commit, tree, license, retrieved.

    It has a description and keywords too, like any file that an index lists. Citations are of a commit;
    without it nobody can open them.

    Bad: no `commit`, or `commit: main`
    Good: `commit: 3adf61e154c3fe3fca428ad6bc3818b27a3b8291`
    """
    for folder in tree.codebases:
        path = f"{folder}/{INDEX}"
        if not tree.is_file(path):
            continue
        doc = tree.doc(path)
        if doc.unreadable:
            continue
        if doc.problem:
            yield Problem(path, f"{doc.problem}; mend the frontmatter")
            continue
        for key in PIN_KEYS:
            value = doc.meta.get(key)
            pattern, form = _FORMS.get(key, (None, ""))
            if value in (None, "", []):
                yield Problem(path, f"the pin has no {key}; add it")
            elif pattern and not (pattern.fullmatch(str(value)) and (key != "retrieved" or _is_date(value))):
                yield Problem(path, f"{key} is not {form}; mend it")


def _is_date(value: object) -> bool:
    try:
        return bool(date.fromisoformat(str(value)))
    except ValueError:
        return False
