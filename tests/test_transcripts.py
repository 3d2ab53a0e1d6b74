"""The commands as a person sees them: `tests/transcripts/*.md` hold what is typed and what is printed.

Each `##` section starts from a fresh copy of the small bundle, committed; its `console` fence is run by a
shell. `ORACLE_RECORD=1 pytest tests/test_transcripts.py` writes what the commands print now.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import small

FOLDER = Path(__file__).parent / "transcripts"
SECTION = re.compile(r"^## (.+?)\n(.*?)```console\n(.*?)```\n", re.DOTALL | re.MULTILINE)
SECTIONS = [
    pytest.param(path, match[1], match[3], id=f"{path.stem}-{match[1]}")
    for path in sorted(FOLDER.glob("*.md"))
    for match in SECTION.finditer(path.read_text(encoding="utf-8"))
]


def commands(fence: str) -> list[str]:
    """Return the commands of a fence: from `$ ` on, with the lines that continue a here-document (`> `)."""
    found: list[str] = []
    for line in fence.splitlines():
        if line.startswith("$ "):
            found.append(line[2:])
        elif line.startswith("> ") and found:
            found[-1] += "\n" + line[2:]
    return found


def played(root: Path, fence: str, tmp_path: Path) -> str:
    environment = {
        **os.environ,
        **small.identity(),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "ORACLE_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONUTF8": "1",
        "COLUMNS": "100",
        "TERM": "dumb",
    }
    environment.pop("ORACLE_ROOT", None)
    out = []
    for command in commands(fence):
        result = subprocess.run(
            ["bash", "-c", command],
            cwd=root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            check=False,
        )
        said = result.stdout.replace(str(root.resolve()), "<bundle>").replace(str(tmp_path), "<tmp>")
        out.append("$ " + command.replace("\n", "\n> "))
        out += [line.rstrip() for line in said.splitlines()]
        if result.returncode:
            out.append(f"[exit {result.returncode}]")
    return "\n".join(out) + "\n"


@pytest.mark.parametrize(("path", "title", "fence"), SECTIONS)
def test_transcript(path: Path, title: str, fence: str, tmp_path: Path) -> None:
    root = small.commit_all(small.write(tmp_path / "bundle"))
    said = played(root, fence, tmp_path)
    if os.environ.get("ORACLE_RECORD"):
        text = path.read_text(encoding="utf-8")
        start = text.index(f"## {title}\n")
        fenced = text.index("```console\n", start) + len("```console\n")
        path.write_text(text[:fenced] + said + text[text.index("```\n", fenced) :], encoding="utf-8")
    else:
        assert said == fence
