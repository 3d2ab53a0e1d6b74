"""Repositories of other people, made for a test, and bundles that pin them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from oracle_tools.bundle.layout import parse_config
from oracle_tools.bundle.tree import Tree, scan
from tests import small

FILES = {
    "README.md": "# nano\n\nA model in a file.\n",
    "INDEX.md": "# Theirs\n",
    "model.py": "import math\n\n\nclass Block:\n    def forward(self, x):\n        return self.mlp(x)\n",
    "src/train.py": "lr = 3e-4\nfor step in range(10):\n    loss.backward()\n    optimizer.step()\n",
    "-rf": "not an option\n",
    "run.sh": "#!/bin/sh\necho run\n",
}


def made(folder: Path, files: dict[str, str | bytes] | None = None) -> Path:
    """Make a repository at `folder` of these files, committed; `run.sh` may be executed."""
    folder.mkdir(parents=True)
    put(folder, files if files is not None else FILES)
    small.git(folder, "init", "--quiet", "--initial-branch=main")
    return committed(folder)


def put(folder: Path, files: dict[str, str | bytes]) -> None:
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())
        if path.endswith(".sh"):
            target.chmod(0o755)


def committed(folder: Path) -> Path:
    small.git(folder, "add", "--all", "--", ".")
    small.git(folder, "commit", "--quiet", "--no-verify", "--message=change")
    return folder


def hashes(folder: Path, revision: str = "HEAD") -> tuple[str, str]:
    """Return the commit and the tree hash of a revision, as git says them."""
    commit = small.git(folder, "rev-parse", revision).strip()
    return commit, small.git(folder, "rev-parse", f"{revision}^{{tree}}").strip()


def with_entries(folder: Path, row: str) -> Path:
    """Commit an entry that no work tree can hold: a row as of `git update-index --index-info`."""
    _fed(folder, "update-index", "--index-info", text=f"{row}\n")
    small.git(folder, "commit", "--quiet", "--no-verify", "--message=entry")
    return folder


def tree_object(folder: Path, row: str) -> str:
    """Make a tree of one entry, of which git checks nothing, and return its hash."""
    return _fed(folder, "mktree", text=f"{row}\n").strip()


def _fed(folder: Path, *arguments: str, text: str) -> str:
    environment = {**os.environ, **small.identity()}
    command = ["git", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, input=text, text=True, check=True, capture_output=True
    )
    return done.stdout


def pin(upstream: str, commit: str, tree: str, body: str = "# nano\n") -> str:
    return (
        f"---\ndescription: The map of nano.\nkeywords: [nano]\nupstream: {upstream}\ncommit: {commit}\n"
        f'tree: {tree}\nlicense: MIT\nretrieved: "2026-01-01"\n---\n\n{body}'
    )


NANO = "source-codebases/karpathy/00-nano"
ADDRESS = "https://github.com/karpathy/nano"


def bundle(root: Path, commit: str, tree: str, files: dict[str, str] | None = None) -> Tree:
    """Write a bundle that pins one codebase, with `files` besides, and return its tree."""
    texts = {f"{NANO}/INDEX.md": pin(ADDRESS, commit, tree), "oracle.toml": 'sides = ["karpathy"]\n'}
    for path, text in {**texts, **(files or {})}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return scan(root, parse_config({"sides": ["karpathy"]}, "oracle.toml"))


def mirror(folder: Path, upstream: Path) -> Path:
    """Make a folder of mirrors that has `upstream` as a bare repository of karpathy/nano."""
    (folder / "karpathy+nano").mkdir(parents=True)
    small.git(folder, "clone", "--quiet", "--bare", "--", str(upstream), "karpathy+nano/repo")
    return folder
