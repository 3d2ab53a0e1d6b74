"""What a rule is: one function, registered with its code and name, that yields problems.

Its docstring is its documentation: a first line that states the rule, why it matters, and a `Bad:` and a
`Good:` example. The reference in RULES.md is made from it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from oracle_tools.bundle.edits import Edit
from oracle_tools.bundle.layout import Config
from oracle_tools.bundle.markdown import At, Doc
from oracle_tools.bundle.tree import Tree


class Severity(IntEnum):
    """How much a finding matters. Only warnings and errors fail a check."""

    INFO = 0
    WARNING = 1
    ERROR = 2

    @property
    def word(self) -> str:
        """The severity in lower case, as every output format writes it."""
        return self.name.lower()


class Problem(NamedTuple):
    """What a rule found: where (1-based line and column), what and what to do; and its fix, if it has one.

    `at` names the fact of the file that the problem is about; its place stands for line and column.
    """

    path: str
    message: str
    line: int = 1
    column: int = 1
    fix: tuple[Edit, ...] = ()
    at: At | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem with the rule that found it."""

    code: str
    name: str
    severity: Severity
    path: str
    line: int
    column: int
    message: str
    fixable: bool = False
    fix: tuple[Edit, ...] = field(default=(), compare=False)

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        """What findings are sorted by."""
        return (self.path, self.line, self.column, self.code, self.message)


@dataclass(frozen=True, slots=True)
class Page:
    """One Markdown file as a page rule sees it."""

    path: str
    text: str
    doc: Doc
    role: str
    config: Config

    def problem(
        self, message: str, line: int = 1, column: int = 1, fix: tuple[Edit, ...] = (), at: At | None = None
    ) -> Problem:
        """Return a problem of this page."""
        return Problem(self.path, message, line, column, fix, at)


TreeCheck = Callable[[Tree], Iterator[Problem]]
PageCheck = Callable[[Page], Iterator[Problem]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A registered rule. `roles` are those of the pages a page rule judges; empty for a tree rule."""

    code: str
    name: str
    severity: Severity
    doc: str
    fixable: bool
    on_tree: TreeCheck | None = None
    on_page: PageCheck | None = None
    roles: frozenset[str] = frozenset()

    @property
    def family(self) -> str:
        """The letter that a family of rules shares."""
        return self.code[0]

    @property
    def summary(self) -> str:
        """The first line of the documentation."""
        return self.doc.partition("\n")[0]

    def finding(self, problem: Problem) -> Finding:
        """Return `problem` as a finding of this rule."""
        return Finding(
            self.code,
            self.name,
            self.severity,
            problem.path,
            problem.line,
            problem.column,
            problem.message,
            bool(problem.fix),
            problem.fix,
        )

    def matches(self, selectors: Sequence[str]) -> bool:
        """Say whether a selector names this rule: a code, the beginning of one, or a name."""
        return any(self.code.startswith(word) or self.name == word for word in selectors if word)


RULES: dict[str, Rule] = {}
"""Every rule by its code; filled when `oracle_tools.check.rules` is imported."""


def _register(rule: Rule) -> None:
    if rule.code in RULES:
        raise ValueError(f"rule {rule.code} is registered twice")
    RULES[rule.code] = rule


def tree_rule(
    code: str, name: str, severity: Severity = Severity.ERROR, *, fixable: bool = False
) -> Callable[[TreeCheck], TreeCheck]:
    """Register a rule that looks at the tree as a whole."""

    def register(check: TreeCheck) -> TreeCheck:
        _register(Rule(code, name, severity, inspect.getdoc(check) or "", fixable, on_tree=check))
        return check

    return register


def page_rule(
    code: str,
    name: str,
    severity: Severity = Severity.ERROR,
    *,
    roles: str = "knowledge",
    fixable: bool = False,
) -> Callable[[PageCheck], PageCheck]:
    """Register a rule that looks at one page at a time; `roles` are separated by spaces.

    Its problems depend on nothing but the page and the configuration, so they can be cached.
    """

    def register(check: PageCheck) -> PageCheck:
        doc = inspect.getdoc(check) or ""
        _register(Rule(code, name, severity, doc, fixable, on_page=check, roles=frozenset(roles.split())))
        return check

    return register
