"""Makes a bundle of any size to measure on: `python benchmarks/tree.py FILES FOLDER`.

Prose, headings, links, code, tables and footnotes in the proportions of a real knowledge tree of this kind
(17 KB a file, 9 links and 23 headings a file), a twentieth of the links dead. The same size gives the same
bytes.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

WORDS = (
    "attention gradient tensor kernel expert routing latent cache token optimizer learning schedule "
    "precision matrix vector shape layer block residual stream softmax logits sampling temperature "
    "batch device memory bandwidth compute scale quantize the of a is to and in that it for on with as "
    "each one every small large "
).split()
PER_FOLDER = 20
SECTIONS = 22
LINKS = 9
DEAD = 0.05


def sentence(chance: random.Random, words: int = 16) -> str:
    return " ".join(chance.choices(WORDS, k=words)).capitalize() + "."


def path_of(number: int) -> str:
    return f"karpathy/topic-{number // PER_FOLDER:04d}/{number % PER_FOLDER:02d}-file-{number}.md"


def knowledge(number: int, total: int) -> str:
    chance = random.Random(number)
    out = [
        "---",
        f"description: {sentence(chance)}",
        f"keywords: [{', '.join(chance.choices(WORDS, k=5))}]",
        "---",
        "",
        f"# File {number}",
        "",
    ]
    linked = set(chance.sample(range(SECTIONS * 3), LINKS))
    for section in range(SECTIONS):
        out += [f"{'#' * chance.choice((2, 2, 3))} {' '.join(chance.choices(WORDS, k=3))} {section}", ""]
        for paragraph in range(3):
            text = " ".join(sentence(chance) for _ in range(2))
            text += f" `{chance.choice(WORDS)}` and **{chance.choice(WORDS)}**."
            if section * 3 + paragraph in linked:
                other = chance.randrange(total)
                target = f"../../{path_of(other)}" if chance.random() > DEAD else "../gone.md"
                text += f" See [file {other}]({target})."
            out += [text, ""]
        if chance.random() < 0.3:
            out += ["```python", *(f"x = f({chance.random()})" for _ in range(8)), "```", ""]
        if chance.random() < 0.15:
            out += ["| name | value |", "|---|---|", *(f"| {w} | {chance.random()} |" for w in WORDS[:5]), ""]
        if chance.random() < 0.3:
            out += [*(f"- {sentence(chance, 8)}" for _ in range(5)), ""]
    out += ["A claim.[^a]", "", "## Sources", "", f"[^a]: [A page](https://example.org/{number}): where.", ""]
    return "\n".join(out)


def make(files: int, folder: Path) -> None:
    """Write a bundle of `files` knowledge files into `folder`, without its indexes."""
    texts = {
        "SKILL.md": "---\nname: benchmark\ndescription: A bundle to measure on.\n---\n\n# benchmark\n",
        "_ingest/README.md": "# Drop box\n",
        "_ingest-auto/README.md": "# Workspaces\n",
    }
    texts |= {path_of(number): knowledge(number, files) for number in range(files)}
    for path, text in texts.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    make(int(sys.argv[1]), Path(sys.argv[2]))
