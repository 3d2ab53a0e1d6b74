"""Makes the rule reference, RULES.md, from the rules' docstrings."""

from __future__ import annotations

from pathlib import Path

from oracle_tools.check import rules
from oracle_tools.check.rule import Rule
from oracle_tools.check.rules import RULES
from oracle_tools.check.run import FAMILIES

REFERENCE = Path(__file__).with_name("RULES.md")

_HEAD = """# Rules of `oracle check`

This page is made from the docstrings of the rules by `python -m oracle_tools.check.reference`.

"""


def explain(rule: Rule) -> str:
    """Return the documentation of one rule as Markdown."""
    fix = ", mended by `--fix`" if rule.fixable else ""
    return f"### {rule.code} {rule.name}\n\n{rule.severity.word.capitalize()}{fix}. {_body(rule.doc)}\n"


def _body(doc: str) -> str:
    lines = doc.strip().split("\n")
    return "\n".join(f"{line}  " if line.startswith("Bad:") else line for line in lines)


def reference() -> str:
    """Return the whole of RULES.md: every family with its rules, in the order of their codes."""
    parts = [_HEAD]
    for family in sorted(FAMILIES):
        module = next(
            m for name in rules.__all__[1:] if (m := getattr(rules, name)) and _letter(m.__doc__) == family
        )
        letter, _, title = (module.__doc__ or "").strip().partition(": ")
        parts.append(f"## {letter}: {title}\n")
        parts += [
            explain(rule) for rule in sorted(RULES.values(), key=lambda r: r.code) if rule.family == family
        ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _letter(doc: str | None) -> str:
    return (doc or "").strip()[:1]


if __name__ == "__main__":
    REFERENCE.write_text(reference(), encoding="utf-8", newline="\n")
