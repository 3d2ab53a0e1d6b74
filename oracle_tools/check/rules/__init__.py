"""The rules by family. Importing this package registers them all."""

from oracle_tools.check.rule import RULES
from oracle_tools.check.rules import (
    bundle,
    codebases,
    humor,
    indexes,
    knowledge,
    links,
    naming,
    plans,
    pollination,
    structure,
)

__all__ = [
    "RULES",
    "bundle",
    "codebases",
    "humor",
    "indexes",
    "knowledge",
    "links",
    "naming",
    "plans",
    "pollination",
    "structure",
]
