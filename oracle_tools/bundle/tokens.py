"""How many tokens a text costs a reader, estimated without a tokenizer."""

from __future__ import annotations

BYTES_A_TOKEN = 3.5
"""Bytes of UTF-8 in a token of technical English Markdown: on the careful side of the usual four."""


def estimate(size: int) -> int:
    """Return the estimated number of tokens of a text of `size` bytes."""
    return round(size / BYTES_A_TOKEN)
