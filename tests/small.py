"""A small bundle, whole and clean, that tests write to a folder of their own and then damage."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

HUMOR = "karpathy/karpathy-humor-sense.md"

CONFIG = f"""
name = "small-oracle"
sides = ["karpathy", "deepseek"]
humor = "{HUMOR}"

[subjects]
karpathy = ["micrograd"]
deepseek = ["deepseek"]
"""


def knowledge(title: str, description: str, keywords: str, body: str) -> str:
    return f"""---
description: {description}
keywords: [{keywords}]
---

# {title}

{body}[^source]

## Sources

[^source]: [A paper](https://arxiv.org/abs/0000.00000): where it stands.
"""


def index(title: str, lead: str, files: str = "", folders: str = "", questions: str = "") -> str:
    parts = [f"# {title}\n\n**{lead}**\n"]
    if files:
        parts.append(f"## Files\n\n<!-- oracle:files -->\n{files}<!-- /oracle:files -->\n")
    if folders:
        parts.append(f"## Folders\n\n<!-- oracle:folders -->\n{folders}<!-- /oracle:folders -->\n")
    if questions:
        parts.append(f"## Questions\n\n{questions}")
    return "\n".join(parts)


FILES = "| File | Description | Keywords |\n|---|---|---|\n"
FOLDERS = "| Folder | Description |\n|---|---|\n"

BUNDLE = {
    "oracle.toml": CONFIG,
    "SKILL.md": """---
name: small-oracle
description: A small oracle. Use when a test needs one.
---

# small-oracle

<!-- oracle:routes -->
| Folder | Read when the question is about |
|---|---|
| [deepseek/](deepseek/INDEX.md) | How DeepSeek makes attention cheap. |
| [karpathy/](karpathy/INDEX.md) | How networks learn. |
<!-- /oracle:routes -->
""",
    "INDEX.md": index(
        "Small oracle",
        "What it knows.",
        folders=FOLDERS
        + "| [_ingest/](_ingest/README.md) | For documents. |\n"
        + "| [_ingest-auto/](_ingest-auto/README.md) | For plans. |\n"
        + "| [deepseek/](deepseek/INDEX.md) | How DeepSeek makes attention cheap. |\n"
        + "| [karpathy/](karpathy/INDEX.md) | How networks learn. |\n",
    ),
    "_ingest/README.md": "# Drop box\n\nFor documents.\n",
    "_ingest-auto/README.md": "# Workspaces\n\nFor plans.\n",
    "karpathy/INDEX.md": index(
        "Karpathy",
        "How networks learn.",
        files=FILES
        + "| [01-backpropagation.md](01-backpropagation.md) | How gradients flow backward through a graph. "
        + "| chain rule, gradient |\n"
        + "| [02-micrograd.md](02-micrograd.md) | How a hundred lines train a network. "
        + "| autograd, micrograd |\n"
        + "| [karpathy-humor-sense.md](karpathy-humor-sense.md) | The jokes of this oracle, one a paragraph; "
        + "`oracle joke` reads and adds. | humor, jokes |\n",
        questions='- "Why do my numbers double when a value is used twice?" → [01](01-backpropagation.md)\n',
    ),
    "karpathy/01-backpropagation.md": knowledge(
        "Backpropagation",
        "How gradients flow backward through a graph.",
        "chain rule, gradient",
        "Each node multiplies by its local derivative.",
    ),
    "karpathy/02-micrograd.md": knowledge(
        "micrograd",
        "How a hundred lines train a network.",
        "autograd, micrograd",
        "A scalar engine. See [backpropagation](01-backpropagation.md#backpropagation).",
    ),
    HUMOR: "# Humor sense\n\nOur own jokes.\n\n---\n\nThe loss went down. Nobody knows why.\n",
    "deepseek/INDEX.md": index(
        "DeepSeek",
        "How DeepSeek makes attention cheap.",
        files=FILES
        + "| [01-latent-attention.md](01-latent-attention.md) | Why the cache is small. | MLA, cache |\n",
    ),
    "deepseek/01-latent-attention.md": knowledge(
        "Latent attention", "Why the cache is small.", "MLA, cache", "One latent a token is remembered."
    ),
}


def write(root: Path, files: dict[str, str] | None = None) -> Path:
    """Write the small bundle, with `files` over it, below `root`, and return `root`."""
    for path, text in {**BUNDLE, **(files or {})}.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())
    return root


def git(root: Path, *arguments: str, check: bool = True) -> str:
    """Run git in `root` as somebody, untouched by the machine's own configuration; return what it says."""
    environment = {**os.environ, **identity()}
    result = subprocess.run(
        ["git", *arguments], cwd=root, env=environment, check=check, capture_output=True, text=True
    )
    return result.stdout


def identity() -> dict[str, str]:
    """Return the environment in which git knows who commits and reads no configuration of the machine."""
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _WHO.items()}
    return {**who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


_WHO = {"NAME": "Test", "EMAIL": "test@example.org", "DATE": "2026-01-01T00:00:00+0000"}


def commit_all(root: Path) -> Path:
    """Make `root` a git repository with everything in it committed."""
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=start")
    return root
