"""I: every folder has an INDEX.md that lists its children, made from the files themselves."""

from __future__ import annotations

from collections.abc import Iterator

from oracle_tools.bundle.layout import FILES_REGION, FOLDERS_REGION, INDEX
from oracle_tools.bundle.regions import regions
from oracle_tools.bundle.tree import Tree, name, resolve
from oracle_tools.check.rule import Problem, Severity, tree_rule
from oracle_tools.check.rules.links import local_path
from oracle_tools.chores.index import index, needs_index, regions_of, stale_regions


def _indexes(tree: Tree) -> Iterator[tuple[str, str]]:
    for folder in needs_index(tree):
        yield folder, f"{folder}/{INDEX}".lstrip("/")


def _readable(tree: Tree) -> Iterator[tuple[str, str]]:
    for folder, path in _indexes(tree):
        if tree.is_file(path) and not tree.doc(path).unreadable:
            yield folder, path


@tree_rule("I001", "missing-index", fixable=True)
def missing_index(tree: Tree) -> Iterator[Problem]:
    """Every folder with knowledge has an INDEX.md.

    Readers go from SKILL.md to a folder's INDEX.md to a file; without it the folder is unreachable. A folder
    counts when knowledge or the map of a codebase lies in it or below. None is made while the frontmatter
    of a file that it would list is broken.

    Bad: `karpathy/tokenization/` without INDEX.md
    Good: `oracle index` has made it
    """
    whole = {edit.path: edit for edit in index(tree) if edit.new}
    for folder, path in _indexes(tree):
        if not folder or tree.is_file(path) or any(p.lower() == path.lower() for p in tree.files(folder)):
            continue
        if path in whole:
            yield Problem(path, "missing; run oracle index", fix=(whole[path],))
        elif path in tree.entries:
            yield Problem(path, "is no file; put an INDEX.md of the folder's own there")
        else:
            yield Problem(path, "missing; mend the frontmatter of the folder's files, then run oracle index")


@tree_rule("I002", "missing-region", Severity.WARNING)
def missing_region(tree: Tree) -> Iterator[Problem]:
    """An INDEX.md has the marks between which its table is generated.

    A table kept by hand goes stale. Only a person knows where the marks belong in a hand-written text.

    Bad: an INDEX.md without `<!-- oracle:files -->` in a folder with files
    Good: `<!-- oracle:files -->` and `<!-- /oracle:files -->`, each alone on its line
    """
    listed = {*needs_index(tree), *tree.codebases}
    for folder, path in _readable(tree):
        present = regions_of(tree, path)
        if any(tree.is_knowledge(p) for p in tree.files(folder)) and FILES_REGION not in present:
            yield Problem(path, f"has no region {FILES_REGION}; add its two marks where the table belongs")
        below = any(child in listed for child in tree.folders(folder))
        if below and FOLDERS_REGION not in present:
            yield Problem(path, f"has no region {FOLDERS_REGION}; add its two marks where the table belongs")


@tree_rule("I003", "stale-index", fixable=True)
def stale_index(tree: Tree) -> Iterator[Problem]:
    """A generated table says what the files say.

    Only the first region of a name is filled; a second one would go stale unseen.

    Bad: a row for a file that is gone, a description that has changed
    Good: `oracle index` has run
    """
    for _, path in _readable(tree):
        for region, line, write in stale_regions(tree, path):
            yield Problem(path, f"region {region} is stale; run oracle index", line, fix=(write,))
        text = tree.text(path)
        for first in regions_of(tree, path).values():
            if text.count(f"<!-- oracle:{first.name} -->", first.end):
                again = regions(text[first.end :]).get(first.name)
                if again:
                    line = text.count("\n", 0, first.end) + again.line
                    yield Problem(path, f"a second region {first.name}; take out its marks", line)


@tree_rule("I004", "unlisted-file", Severity.WARNING)
def unlisted_file(tree: Tree) -> Iterator[Problem]:
    """A folder's INDEX.md names each of its files.

    Where the table is not generated, a file that nobody added to it is never found.

    Bad: `04-lora.md` in a folder whose hand-kept INDEX.md does not link it
    Good: the region is generated, or the file is linked
    """
    for folder, path in _readable(tree):
        if FILES_REGION in regions_of(tree, path):
            continue
        targets = (local_path(link) for link in tree.doc(path).links)
        linked = {resolve(path, target) for target in targets if target}
        for file in tree.files(folder):
            if tree.is_knowledge(file) and file not in linked:
                yield Problem(file, f"{INDEX} does not name {name(file)}; add it, or the region's marks")
