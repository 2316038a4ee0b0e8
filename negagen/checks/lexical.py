"""Words that are not contrary: synonyms, hypernyms, hyponyms, near shades, and what the caption says already."""

from __future__ import annotations

from typing import Final

from negagen.checks.context import DENIED, KEEP, Context
from negagen.closed_class import NEGATIONS
from negagen.lexicon import Entry, Lexicon, family_of
from negagen.types import Candidate, Parse, Verdict

_SAME: Final = Verdict("reject", "the same word")
NEAR: Final = Verdict("reject", "synonym, hypernym, hyponym or near shade")
_PRESENT: Final = Verdict("reject", "already in the caption")
_COVERED: Final = Verdict("reject", "covered by a more general word of the caption")
_GENERAL: Final = frozenset("animal person people food vehicle furniture fruit vegetable".split())
HOLDS: Final = Verdict("reject", "the relations may hold together")
_MAY_HOLD: Final = Verdict("keep", "the relations overlap one way", 0.6)
TOGETHER: Final = Verdict("reject", "the attributes may hold together")
_DEGREES: Final = frozenset(["size", "height", "length", "width", "thickness", "depth", "beauty", "taste"])
_OPINION: Final = Verdict("keep", "a matter of degree", 0.7)
_COMPANY: Final = Verdict("reject", "often seen with what the caption names")


def check_lexical(parse: Parse, candidate: Candidate, context: Context) -> Verdict:
    """Judge the new word of a replacement or an addition against the old one and the rest of the caption."""
    if not NEGATIONS.isdisjoint(parse.words) and _denied(parse, candidate):
        return DENIED
    old, new = candidate.old, candidate.new
    if old == new:
        return _SAME
    entry = _entry(context.lexicon, candidate.role, old)
    if entry is not None and new in entry.excluded:
        return NEAR
    if candidate.role in ("object", "attribute") and new in context.named:
        return _PRESENT
    if candidate.role == "relation" and any(relation.name == new for relation in parse.relations):
        return _PRESENT
    if candidate.role == "action" and any(token.lemma == new for token in parse.tokens):
        return _PRESENT
    if candidate.role == "object":
        for phrase in parse.phrases:
            if phrase.lemma == old or phrase.entry is None:
                continue
            if new in phrase.entry.excluded:
                return _COMPANY
            if phrase.lemma in _GENERAL and family_of(context.lexicon.noun(new)) == phrase.family:
                return _COVERED
    if candidate.role == "attribute" and entry is not None:
        other = context.lexicon.attribute(new)
        if other is not None and entry.names.isdisjoint(other.names):  # size and colour, say
            return TOGETHER
        return KEEP if _DEGREES.isdisjoint(entry.classes) else _OPINION
    return _algebra(context.lexicon, old, new) if candidate.role == "relation" else KEEP


def _algebra(lexicon: Lexicon, old: str, new: str) -> Verdict:
    """Whether one relation of two things leaves room for the other."""
    before, after = lexicon.relation(old), lexicon.relation(new)
    if before is None or after is None:
        return KEEP
    if new in before.entails or new in before.overlaps:
        return HOLDS
    one_sided = old in after.entails or old in after.overlaps
    return _MAY_HOLD if one_sided or before.viewpoint or after.viewpoint else KEEP


def _denied(parse: Parse, candidate: Candidate) -> bool:
    """Whether the caption denies what the edit would change: "no dogs" says little of cats."""
    start = candidate.splices[0].start
    return any(token.lower in NEGATIONS for token in parse.tokens[:start])


def _entry(lexicon: Lexicon, role: str, word: str) -> Entry | None:
    if role == "object":
        return lexicon.noun(word)
    if role == "attribute":
        return lexicon.attribute(word)
    return lexicon.action(word) if role == "action" else None
