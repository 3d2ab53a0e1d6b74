"""What is written about the command is what the command does."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from oracle_tools.check.reference import REFERENCE, reference
from oracle_tools.cli import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[tuple[str, str]]:
    found = []
    root = typer.main.get_command(app)
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        children = getattr(command, "commands", None)
        if children is None:
            found.append((name, command.help or ""))
        else:
            found += [(f"{name} {child}", sub.help or "") for child, sub in children.items()]
    return found


@pytest.mark.parametrize(("name", "help_text"), commands())
def test_every_command_has_help_and_stands_in_the_readme(name: str, help_text: str) -> None:
    assert help_text.endswith("."), "a command says in a sentence what it does"
    group, _, child = name.partition(" ")
    row = next((line for line in README.splitlines() if line.startswith(f"| `oracle {group}")), "")
    assert row, "the command has no row in README.md"
    assert not child or f"`{child}`" in row or f"{group} {child}`" in row


def test_the_rule_reference_is_fresh() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == reference(), "run python -m oracle_tools.check.reference"


def test_ci_runs_the_readme_commands() -> None:
    tests = next(line for line in README.splitlines() if line.endswith("-m pytest"))
    assert tests in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
