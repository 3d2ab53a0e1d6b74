"""What was refuted does not come back. One rule of family K."""

from __future__ import annotations

from collections.abc import Iterator

from oracle_tools.bundle.passages import passages
from oracle_tools.bundle.refuted import claims, possible, repeated
from oracle_tools.check.rule import Page, Problem, page_rule


@page_rule("K014", "refuted-claim", roles="knowledge index skill")
def refuted_claim(page: Page) -> Iterator[Problem]:
    """No text repeats a claim that was looked up and refuted.

    The claims are about this bundle's subjects; another bundle asks for them with `refuted = true`.
    `oracle facts` lists the claims with what is right and where that stands. A correction may repeat one: its
    sentence says `not`, `never`, `wrong`, `refuted`, … or the next sentence begins so; or a heading above it,
    or the first row of its table, says so (`Traps`, `Misattributed lines`); or it holds `<!-- refuted -->`.

    Bad: `3FS is DeepSeek's FP8 training system.`
    Good: `3FS is a file system, not a training system.`
    """
    if not page.config.refuted:
        return
    among = possible(page.text, claims())
    for passage in passages(page.text) if among else ():
        for line, claim in repeated(passage, among):
            yield page.problem(f"repeats a refuted claim ({claim.name}); right is: {claim.correction}", line)
