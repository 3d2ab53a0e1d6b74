"""Records the terminal pictures of README.md: `python -m tests.pictures` writes the SVG files anew."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
PICTURES = {
    "check": ["check"],
    "route": ["route", "-n", "3", "why is DeepSeek's KV cache so small?"],
}
STYLES = [
    (r"^\$ .*$", "bold"),
    (r"\bok\b|All checks passed", "green"),
    (r"^\d+\. \S+", "cyan"),
    (r"\b[A-Z]\d{3} [a-z-]+", "yellow"),
]


def picture(name: str, arguments: list[str]) -> str:
    """Return what a command prints as SVG."""
    shown = " ".join(f'"{word}"' if " " in word else word for word in arguments)
    done = subprocess.run(
        [sys.executable, "-m", "oracle_tools", "--root", str(ROOT), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    text = Text(f"$ oracle {shown}\n{done.stdout}".rstrip())
    for pattern, style in STYLES:
        text.highlight_regex(f"(?m){pattern}", style)
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(text)
    svg = console.export_svg(title=f"oracle {name}", unique_id=f"oracle-{name}")
    # A picture of the project asks no other site for a font.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return re.sub(r"font-family: (?:Fira Code, monospace|arial)", "font-family: monospace", svg)


if __name__ == "__main__":
    for name, arguments in PICTURES.items():
        path = ROOT / ".github" / f"{name}.svg"
        path.write_text(picture(name, arguments), encoding="utf-8", newline="\n")
