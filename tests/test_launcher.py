"""`bin/oracle`, the launcher: an environment of its own, made once, wherever the bundle lies."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests import small

ROOT = Path(__file__).resolve().parents[1]
NOTICE = "making its Python environment"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="bin/oracle.cmd is for Windows")

# Stands in for uv: an environment whose python is the one that runs the tests. It notes every build.
FAKE_UV = f"""#!/bin/sh
case $1 in
venv)
    for last; do :; done
    mkdir -p "$last/bin"
    printf '#!/bin/sh\\nexec "{sys.executable}" "$@"\\n' > "$last/bin/python"
    chmod +x "$last/bin/python"
    ;;
pip) echo built >> "$BUILDS"; sleep 0.3 ;;
esac
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """The small bundle in a folder with a space in its name, with the launcher and the tools in it."""
    root = small.write(tmp_path / "my skills" / "oracle")
    (root / "bin").mkdir()
    shutil.copy(ROOT / "bin" / "oracle", root / "bin")
    shutil.copy(ROOT / "requirements.lock", root)
    shutil.copytree(
        ROOT / "oracle_tools", root / "oracle_tools", ignore=shutil.ignore_patterns("__pycache__")
    )
    return root


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """An environment with a HOME of its own and a stand-in for uv."""
    tools = tmp_path / "tools"
    tools.mkdir()
    uv = tools / "uv"
    uv.write_text(FAKE_UV)
    uv.chmod(uv.stat().st_mode | stat.S_IXUSR)
    return {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path / "home"),
        "BUILDS": str(tmp_path / "builds"),
    }


def call(
    bundle: Path, machine: dict[str, str], *arguments: str, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [bundle / "bin" / "oracle", *arguments],
        env=machine,
        cwd=cwd or bundle.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def builds(machine: dict[str, str]) -> int:
    path = Path(machine["BUILDS"])
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_the_first_call_builds_and_says_so_and_the_next_does_neither(
    bundle: Path, machine: dict[str, str]
) -> None:
    first = call(bundle, machine, "joke", "count")
    second = call(bundle, machine, "joke", "count")
    assert (first.stdout, first.returncode) == ("1\n", 0)
    assert first.stderr.count(NOTICE) == 1
    assert (second.stdout, second.stderr) == ("1\n", "")
    assert builds(machine) == 1


def test_it_works_on_the_bundle_it_lies_in_from_anywhere(
    bundle: Path, machine: dict[str, str], tmp_path: Path
) -> None:
    other = small.write(tmp_path / "other")
    assert call(bundle, machine, "joke", "add", "Here I stand.", cwd=other).returncode == 0
    assert "Here I stand." in (bundle / small.HUMOR).read_text()
    assert "Here I stand." not in (other / small.HUMOR).read_text()
    machine["ORACLE_ROOT"] = str(other)
    assert call(bundle, machine, "joke", "add", "There I stand.").returncode == 0
    assert "There I stand." in (other / small.HUMOR).read_text()


def test_it_is_found_on_the_path(bundle: Path, machine: dict[str, str], tmp_path: Path) -> None:
    machine["PATH"] = f"{bundle / 'bin'}{os.pathsep}{machine['PATH']}"
    done = subprocess.run(
        ["sh", "-c", "oracle joke count"],
        env=machine,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "1\n"


def test_several_first_calls_build_once(bundle: Path, machine: dict[str, str]) -> None:
    started = [
        subprocess.Popen(
            [bundle / "bin" / "oracle", "joke", "count"],
            env=machine,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    said = [process.communicate(timeout=120) for process in started]
    assert [out for out, _ in said] == ["1\n"] * 6
    assert sum(error.count(NOTICE) for _, error in said) == 1
    assert builds(machine) == 1


def test_a_builder_that_died_is_replaced(bundle: Path, machine: dict[str, str]) -> None:
    call(bundle, machine, "joke", "count")
    cache = Path(machine["HOME"]) / ".cache" / "karpathy-deep-oracle"
    environment = next(path for path in cache.glob("python-*") if path.is_dir())
    (environment / "complete").unlink()
    dead = subprocess.Popen(["true"])
    dead.wait()
    claim = environment.with_name(f"{environment.name}.building")
    claim.mkdir()
    (claim / "pid").write_text(f"{dead.pid}\n")
    assert call(bundle, machine, "joke", "count").stdout == "1\n"
    assert builds(machine) == 2
    assert not claim.exists()


def test_another_lock_makes_another_environment_and_clears_the_old(
    bundle: Path, machine: dict[str, str]
) -> None:
    call(bundle, machine, "joke", "count")
    with (bundle / "requirements.lock").open("a") as lock:
        lock.write("# a newer version\n")
    call(bundle, machine, "joke", "count")
    assert builds(machine) == 2
    cache = Path(machine["HOME"]) / ".cache" / "karpathy-deep-oracle"
    assert len([path for path in cache.glob("python-*") if path.is_dir()]) == 1


def test_without_uv_and_without_a_new_python_it_says_what_is_missing(
    bundle: Path, machine: dict[str, str], tmp_path: Path
) -> None:
    tools = tmp_path / "bare"
    tools.mkdir()
    for name in ("sh", "cksum", "mkdir", "rm", "cat", "sleep", "id", "env"):
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    old = tools / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    machine["PATH"] = str(tools)
    done = call(bundle, machine, "joke", "count")
    assert done.returncode == 2
    assert "needs Python 3.11 or newer, or uv" in done.stderr


def test_offline_it_says_so_and_the_next_call_tries_again(
    bundle: Path, machine: dict[str, str], tmp_path: Path
) -> None:
    broken = tmp_path / "tools" / "uv"
    working = broken.read_text()
    broken.write_text("#!/bin/sh\nexit 1\n")
    # pip is told to look nowhere: the same to it as a machine without a network.
    offline = {**machine, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    done = call(bundle, offline, "joke", "count")
    assert done.returncode == 2
    assert "are you offline?" in done.stderr
    broken.write_text(working)
    assert call(bundle, machine, "joke", "count").stdout == "1\n"


def test_a_cache_folder_that_cannot_be_made_is_named(
    bundle: Path, machine: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    machine["ORACLE_CACHE_DIR"] = str(tmp_path / "file" / "cache")
    done = call(bundle, machine, "joke", "count")
    assert done.returncode == 2
    assert "set ORACLE_CACHE_DIR" in done.stderr


def test_modules_of_the_working_directory_are_not_imported(
    bundle: Path, machine: dict[str, str], tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "typer.py").write_text("raise SystemExit('the working directory was imported')\n")
    assert call(bundle, machine, "joke", "count", cwd=trap).stdout == "1\n"
