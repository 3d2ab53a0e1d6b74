"""Grows the bundle by plans: what a plan holds, how a PART is delivered, and how the result comes in."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from oracle_tools.bundle import git, refs
from oracle_tools.bundle.edits import Delete, Edit, Move, Write, apply
from oracle_tools.bundle.errors import OracleError, shown
from oracle_tools.bundle.layout import INDEX, INGEST_AUTO, PLAN, SKILL
from oracle_tools.bundle.lock import locked
from oracle_tools.bundle.markdown import Doc, read
from oracle_tools.bundle.naming import kebab, misplaced, number_taken
from oracle_tools.bundle.plan import DONE, FAILED, OPEN, Part, mark_state
from oracle_tools.bundle.table import table
from oracle_tools.bundle.tree import Tree, name, parent, scan
from oracle_tools.bundle.workspace import (
    CLAIMED,
    COMPLETED,
    DELIVERED,
    PREFIX,
    Drop,
    Workspace,
    current,
    label,
    now,
    open_workspace,
    workspaces,
)

Judge = Callable[[Tree, Sequence[str]], list[str]]
"""Tells what the check finds, of warning or worse, about some files of a tree."""

TYPES = ("Research", "Reorganization", "Supplemental")
EXPECTED_LINES = 300
OUTCOME = "OUTCOME.md"

_SAID_AT_ONCE = 5
_NO_GAP = ("related", "sources")
_TITLE = re.compile(r"^(?:knowledge )?expansion(?: plan)?\s*[:–—-]\s*", re.IGNORECASE)
_GIVEN = re.compile(r"(?P<path>\S+)(?:\s+\(~?(?P<lines>\d+) lines?\))?\s*:\s+(?P<covers>\S.*)", re.DOTALL)
_REPLACES = re.compile(r"(?im)^#+ .*\bPART\s+\d+\b\W*replaces?\b|^\W*Replaces\W+(?:yes|true)\b")
_BOX = re.compile(r"(\s*(?:[-*+]|\d+[.)])\s+\[)([^\]\n]*)(\])")
_MARKS = {DONE: "✓", FAILED: "/"}


def counted(count: int, what: str) -> str:
    """Return a count with its noun, as in `1 file`, `2 files`."""
    return f"{count} {what}{'' if count == 1 else 's'}"


# New plans


@dataclass(frozen=True, slots=True)
class Wanted:
    """A PART to be planned: the file, what it covers, its expected lines, and queries to begin with."""

    path: str
    covers: str
    lines: int = EXPECTED_LINES
    queries: tuple[str, ...] = ()
    replaces: bool = False


def wanted(texts: Sequence[str]) -> list[Wanted]:
    """Return the PARTs that texts like `path: what it covers` or `path (200 lines): …` ask for.

    Raises OracleError for a text of another form.
    """
    found = []
    for text in texts:
        match = _GIVEN.fullmatch(text.strip())
        if match is None:
            raise OracleError(f'{shown(text)}: a PART is given as "path/NN-name.md: what it covers"')
        lines = int(match["lines"] or EXPECTED_LINES)
        found.append(Wanted(match["path"], label(match["covers"]), lines))
    return found


def read_wanted(path: Path) -> list[Wanted]:
    """Return the PARTs of a YAML file: a list, or a table with a list `parts`, of path, covers, lines,
    queries and replaces.

    Raises OracleError for a file that is something else.
    """
    import yaml

    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise OracleError(f"{shown(path)}: cannot be read as YAML ({label(str(error))})") from error
    rows = data.get("parts") if isinstance(data, dict) else data
    found = []
    for number, row in enumerate(rows if isinstance(rows, list) else [None], start=1):
        keys = row if isinstance(row, dict) else {}
        lines, queries = keys.get("lines", EXPECTED_LINES), keys.get("queries", [])
        texts = isinstance(keys.get("path"), str) and isinstance(keys.get("covers"), str)
        if not texts or type(lines) is not int or not isinstance(queries, list):
            raise OracleError(f"{shown(path)}: PART {number} needs path and covers; lines is a number")
        asked = tuple(label(str(query)) for query in queries)
        found.append(Wanted(keys["path"], label(keys["covers"]), lines, asked, keys.get("replaces") is True))
    return found


def new(tree: Tree, topic: str, parts: Sequence[Wanted], kind: str, today: date) -> Write:
    """Return the write of the plan for an expansion on `topic`.

    Raises OracleError for a workspace that is there already, a kind that is none of TYPES, no PARTs, and a
    PART whose file cannot lie where it says.
    """
    folder = f"{PREFIX}{kebab(topic)}-{today.isoformat()}"
    if any(tree.exists(f"{base}/{folder}") for base in (INGEST_AUTO, COMPLETED)):
        raise OracleError(f"{folder}: exists already; add PARTs to its {PLAN}, or choose another topic")
    if kind not in TYPES:
        raise OracleError(f"{shown(kind)}: no type of expansion; there are {', '.join(TYPES)}")
    if not parts:
        raise OracleError('no PARTs; give --part "path/NN-name.md: what it covers", or --from FILE')
    seen: set[str] = set()
    for part in parts:
        there = tree.exists(part.path)
        why = misplaced(tree, part.path)
        if part.path in seen:
            why = f"{part.path}: two PARTs for one file"
        elif not why and there and not part.replaces:
            why = f"{part.path}: exists already; extend it directly, or say replaces: true in a YAML file"
        elif not why and part.replaces and not there:
            why = f"{part.path}: is not there to be replaced"
        elif not why and not there:
            why = number_taken(tree, part.path, seen)
        if why:
            raise OracleError(why)
        seen.add(part.path)
    return Write(f"{INGEST_AUTO}/{folder}/{PLAN}", _plan_text(tree.name, topic, parts, kind, today), new=True)


def _plan_text(oracle: str, topic: str, parts: Sequence[Wanted], kind: str, today: date) -> str:
    out = [
        f"# Expansion: {label(topic)}\n",
        f"**Date:** {today.isoformat()}  \n**Oracle:** {oracle}  \n**Type:** {kind}  \n"
        f"**Topics:** {'; '.join(part.covers for part in parts)}\n",
    ]
    for n, part in enumerate(parts, start=1):
        verb = "Replace" if part.replaces else "Create"
        queries = part.queries or (part.covers,)
        out += [
            f"## PART {n}: {verb} {part.path} ({part.lines} lines)\n",
            f"- [ ] PART {n}: {verb} {part.path}\n",
            f"**Covers:** {part.covers}\n",
            "1. [ ] Read what the oracle knows already; link to it instead of repeating it.",
            "2. [ ] Open the sources; note commits and lines, sections, times.",
            "3. [ ] Write the file, every claim with its footnote; run its examples.",
            "4. [ ] Open every citation once more.\n",
            f"**Expected size:** about {part.lines} lines\n",
            "**Research queries:**\n",
            *(f"- {query}" for query in queries),
            "",
            f"**Completion:** `oracle expand deliver PLAN {n}`, or `oracle expand fail PLAN {n} --why …`\n",
        ]
    out += [
        "## Completion tasks\n",
        "- [ ] Every PART is done, or failed twice",
        "- [ ] `oracle expand finalize PLAN`\n",
        "## Outcomes\n",
        f"`{OUTCOME}` beside this plan, once it is finalized.",
    ]
    return "\n".join(out) + "\n"


# How things stand


def as_json(space: Workspace) -> dict[str, Any]:
    """Return a plan and its PARTs as plain data for a machine."""
    return {
        "plan": space.folder,
        "title": space.plan.title,
        "archived": space.archived,
        "parts": [_row(space, part) for part in space.plan.parts],
        "troubles": [{"line": trouble.line, "why": trouble.why} for trouble in space.plan.troubles],
    }


def _row(space: Workspace, part: Part) -> dict[str, Any]:
    tries = space.drops.get(part.n, [])
    last = space.delivery(part.n) or (tries[-1] if tries else None)
    return {
        "n": part.n,
        "title": part.title,
        "path": part.path,
        "state": space.states[part.n],
        "expected_lines": part.expected_lines,
        "tries": len(tries),
        "lines": last.lines if last else 0,
        "sources": last.sources if last else 0,
        "runner": last.runner if last else "",
        "why": last.why if last else "",
    }


def as_text(space: Workspace) -> str:
    """Return a plan's PARTs as a table for a person, a bar, and what could not be read."""
    rows = []
    for row in as_json(space)["parts"]:
        file = label(row["path"] or row["title"])
        more = row["why"] or (row["state"] == CLAIMED and row["runner"])
        file += f" ({more})" if more else ""
        lines = f"{row['lines'] or '-'}/{row['expected_lines'] or '?'}"
        rows.append((str(row["n"]), row["state"], str(row["tries"]), lines, str(row["sources"]), file))
    shape = table(("PART", "State", "Tries", "Lines", "Sources", "File"), rows, right=(0, 2, 3, 4))
    troubles = [f"{space.folder}/{PLAN}:{trouble.line}: {trouble.why}" for trouble in space.plan.troubles]
    return "\n".join([label(space.plan.title) or space.name, "", shape, "", bar(space), *troubles])


def bar(space: Workspace) -> str:
    """Return how far a plan is, as a bar of twenty and in words."""
    states = list(space.states.values())
    counts = {state: states.count(state) for state in (DONE, CLAIMED, FAILED, OPEN)}
    filled = round(20 * counts[DONE] / (len(states) or 1))
    words = ", ".join(f"{count} {state}" for state, count in counts.items() if count and state != DONE)
    return f"[{'#' * filled}{'.' * (20 - filled)}] {space.progress()} done{words and '; '}{words}"


def question(space: Workspace, part: Part) -> str:
    """Return what to ask the oracle in order to learn what it knows about a PART already."""
    covers = re.findall(r"(?m)^\*\*Covers:\*\* (.*)$", space.section(part))
    return " ".join([part.title, *covers]).replace("/", " ").replace(".md", "")


def show(space: Workspace, n: int, known: str) -> str:
    """Return one PART for a runner: the plan's text, what is `known` already, and how to deliver."""
    part = space.part(n)
    tries = [drop for drop in space.drops.get(n, []) if drop.why]
    return "\n".join(
        [
            f"{space.plan.title or space.name}: PART {n} is {space.states[n]}\n",
            space.section(part),
            *(f"Try {drop.attempt} failed: {drop.why}\n" for drop in tries),
            "What the oracle knows already (link to it, do not write it again):\n",
            known,
            f"\nThe file is {part.path or 'not named in the plan'}. Hand it in on standard input:\n",
            f"oracle expand deliver {space.folder} {n} <<'MD'\n…\nMD",
            f"oracle expand fail {space.folder} {n} --why 'the reason'",
        ]
    )


# Delivery


def deliver(root: Path, folder: str, n: int, text: str, judge: Judge, attempt: int = 0) -> Drop:
    """Write `text` as the knowledge file of PART `n`, and complete the drop of its try.

    `attempt` is the runner's try where it knows it. Raises OracleError, and writes nothing, for a PART that
    is not claimed, a path where no knowledge file can lie, a file that is there and that the plan does not
    replace, and a text that `judge` finds fault with.
    """
    text = text.replace("\r\n", "\n").rstrip("\n") + "\n"
    with locked(root):
        space = open_workspace(root, folder)
        part, claimed = space.part(n), current(space, n, attempt)
        tree = scan(root)
        replaces = bool(_REPLACES.search(space.section(part)))
        if why := misplaced(tree, part.path) if part.path else f"PART {n} names no file; mend the plan":
            raise OracleError(f"not delivered: {why}")
        there = tree.exists(part.path)
        if there and not replaces and not _same(tree, part.path, text):
            raise OracleError(f"not delivered: {part.path} exists already, and the plan does not replace it")
        faults = judge(_narrowed(tree.after(_with_others(space, part, tree, text)), [part.path]), [part.path])
        if faults:
            more = f"; and {len(faults) - _SAID_AT_ONCE} more" if len(faults) > _SAID_AT_ONCE else ""
            raise OracleError(f"not delivered: {'; '.join(map(shown, faults[:_SAID_AT_ONCE]))}{more}")
        done, body = _completed(space, part, claimed, text)
        edits = [Write(claimed.path, done.text(body)), Write(part.path, text, new=not there)]
        # Cut off in between, a new file is missing and its PART still claimed; an old one must not look new.
        apply(root, edits[::-1] if there else edits)
        return done


def _same(tree: Tree, path: str, text: str) -> bool:
    return tree.is_file(path) and tree.text(path) == text


def _with_others(space: Workspace, part: Part, tree: Tree, text: str) -> list[Write]:
    """Return the delivery and, so that links to them are alive, the files that other PARTs will create.

    These come as folders: something is there, and nobody reads headings in it yet.
    """
    to_come = [p.path for p in space.plan.parts if p.path and space.states[p.n] in (OPEN, CLAIMED)]
    soon = [Write(f"{path}/soon", "") for path in to_come if path != part.path and not tree.exists(path)]
    return [Write(part.path, text), *soon]


def _narrowed(tree: Tree, paths: Sequence[str]) -> Tree:
    """Return `tree` with only the folders of `paths` to be judged; all else is there to be linked to."""
    folders = {parent(path) for path in paths}
    tree.__dict__["documents"] = [path for path in tree.documents if parent(path) in folders]
    tree.remember({})
    return tree


def _completed(space: Workspace, part: Part, claimed: Drop, text: str) -> tuple[Drop, str]:
    """Return the drop of a delivered file and its body: sources used, context, gaps filled."""
    doc = read(text)
    sources = _sources(doc)
    done = replace(
        claimed, status=DELIVERED, time=now(), host="", file=part.path, lines=doc.lines, sources=len(sources)
    )
    related = [link for link in doc.links if link.endswith(".md") and "://" not in link]
    sections = [h.text for h in doc.headings if h.level == 2 and h.text.lower() not in _NO_GAP]
    body = [
        f"`{part.path}`, {doc.lines} lines, sha256 {hashlib.sha256(text.encode()).hexdigest()}\n",
        "## Sources used\n",
        *(f"- <{source}>" for source in sources),
        "\n## Context\n",
        f"- Asked for: {label(part.title)}",
        *(f"- Try {d.attempt} by {d.runner}: {d.why or d.status}" for d in space.drops[part.n][:-1]),
        *(f"- Linked with: `{link}`" for link in dict.fromkeys(related)),
        "\n## Gaps filled\n",
        f"- {label(doc.description)}",
        *(f"- {label(section)}" for section in sections),
    ]
    return done, "\n".join(body) + "\n"


def _sources(doc: Doc) -> list[str]:
    """Return the addresses that a file cites, each once."""
    return list(dict.fromkeys(link for link in doc.links if re.match(r"https?://[^\s<>]+$", link)))


# The end


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a plan, as its archive records it: all lists hold paths, except `failed`, which holds
    lines for people. `abandoned` is the reason where it was given up.
    """

    topic: str
    kind: str
    progress: str
    files: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    abandoned: str = ""

    def text(self) -> str:
        """Return the record as a Markdown file."""
        facts = {key: getattr(self, key) for key in self.__slots__}
        rows = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items()]
        listed = [f"- `{file}`" for file in self.files] or ["None."]
        failures = ["\n## Failed\n", *(f"- {line}" for line in self.failed)] if self.failed else []
        end = [f"\nAbandoned: {self.abandoned}"] if self.abandoned else []
        head = ["---", *rows, "---", f"\n# Outcome: {self.topic}\n", f"{self.progress}."]
        return "\n".join([*head, *end, "\n## Files\n", *listed, *failures]) + "\n"

    def message(self, folder: str) -> str:
        """Return the commit message; `folder` is the archive."""
        what = "Abandoned Expansion" if self.abandoned else "Knowledge Expansion"
        body = [f"Type: {self.kind}", f"Workspace: {folder}", self.progress]
        body += [f"Reason: {self.abandoned}"] if self.abandoned else []
        for title, lines in (("Files:", self.files), ("Failed PARTs:", self.failed)):
            body += ["", title, *(f"- {line}" for line in lines)] if lines else []
        return f"{what}: {self.topic} ({counted(len(self.files), 'file')})\n\n" + "\n".join(body)


def finalize(
    root: Path, folder: str, indexed: Callable[[Tree], list[Write]], judge: Judge, partial: bool = False
) -> list[str]:
    """Take a plan's files into the bundle: check them, refresh the indexes, archive the plan, commit.

    `indexed` returns the writes that the indexes need. Cut off anywhere, a second call completes it; a third
    changes nothing. Returns lines for a person. Raises OracleError, before anything is written, while PARTs
    are open or claimed (unless `partial`) and where `judge` finds fault; CommitFailed where git refuses.
    """
    with locked(root):
        space = open_workspace(root, folder)
        tree = scan(root)
        before = _recorded(tree, space)
        if not space.archived:
            _refuse_unfinished(space, partial)
            outcome = _outcome(space, tree)
            faults = judge(_narrowed(tree.after([]), outcome.files), outcome.files) if outcome.files else []
            if faults:
                raise OracleError(f"not finalized: {'; '.join(map(shown, faults))}; mend that", exit_code=1)
            writes = indexed(_without_others(root, tree, space))
            outcome = replace(
                outcome,
                indexes=_union(
                    before.indexes if before else (),
                    [*(edit.path for edit in writes), *git.untracked(root, _pages(tree, outcome.files))],
                ),
                folders=_union(
                    before.folders if before else (), [parent(edit.path) for edit in writes if edit.new]
                ),
            )
            space = _archived(root, space, outcome, writes)
            tree = scan(root)
        elif before is None or before.abandoned:
            raise OracleError(f"{shown(space.folder)} was archived, but not by oracle expand finalize")
        else:
            outcome = before
        files = counted(len(outcome.files), "file")
        report = [f"{outcome.progress}; {files}; archived in {space.folder}"]
        report += [f"failed: {line}" for line in outcome.failed]
        report += [line for new_folder in outcome.folders for line in _needed(tree, new_folder)]
        return [*report, _committed(root, space, outcome)]


def _union(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*first, *second]))


def _refuse_unfinished(space: Workspace, partial: bool) -> None:
    left = [f"PART {n} is {state}" for n, state in space.states.items() if state in (OPEN, CLAIMED)]
    if left and not partial:
        raise OracleError(
            f"{space.progress()}: {', '.join(left)}; finish them, or take what there is with --partial",
            exit_code=1,
        )
    if not space.plan.parts:
        raise OracleError(f"{shown(space.folder)}: a plan without PARTs; oracle expand abandon archives it")


def _outcome(space: Workspace, tree: Tree, why: str = "") -> Outcome:
    files, failures = [], []
    for part in space.plan.parts:
        delivery = space.delivery(part.n)
        file = delivery.file if delivery else part.path
        if space.states[part.n] == DONE:
            files += [file] if tree.is_file(file) and not misplaced(tree, file) else []
            continue
        tries = space.drops.get(part.n, [])
        reason = tries[-1].why if tries else ""
        failures.append(f"PART {part.n}, {part.path or part.title}: {reason or space.states[part.n]}")
    topic = label(_TITLE.sub("", space.plan.title)) or space.topic.replace("-", " ")
    kind = label(space.plan.meta.get("type", "")) or TYPES[0]
    return Outcome(topic, kind, space.progress(), _union(files, ()), tuple(failures), abandoned=why)


def _without_others(root: Path, tree: Tree, space: Workspace) -> Tree:
    """Return the tree without what other plans under way have delivered: a table that lists it would be
    committed before its files are. Folders that hold nothing else are not there yet either.
    """
    others = [open_workspace(root, folder) for folder in workspaces(root) if folder != space.folder]
    gone = {
        part.path
        for other in others
        for part in other.plan.parts
        if not other.archived
        and other.states[part.n] == DONE
        and tree.is_knowledge(part.path)
        and not _REPLACES.search(other.section(part))
    }
    left = tree.after([Delete(path) for path in sorted(gone)])
    kept = {above for path in left.knowledge for above in _above(path)}
    fresh = {above for path in gone for above in _above(path)} - kept
    return left.after([Delete(folder) for folder in fresh if folder])


def _pages(tree: Tree, files: Iterable[str]) -> list[str]:
    """Return the INDEX.md of every folder that holds one of `files`, directly or further down."""
    folders = dict.fromkeys(above for path in files for above in _above(path))
    return [page for folder in folders if tree.is_file(page := f"{folder}/{INDEX}")]


def _above(path: str) -> list[str]:
    folders = []
    while path := parent(path):
        folders.append(path)
    return folders


def _recorded(tree: Tree, space: Workspace) -> Outcome | None:
    """Return the outcome that an earlier call has recorded, or None."""
    meta: dict[str, Any] = tree.doc(f"{space.folder}/{OUTCOME}").meta
    facts: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in meta.items()}
    with suppress(TypeError):
        return Outcome(**facts)
    return None


def _archived(root: Path, space: Workspace, outcome: Outcome, writes: Sequence[Write]) -> Workspace:
    """Record the outcome, then write the indexes and the plan's boxes, then move the workspace.

    In this order: what a second call finds done already, it still finds recorded.
    """
    target = f"{COMPLETED}/{space.name}"
    edits: list[Edit] = [Write(f"{space.folder}/{OUTCOME}", outcome.text()), *writes]
    edits.append(Write(f"{space.folder}/{PLAN}", _ticked(space)))
    apply(root, [*edits, Move(space.folder, target)])
    return open_workspace(root, target)


def _ticked(space: Workspace) -> str:
    """Return the plan's text with the box of every PART as its tries say; what is not done is [/]."""
    rows = space.text.split("\n")
    for part in sorted(space.plan.parts, key=lambda part: -part.line):
        mark = _MARKS.get(space.states[part.n], _MARKS[FAILED])
        if part.state == mark_state(mark):
            continue
        at = part.mark_line - 1
        if part.mark_line and _BOX.match(rows[at]):
            rows[at] = _BOX.sub(rf"\g<1>{mark}\g<3>", rows[at], count=1)
        else:
            rows[part.line : part.line] = ["", f"- [{mark}] PART {part.n}: {part.title}"]
    return "\n".join(rows)


def _needed(tree: Tree, folder: str) -> list[str]:
    """Return what a new folder needs from a person so that readers find it."""
    above = f"{parent(folder)}/{INDEX}".lstrip("/")
    listed = tree.is_file(above) and f"{name(folder)}/{INDEX}" in tree.text(above)
    routed = tree.is_file(SKILL) and f"({folder}/{INDEX})" in tree.text(SKILL)
    lines = [f"new folder {folder}/: say in the bold line of its {INDEX} when to read it"]
    lines += [] if routed else [f"new folder {folder}/: {SKILL} has no route to it; add one"]
    return lines if listed else [*lines, f"new folder {folder}/: {above} does not list it; link it there"]


def _committed(root: Path, space: Workspace, outcome: Outcome) -> str:
    """Commit the files, indexes and the archive of a plan, and nothing else; say how it went."""
    tree = scan(root)
    archive = [path for path, entry in tree.entries.items() if path.startswith(f"{space.folder}/")]
    paths = [path for path in (*outcome.files, *outcome.indexes, *archive) if tree.is_file(path)]
    gone = refs.tracked(root, f"{INGEST_AUTO}/{space.name}")
    # One commit holds all; what was edited since is somebody else's.
    if refs.committed(root, f"{space.folder}/{OUTCOME}"):
        return "Committed already"
    why = git.commit(root, [*dict.fromkeys(paths), *gone], outcome.message(space.folder))
    return f"Not committed ({why})" if why else f"Committed: {outcome.message('').splitlines()[0]}"


def abandon(root: Path, folder: str, why: str) -> list[str]:
    """Archive a plan that is given up, with the reason; what was delivered stays where it is, uncommitted.

    Returns lines for a person. Raises OracleError without a reason, and for an archived plan.
    """
    if not label(why):
        raise OracleError("say why it is abandoned; the archive keeps the reason")
    with locked(root):
        space = open_workspace(root, folder)
        before = _recorded(scan(root), space)
        if not space.archived:
            before = _outcome(space, scan(root), label(why))
            space = _archived(root, space, before, [])
        if before is None or not before.abandoned:
            raise OracleError(f"{shown(space.folder)} is finished; nothing is left to abandon")
        report = [f"{before.progress}; archived in {space.folder}"]
        report += [f"stays, and is in no index yet: {file}" for file in before.files]
        return [*report, _committed(root, space, replace(before, files=()))]
