"""Fills the generated regions of README.md: `python -m tests.readme` writes them, a test compares.

With a folder of bare repositories, `python -m tests.readme DIR`, the citations are opened and counted too.
"""

from __future__ import annotations

import sys
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import typer

from oracle_tools.bundle.citations import citations
from oracle_tools.bundle.pins import pins
from oracle_tools.bundle.regions import fill, regions
from oracle_tools.bundle.tree import scan
from oracle_tools.chores import route, stats
from oracle_tools.chores.cite import CLOSED, OTHER, RIGHT, WRONG, cite
from oracle_tools.cli import app

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
QUESTIONS = "tests/questions.yaml"


def commands() -> list[tuple[str, str]]:
    """Return every command with its help, groups taken apart, in the order of the command line's own help."""
    found = []
    root: Any = typer.main.get_command(app)
    for name, command in root.commands.items():
        children = getattr(command, "commands", None)
        if children is None:
            found.append((name, command.help or ""))
        else:
            found += [(f"{name} {child}", sub.help or "") for child, sub in children.items()]
    return found


def commands_table() -> str:
    rows = ["| Command | What it does |", "|---|---|"]
    rows += [
        f"| `oracle {name}` | {' '.join(text.split(chr(10) * 2)[0].split()).replace('|', chr(92) + '|')} |"
        for name, text in commands()
    ]
    return "\n".join(rows)


def evaluation() -> str:
    """Return the figures of the evaluation set as sentences."""
    tree = scan(ROOT)
    router = route.Router(tree, cached=False)
    asked = route.read_evaluation(QUESTIONS, tree)
    found = route.evaluate(router, asked)
    led = []
    for question, paths in asked:
        routes = router.routes(question)
        led.append(stats.Led(paths, [r.path for r in routes], len(route.as_text(routes).encode())))
    cost = stats.cost(tree, led)
    return (
        f"Of {found.questions} questions {found.recall_at_1:.0%} find the right file first and "
        f"{found.recall_at_5:.0%} among the first five; the mean reciprocal rank is "
        f"{found.mean_reciprocal_rank:.2f}. Until the right file is loaded a reader has paid about "
        f"{cost.by_index:,.0f} tokens by the indexes and {cost.by_route:,.0f} by `oracle route` in the "
        f"median, of which {cost.by_index_without:,.0f} and {cost.by_route_without:,.0f} before the file."
    )


def codebases() -> str:
    """Return the table of pinned codebases, and how many citations the bundle holds."""
    tree = scan(ROOT)
    rows = ["| Codebase | Upstream | Commit | Licence |", "|---|---|---|---|"]
    for pin in pins(tree):
        owner, name = pin.owner_and_name
        link = f"[{pin.name}]({pin.folder}/INDEX.md)"
        rows.append(f"| {link} | [{owner}/{name}]({pin.upstream}) | `{pin.commit[:10]}` | {pin.license} |")
    found = list(citations(tree))
    files = len({citation.path for citation in found})
    rows += ["", f"{len(found):,} footnotes and links in {files} files cite code at a commit."]
    return "\n".join(rows)


MADE = {"commands": commands_table, "evaluation": evaluation, "codebases": codebases}


def filled(text: str) -> str:
    """Return README's text with every region that is made here filled anew."""
    for name, make in MADE.items():
        if name in regions(text):
            text = fill(text, name, make())
    return text


def cited(mirror: Path) -> str:
    """Return how many citations open and hold what their footnotes name, by a folder of repositories."""
    answer = cite(scan(ROOT), mirror)
    ends: Counter[str] = sum(answer.counts.values(), Counter())
    return (
        f"Opened by `oracle source cite` on {date.today().isoformat()}: of {sum(ends.values()):,} citations "
        f"{ends[RIGHT] + ends[OTHER]:,} open and hold every name that their footnotes give, "
        f"{ends[OTHER]:,} of these at another commit than a pin's; {ends[WRONG]:,} are wrong, "
        f"{ends[CLOSED]:,} could not be opened."
    )


if __name__ == "__main__":
    text = filled(README.read_text(encoding="utf-8"))
    if len(sys.argv) > 1:
        text = fill(text, "cited", cited(Path(sys.argv[1])))
    README.write_text(text, encoding="utf-8", newline="\n")
