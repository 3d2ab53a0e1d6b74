"""H: the humor file only grows."""

from __future__ import annotations

from collections.abc import Iterator

from oracle_tools.bundle.tree import Tree
from oracle_tools.check.rule import Problem, Severity, tree_rule
from oracle_tools.chores.joke import Joke, broken_history, jokes, refusal, told


@tree_rule("H001", "rewritten-joke")
def rewritten_joke(tree: Tree) -> Iterator[Problem]:
    """A joke that was told stays as it was told.

    Every committed version of the humor file is the beginning of the next, and the last one of the file
    on the disk; a file that was deleted is an empty one.

    Bad: a joke edited, continued, removed, or put between two others
    Good: a joke appended by `oracle joke add`
    """
    path = tree.config.humor
    if path and not tree.doc(path).unreadable and (why := broken_history(tree)):
        yield Problem(path, f"{why}; restore it with git and append instead")


def _stored(tree: Tree) -> tuple[list[Joke], int]:
    """Return the jokes, and how many of them are committed: those stay, whatever they are."""
    path = tree.config.humor
    if not path or not tree.is_file(path) or tree.doc(path).unreadable:
        return [], 0
    versions = told(tree)
    return jokes(tree.text(path)), len(jokes(versions[-1])) if versions else 0


@tree_rule("H002", "joke-markup", Severity.WARNING)
def joke_markup(tree: Tree) -> Iterator[Problem]:
    """A joke is one paragraph of plain text.

    Headings, bullets, timestamps and HTML turn a humor sense into a database. Only jokes that are not yet
    committed are judged: an older one must stay as it was told.

    Bad: `- [2025-01-31 16:45] **Joke 12**`
    Good: a sentence that is funny
    """
    found, committed = _stored(tree)
    for joke in found[committed:]:
        if why := refusal(joke.text):
            yield Problem(tree.config.humor, f"{why}; reword it before it is committed", joke.line)


@tree_rule("H003", "duplicate-joke", Severity.WARNING)
def duplicate_joke(tree: Tree) -> Iterator[Problem]:
    """No joke is stored twice.

    Only jokes that are not yet committed are judged: an older one must stay.

    Bad: the same paragraph again
    Good: a new one
    """
    found, committed = _stored(tree)
    seen: dict[str, int] = {}
    for n, joke in enumerate(found):
        first = seen.setdefault(" ".join(joke.text.split()), joke.line)
        if first != joke.line and n >= committed:
            yield Problem(tree.config.humor, f"the same joke stands at line {first}; take it out", joke.line)
