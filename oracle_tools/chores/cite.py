"""Opens every citation of code and says whether what the bundle says of it stands there.

What is asked of a citation: the commit exists, and is the pinned one; the path exists in it; the lines exist
in the file; and every name in backticks in the footnote's text stands in the cited lines. Of names:

- White space makes no difference, and neither do JSON's escapes in a notebook.
- A word must stand there as a whole: `step` does not stand in `steps`.
- `…` or `...` in a name stands for anything: the pieces must stand there in their order.
- A name that is a path of the repository, or the end of one, is right without standing in the lines.
- Where a footnote links to several places, a name must stand in one of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from oracle_tools.bundle.citations import COMMIT, FOLDER, Change, Citation, Permalink, citations, relinked
from oracle_tools.bundle.copies import Library, Snapshot, Source
from oracle_tools.bundle.edits import Edit, Write
from oracle_tools.bundle.errors import shown
from oracle_tools.bundle.pins import pins
from oracle_tools.bundle.table import table
from oracle_tools.bundle.tree import Tree

RIGHT, OTHER, WRONG, CLOSED = "right", "not the pin", "wrong", "not checkable"
"""How a citation ends: right; right at another commit than a pin's; wrong; no copy to open it in."""

_PLACES = 3  # at how many other places a name is reported
_GROWTH = 20  # lines by which --fix may stretch a range: beyond, a person should look
_ELLIPSIS = re.compile(r"…|\.\.\.")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_WORD = re.compile(r"\w")


@dataclass(slots=True)
class Answer:
    """What came of all citations: how many of each repository ended how, and what to tell a person."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    edits: list[Edit] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The report: what is wrong, what is not the pin or not checkable, and the table."""
        notes = [
            f"{what}: {_citations(n)}, right, but not the pin" for what, n in sorted(self.others.items())
        ]
        notes += [f"{what}: {_citations(n)}" for what, n in sorted(self.closed.items())]
        parts = ["\n".join(lines) for lines in (self.wrong, self.moved, notes) if lines]
        return "\n\n".join([*parts, self._table()])

    def _table(self) -> str:
        kinds = (RIGHT, OTHER, WRONG, CLOSED)
        total: Counter[str] = Counter()
        rows = []
        for repository, count in sorted(self.counts.items(), key=lambda item: item[0].casefold()):
            rows.append((repository, str(sum(count.values())), *(str(count[kind]) for kind in kinds)))
            total.update(count)
        rows.append(("all", str(sum(total.values())), *(str(total[kind]) for kind in kinds)))
        return table(("repository", "citations", *kinds), rows, right=range(1, 6))


def _citations(count: int) -> str:
    return f"{count:,} citation{'' if count == 1 else 's'}"


def cite(tree: Tree, mirror: Path | None = None, fix: bool = False) -> Answer:
    """Open every citation of the bundle in its pulled copies, or in the folder of repositories `mirror`.

    With `fix` the answer has Edits that move line ranges: where the names that are missing in the cited lines
    stand once each in that file.
    """
    answer = Answer()
    changes: dict[str, list[Change]] = {}
    with Library(tree.root or Path(), pins(tree), mirror) as library:
        for citation in citations(tree):
            checked = _Checked(citation, library)
            move = checked.move() if fix else None
            if move:
                changes.setdefault(citation.path, []).append(move)
                there = move.link._replace(first=move.first, last=move.last)
                answer.moved.append(f"{citation.place} moved from {move.link.cited} to {there.lines}")
            _count(answer, citation, checked, bool(move))
    answer.edits += [Write(path, relinked(tree.text(path), moves)) for path, moves in changes.items()]
    return answer


def _count(answer: Answer, citation: Citation, checked: _Checked, moved: bool) -> None:
    repository = citation.links[0].repository
    state = checked.outcome if moved else checked.state
    answer.counts.setdefault(repository, Counter())[state] += 1
    if state == WRONG:
        answer.wrong += [f"{citation.place} {problem}" for problem in checked.problems]
    elif state == OTHER:
        answer.others[f"{repository}@{checked.other}"] += 1
    elif state == CLOSED:
        answer.closed[f"{repository}: {checked.closed}"] += 1


class _Checked:
    """One citation, opened."""

    def __init__(self, citation: Citation, library: Library) -> None:
        self.citation = citation
        self.problems: list[str] = []
        self.closed = ""
        self.other = ""
        self._library = library
        self._opened: list[tuple[Permalink, Snapshot, Source]] = []
        self.missing: list[str] = []
        for link in citation.links:
            self._open(link)
        files = [link for link in citation.links if link.kind not in (FOLDER, COMMIT)]
        if self._opened and len(self._opened) == len(files):
            self.missing = [name for name in citation.names if not self._stands(name)]
            self.problems += [self._whereabouts(name) for name in self.missing]

    @property
    def state(self) -> str:
        """How it ended; wrong before not checkable, and that before right."""
        if self.problems:
            return WRONG
        return CLOSED if self.closed else self.outcome

    @property
    def outcome(self) -> str:
        """How it ends when its lines are right."""
        return OTHER if self.other else RIGHT

    def _open(self, link: Permalink) -> None:
        pin = self._library.pin(link.repository)
        snapshot = self._library.open(link.repository, link.commit)
        if snapshot is None:
            if pin is None:
                self.closed = "not checkable: no pin"
            elif self._library.store(link.repository) is not None:
                self.problems.append(f"cites {link.commit[:12]}, which {link.repository} does not have")
            else:
                self.closed = "not checkable: no copy" + (
                    "" if pin.commit == link.commit else " of that commit"
                )
            return
        if pin is None or pin.commit != link.commit:
            self.other = link.commit[:12] + ("" if pin else " (no pin)")
        if link.kind == COMMIT:
            return
        if link.kind == FOLDER or link.file in snapshot.folders:
            if link.file not in snapshot.folders:
                self.problems.append(f"cites the folder {shown(link.file)}, which is not there")
            return
        if link.file not in snapshot.items:
            self.problems.append(
                f"cites {shown(link.file)}, which is not there{_elsewhere(link.file, snapshot)}"
            )
            return
        text = snapshot.read(link.file)
        if text is None:
            self.closed = "not checkable: the copy does not have its content"
        elif link.first and not 1 <= link.first <= link.last <= len(text.lines):
            self.problems.append(f"cites {shown(link.cited)}; the file has {len(text.lines)} lines")
        else:
            self._opened.append((link, snapshot, text))

    def _stands(self, name: str) -> bool:
        if any(stands(name, text.between(link.first, link.last)) for link, _, text in self._opened):
            return True
        return any(_is_path(name, snapshot) for _, snapshot, _ in self._opened)

    def _whereabouts(self, name: str) -> str:
        cited = " or ".join(shown(link.cited) for link, _, _ in self._opened)
        said = f"`{shown(name)}` does not stand in {cited}"
        for link, _, text in self._opened:
            if numbers := found_at(name, text.lines):
                return f"{said}; it stands in {_lines(numbers)}"
            if stands(name, text.between(0, 0)):
                return f"{said}; it stands in {shown(link.file)}, over several lines"
        _, snapshot, _ = self._opened[0]
        if places := list(_in_other_files(name, snapshot)):
            return f"{said}; it stands in {', '.join(places)}"
        return f"{said}, and nowhere in the repository"

    def move(self) -> Change | None:
        """Return the one link of the citation with the lines that it should have, where that is certain."""
        if len(self._opened) != 1 or not self.missing or len(self.problems) != len(self.missing):
            return None
        link, _, text = self._opened[0]
        found = [found_at(name, text.lines) for name in self.missing]
        if not link.first or any(len(numbers) != 1 for numbers in found):
            return None
        wanted = [numbers[0] for numbers in found]
        if len(self.missing) == len([n for n in self.citation.names if not self._is_path(n)]):
            length = link.last - link.first
            first = min(wanted)
            last = max(*wanted, min(first + length, len(text.lines)))
        else:
            first, last = min(link.first, *wanted), max(link.last, *wanted)
        if last - first > link.last - link.first + _GROWTH:
            return None
        return Change(link, link.commit, link.file, first, last)

    def _is_path(self, name: str) -> bool:
        return any(_is_path(name, snapshot) for _, snapshot, _ in self._opened)


def stands(name: str, text: str) -> bool:
    """Say whether `name` stands in `text`.

    >>> stands("step", "optimizer.step()"), stands("step", "steps"), stands("a=[ … ]", "a = [1, 2]")
    (True, False, True)
    """
    pattern = _pattern(name)
    return pattern is None or bool(pattern.search(text))


@lru_cache(maxsize=4096)
def _pattern(name: str) -> re.Pattern[str] | None:
    """Return what finds `name`: its words whole, white space between its tokens or not, `…` for anything."""
    pieces = []
    for piece in _ELLIPSIS.split(name):
        if tokens := _TOKEN.findall(piece):
            gaps = [r"\s+" if _WORD.match(a) and _WORD.match(b) else r"\s*" for a, b in pairwise(tokens)]
            body = "".join(re.escape(token) + gap for token, gap in zip(tokens, [*gaps, ""], strict=True))
            before = r"(?<!\w)" if _WORD.match(tokens[0]) else ""
            after = r"(?!\w)" if _WORD.match(tokens[-1]) else ""
            pieces.append(before + body + after)
    return re.compile(".*?".join(pieces), re.DOTALL) if pieces else None


def found_at(name: str, lines: Sequence[str]) -> list[int]:
    """Return the 1-based numbers of the lines in which `name` stands."""
    pattern = _pattern(name)
    return [n for n, line in enumerate(lines, start=1) if pattern and pattern.search(line)]


def _lines(numbers: Sequence[int]) -> str:
    some = ", ".join(map(str, numbers[:_PLACES])) + (" …" if len(numbers) > _PLACES else "")
    return f"line {some}" if len(numbers) == 1 else f"lines {some}"


def _is_path(name: str, snapshot: Snapshot) -> bool:
    wanted = name.strip("/")
    if not wanted or any(c.isspace() for c in wanted):
        return False
    paths = (*snapshot.items, *snapshot.folders)
    return any(path == wanted or path.endswith(f"/{wanted}") for path in paths)


def _in_other_files(name: str, snapshot: Snapshot) -> Iterator[str]:
    count = 0
    for path in snapshot.items:
        text = snapshot.read(path)
        if text and (numbers := found_at(name, text.lines)):
            yield f"{shown(path)} {_lines(numbers)}"
            count += 1
            if count == _PLACES:
                return


def _elsewhere(file: str, snapshot: Snapshot) -> str:
    last = file.rpartition("/")[2]
    near = [path for path in snapshot.items if path.rpartition("/")[2] == last]
    return f"; there is {', '.join(map(shown, near[:_PLACES]))}" if near else ""
