"""A knowledge file taken apart: its frontmatter, its sections, and the footnotes that each of them needs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from oracle_tools.bundle.errors import OracleError, shown
from oracle_tools.bundle.markdown import Doc, Heading, frontmatter, read
from oracle_tools.bundle.spans import HEADING, NOTE, REF, definitions, replaced, spans
from oracle_tools.bundle.tree import Tree

BACK = ("related", "sources")
"""The sections at the end of a file that belong to all of it."""

_HASHES = re.compile(r"#{1,6}")
_KEY = re.compile(r"^([A-Za-z_-]+):", re.MULTILINE)
_NAME = re.compile(r"\[\^([^\]\s]+)\]")
_PLAIN = re.compile(r"[A-Za-z0-9][^,\[\]{}:#&*!|>'\"%@`]*")
_SENTENCE = re.compile(r"(?<=[.!?])\s")


class Cut(NamedTuple):
    """A heading with where it begins: its offset, level, text and anchor."""

    start: int
    heading: Heading


@dataclass(frozen=True, slots=True)
class Page:
    """A knowledge file in pieces, each as it is written.

    `body` goes from after the frontmatter to the sections at the end; `related` and `sources` are what
    stands under these, `sources` without the definitions. `notes` are the footnotes, names to definitions.
    """

    path: str
    meta: str
    body: str
    related: str
    sources: str
    notes: Mapping[str, str]
    doc: Doc


def page(tree: Tree, path: str) -> Page:
    """Return the knowledge file at `path` in pieces.

    Raises OracleError for what is no knowledge file, or has frontmatter that cannot be read, reference
    definitions, or sections after its sources.
    """
    if not tree.is_knowledge(path):
        raise OracleError(f"{shown(path)}: no knowledge file")
    text = tree.text(path).removeprefix("\ufeff").replace("\r\n", "\n")
    doc = read(text)
    if doc.problem:
        raise OracleError(f"{shown(path)}: {doc.problem}; mend it")
    if any(True for _ in definitions(text)):
        raise OracleError(f"{shown(path)}: has reference definitions; write its links as [text](target)")
    if len(read(f"{text}\n\n# a\n").headings) == len(doc.headings):
        raise OracleError(f"{shown(path)}: a comment or a fence in it is not closed; close it")
    meta, start, _ = frontmatter(text)
    found = spans(text)
    notes = {span.said: text[span.start : span.end].rstrip() for span in found if span.kind == NOTE}
    bare = replaced(text, [(s.start, s.end, "") for s in found if s.kind == NOTE])
    cuts = headings(bare)
    first = next((n for n, cut in enumerate(cuts) if _is_back(cut)), len(cuts))
    if any(not _is_back(cut) for cut in cuts[first:] if cut.heading.level <= 2):
        raise OracleError(
            f"{shown(path)}: has sections after {cuts[first].heading.text}; move that to the end"
        )
    under = {"related": "", "sources": ""}
    for cut, end in _extents(cuts[first:], len(bare)):
        section = bare[cut.start : end]
        under[cut.heading.text.casefold()] += section.partition("\n")[2].strip("\n")
    back = cuts[first].start if first < len(cuts) else len(bare)
    return Page(path, meta, bare[start:back].strip("\n"), under["related"], under["sources"], notes, doc)


def _is_back(cut: Cut) -> bool:
    return cut.heading.level == 2 and cut.heading.text.casefold() in BACK


def _extents(cuts: Sequence[Cut], end: int) -> list[tuple[Cut, int]]:
    edges = [cut.start for cut in cuts] + [end]
    return list(zip(cuts, (after for _, after in pairwise(edges)), strict=True))


def headings(text: str) -> list[Cut]:
    """Return the headings of `text`, a document or a piece of one, with where they begin."""
    whole = _with_notes(text)
    starts = [span.start for span in spans(whole) if span.kind == HEADING]
    return [Cut(start, heading) for start, heading in zip(starts, read(whole).headings, strict=True)]


def _with_notes(text: str) -> str:
    """Return a piece of a document with something for each of its footnotes, which are none without."""
    names = dict.fromkeys(_NAME.findall(text))
    return "\n\n".join([text, *(f"[^{name}]: x" for name in names), ""])


def releveled(text: str, levels: Mapping[int, int]) -> str:
    """Return `text` with the headings at these offsets at other levels, from 1 to 6."""
    changes = []
    for span in spans(text):
        if span.kind == HEADING and span.start in levels:
            raw = text[span.start : span.end]
            level = min(6, levels[span.start])
            changes.append((span.start, span.end, _releveled(raw, level)))
    return replaced(text, changes)


def _releveled(raw: str, level: int) -> str:
    if match := _HASHES.match(raw):
        return "#" * level + raw[match.end() :]
    title = " ".join(raw.rstrip("\n").split("\n")[:-1])
    return f"{'#' * level} {title.strip()}\n"


def used(text: str, notes: Mapping[str, str]) -> list[str]:
    """Return the names of the footnotes that `text` needs, also by way of others, in the order of `notes`."""
    known = {name.casefold(): name for name in notes}
    needed: set[str] = set()
    left = _refs(text) & known.keys()
    while left:
        needed |= left
        left = {ref for name in left for ref in _refs(notes[known[name]])} & known.keys() - needed
    return [name for name in notes if name.casefold() in needed]


def _refs(text: str) -> set[str]:
    return {s.said.casefold() for s in spans(_with_notes(text)) if s.kind == REF and s.start < len(text)}


def renamed(text: str, names: Mapping[str, str]) -> str:
    """Return `text` with its footnotes, references and definitions, under other names."""
    if not any(old != new for old, new in names.items()):
        return text
    folded = {old.casefold(): new for old, new in names.items()}
    changes = []
    for span in spans(_with_notes(text)):
        if span.start < len(text) and span.kind in (REF, NOTE) and span.said.casefold() in folded:
            label = f"[^{span.said}]"
            changes.append((span.start, span.start + len(label), f"[^{folded[span.said.casefold()]}]"))
    return replaced(text, changes)


def composed(meta: str, body: str, related: str, sources: str, notes: Iterable[str]) -> str:
    """Return a knowledge file of these pieces; a section at the end that would be empty is left out."""
    parts = [f"---\n{meta.rstrip()}\n---", body.strip("\n")]
    if related:
        parts.append(f"## Related\n\n{related}")
    listed = "\n".join(notes)
    if sources or listed:
        parts.append("## Sources\n\n" + "\n\n".join(piece for piece in (sources, listed) if piece))
    return "\n\n".join(parts) + "\n"


# Frontmatter


def with_meta(meta: str, values: Mapping[str, str | Sequence[str]]) -> str:
    """Return frontmatter with these keys set to a text or a list; all other lines stay as they are."""
    starts = [(match.start(), match[1]) for match in _KEY.finditer(meta)]
    edges = [start for start, _ in starts] + [len(meta)]
    blocks = {key: meta[a:b].rstrip("\n") for (a, key), (_, b) in zip(starts, pairwise(edges), strict=True)}
    blocks |= {key: f"{key}: {_yaml(value)}" for key, value in values.items()}
    return "\n".join(blocks.values()) + "\n"


def _yaml(value: str | Sequence[str]) -> str:
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    return f"[{', '.join(_yaml(word) for word in value)}]"


def sentence(text: str) -> str:
    """Return the first sentence of `text`, at most 240 characters of whole words."""
    first = _SENTENCE.split(" ".join(text.split()), maxsplit=1)[0]
    return first if len(first) <= 240 else first[:240].rpartition(" ")[0] + " …"
