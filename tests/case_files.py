"""Reads the case files of `tests/cases/`: what a rule says about a tree, written as its documentation.

A file is one rule. Each `##` section is one case: fences put files into a tree, and say what is expected.

    ```md karpathy/index.md          a file of the tree
    ```toml config                   the configuration
    ```text folders                  empty folders, one a line
    ```text symlinks                 `path -> target`, one a line
    ```text unreadable               `path: why`, one a line
    ```md earlier PATH               a committed version of PATH, the oldest first
    ```text findings                 `path:line:column message`, one a line; without it the case is clean
    ```md fixed PATH                 what PATH says after mending
    ```text removed                  paths that mending takes away
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt

from oracle_tools.bundle.layout import Config, parse_config
from oracle_tools.bundle.markdown import Doc
from oracle_tools.bundle.tree import LINK, Entry, Tree

FOLDER = Path(__file__).parent / "cases"


@dataclass
class Case:
    """One section of a case file."""

    rule: str
    title: str
    files: dict[str, str] = field(default_factory=dict)
    config: str = ""
    symlinks: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    earlier: dict[str, list[str]] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    fixed: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)

    def tree(self) -> Tree:
        config = parse_config(tomllib.loads(self.config), "oracle.toml") if self.config else Config()
        tree = Tree.of(self.files, config, name="case")
        for line in self.symlinks:
            path, _, target = line.partition(" -> ")
            tree.entries[path] = Entry(LINK, target=target)
        for line in self.unreadable:
            path = line.partition(": ")[0]
            tree.adopt(path, Doc(problem=line, unreadable=True))
        tree.remember(self.earlier)
        return tree


def read_cases(path: Path) -> list[Case]:
    rule = path.name.partition("-")[0]
    cases: list[Case] = []
    tokens = MarkdownIt("commonmark").parse(path.read_text(encoding="utf-8"))
    for number, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h2":
            cases.append(Case(rule, tokens[number + 1].content))
        elif token.type == "fence":
            _add(cases[-1], token.info.split(), token.content)
    return cases


def _add(case: Case, info: list[str], content: str) -> None:
    rows = content.splitlines()
    match info[1:]:
        case ["config"]:
            case.config = content
        case ["folders"]:
            case.files |= {f"{row.rstrip('/')}/": "" for row in rows}
        case [("symlinks" | "unreadable" | "findings" | "removed") as kind]:
            setattr(case, kind, rows)
        case ["earlier", path]:
            case.earlier.setdefault(path, []).append(content)
        case ["fixed", path]:
            case.fixed[path] = content
        case [path]:
            case.files[path] = content
        case _:
            raise AssertionError(f"a fence of {case.rule} says {' '.join(info)!r}, which means nothing")
