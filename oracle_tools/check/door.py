"""What `oracle check` does, without the words that a terminal needs for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from oracle_tools.bundle import git
from oracle_tools.bundle.cache import Cache
from oracle_tools.bundle.diff import difference as diff
from oracle_tools.bundle.edits import Edit, apply, is_written, touched
from oracle_tools.bundle.errors import OracleError, shown
from oracle_tools.bundle.lock import locked
from oracle_tools.bundle.tree import Tree, scan
from oracle_tools.check import run
from oracle_tools.check.render import FORMATS, Report
from oracle_tools.check.rule import Finding

_AGAIN = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of one call."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    format: str = "text"
    quiet: bool = False
    statistics: bool = False
    cached: bool = True


def judge(root: Path, asked: Asked) -> tuple[str, int]:
    """Return the report on the bundle at `root` in the form asked for, and the exit code.

    Raises OracleError for an unknown format, rule or path.
    """
    if asked.format not in FORMATS:
        raise OracleError(f"no format {shown(asked.format)}; there are {', '.join(FORMATS)}")
    tree, findings = _judged(root, asked)
    for _ in range(_AGAIN):
        if not run.failed(findings) or not is_written(root, tree.scanned):
            break
        tree, findings = _judged(root, asked)  # half of a change was seen
    paths = _paths(tree, asked.paths)
    findings = run.below(run.selected(findings, asked.select, asked.ignore), paths)
    listed = frozenset(finding.code for finding in findings) if asked.select else frozenset()
    report = Report(tree.name, len(tree.documents), findings, asked.quiet, asked.statistics, listed)
    return FORMATS[asked.format](report), int(run.failed(findings))


def _judged(root: Path, asked: Asked) -> tuple[Tree, list[Finding]]:
    tree = scan(root)
    _paths(tree, asked.paths)
    cache = Cache(root, tree.config) if asked.cached else None
    return tree, run.check(tree, cache, git.head(root))


def difference(root: Path, asked: Asked) -> str:
    """Return as a unified diff what mending would change; "" where nothing."""
    tree = scan(root)
    edits = [edit for batch in _mending(tree, asked) for edit in batch]
    return diff(tree, edits)


def repair(root: Path, asked: Asked) -> Iterator[str]:
    """Mend what can be mended on the disk; yield a line for each changed path."""
    changed: dict[str, None] = {}
    with locked(root):
        for batch in _mending(scan(root), asked):
            apply(root, batch)
            changed |= dict.fromkeys(touched(batch))
    for path in changed:
        yield f"mended {shown(path)}"
    if changed:
        yield f"{len(changed)} mended in {shown(root)}"


def _mending(tree: Tree, asked: Asked) -> list[list[Edit]]:
    return run.mend(tree, asked.select, asked.ignore, _paths(tree, asked.paths))


def _paths(tree: Tree, given: tuple[str, ...]) -> list[str]:
    """Return the given paths as the tree names them: relative to the working directory, or to the bundle."""
    found = []
    for word in given:
        candidates = [word.replace("\\", "/").strip("/") if not Path(word).is_absolute() else ""]
        try:
            inside = (Path.cwd() / word).resolve().relative_to(tree.root or Path())
            candidates.insert(0, "" if inside == Path() else inside.as_posix())
        except (ValueError, OSError):
            candidates = [c.removeprefix("./") for c in candidates if c]
        path = next((c for c in candidates if tree.exists(c)), None)
        if path is None:
            raise OracleError(f"{shown(word)}: no such file or folder in the bundle")
        found.append(path)
    return found


def explain(code: str) -> str:
    """Return the documentation of one rule, or a list of all; raises OracleError for an unknown one."""
    from oracle_tools.check.reference import explain as explained
    from oracle_tools.check.rules import RULES

    rules = sorted(RULES.values(), key=lambda rule: rule.code)
    if code == "all":
        return "\n".join(f"{rule.code} {rule.name}: {rule.summary}" for rule in rules)
    chosen = [rule for rule in rules if code in (rule.code, rule.name)]
    if not chosen:
        raise OracleError(f"no rule {shown(code)}; oracle check --explain all lists them")
    return explained(chosen[0]).rstrip("\n")
