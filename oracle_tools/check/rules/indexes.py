"""I: every folder has an INDEX.md that lists its children, made from the files themselves."""

from __future__ import annotations

from collections.abc import Iterator

from oracle_tools.bundle.layout import FILES_REGION, FOLDERS_REGION, INDEX
from oracle_tools.bundle.regions import regions
from oracle_tools.bundle.tree import Tree, Unreadable, name, resolve
from oracle_tools.check.rule import Problem, Severity, tree_rule
from oracle_tools.chores.index import index, needs_index, stale_regions


def _indexes(tree: Tree) -> Iterator[tuple[str, str]]:
    for folder in needs_index(tree):
        yield folder, f"{folder}/{INDEX}".lstrip("/")


def _regions(tree: Tree, path: str) -> set[str]:
    try:
        return set(regions(tree.text(path)))
    except Unreadable:
        return set()


@tree_rule("I001", "missing-index", fixable=True)
def missing_index(tree: Tree) -> Iterator[Problem]:
    """Every folder with knowledge has an INDEX.md.

    Readers go from SKILL.md to a folder's INDEX.md to a file; without it the folder is unreachable.

    Bad: `karpathy/tokenization/` without INDEX.md
    Good: `oracle index` has made it
    """
    whole = {edit.path: edit for edit in index(tree) if edit.new}
    for folder, path in _indexes(tree):
        if path in whole and folder:
            yield Problem(path, "missing; run oracle index", fix=(whole[path],))


@tree_rule("I002", "missing-region", Severity.WARNING)
def missing_region(tree: Tree) -> Iterator[Problem]:
    """An INDEX.md has the marks between which its table is generated.

    A table kept by hand goes stale. Only a person knows where the marks belong in a hand-written text.

    Bad: an INDEX.md without `<!-- oracle:files -->` in a folder with files
    Good: `<!-- oracle:files -->` and `<!-- /oracle:files -->`, each alone on its line
    """
    for folder, path in _indexes(tree):
        if not tree.is_file(path):
            continue
        present = _regions(tree, path)
        if any(tree.is_knowledge(p) for p in tree.files(folder)) and FILES_REGION not in present:
            yield Problem(path, f"has no region {FILES_REGION}; add its two marks where the table belongs")
        below = [f for f in tree.folders(folder) if f in needs_index(tree) or f in tree.codebases]
        if below and FOLDERS_REGION not in present:
            yield Problem(path, f"has no region {FOLDERS_REGION}; add its two marks where the table belongs")


@tree_rule("I003", "stale-index", fixable=True)
def stale_index(tree: Tree) -> Iterator[Problem]:
    """A generated table says what the files say.

    Bad: a row for a file that is gone, a description that has changed
    Good: `oracle index` has run
    """
    for _, path in _indexes(tree):
        if tree.is_file(path):
            for region, line, write in stale_regions(tree, path):
                yield Problem(path, f"region {region} is stale; run oracle index", line, fix=(write,))


@tree_rule("I004", "unlisted-file", Severity.WARNING)
def unlisted_file(tree: Tree) -> Iterator[Problem]:
    """A folder's INDEX.md names each of its files.

    Where the table is not generated, a file that nobody added to it is never found.

    Bad: `04-lora.md` in a folder whose hand-kept INDEX.md does not link it
    Good: the region is generated, or the file is linked
    """
    for folder, path in _indexes(tree):
        if not tree.is_file(path) or FILES_REGION in _regions(tree, path):
            continue
        linked = {resolve(path, link.partition("#")[0]) for link in tree.doc(path).links}
        for file in tree.files(folder):
            if tree.is_knowledge(file) and file not in linked:
                yield Problem(file, f"{INDEX} does not name {name(file)}; add it, or the region's marks")
