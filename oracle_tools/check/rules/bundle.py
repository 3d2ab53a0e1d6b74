"""B: SKILL.md and the plugin's files, as the clients that load them want them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from oracle_tools.bundle.errors import shown
from oracle_tools.bundle.layout import MARKETPLACE, PLUGIN, ROUTES_REGION, SKILL
from oracle_tools.bundle.regions import regions
from oracle_tools.bundle.tokens import estimate
from oracle_tools.bundle.tree import Tree, Unreadable
from oracle_tools.check.rule import Page, Problem, page_rule, tree_rule
from oracle_tools.chores.index import stale_regions

SKILL_KEYS = ("name", "description", "license", "compatibility", "metadata", "allowed-tools")
LINE_LIMIT = 500
TOKEN_LIMIT = 5_000
DESCRIPTION_LIMIT = 1_024
COMPATIBILITY_LIMIT = 500

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_VERSION = re.compile(r"""^__version__ = ["']([^"']+)["']""", re.MULTILINE)


@page_rule("B001", "skill-frontmatter", roles="skill")
def skill_frontmatter(page: Page) -> Iterator[Problem]:
    """SKILL.md's frontmatter follows the Agent Skills specification.

    Clients refuse a skill with unknown keys, a missing name, or YAML that a strict parser does not read
    (https://agentskills.io/specification).

    Bad: `name: My Skill`, `tools: Read`
    Good: `name`, `description`, and no key but `license`, `compatibility`, `metadata`, `allowed-tools`
    """
    if page.text.startswith("\ufeff"):
        yield page.problem("begins with a byte-order mark; save it without")
    meta, problem = page.doc.meta, page.doc.problem
    if problem:
        yield page.problem(f"{problem}; mend the frontmatter")
        return
    for key in sorted(set(meta) - set(SKILL_KEYS)):
        yield page.problem(f"unknown key {key}; allowed are {', '.join(SKILL_KEYS)}")
    name, description = meta.get("name"), meta.get("description")
    if name in (None, ""):
        yield page.problem("no name; give the skill one, lower-case words joined by hyphens")
    elif not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > 64:
        yield page.problem("name must be lower-case words joined by hyphens, at most 64 characters")
    elif page.config.name and name != page.config.name:
        yield page.problem(f"name is {name}, the configuration says {page.config.name}; make them one")
    if not isinstance(description, str) or not description.strip():
        yield page.problem("no description; say what the skill does and when to use it")
    elif "<" in description or ">" in description:
        yield page.problem("the description has < or >, which clients refuse; reword it")
    for key in ("license", "compatibility", "allowed-tools"):
        if key in meta and not isinstance(meta[key], str):
            yield page.problem(f"{key} must be one text")
    if isinstance(text := meta.get("compatibility"), str) and len(text) > COMPATIBILITY_LIMIT:
        yield page.problem(f"compatibility has {len(text):,} characters, over {COMPATIBILITY_LIMIT}; cut it")
    metadata = meta.get("metadata", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        yield page.problem("metadata must be a table of texts")


@page_rule("B002", "overlong-skill", roles="skill")
def overlong_skill(page: Page) -> Iterator[Problem]:
    """SKILL.md has under 500 lines and under 5,000 tokens.

    The whole of it enters the context on every invocation.

    Bad: every question the oracle can answer, listed in SKILL.md
    Good: one row a folder; the questions stand in the folder's INDEX.md
    """
    if page.doc.lines >= LINE_LIMIT:
        yield page.problem(f"{page.doc.lines} lines; keep it under {LINE_LIMIT}", LINE_LIMIT)
    tokens = estimate(page.doc.size)
    if tokens >= TOKEN_LIMIT:
        yield page.problem(f"about {tokens:,} tokens; keep it under {TOKEN_LIMIT:,}")


@page_rule("B003", "overlong-description", roles="skill")
def overlong_description(page: Page) -> Iterator[Problem]:
    """SKILL.md's description has at most 1,024 characters.

    Clients cut or refuse a longer one.

    Bad: a list of all folders
    Good: what it knows in a sentence, then "Use when …"
    """
    description = page.doc.meta.get("description")
    if isinstance(description, str) and len(description) > DESCRIPTION_LIMIT:
        yield page.problem(f"the description has {len(description):,} characters, over {DESCRIPTION_LIMIT:,}")


@tree_rule("B004", "plugin-mismatch")
def plugin_mismatch(tree: Tree) -> Iterator[Problem]:
    """plugin.json and marketplace.json agree with SKILL.md and with the version of the tools.

    A client that finds two names for one skill loads neither.

    Bad: `"name": "karpathy-oracle"` beside `name: karpathy-deep-oracle`
    Good: one name and one version everywhere
    """
    name = tree.doc(SKILL).meta.get("name") if tree.is_file(SKILL) else None
    version = _version(tree)
    plugin, problem = _json(tree, PLUGIN)
    if problem:
        yield Problem(PLUGIN, problem)
    if plugin is not None:
        if name and plugin.get("name") != name:
            yield Problem(PLUGIN, f"{_now(plugin, 'name')}, {SKILL} says {name}; make them one")
        if version and plugin.get("version") != version:
            yield Problem(PLUGIN, f"{_now(plugin, 'version')}, the tools are {version}; make them one")
    market, problem = _json(tree, MARKETPLACE)
    if problem:
        yield Problem(MARKETPLACE, problem)
    if market is not None and name:
        listed = market.get("plugins")
        plugins = [p for p in listed if isinstance(p, dict)] if isinstance(listed, list) else []
        ours = [p for p in plugins if p.get("name") == name]
        if not ours:
            yield Problem(MARKETPLACE, f"lists no plugin {name}, the name in {SKILL}; list it")
        for entry in ours:
            if version and entry.get("version", version) != version:
                what = _now(entry, "version")
                yield Problem(MARKETPLACE, f"{name}: {what}, the tools are {version}; make them one")


def _now(table: dict[str, Any], key: str) -> str:
    """Say what a table has for `key`, in one short line."""
    value = table.get(key)
    return f"no {key}" if value is None else f"{key} is {shown(value)[:80]}"


def _json(tree: Tree, path: str) -> tuple[dict[str, Any] | None, str]:
    """Return the table that a JSON file holds, or what is wrong with it."""
    if not tree.is_file(path):
        return None, ""
    try:
        value = json.loads(tree.text(path))
    except (ValueError, RecursionError) as error:
        return None, f"not JSON ({error}); mend it"
    except Unreadable as error:
        return None, str(error)
    return (value, "") if isinstance(value, dict) else (None, "not a JSON object; write one, {…}")


def _version(tree: Tree) -> str:
    """Return the version of the tools in the bundle, or "" where they are not there or cannot be read."""
    path = "oracle_tools/__init__.py"
    try:
        match = _VERSION.search(tree.text(path)) if tree.is_file(path) else None
    except Unreadable:
        return ""
    return match[1] if match else ""


@tree_rule("B005", "stale-route", fixable=True)
def stale_route(tree: Tree) -> Iterator[Problem]:
    """SKILL.md's routing table names every folder with knowledge, as the folders describe themselves.

    A folder without a route is never read.

    Bad: a new folder, and `oracle index` has not run
    Good: the region between `<!-- oracle:routes -->` and its end is fresh
    """
    if not tree.is_file(SKILL):
        return
    for region, line, write in stale_regions(tree, SKILL):
        yield Problem(SKILL, f"region {region} is stale; run oracle index", line, fix=(write,))
    if not tree.config.name or not tree.knowledge or tree.doc(SKILL).unreadable:
        return
    if ROUTES_REGION not in regions(tree.text(SKILL)):
        yield Problem(SKILL, f"has no region {ROUTES_REGION}; add its two marks where the table belongs")
