"""Counts that the caption's own count entails or overlaps."""

from __future__ import annotations

from typing import Final

from negagen.checks.context import KEEP, Context
from negagen.types import Candidate, Parse, Verdict

_ENTAILED: Final = Verdict("reject", "entailed: a smaller count holds where a larger one does")
_EXACTLY: Final = frozenset(["a single", "single", "only one"])
_OVERLAPS: Final = Verdict("reject", "the counts overlap")


def check_count(_parse: Parse, candidate: Candidate, context: Context) -> Verdict:
    """Three dogs are two dogs and more, so only a larger count, out of the old one's range, is false."""
    if candidate.role != "count":
        return KEEP
    old, new = context.lexicon.number(candidate.old), context.lexicon.number(candidate.new)
    if old is None or new is None:
        return KEEP
    if new.high < old.low:
        return KEEP if candidate.new in _EXACTLY else _ENTAILED
    return KEEP if new.low > old.high else _OVERLAPS
