"""What is not at home in its caption: "a boy swims in a field", "a tennis racket on a baseball field"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from negagen.checks.context import Context
from negagen.lexicon.company import load_company
from negagen.types import Candidate, Parse

UNLIKELY: Final = "hardly ever said beside what the caption says"
"""Why a candidate is passed over that is a negative all the same: where nothing better is found, it may serve."""

_PEOPLE: Final = frozenset(["person.any", "person.sex.adult", "person.sex.child", "person.age"])
_CONTENT: Final = frozenset("NuVGEJ")


def content(parse: Parse) -> Iterator[tuple[int, str]]:
    """The nouns, verbs and adjectives of a caption by their lemma, each with its place."""
    for index, (token, code) in enumerate(zip(parse.tokens, parse.codes, strict=True)):
        if code in _CONTENT:
            yield index, token.lower if code == "J" else token.lemma


def is_unlikely(parse: Parse, candidate: Candidate, context: Context) -> bool:
    """Whether captions hardly ever name the new thing, or the new attribute, beside what this one says.

    Not a matter of truth: a negative that no picture fits is told by its text alone.
    """
    if not candidate.sites or candidate.role not in ("object", "attribute"):
        return False
    if candidate.operation == "swap" and candidate.role != "attribute":
        return False
    company, phrase = load_company(), parse.phrases[candidate.sites[0]]
    if candidate.operation == "swap":
        other = parse.phrases[candidate.sites[1]]
        odd = _avoids(context, candidate.old, candidate.new, phrase.lemma)
        return odd or _avoids(context, candidate.new, candidate.old, other.lemma)
    if candidate.role == "attribute":
        return _avoids(context, candidate.old, candidate.new, phrase.lemma)
    entry = context.lexicon.noun(candidate.new)
    if phrase.family == "person" and (entry is None or not _PEOPLE.isdisjoint(entry.classes)):
        return False  # who does it is not for usage to say
    if not context.beside:
        words = company.words
        context.beside.append([(i, words[word]) for i, word in content(parse) if word in words])
    start, stop, old, new = phrase.unit, phrase.stop, candidate.old, candidate.new
    return any(not start <= index < stop and company.shuns(word, old, new) for index, word in context.beside[0])


def _avoids(context: Context, old: str, new: str, noun: str) -> bool:
    """Whether `new` is odd to say of the noun. A colour is not: what captions never call pink may well be pink."""
    entry = context.lexicon.attribute(new)
    coloured = entry is not None and "colour" in entry.names
    return not coloured and load_company().avoids(old, new, noun)
