"""The names of the house, and the configuration that says how this bundle differs from another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oracle_tools.bundle.errors import OracleError, shown

SKILL = "SKILL.md"
INDEX = "INDEX.md"
PLAN = "ingestion.md"
INGEST = "_ingest"
INGEST_AUTO = "_ingest-auto"
SOURCE_DOCUMENTS = "source-documents"
SOURCE_CODEBASES = "source-codebases"
PLUGIN = ".claude-plugin/plugin.json"
MARKETPLACE = ".claude-plugin/marketplace.json"

WORK = ".oracle-edits-"
"""How the name of the folder begins in which edits are prepared."""

REQUIRED_FILES = (SKILL, INDEX, f"{INGEST}/README.md", f"{INGEST_AUTO}/README.md")
"""What every bundle of this kind has, configured or not."""

EXEMPT_STEMS = (
    "README", "CONTRIBUTING", "CHANGELOG", "SECURITY", "LICENSE", "CODE_OF_CONDUCT", "CITATION", "CLAUDE",
    "AGENTS",
)  # fmt: skip
"""Documents about the project, which are not knowledge and bear no number."""

KNOWLEDGE_KEYS = ("description", "keywords")
SOURCE_KEYS = (*KNOWLEDGE_KEYS, "kind", "people", "date", "address")
PIN_KEYS = (*KNOWLEDGE_KEYS, "upstream", "commit", "tree", "license", "retrieved")

MAX_LINES = 500
"""Lines above which a file should be split: a reader pays for all of it to get one answer."""

FILES_REGION = "files"
FOLDERS_REGION = "folders"
ROUTES_REGION = "routes"

DEFAULT_CODE = ("agents", "bin", "tests", "benchmarks")
"""Top folders that hold code where the configuration names none; a Python package is code anyway."""

CONFIG_FILES = ("oracle.toml", "pyproject.toml")

_KEYS = {"name", "sides", "code", "humor", "required", "subjects", "ignore", "refuted"}


@dataclass(frozen=True, slots=True)
class Ignore:
    """One accepted finding: a path (a folder ends with `/`), a rule's code or name, and why."""

    path: str
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Config:
    """What `[tool.oracle]` of pyproject.toml, or oracle.toml, says about a bundle."""

    name: str = ""
    sides: tuple[str, ...] = ()
    code: tuple[str, ...] = DEFAULT_CODE
    humor: str = ""
    required: tuple[str, ...] = ()
    subjects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ignores: tuple[Ignore, ...] = ()
    refuted: bool = False


def read_config(root: Path) -> Config:
    """Return the configuration of the bundle at `root`; the defaults where there is none.

    Raises OracleError for a file that is not TOML or says something that is not understood.
    """
    for name in CONFIG_FILES:
        path = root / name
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise OracleError(f"{name}: cannot be read ({error}); mend the file") from error
        if name == "pyproject.toml" and "[tool.oracle" not in text:
            continue
        table = _parse(text, name)
        if name == "pyproject.toml":
            table = table.get("tool", {}).get("oracle", {})
        return parse_config(table, name)
    return Config()


def _parse(text: str, name: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise OracleError(f"{name}: not valid TOML ({error}); mend the file") from error


def parse_config(table: object, name: str) -> Config:
    """Return the configuration that a parsed table says; `name` is the file it came from.

    Raises OracleError for something that is not understood.
    """
    if not isinstance(table, dict):
        raise OracleError(f"{name}: the oracle's configuration must be a table")
    unknown = sorted(set(table) - _KEYS)
    if unknown:
        raise OracleError(f"{name}: unknown key {shown(unknown[0])}; known are {', '.join(sorted(_KEYS))}")
    subjects = table.get("subjects", {})
    if not isinstance(subjects, dict):
        raise OracleError(f"{name}: subjects must be a table of lists, one a side")
    return Config(
        name=_text(table.get("name", ""), "name", name),
        sides=_texts(table.get("sides", ()), "sides", name),
        code=_texts(table.get("code", DEFAULT_CODE), "code", name),
        humor=_text(table.get("humor", ""), "humor", name),
        required=_texts(table.get("required", ()), "required", name),
        subjects={side: _texts(words, f"subjects.{side}", name) for side, words in subjects.items()},
        ignores=tuple(_ignores(table.get("ignore", ()), name)),
        refuted=table.get("refuted") is True,
    )


def _text(value: object, key: str, name: str) -> str:
    if not isinstance(value, str):
        raise OracleError(f"{name}: {key} must be text")
    return value


def _texts(value: object, key: str, name: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise OracleError(f"{name}: {shown(key)} must be a list of texts")
    return tuple(value)


def _ignores(value: object, name: str) -> list[Ignore]:
    if not isinstance(value, list | tuple):
        raise OracleError(f"{name}: ignore must be a list of tables with path, rule and reason")
    ignores = []
    for entry in value:
        table = entry if isinstance(entry, dict) else {}
        parts = [str(table.get(key) or "").strip() for key in ("path", "rule", "reason")]
        if not all(parts):
            raise OracleError(f"{name}: each ignore needs path, rule and reason, none of them empty")
        ignores.append(Ignore(*parts))
    return ignores


def find_root(explicit: str | None, environment: Mapping[str, str], start: Path) -> Path:
    """Return the bundle to work on: `explicit`, else `ORACLE_ROOT`, else the nearest parent of `start`
    that is a bundle, else the checkout this package is installed from.

    Raises OracleError where there is none.
    """
    for given, origin in ((explicit, "--root"), (environment.get("ORACLE_ROOT"), "ORACLE_ROOT")):
        if given:
            root = Path(given).expanduser()
            if not root.is_dir():
                raise OracleError(f"{origin}: no folder {shown(given)}; name the folder of a bundle")
            return root.resolve()
    for folder in (start, *start.parents):
        if is_bundle(folder):
            return folder.resolve()
    checkout = Path(__file__).resolve().parents[2]
    if is_bundle(checkout):
        return checkout
    raise OracleError(f"no bundle at {shown(start)} or above; use oracle --root DIR, or set ORACLE_ROOT")


def is_bundle(folder: Path) -> bool:
    """Say whether `folder` is the top of a bundle: SKILL.md beside _ingest-auto/, or an oracle.toml."""
    try:
        return (folder / "oracle.toml").is_file() or (
            (folder / SKILL).is_file() and (folder / INGEST_AUTO).is_dir()
        )
    except OSError:
        return False
