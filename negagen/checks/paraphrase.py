"""Hard positives: what a rewording must not touch, and how sure it is that the caption stays true."""

from __future__ import annotations

from typing import Final

from negagen.checks.context import DENIED, Context
from negagen.closed_class import NEGATIONS
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
}


def check_paraphrase(parse: Parse, candidate: Candidate, context: Context) -> Verdict:
    """Refuse a rewording under a negation or by a word that the caption has already; all others are positives."""
    if not NEGATIONS.isdisjoint(parse.words):
        return DENIED
    if candidate.role in _SYNONYMS:
        new = candidate.new
        if new in context.named or (" " in new and new in parse.text.lower()):
            return _PRESENT
    return _POSITIVE[candidate.role]
