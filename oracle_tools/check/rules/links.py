"""L: every link and path resolves, for the reader who has only the bundle."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from oracle_tools.bundle.layout import INDEX, INGEST, INGEST_AUTO, SKILL, SOURCE_CODEBASES
from oracle_tools.bundle.markdown import At
from oracle_tools.bundle.tree import Tree, name, parent, resolve
from oracle_tools.check.rule import Page, Problem, page_rule, tree_rule

_NOT_LOCAL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|[/\\]")
_ABSOLUTE = re.compile(r"/(?!/)|\\|file:|[a-zA-Z]:[\\/]", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"[*<>{}$\[\]|…]|\.\.\.|(?<![A-Za-z0-9])(?:NN|SIDE|TOPIC|DATE|NAME|PARENT|SUB|YYYY|PLAN|FILE|FOLDER)(?![a-z])"
)
_LINE_SUFFIX = re.compile(r":\d+(?:-\d+)?$")
_GENERATED_ANCHOR = re.compile(r"(?:user-content-|L\d+|top$)")


def _path(target: str) -> str:
    """Return the path of a local link's target, without query and fragment, its escapes decoded."""
    if "#" in target or "?" in target:
        target = target.partition("#")[0].partition("?")[0]
    return unquote(target) if "%" in target else target


def _anchors(tree: Tree, path: str) -> set[str]:
    key = ("anchors", path)
    found = tree.memo.get(key)
    if not isinstance(found, set):
        doc = tree.doc(path)
        found = {heading.anchor for heading in doc.headings} | set(doc.anchors)
        tree.memo[key] = found
    return found


@tree_rule("L001", "dead-link")
def dead_link(tree: Tree) -> Iterator[Problem]:
    """A relative link leads to a file or folder that is there.

    A link into the pulled copy of a codebase is dead for everyone who has not pulled it: cite the
    permalink instead.

    Bad: `[MLA](mla.md)` and no such file
    Good: `[MLA](02-multi-head-latent-attention.md)`
    """
    entries = tree.entries
    for path in tree.documents:
        for n, target in enumerate(tree.doc(path).links):
            if _NOT_LOCAL.match(target):
                continue
            plain = _path(target)
            resolved = resolve(path, plain) if plain else path
            if resolved in entries and not resolved.startswith(SOURCE_CODEBASES):
                continue
            if resolved is None:
                message = f"{plain} leads out of the bundle"
            elif tree.is_pulled(resolved):
                message = f"{plain} lies in a pulled copy, which others do not have; cite its permalink"
            elif not tree.exists(resolved):
                message = f"{plain} does not exist{_suggestion(tree, resolved)}"
            else:
                continue
            yield Problem(path, message, at=At("links", n))


def _suggestion(tree: Tree, missing: str) -> str:
    """Name the one file elsewhere that bears the missing one's name, number or case apart."""
    candidates = _by_topic(tree).get(_topic(missing), [])
    if name(missing).lower() != INDEX.lower() and len(candidates) == 1:
        return f"; meant {candidates[0]}?"
    same = [path for path in tree.files(parent(missing)) if path.lower() == missing.lower()]
    return f"; meant {same[0]}?" if same else ""


def _by_topic(tree: Tree) -> dict[str, list[str]]:
    found = tree.memo.get(_by_topic)
    if isinstance(found, dict):
        return found
    topics: dict[str, list[str]] = {}
    for path in tree.documents:
        topics.setdefault(_topic(path), []).append(path)
    tree.memo[_by_topic] = topics
    return topics


def _topic(path: str) -> str:
    return re.sub(r"^\d+-", "", name(path)).lower()


@tree_rule("L002", "dead-anchor")
def dead_anchor(tree: Tree) -> Iterator[Problem]:
    """A link's anchor is a heading of the file it leads to, in GitHub's spelling.

    The reader lands at the top and searches.

    Bad: `[the trick](02-mla.md#absorb)` where the heading is `## The absorb trick`
    Good: `[the trick](02-mla.md#the-absorb-trick)`
    """
    for path in tree.documents:
        for n, target in enumerate(tree.doc(path).links):
            if "#" not in target or _NOT_LOCAL.match(target):
                continue
            plain, fragment = _path(target), target.partition("#")[2]
            resolved = resolve(path, plain) if plain else path
            if resolved is None or not resolved.endswith(".md") or not tree.is_file(resolved):
                continue
            anchor = unquote(fragment)
            if not anchor or _GENERATED_ANCHOR.match(anchor) or tree.is_pulled(resolved):
                continue
            if anchor not in _anchors(tree, resolved):
                where = "this file" if resolved == path else resolved
                yield Problem(path, f"{where} has no heading for #{anchor}", at=At("links", n))


@tree_rule("L003", "dead-path")
def dead_path(tree: Tree) -> Iterator[Problem]:
    """A path in backticks in SKILL.md or an INDEX.md is there.

    Models follow such paths as readily as links.

    Bad: `karpathy/gpt/` where the folder is `karpathy/gpt-architecture/`
    Good: `karpathy/gpt-architecture/`
    """
    tops = {*tree.knowledge_roots, INGEST, INGEST_AUTO, "source-documents", "source-codebases"}
    for path in tree.documents:
        if path != SKILL and name(path) != INDEX:
            continue
        for n, code in enumerate(tree.doc(path).codes):
            text = _LINE_SUFFIX.sub("", code.partition("#")[0])
            if not text or _PLACEHOLDER.search(text) or _NOT_LOCAL.match(text) or text.startswith("~"):
                continue
            from_top, from_here = resolve("", text), resolve(path, text)
            if any(place is not None and tree.exists(place) for place in (from_top, from_here)):
                continue
            in_bundle = text.removeprefix("./").split("/")[0] in tops
            own = text.endswith(".md") and not tree.codebase_of(path)
            if in_bundle or own:
                yield Problem(path, f"`{code}` does not exist", at=At("codes", n))


@page_rule("L004", "absolute-link", roles="knowledge index skill humor plan other")
def absolute_link(page: Page) -> Iterator[Problem]:
    """Links are relative.

    An absolute path leads somewhere on one machine, and to the top of a disk on the others.

    Bad: `[INDEX](/karpathy/INDEX.md)`, `[notes](C:\\notes.md)`
    Good: `[INDEX](../INDEX.md)`
    """
    for n, link in enumerate(page.doc.links):
        if _ABSOLUTE.match(link):
            yield page.problem(f"{link} is absolute; make it relative", at=At("links", n))
