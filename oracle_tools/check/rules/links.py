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
_GENERATED_ANCHOR = re.compile(r"user-content-|L\d+(?:C\d+)?(?:-L\d+(?:C\d+)?)?$|top$")
_REPOSITORY = re.compile(r"[:/]([^/:]+/[^/:]+?)(?:\.git)?/?$")
_PULLED = "lies in a pulled copy, which others do not have; cite its permalink"


def local_path(target: str) -> str | None:
    """Return the path of a link's target, without query and fragment, its escapes decoded.

    None for an address and for an absolute path, which lead out of the bundle.
    """
    if _NOT_LOCAL.match(target):
        return None
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
    permalink instead. What lies on the disk and is no part of the bundle, `.gitignore` say, may be linked.

    Bad: `[MLA](mla.md)` and no such file
    Good: `[MLA](02-multi-head-latent-attention.md)`
    """
    entries = tree.entries
    alive: dict[str, set[str]] = {}  # of each folder: its files link the same places again and again
    for path in tree.documents:
        known = alive.setdefault(parent(path), set())
        for n, target in enumerate(tree.doc(path).links):
            if target in known:
                continue
            plain = local_path(target)
            if plain is None:
                continue
            resolved = resolve(path, plain) if plain else path
            if resolved in entries and target and not resolved.startswith(SOURCE_CODEBASES):
                known.add(target)
                continue
            if not target:
                message = "a link without a target; write where it leads"
            elif resolved is None:
                message = f"{plain} leads out of the bundle; link what is in it, or an address"
            elif tree.is_pulled(resolved):
                message = f"{plain} {_PULLED}"
            elif not tree.exists(resolved) and not tree.left_out(resolved):
                message = f"{plain} does not exist; {_suggestion(tree, resolved)}"
            else:
                continue
            yield Problem(path, message, at=At("links", n))


def _suggestion(tree: Tree, missing: str) -> str:
    """Name the one file elsewhere that bears the missing one's name, number or case apart."""
    candidates = _by_topic(tree).get(_topic(missing), [])
    if name(missing).lower() != INDEX.lower() and len(candidates) == 1:
        return f"meant {candidates[0]}?"
    same = _by_lower(tree).get(missing.lower())
    return f"meant {same}?" if same else "mend the link, or write the file"


def _by_topic(tree: Tree) -> dict[str, list[str]]:
    found = tree.memo.get(_by_topic)
    if isinstance(found, dict):
        return found
    topics: dict[str, list[str]] = {}
    for path in tree.documents:
        topics.setdefault(_topic(path), []).append(path)
    tree.memo[_by_topic] = topics
    return topics


def _by_lower(tree: Tree) -> dict[str, str]:
    found = tree.memo.get(_by_lower)
    if not isinstance(found, dict):
        found = tree.memo[_by_lower] = {path.lower(): path for path in tree.documents}
    return found


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
            plain, fragment = local_path(target) or "", target.partition("#")[2].partition(":~:")[0]
            resolved = resolve(path, plain) if plain else path
            if resolved is None or not resolved.endswith(".md") or not tree.is_file(resolved):
                continue
            anchor = unquote(fragment)
            if not anchor or _GENERATED_ANCHOR.match(anchor) or tree.is_pulled(resolved):
                continue
            if tree.doc(resolved).unreadable:
                continue
            if anchor not in _anchors(tree, resolved):
                where = "this file" if resolved == path else resolved
                todo = _nearest(anchor, _anchors(tree, resolved))
                yield Problem(path, f"{where} has no heading for #{anchor}; {todo}", at=At("links", n))


def _nearest(anchor: str, anchors: set[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(anchor.lower(), sorted(anchors), 1, 0.5)
    return f"meant #{near[0]}?" if near else "link one of its headings, or the file"


@tree_rule("L003", "dead-path")
def dead_path(tree: Tree) -> Iterator[Problem]:
    """A path in backticks in SKILL.md or an INDEX.md is there.

    Models follow such paths as readily as links. A codebase's own INDEX.md may name files of its copy;
    elsewhere they are found, whether the copy was pulled here or not. The name of a codebase's repository,
    `owner/name`, is no path.

    Bad: `karpathy/gpt/` where the folder is `karpathy/gpt-architecture/`
    Good: `karpathy/gpt-architecture/`
    """
    repositories = _repositories(tree)
    tops = {*tree.knowledge_roots, INGEST, INGEST_AUTO, "source-documents", "source-codebases"}
    for path in tree.documents:
        if path != SKILL and name(path) != INDEX:
            continue
        for n, code in enumerate(tree.doc(path).codes):
            text = _LINE_SUFFIX.sub("", code.partition("#")[0])
            if not text or _PLACEHOLDER.search(text) or _NOT_LOCAL.match(text) or text.startswith("~"):
                continue
            first, *more = text.removeprefix("./").split("/")
            address = more and "." in first and first != ".."
            if name(text) == ".md" or address or "/".join([first, *more[:1]]) in repositories:
                continue
            from_top, from_here = resolve("", text), resolve(path, text)
            places = [place for place in (from_top, from_here) if place is not None]
            if any(tree.exists(place) and not tree.is_pulled(place) for place in places):
                continue
            in_copy = tree.codebase_of(path)
            theirs = [from_top] if in_copy else places
            if any(place is not None and tree.is_pulled(place) for place in theirs):
                yield Problem(path, f"`{code}` {_PULLED}", at=At("codes", n))
            elif (first in tops or (text.endswith(".md") and not in_copy)) and not any(
                map(tree.left_out, places)
            ):
                yield Problem(path, f"`{code}` does not exist; name what is there", at=At("codes", n))


def _repositories(tree: Tree) -> set[str]:
    """Return `owner/name` of every codebase's upstream."""
    upstreams = (str(tree.doc(f"{folder}/{INDEX}").meta.get("upstream")) for folder in tree.codebases)
    return {match[1] for upstream in upstreams if (match := _REPOSITORY.search(upstream))}


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
