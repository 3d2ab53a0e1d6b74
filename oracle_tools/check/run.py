"""Runs the rules over a tree: cold on several processes, again from the cache, unchanged from its answer."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from oracle_tools.bundle.cache import Cache, fingerprint
from oracle_tools.bundle.edits import Edit, touched
from oracle_tools.bundle.errors import OracleError
from oracle_tools.bundle.layout import Config, Ignore
from oracle_tools.bundle.markdown import Doc
from oracle_tools.bundle.tree import Entry, Tree
from oracle_tools.check.rule import RULES, Finding, Page, Problem, Rule, Severity

FAMILIES = ("S", "N", "K", "L", "C", "H", "P", "B", "X", "I")
"""The order in which families are reported and mended; indexes come last, over what the others did."""

PARALLEL_FROM = 300
"""Files to read from which on two processes are faster than one."""

_MEND_LIMIT = 100


def _rules() -> dict[str, Rule]:
    """Return all rules. They are loaded when one is run: an unchanged tree needs none."""
    from oracle_tools.check import rules  # noqa: F401  importing it registers them

    return RULES


def check(tree: Tree, cache: Cache | None = None, head: str = "") -> list[Finding]:
    """Return what every rule finds in `tree`, sorted, without what the configuration ignores.

    `head` is the commit the tree lies on: some rules compare with history.
    """
    if cache is None:
        return _kept(tree.config.ignores, _run(tree, _notes(tree, None)))
    mark = fingerprint(tree, head)
    answer = cache.answer("check", mark)
    if answer is not None:
        try:
            beyond, rows = json.loads(answer)
            if all(tree.left_out(path) == there for path, there in beyond.items()):
                return [_revived(*row) for row in rows]
        except (ValueError, KeyError, TypeError, AttributeError):
            pass  # a damaged answer is no answer
    findings = _kept(tree.config.ignores, _run(tree, _notes(tree, cache)))
    cache.keep(
        tree,
        "check",
        mark,
        json.dumps([tree.memo.get(Tree.left_out, {}), [_row(finding) for finding in findings]]),
    )
    return findings


def selected(findings: Iterable[Finding], select: Sequence[str], ignore: Sequence[str]) -> list[Finding]:
    """Return the findings of the rules that `select` names, or of all, less those that `ignore` names.

    Raises OracleError for a selector that names no rule.
    """
    if not select and not ignore:
        return list(findings)
    for word in (*select, *ignore):
        if not any(rule.matches([word]) for rule in _rules().values()):
            raise OracleError(f"no rule {word}; oracle check --explain lists the rules")
    wanted = {
        code
        for code, rule in _rules().items()
        if (not select or rule.matches(select)) and not rule.matches(ignore)
    }
    return [finding for finding in findings if finding.code in wanted]


def below(findings: Iterable[Finding], paths: Sequence[str]) -> list[Finding]:
    """Return the findings at or below one of `paths`; all where there is none."""
    if not paths or "" in paths:
        return list(findings)
    return [f for f in findings if any(f.path == p or f.path.startswith(f"{p}/") for p in paths)]


def mend(
    tree: Tree, select: Sequence[str] = (), ignore: Sequence[str] = (), paths: Sequence[str] = ()
) -> list[list[Edit]]:
    """Return the edits that mend what can be mended, in batches to be applied in order.

    Family by family, each over the tree as the earlier ones leave it; the disk is only read.
    """
    batches: list[list[Edit]] = []
    for family in FAMILIES:
        chosen = [rule for rule in _rules().values() if rule.family == family and rule.fixable]
        for _ in range(_MEND_LIMIT):
            findings = [f for rule in chosen for f in _of_rule(rule, tree) if f.fix]
            found = below(selected(_kept(tree.config.ignores, findings), select, ignore), paths)
            batch = _disjoint(found)
            if not batch:
                break
            batches.append(batch)
            tree = tree.after(batch)
    return batches


def _disjoint(findings: Iterable[Finding]) -> list[Edit]:
    """Return the edits of the fixes that do not get in each other's way; the others wait for a rescan."""
    edits: list[Edit] = []
    taken: set[str] = set()
    for finding in findings:
        paths = set(touched(finding.fix))
        if not paths & taken:
            edits += finding.fix
            taken |= paths
    return edits


def _of_rule(rule: Rule, tree: Tree) -> Iterator[Finding]:
    if rule.on_tree:
        yield from (_placed(rule, problem, tree) for problem in rule.on_tree(tree))
    elif rule.on_page:
        for path in tree.documents:
            if tree.role(path) in rule.roles and (page := _page(tree, path)):
                yield from (_placed(rule, problem, tree) for problem in rule.on_page(page))


def _placed(rule: Rule, problem: Problem, tree: Tree) -> Finding:
    if problem.at is not None:
        line, column = tree.place(problem.path, problem.at)
        problem = problem._replace(line=line, column=column)
    return rule.finding(problem)


def _run(tree: Tree, notes: Iterable[Finding]) -> Iterator[Finding]:
    yield from notes
    for rule in _rules().values():
        if rule.on_tree:
            yield from _of_rule(rule, tree)


def _page(tree: Tree, path: str) -> Page | None:
    doc = tree.doc(path)
    if doc.unreadable:
        return None
    return Page(path, tree.text(path), doc, tree.role(path), tree.config)


def _judge(tree: Tree, page: Page) -> Iterator[Finding]:
    for rule in _rules().values():
        if rule.on_page and page.role in rule.roles:
            yield from (_placed(rule, problem, tree) for problem in rule.on_page(page))


def _notes(tree: Tree, cache: Cache | None) -> list[Finding]:
    """Return what the page rules find, reading only the files that the cache does not know."""
    known = cache.facts(tree, notes=True) if cache else {}
    findings = [_noted(path, *note) for path, notes in known.items() for note in notes]
    missing = [path for path in tree.documents if path not in known]
    if tree.root and len(missing) >= PARALLEL_FROM and (os.cpu_count() or 1) > 1:
        rows = _in_parallel(tree, missing)
    else:
        rows = _examined(tree, missing)
    for path, soon, late, notes in rows:
        if soon and not tree.knows(path):
            tree.adopt(path, Doc.from_row(soon, late))
        if notes != "[]":
            findings += [_noted(path, *note) for note in json.loads(notes)]
    if cache:
        cache.remember(tree, [row for row in rows if row[1]])
    return findings


def _examined(tree: Tree, paths: Iterable[str]) -> list[tuple[str, str, str, str]]:
    """Return path, facts (two texts) and notes of each file; empty facts for an unreadable one."""
    rows = []
    for path in paths:
        page = _page(tree, path)
        if page is None:
            rows.append((path, "", "", "[]"))
            continue
        notes = [[f.code, f.line, f.column, f.message, f.fixable] for f in _judge(tree, page)]
        rows.append((path, *page.doc.to_row(), json.dumps(notes)))
        tree.forget(path)
    return rows


def _in_parallel(tree: Tree, paths: list[str]) -> list[tuple[str, str, str, str]]:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    _rules()  # loaded before the processes part, so that none has to load them again
    workers = min(os.cpu_count() or 1, 4)
    roles = [(path, tree.entries[path], tree.role(path)) for path in paths]
    shares = [roles[start :: workers * 4] for start in range(workers * 4)]
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    context = multiprocessing.get_context(method)
    assert tree.root is not None
    jobs = [(str(tree.root), tree.config, share) for share in shares]
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        return [row for rows in pool.map(_share, jobs) for row in rows]


def _share(job: tuple[str, Config, list[tuple[str, Entry, str]]]) -> list[tuple[str, str, str, str]]:
    root, config, share = job
    tree = _Share({path: entry for path, entry, _ in share}, config, Path(root))
    tree.roles = {path: role for path, _, role in share}
    return _examined(tree, [path for path, _, _ in share])


class _Share(Tree):
    """A part of a tree in a worker, which cannot tell the role of a file from that part alone."""

    roles: dict[str, str]

    def role(self, path: str) -> str:
        return self.roles[path]


def _noted(path: str, code: str, line: int, column: int, message: str, fixable: bool) -> Finding:
    finding = _rules()[code].finding(Problem(path, message, line, column))
    return replace(finding, fixable=fixable)  # the fix itself is not kept: mending reads the file anyway


def _row(finding: Finding) -> list[object]:
    place = (finding.path, finding.line, finding.column)
    return [finding.code, finding.name, finding.severity, *place, finding.message, finding.fixable]


def _revived(code: str, name: str, severity: int, path: str, line: int, *rest: Any) -> Finding:
    return Finding(code, name, Severity(severity), path, line, *rest)


def _kept(ignores: Sequence[Ignore], findings: Iterable[Finding]) -> list[Finding]:
    kept = []
    for finding in findings:
        rule = _rules()[finding.code]
        for entry in ignores:
            inside = entry.path.endswith("/") and finding.path.startswith(entry.path)
            if (finding.path == entry.path or inside) and rule.matches([entry.rule]):
                break
        else:
            kept.append(finding)
    return sorted(kept, key=lambda finding: finding.order)


def failed(findings: Iterable[Finding]) -> bool:
    """Say whether a finding is a warning or worse."""
    return any(finding.severity >= Severity.WARNING for finding in findings)
