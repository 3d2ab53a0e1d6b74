"""X: where one tree speaks of the other side's subject. Expected of a dual oracle, and only noted."""

from __future__ import annotations

import re
from collections.abc import Iterator

from oracle_tools.bundle.tree import Tree, name
from oracle_tools.check.rule import Problem, Severity, tree_rule


@tree_rule("X001", "cross-pollination", Severity.INFO)
def cross_pollination(tree: Tree) -> Iterator[Problem]:
    """A file of one tree is about the other side's subject.

    Never a failure: comparing the sides is what a dual oracle is for. The note helps to find a file that
    lies on the wrong side. Files in a side's `codebases/` are left out: to compare is their purpose.

    Bad: a file about DualPipe under `karpathy/tokenization/`
    Good: `karpathy/codebases/02-karpathy-on-deepseek-efficiency.md`, which means to compare
    """
    subjects = {
        side: re.compile("|".join(rf"(?<!\w){_either(word.lower())}(?!\w)" for word in words))
        for side, words in tree.config.subjects.items()
        if words
    }
    for path in tree.knowledge:
        own, _, rest = path.partition("/")
        if own not in subjects or rest.startswith("codebases/"):
            continue
        doc = tree.doc(path)
        about = f"{name(path)} {doc.title} {' '.join(doc.keywords)}".lower()
        for side, pattern in subjects.items():
            if side != own and (match := pattern.search(about)):
                yield Problem(path, f"is also about {match[0]}, the subject of {side}/")


def _either(subject: str) -> str:
    """Return the pattern of a subject of several words: titles have spaces where names have hyphens."""
    return re.sub(r"\\-|\\ ", "[- ]", re.escape(subject))
