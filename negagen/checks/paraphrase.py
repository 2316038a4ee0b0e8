"""Hard positives: what a rewording must not touch, and how sure it is that the caption stays true."""

from __future__ import annotations

from typing import Final

from negagen.checks.context import DENIED, Context
from negagen.closed_class import NEGATIONS
from negagen.lexicon import family_of
from negagen.types import Candidate, Parse, Verdict

_PRESENT: Final = Verdict("reject", "already in the caption")
_SYNONYMS: Final = frozenset(["object", "attribute", "action", "phrase"])
_POSITIVE: Final = {
    "object": Verdict("positive", "synonym", 0.95),
    "attribute": Verdict("positive", "synonym", 0.95),
    "action": Verdict("positive", "synonym", 0.9),
    "phrase": Verdict("positive", "synonym", 0.95),
    "conjunct": Verdict("positive", "reordered coordination", 0.95),
    "converse": Verdict("positive", "converse relation", 0.95),
    "voice": Verdict("positive", "the other voice", 0.95),
    "tense": Verdict("positive", "another tense", 1.0),
}
_UNSEEN: Final = Verdict("positive", "not there", 0.7)
_SILENT: Final = Verdict("positive", "not there, and no sibling names it", 0.9)
_NAMED: Final = Verdict("reject", "what is denied may well be there")
_GENERAL: Final = {
    "animal": frozenset(["animal"]),
    "food": frozenset(["food", "meal", "plate"]),
    "vehicle": frozenset(["vehicle", "traffic", "street", "road", "city"]),
}


def check_paraphrase(parse: Parse, candidate: Candidate, context: Context) -> Verdict:
    """Refuse a rewording under a negation or by a word that the caption has already; all others are positives."""
    if not NEGATIONS.isdisjoint(parse.words):
        return DENIED
    if candidate.role in _SYNONYMS:
        new = candidate.new
        if new in context.named or (" " in new and new in parse.text.lower()):
            return _PRESENT
    if candidate.role == "absence":
        return _absent(parse, candidate, context)
    return _POSITIVE[candidate.role]


def _absent(parse: Parse, candidate: Candidate, context: Context) -> Verdict:
    """Whether neither the caption nor a sibling names the thing, a relative of it, or what usually comes with it."""
    entry = context.lexicon.noun(candidate.new)
    general = _GENERAL.get(family_of(entry), frozenset())
    for caption in (parse, *context.siblings):
        for phrase in caption.phrases:
            if phrase.lemma == candidate.new or phrase.lemma in general:
                return _NAMED
            if entry is not None and phrase.lemma in entry.excluded:
                return _NAMED
            if phrase.entry is not None and candidate.new in phrase.entry.excluded:
                return _NAMED
    return _SILENT if context.siblings else _UNSEEN
