"""H: the humor file only grows."""

from __future__ import annotations

from collections.abc import Iterator

from oracle_tools.bundle.tree import Tree
from oracle_tools.check.rule import Page, Problem, Severity, page_rule, tree_rule
from oracle_tools.chores.joke import broken_history, jokes, refusal


@tree_rule("H001", "rewritten-joke")
def rewritten_joke(tree: Tree) -> Iterator[Problem]:
    """A joke that was told stays as it was told.

    Every committed version of the humor file is the beginning of the next, and the last one of the file
    on the disk.

    Bad: a joke edited, removed, or put between two others
    Good: a joke appended by `oracle joke add`
    """
    path = tree.config.humor
    if path and (tree.is_file(path) or tree.earlier(path)) and (why := broken_history(tree)):
        yield Problem(path, f"{why}; restore it with git and append instead")


@page_rule("H002", "joke-markup", Severity.WARNING, roles="humor")
def joke_markup(page: Page) -> Iterator[Problem]:
    """A joke is one paragraph of plain text.

    Headings, bullets, timestamps and HTML turn a humor sense into a database.

    Bad: `- [2025-01-31 16:45] **Joke 12**`
    Good: a sentence that is funny
    """
    for joke in jokes(page.text):
        if why := refusal(joke.text):
            yield page.problem(f"{why}; append it again as plain text", joke.line)


@page_rule("H003", "duplicate-joke", Severity.WARNING, roles="humor")
def duplicate_joke(page: Page) -> Iterator[Problem]:
    """No joke is stored twice.

    Bad: the same paragraph again
    Good: a new one
    """
    seen: dict[str, int] = {}
    for joke in jokes(page.text):
        first = seen.setdefault(" ".join(joke.text.split()), joke.line)
        if first != joke.line:
            yield page.problem(f"the same joke stands at line {first}", joke.line)
