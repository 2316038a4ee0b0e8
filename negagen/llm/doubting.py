"""What is to be thought of a model's candidate that passed the checks: the checks know only the lexicon's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from negagen.checks import Context, judge
from negagen.lexicon import Entry, Lexicon
from negagen.lexicon.selection import load_selection
from negagen.ops.context import is_idiomatic
from negagen.types import Candidate, Parse, Verdict

UNKNOWN: Final[Mapping[str, float]] = MappingProxyType({"object": 0.8, "action": 0.6, "attribute": 0.5})
"""The weight, at most, of a negative whose new word the lexicon does not know: nothing says that it contradicts."""

STRANGE: Final = 0.5
"""The weight, at most, of a negative that is odd in its caption: half, as of what gives itself away."""

REWORDED: Final = 0.9
NEAR: Final = 0.8
UNSURE: Final = 0.6
_CONTRARY: Final = Verdict("reject", "a contrary of what it should reword")


def judged(parse: Parse, candidate: Candidate, context: Context) -> Verdict:
    """The verdict of all checks, with less weight where they had too little to go by."""
    verdict = judge(parse, candidate, context)
    old = _entry(context.lexicon, candidate.role, candidate.old)
    new = _entry(context.lexicon, candidate.role, candidate.new)
    if verdict.kind == "keep":
        if new is None or old is None:
            return replace(verdict, weight=min(verdict.weight, UNKNOWN.get(candidate.role, 1.0)))
        return verdict
    if verdict.kind != "positive" or candidate.operation != "paraphrase":
        return verdict
    if old is None or new is None:
        return replace(verdict, reason="synonym, says the model", weight=UNSURE)
    if candidate.new in old.group and candidate.old in new.group:
        return replace(verdict, weight=REWORDED)
    if candidate.new in old.replacements or candidate.old in new.replacements:
        return _CONTRARY
    near = candidate.new in old.excluded or candidate.old in new.excluded
    return replace(verdict, reason="synonym, says the model", weight=NEAR if near else UNSURE)


def at_home(lexicon: Lexicon, parse: Parse, candidate: Candidate) -> bool:
    """Whether a new thing is of a kind with what stands there, or captions put it after that verb and preposition.

    Rules take nothing else. A model may know better than captions do, or not think at all ("walking in the moose"):
    what is neither is to weigh less. Of words that the lexicon does not know this cannot be told.
    """
    if candidate.role != "object" or candidate.operation != "replace":
        return True
    number = candidate.sites[0]
    old, new = parse.phrases[number].entry, lexicon.noun(candidate.new)
    if new is None or (old is not None and not _families(old).isdisjoint(_families(new))):
        return True
    return is_idiomatic(load_selection(), parse, number, new)


def verified(verdict: Verdict, both: bool) -> Verdict:
    """A verdict after the model was asked, in other words, whether caption and candidate can both be true."""
    if verdict.kind == "keep":
        if both:
            return Verdict("reject", "both may be true, says the model")
        return replace(verdict, weight=max(verdict.weight, 0.9))
    if not both:
        return Verdict("reject", "not both can be true, says the model")
    return replace(verdict, weight=max(verdict.weight, REWORDED))


def _families(entry: Entry) -> set[str]:
    return {name.partition(".")[0] for name in entry.classes}


def _entry(lexicon: Lexicon, role: str, word: str) -> Entry | None:
    if role == "object":
        return lexicon.noun(word)
    if role == "attribute":
        return lexicon.attribute(word)
    return lexicon.action(word) if role == "action" else None
