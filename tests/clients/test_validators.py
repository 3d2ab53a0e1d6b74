"""The bundle before the clients' own validators."""

from __future__ import annotations

import io
import os
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from oracle_tools.bundle.tree import scan
from oracle_tools.chores.pack import pack
from tests.clients.conftest import NAME

Copy = Callable[[Path], Path]


def run(command: list[str], cwd: Path, home: Path) -> subprocess.CompletedProcess[str]:
    home.mkdir(exist_ok=True)
    environment = {**os.environ, "HOME": str(home), "CI": "1", "NO_COLOR": "1", "DISABLE_TELEMETRY": "1"}
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def bundle(tmp_path: Path, copy_bundle: Copy) -> Path:
    return copy_bundle(tmp_path / NAME)


def test_claude_code_accepts_the_plugin(bundle: Path, tmp_path: Path, npm_bin: Path) -> None:
    command = [str(npm_bin / "claude"), "plugin", "validate", "--strict", "--profile", "directory", "."]
    done = run(command, bundle, tmp_path / "home")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Validation passed" in done.stdout
    assert f"{NAME}:{NAME}" in done.stdout


def test_the_specifications_validator_accepts_the_skill(bundle: Path, tmp_path: Path, pypi_bin: Path) -> None:
    done = run([str(pypi_bin / "agentskills"), "validate", str(bundle)], tmp_path, tmp_path / "home")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_specifications_validator_would_refuse(bundle: Path, tmp_path: Path, pypi_bin: Path) -> None:
    skill = bundle / "SKILL.md"
    skill.write_text(skill.read_text().replace("license: MIT", "unknown: key"))
    done = run([str(pypi_bin / "agentskills"), "validate", str(bundle)], tmp_path, tmp_path / "home")
    assert done.returncode != 0


def test_agnix_finds_nothing(bundle: Path, tmp_path: Path, pypi_bin: Path) -> None:
    done = run([str(pypi_bin / "agnix"), "--strict", "."], bundle, tmp_path / "home")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


def test_skills_lists_it(bundle: Path, tmp_path: Path, npm_bin: Path) -> None:
    done = run([str(npm_bin / "skills"), "add", str(bundle), "--list"], tmp_path, tmp_path / "home")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Found 1 skill" in done.stdout
    assert NAME in done.stdout


def test_the_packed_archive_is_a_valid_skill(bundle: Path, tmp_path: Path, pypi_bin: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(pack(scan(bundle)))) as archive:
        archive.extractall(tmp_path / "unpacked")
    done = run(
        [str(pypi_bin / "agentskills"), "validate", str(tmp_path / "unpacked" / NAME)],
        tmp_path,
        tmp_path / "home",
    )
    assert done.returncode == 0, done.stdout + done.stderr
