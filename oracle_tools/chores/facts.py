"""Tells which claims were refuted, what is right, and where that stands."""

from __future__ import annotations

from oracle_tools.bundle.refuted import Claim, claims


def facts(query: str = "") -> str:
    """Return the refuted claims that hold every word of `query`, a paragraph each; all without a query."""
    words = query.casefold().split()
    found = [claim for claim in claims() if all(word in _searched(claim) for word in words)]
    return "\n\n".join(map(_shown, found))


def _searched(claim: Claim) -> str:
    return " ".join((claim.name, claim.claim, claim.why, claim.correction)).casefold()


def _shown(claim: Claim) -> str:
    return (
        f"{claim.name}\n  claimed: {claim.claim}\n  why not: {claim.why}\n"
        f"  right:   {claim.correction}\n  source:  {claim.source}"
    )
