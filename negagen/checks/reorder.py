"""Exchanges that only reorder: conjuncts, and the two sides of a symmetric relation."""

from __future__ import annotations

from typing import Final

from negagen.checks.context import KEEP, Context
from negagen.types import Candidate, Parse, Verdict

_SAME: Final = Verdict("reject", "the same word")
_COORDINATION: Final = Verdict("positive", "reordered coordination")
_SYMMETRIC: Final = Verdict("positive", "symmetric relation")
_ALIKE: Final = Verdict("reject", "exchanged between things of one name")
_WEAK: Final = frozenset(["with", "and", "or", "of", "at", "by", "near", "around", "along", "from", "like", "as", ""])


def check_reorder(parse: Parse, candidate: Candidate, context: Context) -> Verdict:
    """Judge whether what a swap exchanged makes a difference at all."""
    if candidate.operation != "swap":
        return KEEP
    if candidate.old == candidate.new:
        return _SAME
    left, right = (parse.phrases[site] for site in candidate.sites)
    if candidate.role == "attribute":
        # "a red car and a blue car": the same two cars.
        return _ALIKE if left.lemma == right.lemma else KEEP
    relation = parse.relations[candidate.relation]
    bare = not left.attributes and not right.attributes and left.plural == right.plural
    whole = candidate.role == "phrase" or bare
    if relation.kind == "coordination":
        return _COORDINATION if whole else KEEP
    if relation.verb < 0:
        entry = context.lexicon.relation(relation.name)
        if (entry is not None and entry.symmetric) or relation.name in _WEAK:
            return _SYMMETRIC if whole else KEEP
    return KEEP
