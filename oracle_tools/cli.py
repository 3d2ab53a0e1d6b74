"""The door: the commands that a person or a client types. Nothing here knows how a chore is done."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracle_tools.bundle.errors import OracleError, shown

if TYPE_CHECKING:
    from oracle_tools.bundle.tree import Tree

app = typer.Typer(
    name="oracle",
    help="Ask, check and keep the karpathy-deep-oracle bundle.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
joke_app = typer.Typer(help="The humor sense: an append-only file of jokes.", no_args_is_help=True)
app.add_typer(joke_app, name="joke")

_FREE_TEXT: dict[str, Any] = {"ignore_unknown_options": True}
_state: dict[str, str | None] = {"root": None}


def _version(wanted: bool) -> None:
    if wanted:
        from oracle_tools import __version__

        typer.echo(f"oracle {__version__}")
        raise typer.Exit


@app.callback()
def _door(
    root: Annotated[
        str | None, typer.Option(metavar="DIR", help="The bundle; stands before the command.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    _state["root"] = root


def _root() -> Path:
    from oracle_tools.bundle.layout import find_root

    try:
        here = Path.cwd()
    except OSError:
        here = Path("/")
    return find_root(_state["root"], os.environ, here)


def _glance(root: Path, *paths: str) -> Tree:
    """Return a tree of just these paths, for a command that needs no others."""
    from oracle_tools.bundle.layout import read_config
    from oracle_tools.bundle.tree import glance

    return glance(root, read_config(root), paths)


@app.command()
def check(
    paths: Annotated[
        list[str] | None, typer.Argument(help="Report only what lies at or below these.")
    ] = None,
    format: Annotated[str, typer.Option("--format", help="text, json, sarif or github.")] = "text",
    select: Annotated[
        list[str] | None, typer.Option(help="Only these rules: codes, their beginnings, names.")
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Not these rules.")] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended, then check.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what --fix would do, and do nothing.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the findings.")] = False,
    statistics: Annotated[
        bool, typer.Option("--statistics", help="Count the findings of each rule.")
    ] = False,
    explain: Annotated[
        str | None, typer.Option(metavar="CODE", help="Explain one rule, or list `all`.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither read nor write the cache.")] = False,
) -> None:
    """Judge the whole bundle: exit 0 when it is clean, 1 with findings, 2 when it could not run."""
    from oracle_tools.check import door

    if explain is not None:
        typer.echo(door.explain(explain))
        return
    asked = door.Asked(
        _words(select), _words(ignore), tuple(paths or ()), format, quiet, statistics, not no_cache
    )
    if diff:
        difference = door.difference(_root(), asked)
        typer.echo(difference or "nothing to mend", nl=not difference)
        raise typer.Exit(1 if difference else 0)
    if fix:
        for line in door.repair(_root(), asked):
            typer.echo(line, err=True)
    output, code = door.judge(_root(), asked)
    if output:
        typer.echo(output)
    raise typer.Exit(code)


def _words(values: list[str] | None) -> tuple[str, ...]:
    return tuple(word.strip() for value in values or () for word in value.split(",") if word.strip())


@app.command()
def index(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when something is stale.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what would change, and write nothing.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither read nor write the cache.")] = False,
) -> None:
    """Fill the generated regions of every INDEX.md and of SKILL.md."""
    from oracle_tools.bundle.diff import difference
    from oracle_tools.bundle.edits import apply
    from oracle_tools.chores.index import plan

    root = _root()
    tree, edits = plan(root, cached=not no_cache)
    if diff:
        typer.echo(difference(tree, edits), nl=False)
    elif check:
        for edit in edits:
            typer.echo(f"{shown(edit.path)}: stale; run oracle index")
    elif edits:
        apply(root, edits)
        typer.echo(f"{len(edits)} written in {shown(root)}: {', '.join(shown(edit.path) for edit in edits)}")
    else:
        typer.echo("every index is up to date")
    raise typer.Exit(1 if edits and (check or diff) else 0)


@app.command(context_settings=_FREE_TEXT)
def route(
    question: Annotated[list[str] | None, typer.Argument(help="The question, in your own words.")] = None,
    count: Annotated[int, typer.Option("-n", min=1, help="How many files to name.")] = 5,
    as_json: Annotated[
        bool, typer.Option("--json", help="A list of path, section, start, end, score.")
    ] = False,
    evaluate: Annotated[
        str | None, typer.Option("--eval", metavar="FILE", help="Measure on known questions.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither read nor write the cache.")] = False,
) -> None:
    """Name the files, sections and lines that answer a question, the best first."""
    from oracle_tools.bundle.tree import scan
    from oracle_tools.chores import route

    if not question and evaluate is None:
        raise OracleError('no question given; ask oracle route "why is the KV cache so small?"')
    router = route.Router(scan(_root()), cached=not no_cache)
    if evaluate is not None:
        typer.echo(route.measured(router, Path(evaluate)))
        return
    found = router.routes(" ".join(question or ()), count)
    typer.echo(route.as_json(found) if as_json else route.as_text(found))
    raise typer.Exit(0 if found else 1)


@joke_app.command("add", context_settings=_FREE_TEXT)
def joke_add(
    text: Annotated[
        list[str] | None, typer.Argument(help="The joke; from standard input where there is none.")
    ] = None,
    no_commit: Annotated[bool, typer.Option("--no-commit", help="Store it and do not commit.")] = False,
) -> None:
    """Store a joke and commit it. One paragraph; standard input keeps the shell's hands off it."""
    from oracle_tools.bundle import git
    from oracle_tools.bundle.edits import apply
    from oracle_tools.bundle.lock import locked
    from oracle_tools.chores import joke

    root = _root()
    said = " ".join(text) if text else _standard_input()
    tree = _glance(root)
    path = joke.humor_file(tree)
    with locked(root):
        tree = _glance(root, path)
        edits = joke.add(tree, said)
        apply(root, edits)
        count = len(joke.jokes(edits[0].text))
        typer.echo(f"Added to my humor sense! Now I have {count} jokes stored.")
        why = "asked not to" if no_commit else git.commit(root, [path], joke.message(said))
    done = f"Not committed ({why}); stored in" if why else "Committed in"
    typer.echo(f"{done} {shown(root / path)}")


def _standard_input() -> str:
    if sys.stdin is None or sys.stdin.isatty():
        raise OracleError("no joke given; say oracle joke add TEXT, or send it on standard input")
    data = sys.stdin.buffer.read()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise OracleError(f"standard input is not UTF-8 at byte {error.start}; nothing was stored") from error


def _humor() -> Tree:
    from oracle_tools.chores.joke import humor_file

    root = _root()
    return _glance(root, humor_file(_glance(root)))


@joke_app.command("random")
def joke_random(
    seed: Annotated[int | None, typer.Option(help="The same seed tells the same joke.")] = None,
) -> None:
    """Tell one stored joke."""
    from oracle_tools.chores import joke

    typer.echo(joke.pick(_humor(), seed))


@joke_app.command("list")
def joke_list() -> None:
    """Tell all stored jokes, a blank line between them."""
    from oracle_tools.chores import joke

    typer.echo("\n\n".join(found.text for found in joke.stored(_humor())))


@joke_app.command("count")
def joke_count() -> None:
    """Say how many jokes are stored."""
    from oracle_tools.chores import joke

    typer.echo(str(len(joke.stored(_humor()))))


@joke_app.command("verify")
def joke_verify() -> None:
    """Prove from history that every earlier version of the humor file is the beginning of the next."""
    from oracle_tools.chores import joke

    tree = _humor()
    if why := joke.broken_history(tree):
        typer.echo(f"{joke.humor_file(tree)}: {why}")
        raise typer.Exit(1)
    versions = len(tree.earlier(joke.humor_file(tree)))
    typer.echo(f"append-only over {versions} committed version{'' if versions == 1 else 's'}")


def main() -> None:
    """Run the command line and exit with its code."""
    gc.disable()  # a command lives for a moment and makes no cycles worth looking for
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; whatever a person can mend becomes one line."""
    try:
        result = app(_escaped(arguments), prog_name="oracle", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except OracleError as error:
        typer.echo(f"oracle: {error}", err=True)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("oracle: interrupted", err=True)
        return 130
    except OSError as error:
        where = f"{shown(error.filename)}: " if error.filename else ""
        typer.echo(f"oracle: {where}{error.strerror or error}", err=True)
        return 2
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        typer.echo(f"oracle: {error.format_message()}", err=True)
        return 2


def _escaped(arguments: list[str]) -> list[str]:
    """Put arguments that begin with `-` and hold a space behind `--`: they are text, not options.

    Raises OracleError for a `--root` behind the command, which would otherwise be taken for text.
    """
    command = next(
        (n for n, word in enumerate(arguments) if not word.startswith("-") and not _is_root(arguments, n)),
        None,
    )
    if command is None:
        return arguments
    rest = arguments[command + 1 :]
    ended = rest.index("--") if "--" in rest else len(rest)
    if any(word == "--root" or word.startswith("--root=") for word in rest[:ended]):
        raise OracleError(f"--root stands before the command: oracle --root DIR {arguments[command]} …")
    texts = [word for word in rest[:ended] if word.startswith("-") and any(c.isspace() for c in word)]
    if not texts:
        return arguments
    options = [word for word in rest[:ended] if word not in texts]
    return [*arguments[: command + 1], *options, "--", *texts, *rest[ended + 1 :]]


def _is_root(arguments: list[str], number: int) -> bool:
    return number > 0 and arguments[number - 1] == "--root"
