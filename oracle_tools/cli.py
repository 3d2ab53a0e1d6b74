"""The door: the commands that a person or a client types. Nothing here knows how a chore is done."""

from __future__ import annotations

import copy
import functools
import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracle_tools.bundle.errors import OracleError, shown

if TYPE_CHECKING:
    from oracle_tools.bundle.edits import Edit
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
expand_app = typer.Typer(help="Expansions: plans, and the runners that carry them out.", no_args_is_help=True)
app.add_typer(expand_app, name="expand")
source_app = typer.Typer(help="The sources: pinned codebases, citations, notes.", no_args_is_help=True)
app.add_typer(source_app, name="source")
ingest_app = typer.Typer(help="Documents of others, taken in with their text.", no_args_is_help=True)
app.add_typer(ingest_app, name="ingest")

_NO_JOKE = "no joke given; say oracle joke add TEXT, or send it on standard input"
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
    from oracle_tools.bundle.lock import locked
    from oracle_tools.chores.index import plan

    root = _root()
    tree, edits = plan(root, cached=not no_cache)
    if diff:
        typer.echo(difference(tree, edits), nl=False)
    elif check:
        for edit in edits:
            typer.echo(f"{shown(edit.path)}: stale; run oracle index")
    elif edits:
        with locked(root):
            _, edits = plan(root, cached=not no_cache)
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
        typer.echo(route.measured(router, evaluate))
        return
    found = router.routes(" ".join(question or ()), count)
    typer.echo(route.as_json(found) if as_json else route.as_text(found))
    raise typer.Exit(0 if found else 1)


@app.command()
def stats(
    evaluate: Annotated[
        str | None,
        typer.Option("--eval", metavar="FILE", help="Questions of the bundle to price, as for route."),
    ] = None,
) -> None:
    """Say what a reader pays: files, bytes and estimated tokens, a folder a row."""
    from oracle_tools.bundle.tree import scan
    from oracle_tools.chores import route, stats

    tree = scan(_root())
    typer.echo(stats.as_text(stats.rows(tree)))
    if evaluate is not None:
        asked = route.read_evaluation(evaluate, tree)
        router = route.Router(tree)
        led = [_led(router, question, paths) for question, paths in asked]
        typer.echo(stats.cost_as_text(len(led), stats.cost(tree, led)))


def _led(router: Any, question: str, paths: list[str]) -> Any:
    from oracle_tools.chores import route, stats

    routes = router.routes(question)
    return stats.Led(paths, [found.path for found in routes], len(route.as_text(routes).encode()))


@app.command()
def pack(
    out: Annotated[
        str | None, typer.Argument(help="The file to write; NAME.zip where there is none.")
    ] = None,
) -> None:
    """Write the knowledge as a zip file, for clients that take an upload."""
    from oracle_tools.bundle.tree import scan
    from oracle_tools.chores import pack

    tree = scan(_root())
    data = pack.pack(tree)
    path = Path(out or f"{tree.name}.zip")
    path.write_bytes(data)
    typer.echo(f"{shown(path)}: {len(pack.packed(tree))} files, {len(data):,} bytes")


@app.command()
def install(
    project: Annotated[
        bool, typer.Option("--project", help="For this project only, not for all of them.")
    ] = False,
    source: Annotated[str, typer.Option("--from", metavar="ADDRESS", help="Clone from here.")] = "",
) -> None:
    """Clone this bundle to where Claude Code finds it, or bring that clone up to date."""
    from oracle_tools.bundle.layout import SKILL
    from oracle_tools.chores import install, joke

    root = _root()
    name = str(_glance(root, SKILL).doc(SKILL).meta.get("name") or root.name)
    place = install.target(name, Path.cwd() if project else None, Path.home())
    humor = _glance(root).config.humor
    typer.echo(install.install(root, place, source, {humor: joke.merged} if humor else {}))
    typer.echo(f"to uninstall it, remove the folder: rm -rf {shown(place)}")


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
    said = " ".join(text) if text else _standard_input(_NO_JOKE)
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


def _standard_input(missing: str) -> str:
    if sys.stdin is None or sys.stdin.isatty():
        raise OracleError(missing)
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


_MIRROR = typer.Option(metavar="DIR", help="Read from repositories here: owner+name/repo or owner/name.git.")
_Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Folders, names, owner/name.")]


def _scanned() -> Tree:
    from oracle_tools.bundle.tree import scan

    return scan(_root())


@source_app.command("list")
def source_list(
    kind: Annotated[
        str | None, typer.Option(help="Only codebase, talk, paper, article or documentation.")
    ] = None,
) -> None:
    """Show every pinned codebase with the state of its copy, and every note on a talk or text."""
    from oracle_tools.chores import source

    typer.echo(source.listing(_scanned(), kind))


@source_app.command("pull")
def source_pull(
    names: _Names = None,
    everything: Annotated[bool, typer.Option("--all", help="Every pinned codebase.")] = False,
    origin: Annotated[
        str, typer.Option("--from", metavar="PATH-or-ADDRESS", help="Another place that has the commit.")
    ] = "",
    mirror: Annotated[Path | None, _MIRROR] = None,
    max_size: Annotated[float, typer.Option(min=0, help="Leave out files over this many MiB.")] = 20.0,
    force: Annotated[bool, typer.Option("--force", help="Replace a copy that was changed.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=32, help="How many at the same time.")] = 4,
) -> None:
    """Bring the pinned commit of codebases beside their maps, without .git; a failed pull changes nothing."""
    from oracle_tools.chores import source

    if bool(names) == everything:
        raise OracleError("name the codebases to pull, or say --all; oracle source list names them")
    with _progress() as progress:
        results = source.pull(
            _scanned(), names or (), source.Asked(origin, mirror, max_size, force, jobs), progress
        )
    for result in results:
        typer.echo(result.text, err=not result.done)
    raise typer.Exit(0 if all(result.done for result in results) else 1)


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Give what shows a bar for each name, on a terminal; elsewhere what shows nothing."""
    if not sys.stderr.isatty():
        yield lambda name, done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress, TaskID

    bars: dict[str, TaskID] = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:

        def show(name: str, done: int, total: int) -> None:
            if name not in bars:
                bars[name] = progress.add_task(name, total=total)
            progress.update(bars[name], completed=done)

        yield show


@source_app.command("verify")
def source_verify(names: _Names = None) -> None:
    """Recompute the tree hash of each copy and name the files that differ from the pin; exit 1 if any."""
    from oracle_tools.chores import source

    said, good = source.verify(_scanned(), names or ())
    typer.echo(said)
    raise typer.Exit(0 if good else 1)


@source_app.command("cite")
def source_cite(
    mirror: Annotated[Path | None, _MIRROR] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Move line ranges that are off.")] = False,
) -> None:
    """Open every cited line of code and look for the names of its footnote; exit 1 if one is wrong."""
    from oracle_tools.bundle.edits import apply
    from oracle_tools.bundle.lock import locked
    from oracle_tools.chores.cite import cite

    with locked(_root()) if fix else nullcontext():
        answer = cite(_scanned(), mirror, fix)
        apply(_root(), answer.edits)
    typer.echo(answer.text)
    raise typer.Exit(1 if answer.wrong else 0)


_Plan = Annotated[str, typer.Argument(metavar="PLAN", help="A workspace, its ingestion.md, or its topic.")]
_Part = Annotated[int, typer.Argument(metavar="N", min=0, help="The number of the PART.")]
_Try = Annotated[
    int, typer.Option("--try", min=0, envvar="ORACLE_TRY", help="Yours; refused when it was taken over.")
]


def _judge(tree: Tree, paths: Sequence[str]) -> list[str]:
    """Return what the check finds of warning or worse about `paths`, each as a line."""
    from oracle_tools.check import run

    found = [finding for finding in run.check(tree) if finding.path in paths and run.failed([finding])]
    return [f"{f.path}:{f.line} {f.message} ({f.code})" for f in found]


def _part_text(root: Path, folder: str, n: int) -> str:
    """Return a PART as a runner reads it, with what the oracle knows about it already."""
    from oracle_tools.bundle.tree import scan
    from oracle_tools.bundle.workspace import open_workspace
    from oracle_tools.chores import expand, route

    space = open_workspace(root, folder)
    router = route.Router(scan(root))
    known = route.as_text(router.routes(expand.question(space, space.part(n)), 5))
    router.close()
    return expand.show(space, n, known)


@expand_app.command("new")
def expand_new(
    topic: Annotated[str, typer.Argument(help="What the oracle is to learn, in a few words.")],
    part: Annotated[
        list[str] | None, typer.Option(help='"path/NN-name.md: what it covers"; once for each file.')
    ] = None,
    source: Annotated[Path | None, typer.Option("--from", metavar="FILE", help="The PARTs, as YAML.")] = None,
    kind: Annotated[
        str, typer.Option("--type", help="Research, Reorganization or Supplemental.")
    ] = "Research",
) -> None:
    """Write a workspace and its plan, one PART a file."""
    from datetime import date

    from oracle_tools.bundle.edits import apply
    from oracle_tools.chores import expand

    parts = [*expand.wanted(part or ()), *(expand.read_wanted(source) if source else ())]
    write = expand.new(_scanned(), topic, parts, kind, date.today())
    apply(_root(), [write])
    typer.echo(f"{expand.counted(len(parts), 'PART')} planned in {write.path}")


@expand_app.command("status")
def expand_status(
    plan: Annotated[
        str | None, typer.Argument(metavar="[PLAN]", help="All plans where none is given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As plain data for a machine.")] = False,
) -> None:
    """Show how the PARTs of a plan stand, or how all plans do."""
    import json

    from oracle_tools.bundle import workspace
    from oracle_tools.chores import expand

    root = _root()
    if plan is not None:
        space = workspace.look(root, plan)
        data = json.dumps(expand.as_json(space), indent=2, ensure_ascii=False) if as_json else ""
        typer.echo(data or expand.as_text(space))
        return
    spaces = [workspace.open_workspace(root, folder) for folder in workspace.workspaces(root)]
    plans = {"plans": [expand.as_json(space) for space in spaces]}
    lines = [f"{expand.bar(space)}  {space.folder}" for space in spaces] or ["no plans; oracle expand new"]
    typer.echo(json.dumps(plans, indent=2, ensure_ascii=False) if as_json else "\n".join(lines))


@expand_app.command("show")
def expand_show(plan: _Plan, n: _Part) -> None:
    """Print one PART for a runner, with what the oracle knows about it already."""
    from oracle_tools.bundle.workspace import find

    root = _root()
    typer.echo(_part_text(root, find(root, plan).folder, n))


@expand_app.command("claim")
def expand_claim(
    plan: _Plan,
    n: Annotated[
        int, typer.Argument(metavar="[N]", min=0, help="The next open PART where none is given.")
    ] = 0,
    steal: Annotated[
        bool, typer.Option("--steal", help="Also one whose runner is dead, or silent for two hours.")
    ] = False,
    runner: Annotated[str, typer.Option(help="Your name, for the record.")] = "",
) -> None:
    """Take an open PART, so that nobody else does it; ORACLE_REMOTE names a git remote to claim it on too."""
    from oracle_tools.bundle import workspace

    space = workspace.find(_root(), plan)
    remote = os.environ.get("ORACLE_REMOTE", "")
    mine = workspace.claim(space, runner or workspace.somebody(), n, steal, remote=remote)
    if mine is None:
        raise OracleError(workspace.why_not(space.again(), n), exit_code=1)
    drop, part = mine.drop, mine.part
    typer.echo(f"PART {drop.n}, try {drop.attempt}, is yours: {part.path or part.title}")
    typer.echo(f"read it with oracle expand show {space.folder} {drop.n}")


@expand_app.command("deliver")
def expand_deliver(plan: _Plan, n: _Part, attempt: _Try = 0) -> None:
    """Write the knowledge file that comes on standard input at the PART's path, if it has no fault."""
    from oracle_tools.bundle.workspace import find
    from oracle_tools.chores import expand

    root = _root()
    folder = find(root, plan).folder
    text = _standard_input("no knowledge file given; send it on standard input, as a here-document")
    drop = expand.deliver(root, folder, n, text, _judge, attempt)
    typer.echo(
        f"PART {n} delivered: {drop.file}, {drop.lines} lines, {expand.counted(drop.sources, 'source')}"
    )


@expand_app.command("fail")
def expand_fail(
    plan: _Plan,
    n: _Part,
    why: Annotated[str, typer.Option(help="The reason; the next runner reads it.")],
    attempt: _Try = 0,
) -> None:
    """Give a PART back; it opens once more, then stays failed."""
    from oracle_tools.bundle import workspace

    root = _root()
    space = workspace.find(root, plan)
    workspace.fail(root, space.folder, n, why, attempt)
    typer.echo(f"PART {n} is {space.again().states[n]}")


@expand_app.command("run")
def expand_run(
    plan: _Plan,
    command: Annotated[str, typer.Option(help='What runs a PART, as "claude -p"; no shell reads it.')],
    jobs: Annotated[int, typer.Option(min=1, max=64, help="How many at the same time.")] = 4,
    limit: Annotated[float, typer.Option(min=0.1, help="Minutes that a PART may take.")] = 30,
) -> None:
    """Execute the open PARTs side by side, each with its text on standard input; run it again to resume."""
    from oracle_tools.bundle.workspace import find
    from oracle_tools.chores import expand, runners

    root, argv = _root(), runners.parsed(command)
    space = find(root, plan)
    folder = space.folder
    with _watched(space) as tell:
        run = runners.Run(
            root, folder, argv,
            text=lambda n: _part_text(root, folder, n),
            deliver=lambda n, attempt, text: expand.deliver(root, folder, n, text, _judge, attempt),
            tell=tell, jobs=jobs, limit=limit * 60, remote=os.environ.get("ORACLE_REMOTE", ""),
        )  # fmt: skip
        space = run.go()
    typer.echo(expand.as_text(space))
    raise typer.Exit(0 if set(space.states.values()) <= {"done"} else 1)


@contextmanager
def _watched(space: Any) -> Iterator[Callable[[Any], None]]:
    """Give what shows the events of a run: bars on a terminal, a line each elsewhere."""
    if not sys.stdout.isatty():
        yield lambda event: typer.echo(f"PART {event.n}, try {event.attempt}: {event.what} {event.detail}")
        return
    from rich.markup import escape
    from rich.progress import Progress, TaskID

    with Progress() as progress:
        states = list(space.states.values())
        total = progress.add_task("PARTs", total=len(states), completed=states.count("done"))
        running: dict[tuple[int, int], TaskID] = {}

        def tell(event: Any) -> None:
            if event.what == "started":
                words = f"{event.n}: {event.detail}, try {event.attempt}"
                running[event.n, event.attempt] = progress.add_task(escape(words), total=None)
                return
            progress.remove_task(running.pop((event.n, event.attempt)))
            words = f"PART {event.n}, try {event.attempt}: {event.what} {event.detail}"
            progress.print(words, markup=False, highlight=False, soft_wrap=True)
            progress.advance(total, event.what == "done")

        yield tell


@expand_app.command("finalize")
def expand_finalize(
    plan: _Plan,
    partial: Annotated[bool, typer.Option("--partial", help="Take what there is; the rest failed.")] = False,
) -> None:
    """Check the delivered files, refresh the indexes, archive the plan, commit; again, to complete it."""
    from oracle_tools.bundle.workspace import find
    from oracle_tools.chores import expand
    from oracle_tools.chores.index import index

    root = _root()
    for line in expand.finalize(root, find(root, plan).folder, index, _judge, partial):
        typer.echo(line)


@expand_app.command("abandon")
def expand_abandon(
    plan: _Plan, why: Annotated[str, typer.Option(help="The reason; the archive keeps it.")]
) -> None:
    """Archive a plan that is given up, with the reason."""
    from oracle_tools.bundle.workspace import find
    from oracle_tools.chores import expand

    root = _root()
    for line in expand.abandon(root, find(root, plan).folder, why):
        typer.echo(line)


@source_app.command("bump")
def source_bump(
    name: Annotated[str, typer.Argument(help="Folder, name, or owner/name.")],
    commit: Annotated[str, typer.Argument(help="40 hexadecimal digits; without it the newest.")] = "",
    origin: Annotated[
        str, typer.Option("--from", metavar="PATH-or-ADDRESS", help="Another place that has both.")
    ] = "",
    mirror: Annotated[Path | None, _MIRROR] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Show what would change, and write nothing.")] = False,
) -> None:
    """Move a pin, carry cited lines over by content, and name the places where they changed."""
    from oracle_tools.bundle.diff import difference
    from oracle_tools.bundle.edits import apply
    from oracle_tools.bundle.lock import locked
    from oracle_tools.chores.bump import bump

    with nullcontext() if diff else locked(_root()):
        tree = _scanned()
        bumped = bump(tree, name, commit, mirror, origin)
        if diff:
            typer.echo(difference(tree, bumped.edits), nl=False)
        else:
            apply(_root(), bumped.edits)
    typer.echo("\n".join(bumped.lines), err=diff)


_Within = Annotated[list[str], typer.Argument(metavar="PATH...", help="Files and folders of the bundle.")]
_ShowOnly = Annotated[bool, typer.Option("--diff", help="Show what would change, and write nothing.")]
_Uncommitted = Annotated[bool, typer.Option("--no-commit", help="Change the files and do not commit.")]
Reorganized = tuple[Sequence["Edit"], str]
"""Edits, and the message of the commit that holds them."""


def _reorganize(plan: Callable[[Tree], Reorganized], diff: bool, no_commit: bool) -> None:
    """Carry out what `plan` makes of the bundle, with fresh indexes, as one commit; or only show it."""
    from oracle_tools.bundle.diff import difference
    from oracle_tools.bundle.lock import locked
    from oracle_tools.chores.index import index
    from oracle_tools.chores.reorganize import carry_out, planned

    root = _root()
    if diff:
        tree, edits, _ = planned(root, plan, index)
        typer.echo(difference(tree, edits), nl=False)
        return
    with locked(root):
        for line in carry_out(root, plan, index, commit=not no_commit):
            typer.echo(line)


@app.command()
def mv(
    paths: _Within,
    target: Annotated[str, typer.Argument(help="The new path, or a folder that is there.")],
    diff: _ShowOnly = False,
    no_commit: _Uncommitted = False,
) -> None:
    """Move files and folders, and rewrite every link, path, plan and route that names them."""
    _reorganize(lambda tree: _mv(tree, _inside(tree, [*paths, target])), diff, no_commit)


@app.command()
def renumber(
    folder: Annotated[str, typer.Argument(help="A folder of knowledge.")],
    after: Annotated[
        int | None, typer.Option(min=-1, metavar="NN", help="Make the number after this one free.")
    ] = None,
    gaps: Annotated[
        bool, typer.Option("--gaps", help="Close the gaps; what it does without --after.")
    ] = False,
    diff: _ShowOnly = False,
    no_commit: _Uncommitted = False,
) -> None:
    """Close the gaps in a folder's numbers, or open a place, and rewrite what names the files."""
    from oracle_tools.bundle.relink import moved
    from oracle_tools.chores.mv import message, renumber

    if gaps and after is not None:
        raise OracleError("--gaps closes all gaps, --after opens one; choose one of them")

    def plan(tree: Tree) -> Reorganized:
        (inside,) = _inside(tree, [folder])
        moves = renumber(tree, inside, after)
        return moved(tree, moves), message(moves, f"renumber {inside}")

    _reorganize(plan, diff, no_commit)


def _mv(tree: Tree, paths: Sequence[str]) -> Reorganized:
    from oracle_tools.bundle.relink import moved
    from oracle_tools.chores.mv import message, mv

    *sources, to = paths
    moves = mv(tree, sources, to)
    return moved(tree, moves), message(moves)


def _split(tree: Tree, path: str, at: Sequence[str]) -> Reorganized:
    from oracle_tools.chores.split import message, split

    edits = split(tree, path, at)
    return edits, message(path, edits)


def _merge(tree: Tree, paths: Sequence[str], into: str) -> Reorganized:
    from oracle_tools.chores.merge import merge, message

    return merge(tree, paths, into), message(paths, into)


@app.command()
def split(
    file: Annotated[str, typer.Argument(help="A knowledge file.")],
    at: Annotated[list[str], typer.Option("--at", metavar="HEADING", help="Where a file begins; repeat it.")],
    diff: _ShowOnly = False,
    no_commit: _Uncommitted = False,
) -> None:
    """Make numbered files of an overlong one, with its footnotes, and links that follow."""
    _reorganize(lambda tree: _split(tree, _inside(tree, [file])[0], at), diff, no_commit)


@app.command()
def merge(
    files: _Within,
    into: Annotated[str, typer.Option("--into", metavar="FILE", help="One of the files, or a new one.")],
    diff: _ShowOnly = False,
    no_commit: _Uncommitted = False,
) -> None:
    """Make one knowledge file of several; footnotes fold together, and links follow."""

    def plan(tree: Tree) -> Reorganized:
        *paths, to = _inside(tree, [*files, into])
        return _merge(tree, paths, to)

    _reorganize(plan, diff, no_commit)


@app.command()
def tidy(
    apply: Annotated[bool, typer.Option("--apply", help="Do it, one commit for each proposal.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what each proposal would change.")] = False,
) -> None:
    """Propose what the guidelines suggest: long files to split, tiny ones to merge, folders to form."""
    from oracle_tools.chores.tidy import tidy

    proposals = tidy(_scanned())
    for proposal in proposals:
        typer.echo(f"{proposal}\n    {proposal.reason}")
        if apply or diff:
            _reorganize(functools.partial(_tidied, proposal=proposal), diff, no_commit=False)
    if not proposals:
        typer.echo("nothing to tidy")


def _tidied(tree: Tree, proposal: Any) -> Reorganized:
    from oracle_tools.chores.tidy import MERGE, SPLIT

    if proposal.verb == SPLIT:
        return _split(tree, proposal.paths[0], proposal.more)
    if proposal.verb == MERGE:
        return _merge(tree, proposal.paths, *proposal.more)
    return _mv(tree, [*proposal.paths, *proposal.more])


def _inside(tree: Tree, words: Sequence[str]) -> list[str]:
    """Return paths as the tree names them: from where we are if the first is there, else from the top."""
    from oracle_tools.bundle.naming import inside

    try:
        here = Path.cwd()
    except OSError:
        here = Path("/")
    return inside(tree, words, here)


_Side = Annotated[str, typer.Option(help="Whose documents they are; needed where there are several sides.")]
_Title = Annotated[str, typer.Option(help="The title, of a single document.")]
_Address = Annotated[str, typer.Option(metavar="URL", help="Where a single document can be opened.")]
_Diff = Annotated[bool, typer.Option("--diff", help="Show what would change, and write nothing.")]


@ingest_app.command("add")
def ingest_add(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="From anywhere; they stay there.")],
    side: _Side = "",
    title: _Title = "",
    address: _Address = "",
    diff: _Diff = False,
) -> None:
    """Copy files into _ingest/ and take just these in, as oracle ingest run does; its limits hold."""
    from oracle_tools.chores import ingest

    root = _root()
    said = ingest.asked(_glance(root), side, title, address, len(files))
    if diff:
        _ingested(root, ingest.outside(root, files), said, diff)
        return
    names, known = ingest.drop(root, files)
    for line in known:
        typer.echo(line)
    if names:
        _ingested(root, ingest.documents(root, names), said, diff)


@ingest_app.command("run")
def ingest_run(side: _Side = "", title: _Title = "", address: _Address = "", diff: _Diff = False) -> None:
    """Take in what lies in _ingest/: the text to source-documents/, the original to _ingest/completed/.

    Kinds: Markdown, text, HTML, PDF, EPUB, DOCX, ipynb, VTT, SRT. Limits: 20 MiB a file; 2,000 members, 100
    MiB unpacked and a ratio of 200 an archive; 600 pages a PDF; 2 MiB of text; 120 s and 1.5 GiB a
    conversion; 80 KB and 470 lines a note, then the next part; 40 parts. One commit. What fails stays, with
    the reason beside it as NAME.failed, and the exit code is 1.
    """
    from oracle_tools.chores import ingest

    root = _root()
    names = ingest.waiting(root)
    said = ingest.asked(_glance(root), side, title, address, len(names))
    _ingested(root, ingest.documents(root, names), said, diff)


def _ingested(root: Path, documents: Any, said: Any, diff: bool) -> None:
    from datetime import date

    from oracle_tools.bundle.diff import difference
    from oracle_tools.bundle.tree import scan
    from oracle_tools.chores import ingest
    from oracle_tools.chores.index import index

    if diff:
        tree = scan(root)
        answer = ingest.planned(tree, documents, said, date.today())
        typer.echo(difference(tree, [*answer.edits, *index(tree.after(answer.edits))]), nl=False)
    else:
        answer = ingest.ingest(root, documents, said, index, _judge, date.today())
    typer.echo("\n".join(answer.lines), err=diff)
    raise typer.Exit(1 if answer.failed else 0)


@app.command(context_settings=_FREE_TEXT)
def facts(
    query: Annotated[list[str] | None, typer.Argument(help="Words that a claim should hold.")] = None,
) -> None:
    """List the claims that were refuted: what is claimed, why not, what is right, and where that stands."""
    from oracle_tools.chores import facts

    found = facts.facts(" ".join(query or ()))
    typer.echo(found or "no refuted claim with these words")
    raise typer.Exit(0 if found else 1)


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
        result = _narrowed(arguments)(_escaped(arguments), prog_name="oracle", standalone_mode=False)
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


def _narrowed(arguments: list[str]) -> typer.Typer:
    """Return the app with only the command that is called: to build them all would cost every start."""
    at = _command_at(arguments)
    word = "" if at is None else arguments[at]
    named = [(c, c.name or getattr(c.callback, "__name__", "")) for c in app.registered_commands]
    commands = [command for command, name in named if name == word]
    groups = [group for group in app.registered_groups if group.name == word]
    if not commands and not groups:
        return app
    narrowed = copy.copy(app)
    narrowed.registered_commands, narrowed.registered_groups = commands, groups
    return narrowed


def _escaped(arguments: list[str]) -> list[str]:
    """Put arguments that begin with `-` and hold a space behind `--`: they are text, not options.

    Raises OracleError for a `--root` behind the command, which would otherwise be taken for text.
    """
    command = _command_at(arguments)
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


def _command_at(arguments: list[str]) -> int | None:
    """Return where the command's name stands: the first word that is no option and no value of `--root`."""
    words = enumerate(arguments)
    return next(
        (n for n, word in words if word[:1] != "-" and "--root" not in arguments[max(0, n - 1) : n]), None
    )
