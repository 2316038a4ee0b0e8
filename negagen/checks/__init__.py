"""Checks: why a candidate is not a negative, or is a positive.

A check is a function of a parse, a candidate and a `Context`; it returns `KEEP`, a rejection or a positive verdict with
a reason. `judge` runs them, cheapest first, and stops at the first that objects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from negagen.checks.context import KEEP, Context
from negagen.checks.counts import check_count
from negagen.checks.lexical import check_lexical
from negagen.checks.protected import check_protected
from negagen.checks.reorder import check_reorder
from negagen.checks.surface import check_surface
from negagen.types import Candidate, Parse, Verdict

__all__ = ["KEEP", "Check", "Context", "check_surface", "judge"]

Check = Callable[[Parse, Candidate, Context], Verdict]

CHECKS: Final[tuple[Check, ...]] = (check_protected, check_reorder, check_lexical, check_count)


def judge(parse: Parse, candidate: Candidate, context: Context) -> Verdict:
    """The first verdict that is not `KEEP`, or `KEEP`."""
    for check in CHECKS:
        verdict = check(parse, candidate, context)
        if verdict is not KEEP:
            return verdict
    return KEEP
