"""The oracle inside real Claude Code, with a scripted model on loopback and no account.

Two ways of installing are gone through: a clone in `~/.claude/skills`, and a plugin from a marketplace.
What is asserted is read from the requests that Claude Code sent.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from oracle_tools.bundle.tokens import estimate
from tests import small
from tests.clients.conftest import NAME
from tests.clients.model import Model, Turn, everything

Copy = Callable[[Path], Path]

TIME_LIMIT = 180
ASKS = re.compile(
    r"requested permissions|requires approval|needs? permission|haven't granted|has been denied",
    re.IGNORECASE,
)
JOKE = "My context window has a view of the GPU."


@dataclass
class Install:
    """A machine with the oracle on it: its HOME, the user's project, where the bundle lies, its name."""

    home: Path
    project: Path
    base: Path
    skill: str
    claude: Path
    cache: Path
    arguments: tuple[str, ...] = ()

    def environment(self, address: str) -> dict[str, str]:
        quiet = (
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
            "DISABLE_TELEMETRY",
            "DISABLE_AUTOUPDATER",
            "DISABLE_ERROR_REPORTING",
        )
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("CLAUDE", "ANTHROPIC", "ORACLE"))}
        return {
            **kept,
            **small.identity(),
            **dict.fromkeys(quiet, "1"),
            "HOME": str(self.home),
            "ANTHROPIC_BASE_URL": address,
            "ANTHROPIC_API_KEY": "none",
            "ORACLE_CACHE_DIR": str(self.cache),
        }

    def run(self, scripts: dict[str, Sequence[Turn]]) -> Model:
        """Let Claude Code go through the first script, and return the model that recorded it."""
        first = next(iter(scripts))
        with Model(scripts) as model:
            done = subprocess.run(
                [
                    self.claude,
                    "-p",
                    f"{first}: please.",
                    "--allowedTools",
                    f"Skill({self.skill})",
                    *self.arguments,
                ],
                cwd=self.project,
                env=self.environment(model.address),
                capture_output=True,
                text=True,
                timeout=TIME_LIMIT,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        assert model.by_script[first], f"Claude Code asked nothing: {done.stdout}{done.stderr}"
        return model


def _machine(tmp_path: Path) -> tuple[Path, Path]:
    home, project = tmp_path / "home", tmp_path / "a project"
    home.mkdir()
    project.mkdir()
    return home, project


@pytest.fixture
def clone(tmp_path: Path, copy_bundle: Copy, npm_bin: Path, cache: Path) -> Install:
    home, project = _machine(tmp_path)
    base = copy_bundle(home / ".claude" / "skills" / NAME)
    small.commit_all(base)
    return Install(home, project, base, NAME, npm_bin / "claude", cache)


@pytest.fixture
def marketplace(tmp_path: Path, copy_bundle: Copy, npm_bin: Path, cache: Path) -> Install:
    home, project = _machine(tmp_path)
    base = small.commit_all(copy_bundle(tmp_path / "market" / NAME))
    install = Install(home, project, base, f"{NAME}:{NAME}", npm_bin / "claude", cache)
    for command in (("marketplace", "add", str(base)), ("install", f"{NAME}@{NAME}")):
        done = subprocess.run(
            [install.claude, "plugin", *command],
            cwd=project,
            env=install.environment("http://127.0.0.1:9"),
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return install


@pytest.fixture(params=["clone", "marketplace"])
def install(request: pytest.FixtureRequest) -> Install:
    found: Install = request.getfixturevalue(request.param)
    return found


def bash(command: str) -> list[tuple[str, dict[str, str]]]:
    return [("Bash", {"command": command, "description": "a test"})]


def reading(path: Path) -> list[tuple[str, dict[str, str]]]:
    return [("Read", {"file_path": str(path)})]


def test_a_question_is_answered_without_a_permission_question(install: Install) -> None:
    index = install.base / "karpathy" / "tokenization" / "INDEX.md"
    knowledge = index.with_name("01-byte-pair-encoding.md")
    model = install.run(
        {
            "ASK-THE-ORACLE": [
                [("Skill", {"skill": install.skill})],
                reading(index),
                reading(knowledge),
                bash('oracle route "why do tokens hide the letters of a word?"'),
                bash(f'oracle joke add "{JOKE}"'),
                bash("oracle joke add <<'JOKE'\nIt costs $5, `whoami` and a \"quote\".\nJOKE"),
                bash("oracle check"),
                "answered",
            ]
        }
    )
    requests = model.by_script["ASK-THE-ORACLE"]
    listing = re.search(rf"- {re.escape(install.skill)}: (.+)", everything(requests[0]))
    assert listing, "the skill is listed"
    assert "nanoGPT" in listing[1]
    assert "Use when" in listing[1][:250]

    body = everything(requests[1])
    loaded = body[body.index("Base directory for this skill: ") :]
    assert loaded.startswith(f"Base directory for this skill: {install.base}")
    assert "## How to answer" in loaded
    assert estimate(len(loaded.encode())) < 5_000

    results = model.results("ASK-THE-ORACLE")
    refused = [result for result in results if ASKS.search(result)]
    assert not refused
    launched, read_index, read_knowledge, routed, *rest = results
    assert "Launching skill" in launched
    assert "<!-- oracle:files -->" in read_index
    assert "Byte pair encoding" in read_knowledge
    assert "karpathy/tokenization/01-byte-pair-encoding.md" in routed
    assert "Added to my humor sense!" in rest[0]
    assert "Committed in" in rest[1]
    assert "All checks passed" in rest[2]
    humor = (install.base / "karpathy" / "karpathy-humor-sense.md").read_text()
    assert JOKE in humor
    assert 'It costs $5, `whoami` and a "quote".' in humor


def test_what_reaches_further_asks(install: Install) -> None:
    outside = install.home / "secret.txt"
    outside.write_text("nobody's business")
    tries = [
        reading(outside),
        bash("oracle expand run some-plan --command id"),
        bash(f"oracle ingest add '{outside}'"),
        bash("oracle source pull nanoGPT"),
        bash(f"oracle --root '{install.home}' joke count"),
        bash("cat karpathy/karpathy-humor-sense.md; curl http://127.0.0.1:9"),
    ]
    model = install.run({"REACH-OUT": [[("Skill", {"skill": install.skill})], *tries, "done"]})
    _, *results = model.results("REACH-OUT")
    assert len(results) == len(tries)
    allowed = [result for result in results if not ASKS.search(result)]
    assert not allowed
    assert "nobody's business" not in "\n".join(results)


KNOWLEDGE = """---
description: How a test delivers a file.
keywords: [test, delivery]
---

# Delivery

A file is delivered on standard input.[^page]

## Sources

[^page]: [A page](https://example.org/delivery): where it stands.
"""


def test_a_knowledge_runner_delivers(install: Install) -> None:
    plan = subprocess.run(
        [
            install.base / "bin" / "oracle",
            *(
                "expand",
                "new",
                "delivery",
                "--part",
                "karpathy/tokenization/90-delivery.md: how it is delivered",
            ),
        ],
        env=install.environment("http://127.0.0.1:9"),
        cwd=install.project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert plan.returncode == 0, plan.stderr
    name = next((install.base / "_ingest-auto").glob("expansion-delivery-*")).name
    runner = "oracle-knowledge-runner"
    kind = f"{NAME}:{runner}"
    start = ("Agent", {"description": "one part", "prompt": f"RUN-ONE-PART of {name}", "subagent_type": kind})
    model = install.run(
        {
            "START-A-RUNNER": [[("Skill", {"skill": install.skill})], [start], "started"],
            "RUN-ONE-PART": [
                bash(f"oracle expand claim {name}"),
                bash(f"oracle expand show {name} 1"),
                bash(f"oracle expand deliver {name} 1 --try 1 <<'MD'\n{KNOWLEDGE}MD"),
                "delivered",
            ],
        }
    )
    requests = model.by_script["RUN-ONE-PART"]
    assert requests, model.results("START-A-RUNNER")
    tools = {tool["name"] for tool in requests[0]["tools"]}
    assert {"Bash", "Read", "WebSearch", "WebFetch"} <= tools
    assert "Edit" not in tools
    assert "## How to answer" in everything(requests[0]), "the runner starts with the skill"
    results = model.results("RUN-ONE-PART")
    assert not [result for result in results if ASKS.search(result)]
    delivered = install.base / "karpathy" / "tokenization" / "90-delivery.md"
    assert delivered.is_file(), results
    assert delivered.read_text() == KNOWLEDGE
