"""Which words a model may use: those that something vouches for, and what is put together of such."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from lemminflect import getAllLemmas

from negagen.lexicon import Lexicon
from negagen.lexicon.general import load_general
from negagen.realise import noun_form

_SHORTEST: Final = 3
_BEFORE: Final = frozenset(
    "aero anti audio auto bio cyber eco electro endo hydro infra magneto mega micro mini mono multi nano photo radio"
    " semi stereo sub super tele thermo turbo ultra".split()
)
_AFTER: Final = frozenset("cam copter gram graph meter mobile plex scope tron".split())


class Compound(NamedTuple):
    """A noun written as one word: "smartwatch" is `first` "smart" and `last` "watch", a noun that is known."""

    first: str
    last: str

    @property
    def lemma(self) -> str:
        """The whole in the singular."""
        return f"{self.first}{self.last}"

    def form(self, lexicon: Lexicon, *, plural: bool) -> str | None:
        """The whole, in the form that its last part has; None if that has none."""
        last = noun_form(lexicon, self.last, plural=plural)
        return None if last is None else f"{self.first}{last}"


@lru_cache(maxsize=8192)  # one unknown word is asked for up to three times
def compound_of(lexicon: Lexicon, word: str) -> Compound | None:
    """The parts of a noun that no list has, in lower case; None for what is no such word.

    The last part is a noun of the lexicon or ends an instrument's name ("-meter"), the first a noun, adjective or verb,
    or a form that only begins words ("micro-"). What captions say of things ("red") begins none: "redcar" lacks a
    space. Both have three letters at least.
    """
    for at in range(_SHORTEST, len(word) - _SHORTEST + 1):
        first, end = word[:at], word[at:]
        last = end if lexicon.noun(end) is not None else lexicon.lemma(end, "NNS")
        singular = end.removesuffix("s")
        if (last is None or lexicon.noun(last) is None) and singular in _AFTER:
            last = singular
        if last is not None and (last in _AFTER or lexicon.noun(last) is not None) and _begins(lexicon, first):
            return Compound(first, last)
    return None


def is_noun(lexicon: Lexicon, word: str) -> bool:
    """Whether the last word of a thing's name, singular or plural, can be one: no "jumping", no "red", no "nice"."""
    lemma = word if lexicon.noun(word) is not None else lexicon.lemma(word, "NNS")
    if lemma is not None and lexicon.noun(lemma) is not None:
        return True
    readings = getAllLemmas(word)
    if word.endswith("ing") and "VERB" in readings:
        return False
    if readings:
        return "NOUN" in readings and lexicon.attribute(word) is None
    return len(word) >= _SHORTEST and (lexicon.frequency(word) > 0 or compound_of(lexicon, word) is not None)


def noun_in(lexicon: Lexicon, text: str, *, plural: bool, counted: bool) -> tuple[str, str] | None:
    """The lemma of a noun that the lexicon lacks, whichever number `text` has, and its form in the wanted number.

    None where it has none such: no "a news", "an oxen" or "informations". `counted` is whether a number or "a" stands
    before it.
    """
    general = load_general()
    first, _, last = text.rpartition(" ")
    nouns = getAllLemmas(last).get("NOUN", ())
    lemma = last if last in general.plural else next((noun for noun in nouns if last == f"{noun}s"), last)
    if lemma not in nouns and nouns and lemma not in general.plural:
        lemma = nouns[0]
    if lemma in general.plural:
        form: str | None = lemma if plural else None
    elif lemma in general.mass:
        form = None if plural or counted else lemma
    else:
        form = noun_form(lexicon, lemma, plural=plural)
    return None if form is None else (f"{first} {lemma}".strip(), f"{first} {form}".strip())


def is_attribute(text: str) -> bool:
    """Whether words that the lexicon lacks can be said of a thing as they stand: no "other", "very" or "tallest"."""
    general = load_general()
    *before, last = text.split(" ")
    if last in general.empty or last in general.degrees or not general.degrees.isdisjoint(before):
        return False
    graded = [lemma for lemma in getAllLemmas(last).get("ADJ", ()) if lemma != last]
    return not (graded and last.endswith(("er", "est", "worse", "worst", "best")))


def is_verb(lexicon: Lexicon, lemma: str) -> bool:
    """Whether a verb that the lexicon lacks is one, and no noun that only a dictionary knows to be done ("tree")."""
    if "VERB" not in getAllLemmas(lemma):
        return False
    return lexicon.noun(lemma) is None or lemma in load_general().denominal


def is_known(lexicon: Lexicon, word: str, *, joined: bool = True) -> bool:
    """Whether captions, the lexicon or lemminflect's dictionary have the word, or all that its hyphens join; with
    `joined`, also whether it is a compound.
    """
    return all(
        lexicon.frequency(part) > 0
        or lexicon.noun(part) is not None
        or bool(getAllLemmas(part))
        or (joined and compound_of(lexicon, part) is not None)
        for part in re.split("['’-]", word.lower())
        if part
    )


def _begins(lexicon: Lexicon, word: str) -> bool:
    if word in _BEFORE or lexicon.noun(word) is not None:
        return True
    read = getAllLemmas(word)
    return lexicon.attribute(word) is None and any(word in read.get(kind, ()) for kind in ("NOUN", "ADJ", "VERB"))
