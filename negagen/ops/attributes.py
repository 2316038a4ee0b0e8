"""Replacement of attributes: "a red bus" -> "a blue bus"."""

from __future__ import annotations

from typing import Final

from negagen.ops.replacement import Replacement, Site
from negagen.types import Needs, Parse, Splice

_BOUND: Final = frozenset(["aged"])


def is_bound(parse: Parse, index: int) -> bool:
    """Whether token `index` is the second half of a quality: "middle aged", "school aged", not "an aged man"."""
    return parse.tokens[index].lower in _BOUND and parse.codes[index - 1 : index] in ("J", "N", "u")


class ReplaceAttribute(Replacement):
    """A contradicting attribute of the same class: "a red bus" -> "a blue bus".

    Takes modifiers before a noun and adjectives after a form of "be". An attribute that only some families
    of things can have ("young", "ripe") is offered only for those.
    """

    role = "attribute"
    needs = Needs.ATTRIBUTES

    def _places(self, parse: Parse) -> list[tuple[int, int]]:
        places = [(index, number) for number, phrase in enumerate(parse.phrases) for index in phrase.attributes]
        codes = parse.codes
        at = codes.find("BJ")
        while at >= 0:
            subject = next((number for number, verb in parse.finite.items() if verb == at), -1)
            if subject >= 0 and codes[at + 2 : at + 3] in ("", "I", "A", ",", ".", "R"):
                places.append((at + 1, subject))
            at = codes.find("BJ", at + 1)
        return places

    def _sites(self, parse: Parse, place: tuple[int, int]) -> list[Site]:
        """A site for each sense of the attribute that can be said of the phrase's head."""
        index, number = place
        if is_bound(parse, index):
            return []
        unit = parse.units.get(index)
        if unit is not None:
            word, stop = unit[1].lemma, unit[0]
            entry = self._lexicon.attribute(word)
        else:
            token = parse.tokens[index]
            word, stop, entry = token.lower, index + 1, token.attribute
        if self._own:
            choices, cumulative = self._own.get(word, ((), ()))
            return [Site(index, stop, word, choices, cumulative, number)] if choices else []
        if entry is None:
            return []
        noun = parse.phrases[number].entry
        return [
            Site(index, stop, word, *self._lexicon.offers(sense), number)
            for sense in self._covered(entry)
            if sense.suits(noun)
        ]

    def _splices(self, parse: Parse, site: Site, new: str) -> tuple[Splice, ...]:
        entry = self._lexicon.attribute(new) if not self._own else None
        if entry is not None and not any(sense.suits(parse.phrases[site.phrase].entry) for sense in entry.senses):
            return ()
        return (Splice(site.start, site.stop, new),)
