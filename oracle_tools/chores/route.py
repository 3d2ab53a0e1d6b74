"""Leads a question to the files that answer it, and to the section to read.

Files are ranked by SQLite FTS5's BM25 over what they say of themselves (title, description, keywords,
headings), what their folder's `## Questions` says of them, and their text. Within the best files the best
section is chosen the same way.
"""

from __future__ import annotations

import math
import re
import sqlite3
from bisect import bisect
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from oracle_tools.bundle import markdown
from oracle_tools.bundle.cache import connect, settled, stamp
from oracle_tools.bundle.errors import OracleError, shown
from oracle_tools.bundle.layout import INDEX
from oracle_tools.bundle.markdown import Doc, lines
from oracle_tools.bundle.tree import Tree, Unreadable, read_text, resolve

WEIGHTS = {
    "place": 0.5,
    "title": 2.0,
    "description": 4.0,
    "keywords": 4.0,
    "headings": 4.0,
    "questions": 4.0,
    "body": 0.1,
}
"""How much a match in each column of the files' table counts, by BM25's column weights."""

SECTION_WEIGHTS = {"heading": 3.0, "body": 1.0}

SECTIONS_COUNTED, SECTION_SHARE = 3, 0.25
"""How many of a file's best sections add to its score, and what share of their own scores."""

COVERAGE_SHARE, ABOUT_SHARE = 0.5, 1.5
"""What each word of the question adds to the score of a file that has it, and once more of one that says it
of itself, times the word's rarity. A long text has many words that it is not about.
"""

CANDIDATES = 40
"""How many files, the best by what they say of themselves, are looked at section by section.

The figures were chosen on one half of the evaluation's questions and looked at on the other; near them the
recall hardly changes.
"""

_ABOUT = f"{{{' '.join(column for column in WEIGHTS if column != 'body')}}} : "

_SCHEMA = f"""
CREATE TABLE known (path TEXT PRIMARY KEY, stamp TEXT, first INTEGER, last INTEGER);
CREATE TABLE state (questions TEXT);
CREATE VIRTUAL TABLE files USING fts5 (path UNINDEXED, about UNINDEXED,
  {", ".join(WEIGHTS)}, tokenize = 'porter unicode61');
CREATE VIRTUAL TABLE sections USING fts5 (path UNINDEXED, start UNINDEXED, stop UNINDEXED,
  {", ".join(SECTION_WEIGHTS)}, tokenize = 'porter unicode61');
CREATE VIRTUAL TABLE words USING fts5vocab (files, row);
"""

_ENDING = re.compile(r"['\u2019](?:s|t|re|ve|ll|d|m)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
PREFIX_FROM = 5
"""Letters from which a word is also taken for the beginning of a longer one."""

HUMOR_ABOUT = "The jokes of this oracle; oracle joke random tells one, oracle joke add stores one."
HUMOR_KEYWORDS = "joke, jokes, humor, humour, funny, comedy, laugh, cheer up"

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
_SKIPPED_SECTIONS = {"sources", "related", "cross-references", "start here"}
_QUESTION = re.compile(r"\s*[-*+]\s+(.+?)\s*(?:→|->|:)?\s*\[[^\]]*\]\(([^)#\s]+)")
_STOP_WORDS = frozenset(
    """
    a about actually all also am an and any anybody are as at be because been but by can could did do
    does doing done else ever everybody explain for from get give given go good had has have here how i
    if in instead into is it its just kind know let like made make many me mean means more most much my
    need no not now of on one or our out own please really say says should show so some someone
    something still such tell than that the their them then there they thing this those to too try
    understand up us use used using very want was way we were what when where whether which while who
    why will with work works would you your
    """.split()
)


class Route(NamedTuple):
    """A file that may answer: the section to read with its 1-based first and last line, a score (higher is
    better), what it is about, and the question's words that it matched.
    """

    path: str
    section: str
    start: int
    end: int
    score: float
    about: str
    matched: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well a set of questions is led: the share whose file comes first, and among the first five; the
    mean reciprocal rank; and the questions whose file is not among the first five.
    """

    questions: int
    recall_at_1: float
    recall_at_5: float
    mean_reciprocal_rank: float
    missed: tuple[str, ...]


class Router:
    """A full-text index over a bundle, brought up to date when it is made."""

    def __init__(self, tree: Tree, cached: bool = True) -> None:
        self.tree = tree
        self._database = self._open(cached)
        try:
            self._refresh()
        except sqlite3.Error:
            # Another process holds the cache, or it is full: answer from memory, as without a cache.
            self._database.close()
            self._database = self._open(cached=False)
            self._refresh()

    def _open(self, cached: bool) -> sqlite3.Connection:
        if cached and self.tree.root is not None:
            with suppress(OSError, RuntimeError, sqlite3.Error):
                return connect("route", self.tree.root, self.tree.config, _SCHEMA)
        database = sqlite3.connect(":memory:", isolation_level=None)
        for statement in filter(str.strip, _SCHEMA.split(";")):
            database.execute(statement)
        return database

    # Keeping the index

    def _refresh(self) -> None:
        entries = self.tree.entries
        wanted = {path: stamp(entries[path]) for path in self._documents()}
        known = {
            path: (mark, first, last)
            for path, mark, first, last in self._database.execute(
                "SELECT path, stamp, first, last FROM known"
            )
        }
        indexes = [f"{folder}/{INDEX}".lstrip("/") for folder in ["", *self.tree.indexed_folders]]
        asked = "\n".join(f"{path} {stamp(entries[path])}" for path in indexes if self.tree.is_file(path))
        row = self._database.execute("SELECT questions FROM state").fetchone()
        whole = row is None or row[0] != asked or not self.tree.root
        stale = [path for path in known if whole or wanted.get(path) != known[path][0]]
        fresh = [path for path in wanted if whole or path not in known or path in stale]
        if not stale and not fresh:
            return
        questions = self._questions(indexes)
        self._database.execute("BEGIN IMMEDIATE")
        try:
            for path in stale:
                self._forget(path, *known[path][1:])
            for path in fresh:
                self._learn(path, wanted[path], questions.get(path, []))
            lasting = settled((entries[path] for path in indexes if path in entries), self.tree.scanned)
            self._database.execute("DELETE FROM state")
            self._database.execute("INSERT INTO state VALUES (?)", (asked if lasting else "",))
            self._database.execute("COMMIT")
        except BaseException:
            self._database.execute("ROLLBACK")
            raise

    def _documents(self) -> list[str]:
        maps = [f"{folder}/{INDEX}" for folder in self.tree.codebases]
        humor = self.tree.config.humor
        return [path for path in (*self.tree.knowledge, *maps, humor) if self.tree.is_file(path)]

    def _questions(self, indexes: Iterable[str]) -> dict[str, list[str]]:
        """Return the questions that the indexes' lists lead to each file."""
        questions: dict[str, list[str]] = {}
        for path in indexes:
            try:
                text = self.tree.text(path) if self.tree.is_file(path) else ""
            except Unreadable:
                continue
            for line in lines(text):
                if not line.code and (match := _QUESTION.match(line.text)):
                    target = resolve(path, match[2])
                    if target:
                        questions.setdefault(target, []).append(match[1])
        return questions

    def _forget(self, path: str, first: int, last: int) -> None:
        file = self._database.execute("SELECT rowid FROM known WHERE path = ?", (path,)).fetchone()[0]
        self._database.execute("DELETE FROM files WHERE rowid = ?", (file,))
        self._database.execute("DELETE FROM sections WHERE rowid BETWEEN ? AND ?", (first, last))
        self._database.execute("DELETE FROM known WHERE path = ?", (path,))

    def _learn(self, path: str, mark: str, questions: list[str]) -> None:
        try:
            text = self.tree.text(path)
        except Unreadable:
            return
        doc = self.tree.doc(path)
        about = doc.description or doc.lead
        keywords = ", ".join([*doc.keywords, *_provenance(doc)])
        if path == self.tree.config.humor:
            about, keywords = HUMOR_ABOUT, HUMOR_KEYWORDS
        sections = list(_sections(text, doc))
        first = last = 0
        for heading, start, stop, body in sections:
            cursor = self._database.execute(
                "INSERT INTO sections VALUES (?, ?, ?, ?, ?)", (path, start, stop, heading, body)
            )
            last = cursor.lastrowid or 0
            first = first or last
        lasting = mark if settled([self.tree.entries[path]], self.tree.scanned) else ""
        cursor = self._database.execute("INSERT INTO known VALUES (?, ?, ?, ?)", (path, lasting, first, last))
        columns = {
            "place": " ".join(_WORD.findall(path.removesuffix(".md"))),
            "title": doc.title,
            "description": about,
            "keywords": keywords,
            "headings": "\n".join(h.text for h in doc.headings if h.text.lower() not in _SKIPPED_SECTIONS),
            "questions": "\n".join(questions),
            "body": "\n".join(body for _, _, _, body in sections),
        }
        marks = ", ".join("?" * (len(columns) + 3))
        self._database.execute(
            f"INSERT INTO files (rowid, path, about, {', '.join(columns)}) VALUES ({marks})",
            (cursor.lastrowid, path, about, *columns.values()),
        )
        self.tree.forget(path)

    # Answering

    def routes(self, question: str, count: int = 5) -> list[Route]:
        """Return the best `count` files for `question`, the best first; none when no word is known."""
        words = self._words(question)
        if not words:
            return []
        match = " OR ".join(map(_term, words))
        weights = ", ".join(str(weight) for weight in (0, 0, *WEIGHTS.values()))
        candidates = self._database.execute(
            f"SELECT files.rowid, files.path, about, -bm25(files, {weights}) AS score, first, last "
            "FROM files JOIN known ON known.rowid = files.rowid WHERE files MATCH ? "
            "ORDER BY score DESC, files.path LIMIT ?",
            (match, max(CANDIDATES, count)),
        ).fetchall()
        files = [row[0] for row in candidates]
        matched, about_it = self._matched(words, files), self._matched(words, files, _ABOUT)
        rarity = {word: math.log(1 + self._total / (1 + self._count(word))) for word in words}
        routes = []
        best = self._sections(match, [(row[4], row[5]) for row in candidates])
        for file, path, about, own_score, first, _ in candidates:
            sections = best.get(first, [])
            found = tuple(word for word in words if file in matched[word])
            score = own_score + SECTION_SHARE * sum(section[0] for section in sections)
            score += COVERAGE_SHARE * sum(rarity[word] for word in found)
            score += ABOUT_SHARE * sum(rarity[word] for word in words if file in about_it[word])
            heading, start, stop = sections[0][1:] if sections else self._first_section(first)
            routes.append(Route(path, heading, start, stop, round(score, 3), about, found))
        return sorted(routes, key=lambda route: (-route.score, route.path))[:count]

    def _sections(
        self, match: str, ranges: Sequence[tuple[int, int]]
    ) -> dict[int, list[tuple[float, str, int, int]]]:
        """Return the best sections of each file by its first row: score, heading, first and last line.

        One query for all files: what BM25 has to know of a word costs as much for one file as for all.
        """
        weights = ", ".join(str(weight) for weight in (0, 0, 0, *SECTION_WEIGHTS.values()))
        within = " OR ".join(f"+rowid BETWEEN {first} AND {last}" for first, last in ranges)
        rows = self._database.execute(
            f"SELECT rowid, -bm25(sections, {weights}) AS score, heading, start, stop FROM sections "
            f"WHERE sections MATCH ? AND ({within or 0}) ORDER BY score DESC, rowid",
            (match,),
        )
        ordered = sorted(ranges)
        best: dict[int, list[tuple[float, str, int, int]]] = {}
        for row, *section in rows:
            first = ordered[bisect(ordered, (row, math.inf)) - 1][0]
            found = best.setdefault(first, [])
            if len(found) < SECTIONS_COUNTED:
                found.append((section[0], section[1], section[2], section[3]))
        return best

    def _first_section(self, first: int) -> tuple[str, int, int]:
        row = self._database.execute(
            "SELECT heading, start, stop FROM sections WHERE rowid = ?", (first,)
        ).fetchone()
        return row or ("", 1, 1)

    def _matched(self, words: Sequence[str], files: Sequence[int], where: str = "") -> dict[str, set[int]]:
        """Return for each word those of `files` that have it, anywhere or in some columns."""
        marks = ", ".join("?" * len(files))
        query = f"SELECT rowid FROM files WHERE files MATCH ? AND rowid IN ({marks})"
        return {
            word: {row for (row,) in self._database.execute(query, (where + _term(word), *files))}
            for word in words
        }

    def _count(self, word: str) -> int:
        query = "SELECT count(*) FROM files WHERE files MATCH ?"
        return int(self._database.execute(query, (_term(word),)).fetchone()[0])

    @cached_property
    def _total(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM known").fetchone()[0])

    def _words(self, question: str) -> list[str]:
        """Return the words to search for: no stop words, neighbours also as one, typing errors mended."""
        said = [word.lower() for word in _WORD.findall(_ENDING.sub(" ", question))]
        words = [word for word in said if word not in _STOP_WORDS] or said
        # "nano gpt" is how people write nanoGPT; "kv cache" are two words, whatever else is a KVCache.
        joined = {
            a + b: {a, b}
            for a, b in pairwise(said)
            if self._is_known(a + b) and not (self._is_known(a) and self._is_known(b))
        }
        parts = set().union(*joined.values())
        known = [
            found for word in words for found in self._known_forms(word) if found == word or word not in parts
        ]
        return list(dict.fromkeys([*known, *joined]))

    def _known_forms(self, word: str) -> list[str]:
        """Return the word if files have it; else its two parts if they have both, else the closest word."""
        if self._is_known(word):
            return [word]
        for cut in range(3, len(word) - 2):
            if self._is_known(word[:cut]) and self._is_known(word[cut:]):
                return [word[:cut], word[cut:]]
        closest = self._closest(word)
        return [closest] if closest else []

    def _is_known(self, word: str) -> bool:
        row = self._database.execute("SELECT 1 FROM files WHERE files MATCH ? LIMIT 1", (_term(word),))
        return row.fetchone() is not None

    def _closest(self, word: str) -> str:
        if len(word) < 4:
            return ""
        from difflib import get_close_matches

        near = self._database.execute(
            "SELECT term FROM words WHERE length(term) BETWEEN ? AND ?", (len(word) - 3, len(word) + 1)
        )
        found = get_close_matches(word, [term for (term,) in near], n=1, cutoff=0.8)
        return found[0] if found else ""

    def close(self) -> None:
        """Close the index."""
        self._database.close()


def _term(word: str) -> str:
    """Return the query for a word: a long one also finds what begins with it, as backprop does."""
    return f'"{word}"*' if len(word) >= PREFIX_FROM else f'"{word}"'


def _provenance(doc: Doc) -> list[str]:
    """Return what people know a source by besides its title: who, where, and when, the month as a word."""
    meta: dict[str, Any] = doc.meta
    people = meta.get("people")
    said = [str(meta.get(key) or "") for key in ("kind", "address", "date")]
    if match := re.match(r"(\d{4})-(\d\d)", said[2]):
        said.append(f"{_MONTHS[(int(match[2]) - 1) % 12]} {match[1]}")
    return [word for word in [*map(str, people if isinstance(people, list) else ()), *said] if word]


def _sections(text: str, doc: Doc) -> Iterable[tuple[str, int, int, str]]:
    """Yield heading, first and last line, and text of each section (level 1 or 2) that explains something."""
    rows = text.split("\n")
    places = markdown.places(text)["headings"]
    starts = [
        (heading.text, place.line)
        for heading, place in zip(doc.headings, places, strict=True)
        if heading.level <= 2
    ]
    for number, (heading, first) in enumerate(starts):
        last = starts[number + 1][1] - 1 if number + 1 < len(starts) else doc.lines
        while last > first and not rows[last - 1].strip():
            last -= 1
        if heading.lower() not in _SKIPPED_SECTIONS:
            yield heading, first, last, "\n".join(rows[first:last])


def evaluate(router: Router, asked: Sequence[tuple[str, Sequence[str]]]) -> Evaluation:
    """Return how well `router` leads the given questions, each with the paths that answer it."""
    ranks: list[int] = []
    missed: list[str] = []
    for question, paths in asked:
        found = [route.path for route in router.routes(question, 10)]
        rank = next((n for n, path in enumerate(found, start=1) if path in paths), 0)
        ranks.append(rank)
        if not 0 < rank <= 5:
            missed.append(f"{question} → {', '.join(paths)}; got {', '.join(found[:3]) or 'nothing'}")
    total = len(ranks) or 1
    return Evaluation(
        len(ranks),
        sum(rank == 1 for rank in ranks) / total,
        sum(0 < rank <= 5 for rank in ranks) / total,
        sum(1 / rank for rank in ranks if rank) / total,
        tuple(missed),
    )


def read_evaluation(path: str, tree: Tree) -> list[tuple[str, list[str]]]:
    """Return the questions of a YAML file of the bundle: a list of `question` and `paths`.

    Raises OracleError for a file that is something else, expects a path that is not there, or lies outside
    the bundle: a client may run this command without asking.
    """
    import yaml

    from oracle_tools.bundle.edits import guarded

    label = shown(path)
    try:
        text = read_text(str(guarded(tree.root or Path(), path)), path)
        data: Any = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise OracleError(f"{label}: not YAML; it should be a list of question and paths") from error
    asked = []
    for number, entry in enumerate(data if isinstance(data, list) else [None], start=1):
        question = entry.get("question") if isinstance(entry, dict) else None
        paths = entry.get("paths") if isinstance(entry, dict) else None
        if not isinstance(question, str) or not isinstance(paths, list) or not paths:
            raise OracleError(f"{label}: entry {number} needs a question and a list of paths")
        for expected in paths:
            if not tree.is_file(str(expected)):
                raise OracleError(f"{label}: entry {number} expects {shown(expected)}, which is not there")
        asked.append((question, [str(expected) for expected in paths]))
    return asked


def measured(router: Router, path: str) -> str:
    """Return the figures of the evaluation in `path` for a person, and the questions that were missed."""
    result = evaluate(router, read_evaluation(path, router.tree))
    lines = [
        f"{result.questions} questions: recall at 1 {result.recall_at_1:.3f}, at 5 {result.recall_at_5:.3f}, "
        f"mean reciprocal rank {result.mean_reciprocal_rank:.3f}"
    ]
    return "\n".join([*lines, *(f"missed: {missed}" for missed in result.missed)])


def as_text(routes: Sequence[Route]) -> str:
    """Return the routes for a reader: path and lines to read, the section, and why."""
    if not routes:
        return "nothing here speaks of that; SKILL.md lists the folders"
    out = []
    for number, route in enumerate(routes, start=1):
        out.append(f"{number}. {shown(route.path)}:{route.start}-{route.end}  {route.section}")
        out.append(f"   {route.about}")
        out.append(f"   matched: {', '.join(route.matched)} (score {route.score:.1f})")
    return "\n".join(out)


def as_json(routes: Sequence[Route]) -> str:
    """Return the routes as a JSON list of path, section, start, end, score."""
    import json

    keys = ("path", "section", "start", "end", "score")
    return json.dumps([{key: getattr(route, key) for key in keys} for route in routes], indent=2)
