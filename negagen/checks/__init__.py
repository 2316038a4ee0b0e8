"""Checks: why a candidate is not a negative, or is a positive.

A check is a function of a parse, a candidate and a `Context`; it returns `KEEP`, a rejection or a positive verdict with
a reason. `judge` runs those that concern the candidate's operation and stops at the first that objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from negagen.checks.company import UNLIKELY, is_unlikely
from negagen.checks.context import KEEP, Context, context_of
from negagen.checks.counts import check_count
from negagen.checks.lexical import check_lexical
from negagen.checks.paraphrase import check_paraphrase
from negagen.checks.protected import check_protected
from negagen.checks.reorder import check_reorder
from negagen.checks.siblings import check_siblings
from negagen.checks.surface import check_surface
from negagen.types import Candidate, Parse, Verdict

__all__ = ["KEEP", "UNLIKELY", "Check", "Context", "check_surface", "context_of", "is_unlikely", "judge"]

Check = Callable[[Parse, Candidate, Context], Verdict]

CHECKS: Final[Mapping[str, tuple[Check, ...]]] = MappingProxyType(
    {
        "replace": (check_protected, check_lexical, check_count, check_siblings),
        "swap": (check_protected, check_reorder, check_siblings),
        "add": (check_protected, check_lexical, check_siblings),
        "negate": (check_protected, check_siblings),
        "shuffle": (),
        "paraphrase": (check_protected, check_paraphrase),
    }
)
"""The checks that an operation's candidates must pass, cheapest first."""


def judge(parse: Parse, candidate: Candidate, context: Context) -> Verdict:
    """The first verdict that is not "keep", else a "keep" of the least weight (`KEEP` itself for 1)."""
    weight = 1.0
    for check in CHECKS[candidate.operation]:
        verdict = check(parse, candidate, context)
        if verdict is not KEEP:
            if verdict.kind != "keep":
                return verdict
            weight = min(weight, verdict.weight)
    return KEEP if weight == 1.0 else Verdict("keep", weight=weight)
