"""Imports go down: bundle, then chores and check, then the door."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "oracle_tools"
MODULES = {path.relative_to(PACKAGE.parent).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}


def dotted(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


NAMES = {dotted(path) for path in MODULES}


def imported(path: str) -> set[str]:
    """The full names of all modules that the module at `path` imports, wherever in it the import stands."""
    package = dotted(path).split(".")
    if not path.endswith("/__init__.py"):
        package.pop()
    found = set()
    for node in ast.walk(ast.parse(MODULES[path].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            inside = {f"{source}.{alias.name}" for alias in node.names}
            found |= {source} | (inside & NAMES)
    return found


def users(*modules: str) -> set[str]:
    """The modules that import one of these, or something below it."""
    below = tuple(f"{module}." for module in modules)
    return {path for path in MODULES if any(m in modules or m.startswith(below) for m in imported(path))}


def on(floor: str) -> list[str]:
    return [path for path in MODULES if path.startswith(f"oracle_tools/{floor}/")]


def test_there_is_something_to_look_at() -> None:
    assert "oracle_tools.bundle.edits" in imported("oracle_tools/bundle/tree.py")
    assert "oracle_tools.bundle.git" in imported("oracle_tools/cli.py")
    assert all(on(floor) for floor in ("bundle", "chores", "check"))


@pytest.mark.parametrize(
    ("floor", "above"),
    [
        ("bundle", ("chores", "check", "cli")),
        ("chores", ("check", "cli")),
        ("check", ("cli",)),
    ],
)
def test_imports_go_down(floor: str, above: tuple[str, ...]) -> None:
    higher = users(*(f"oracle_tools.{name}" for name in above))
    assert higher & set(on(floor)) == set()


@pytest.mark.parametrize("path", on("chores"))
def test_a_chore_imports_no_other_chore(path: str) -> None:
    assert {name for name in imported(path) if name.startswith("oracle_tools.chores.")} == set()


@pytest.mark.parametrize(
    ("modules", "allowed"),
    [
        (("git", "gitdb"), {"oracle_tools/bundle/git.py"}),
        (("typer", "click"), {"oracle_tools/cli.py"}),
        (("rich",), {"oracle_tools/cli.py"}),
        (
            ("subprocess",),
            {
                f"oracle_tools/{name}.py"
                for name in ("bundle/convert", "bundle/git", "bundle/gitsource", "chores/runners")
            },
        ),
        (("pyromark",), {"oracle_tools/bundle/markdown.py", "oracle_tools/bundle/spans.py"}),
        (("markdown_it", "mdit_py_plugins"), {"oracle_tools/bundle/markdown_reference.py"}),
    ],
)
def test_only_these_modules_use(modules: tuple[str, ...], allowed: set[str]) -> None:
    assert users(*modules) <= allowed


def test_nothing_is_imported_from_the_door_or_from_tests() -> None:
    assert users("oracle_tools.cli") <= {"oracle_tools/__main__.py"}
    assert users("tests", "benchmarks") == set()


def test_no_shell_is_ever_used() -> None:
    for path, file in MODULES.items():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("os.system", "os.popen", "subprocess.getoutput"), path
                assert not any(word.arg == "shell" for word in node.keywords), path
