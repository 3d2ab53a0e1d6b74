"""What is written about the command is what the command does."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle_tools.bundle.regions import regions
from oracle_tools.check.reference import REFERENCE, reference
from tests.readme import MADE, README, commands, filled

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(("name", "help_text"), commands())
def test_every_command_says_what_it_does_in_a_sentence(name: str, help_text: str) -> None:
    assert help_text.strip().endswith("."), name


def test_the_readme_is_fresh() -> None:
    text = README.read_text(encoding="utf-8")
    assert set(MADE) <= set(regions(text))
    assert text == filled(text), "run python -m tests.readme"


def test_the_rule_reference_is_fresh() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == reference(), "run python -m oracle_tools.check.reference"


def test_ci_runs_the_readme_commands() -> None:
    tests = next(
        line for line in README.read_text(encoding="utf-8").splitlines() if line.endswith("-m pytest")
    )
    assert tests in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
