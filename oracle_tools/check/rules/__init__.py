"""The rules by family. Importing this package registers them all."""

from oracle_tools.check.rule import RULES
from oracle_tools.check.rules import (
    bundle,
    citations,
    codebases,
    humor,
    indexes,
    knowledge,
    links,
    naming,
    plans,
    pollination,
    quotations,
    refuted,
    structure,
)

__all__ = [
    "RULES",
    "bundle",
    "citations",
    "codebases",
    "humor",
    "indexes",
    "knowledge",
    "links",
    "naming",
    "plans",
    "pollination",
    "quotations",
    "refuted",
    "structure",
]
