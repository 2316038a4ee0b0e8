"""Exchanges that only reorder: conjuncts, and the two sides of a symmetric relation."""

from __future__ import annotations

from typing import Final

from negagen.checks.context import DENIED, KEEP, Context
from negagen.closed_class import NEGATIONS
from negagen.types import Candidate, Parse, Phrase, Verdict

_SAME: Final = Verdict("reject", "the same word")
_COORDINATION: Final = Verdict("positive", "reordered coordination")
_SYMMETRIC: Final = Verdict("positive", "symmetric relation")
_MUTUAL: Final = Verdict("reject", "symmetric relation")
_SHARED: Final = Verdict("reject", "conjuncts may share their attributes")
_ALIKE: Final = Verdict("reject", "exchanged between things of one name")
_TWO_KINDS: Final = Verdict("keep", "attributes of two kinds, which each of the things might have", 0.8)
_WEAK: Final = frozenset(["with", "and", "or", "of", "at", "by", "near", "around", "along", "from", "like", "as"])


def check_reorder(parse: Parse, candidate: Candidate, context: Context) -> Verdict:
    """Judge whether what a swap exchanged makes a difference at all."""
    if candidate.old == candidate.new:
        return _SAME
    if not NEGATIONS.isdisjoint(parse.words):
        return DENIED
    left, right = (parse.phrases[site] for site in candidate.sites)
    if candidate.role in ("attribute", "count"):
        # "a red car and a blue car": the same two cars.
        heads = [{parse.tokens[p.head].lemma, *p.lemma.split(" ")} for p in (left, right)]
        if heads[0] & heads[1] or "one" in heads[0] | heads[1]:
            return _ALIKE
        return _of_one_kind(candidate, left, right, context)
    relation = parse.relations[candidate.relation]
    if relation.kind == "coordination":
        return _conjuncts(parse, candidate, left, right)
    entry = context.lexicon.relation(relation.name)
    if not (entry is not None and entry.symmetric) and relation.name not in _WEAK:
        return KEEP
    if candidate.role == "phrase" or _alike(parse, left, right):
        alone = relation.verb < 0 and _isolated(parse, candidate)
        return _SYMMETRIC if alone else _MUTUAL
    return KEEP


def _of_one_kind(candidate: Candidate, left: Phrase, right: Phrase, context: Context) -> Verdict:
    """Judge counts of what may be the same things, and attributes of which each thing may have both."""
    if candidate.role == "count":
        known = left.entry is not None and right.entry is not None
        return KEEP if known and not context.lexicon.alike(left.lemma, right.lemma) else _ALIKE
    one, other = context.lexicon.attribute(candidate.old), context.lexicon.attribute(candidate.new)
    return _TWO_KINDS if one is not None and other is not None and one.names.isdisjoint(other.names) else KEEP


def _conjuncts(parse: Parse, candidate: Candidate, left: Phrase, right: Phrase) -> Verdict:
    """Exchanged conjuncts differ only where each keeps something of its own: an attribute or a number."""
    if candidate.role == "phrase" or _alike(parse, left, right):
        return _COORDINATION if _isolated(parse, candidate) else _SHARED
    own = [
        {parse.tokens[i].lower for i in (*phrase.attributes, phrase.quantity) if i >= 0 and not _vague(parse, i)}
        for phrase in (left, right)
    ]
    return KEEP if all(own) and own[0] != own[1] else _SHARED


def _vague(parse: Parse, index: int) -> bool:
    number = parse.tokens[index].number
    return index in parse.units or (number is not None and number.vague)


def _alike(parse: Parse, left: Phrase, right: Phrase) -> bool:
    """Whether nothing but the heads tells the two phrases apart, so that exchanging these is exchanging all."""
    if left.attributes or right.attributes or left.plural != right.plural:
        return False
    quantities = [parse.tokens[p.quantity].lower if p.quantity >= 0 else "" for p in (left, right)]
    return quantities[0] == quantities[1]


def _isolated(parse: Parse, candidate: Candidate) -> bool:
    """Whether no other relation says something of one of the two that would not hold of the other."""
    return all(
        number == candidate.relation or (r.subject not in candidate.sites and r.object not in candidate.sites)
        for number, r in enumerate(parse.relations)
    )
