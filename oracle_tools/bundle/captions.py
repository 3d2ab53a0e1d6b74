"""Reads captions, WebVTT and SubRip, as paragraphs: what was said, and about every minute when."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

EVERY = 60
"""Seconds after which a new paragraph begins, with its time."""

PAUSE = 8
"""Seconds of silence after which a new paragraph begins."""

_TIMES = re.compile(
    r"\s*(?:(\d+):)?(\d{1,2}):(\d{2})[.,]\d{1,3}\s*-->\s*(?:(\d+):)?(\d{1,2}):(\d{2})[.,]\d{1,3}"
)
_MARKUP = re.compile(r"</?(?:[cibuv]|lang|ruby|rt|font)(?:[\s.][^<>]*)?>|<\d[\d:.]*>|\{\\[^{}]*\}")
_SPEAKER = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^<>]+)>")


def paragraphs(text: str) -> str:
    """Return the captions of a VTT or SRT text as paragraphs that begin with their time, `**0:01:05**`.

    What a rolling caption says again is said once. Raises ValueError for a text without captions.
    """
    out: list[str] = []
    begun = ended = -1
    said: list[str] = []
    last: list[str] = []
    for start, end, rows in _cues(text):
        fresh = _fresh(last, rows)
        last = rows
        if not fresh:
            ended = max(ended, end)
            continue
        if begun < 0 or start - begun >= EVERY or start - ended >= PAUSE:
            out += [_paragraph(begun, said)] if said else []
            begun, said = start, []
        said += fresh
        ended = max(end, start)
    out += [_paragraph(begun, said)] if said else []
    if not out:
        raise ValueError("no captions in it")
    return "\n\n".join(out)


def _cues(text: str) -> Iterator[tuple[int, int, list[str]]]:
    """Yield when each caption begins and ends, in seconds, and its lines."""
    times: tuple[int, int] | None = None
    rows: list[str] = []
    for line in [*text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""]:
        found = _TIMES.match(line)
        if times and (found or not line.strip()):
            yield *times, rows
            times, rows = None, []
        if found:
            hours, minutes, seconds, *end = (int(part or 0) for part in found.groups())
            times = (hours * 3600 + minutes * 60 + seconds, end[0] * 3600 + end[1] * 60 + end[2])
        elif times:
            words = " ".join(unescape(_MARKUP.sub("", _SPEAKER.sub(r"\1: ", line))).split())
            rows += [words] if words else []


def _fresh(before: list[str], now: list[str]) -> list[str]:
    """Return the lines of a caption that do not repeat the end of the one before."""
    for count in range(min(len(before), len(now)), 0, -1):
        if before[-count:] == now[:count]:
            return now[count:]
    if before and now and now[0].startswith(f"{before[-1]} "):
        return [now[0][len(before[-1]) + 1 :], *now[1:]]
    return now


def _paragraph(start: int, said: list[str]) -> str:
    return f"**{start // 3600}:{start // 60 % 60:02d}:{start % 60:02d}** {' '.join(said)}"
