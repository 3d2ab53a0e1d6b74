"""Finds in the bundle's texts what cites code: links to GitHub at a commit, and the names beside them.

A citation is a footnote definition that links to GitHub at a commit; each name in backticks in its text
should stand in the cited lines. A link outside of footnotes is one too, without names: its path and lines
should be there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import quote, unquote

from oracle_tools.bundle.markdown import lines
from oracle_tools.bundle.tree import Tree, Unreadable

_LINK = re.compile(
    r"https?://(?:www\.)?github\.com/([\w.-]+)/([\w.-]+)/(blob|blame|raw|tree|commit)/([0-9a-f]{40})(?![0-9a-f])"
    r"(?:/([^\s<>\"'()#?]*))?(?:\?[^\s<>\"'()#]*)?(?:#L(\d+)(?:C\d+)?(?:-L?(\d+)(?:C\d+)?)?)?"
)
_NOTE = re.compile(r" {0,3}\[\^([^\]\s]+)\]:")
_TARGET = re.compile(r"\]\([^)\s]*\)|<https?://[^>\s]*>")
_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)

FILE, FOLDER, COMMIT = "file", "folder", "commit"
_KINDS = {"tree": FOLDER, "commit": COMMIT}


class Permalink(NamedTuple):
    """A link to a file, a folder or a commit of a repository on GitHub.

    `first` and `last` are 1-based lines, 0 for the whole file. `start` and `end` bound it in the text.
    """

    owner: str
    name: str
    kind: str
    commit: str
    file: str
    first: int
    last: int
    start: int
    end: int

    @property
    def repository(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"

    @property
    def cited(self) -> str:
        """The path with its lines as a person names them."""
        return f"{self.file}, {self.lines}" if self.first else self.file

    @property
    def lines(self) -> str:
        """The lines as a person names them."""
        return f"line {self.first}" if self.first == self.last else f"lines {self.first}-{self.last}"

    def address(self, commit: str, file: str, first: int, last: int) -> str:
        """Return the address of other lines, in another file or at another commit, of this repository."""
        route = {FOLDER: "tree", COMMIT: "commit"}.get(self.kind, "blob")
        inside = f"/{quote(file)}" if file else ""
        part = f"#L{first}" + (f"-L{last}" if last != first else "") if first else ""
        return f"https://github.com/{self.owner}/{self.name}/{route}/{commit}{inside}{part}"


class Citation(NamedTuple):
    """What one footnote, or one link in the text, cites: file and line of the bundle, the footnote's name
    ("" for a link in the text), its links, and the names that should stand there.
    """

    path: str
    line: int
    note: str
    links: tuple[Permalink, ...]
    names: tuple[str, ...]

    @property
    def place(self) -> str:
        """Where it stands, as an editor opens it."""
        return f"{self.path}:{self.line}" + (f": [^{self.note}]" if self.note else "")


def citations(tree: Tree) -> Iterator[Citation]:
    """Yield the citations of code in every knowledge file and index of the bundle, in order."""
    for path in tree.documents:
        if tree.role(path) in ("knowledge", "index"):
            try:
                text = tree.text(path)
            except Unreadable:
                continue
            if "github.com/" in text:
                yield from _of_text(path, text)


def _of_text(path: str, text: str) -> Iterator[Citation]:
    note: tuple[int, str, int, int] | None = None  # line, name, start and end of the footnote that is open
    for line in lines(text):
        opening = None if line.code else _NOTE.match(line.text)
        end = line.offset + len(line.text)
        if note and (opening or line.code or not line.text.strip()):
            yield from _of_note(path, text, *note)
            note = None
        if opening:
            note = (line.number, opening[1], line.offset + opening.end(), end)
        elif note:
            note = (*note[:3], end)
        elif not line.code and "github.com/" in line.text:
            for link in permalinks(text, line.offset, end):
                yield Citation(path, line.number, "", (link,), ())
    if note:
        yield from _of_note(path, text, *note)


def _of_note(path: str, text: str, number: int, name: str, start: int, end: int) -> Iterator[Citation]:
    if links := tuple(permalinks(text, start, end)):
        yield Citation(path, number, name, links, tuple(dict.fromkeys(names(text[start:end]))))


def permalinks(text: str, start: int, end: int) -> Iterator[Permalink]:
    """Yield the links to GitHub at a commit between two offsets of `text`."""
    for match in _LINK.finditer(text, start, end):
        owner, name, route, commit, file, first, last = match.groups()
        numbers = (int(first), int(last or first)) if first else (0, 0)
        inside = unquote(file or "").strip("/")
        kind = _KINDS.get(route, FILE)
        yield Permalink(owner, name, kind, commit, inside, *numbers, match.start(), match.end())


class Change(NamedTuple):
    """What a link should cite instead: `first` and `last` are 0 for a whole file or a folder."""

    link: Permalink
    commit: str
    file: str
    first: int
    last: int


def relinked(text: str, changes: Sequence[Change]) -> str:
    """Return `text` with these links changed, and with the line numbers that the label of a link names."""
    for link, commit, file, first, last in sorted(
        changes, key=lambda change: change.link.start, reverse=True
    ):
        before, after = text[: link.start], text[link.end :]
        label = before.rfind("[") if before.endswith("](") else -1
        if label >= 0 and link.first:
            single = link.first == link.last
            old = rf"\bline {link.first}\b" if single else rf"\blines {link.first}( to |-|–){link.last}\b"
            new = f"line {first}" if single else rf"lines {first}\g<1>{last}"
            before = before[:label] + re.sub(old, new, before[label:])
        text = before + link.address(commit, file, first, last) + after
    return text


def names(text: str) -> list[str]:
    """Return what stands in backticks in `text`, the targets of links left out."""
    return [match[2].strip() for match in _CODE.finditer(_TARGET.sub("]", text)) if match[2].strip()]
