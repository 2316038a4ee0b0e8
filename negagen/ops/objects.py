"""Replacement of things: "a man on a horse" -> "a man on a cow"."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from negagen.closed_class import POSSESSIVES
from negagen.lexicon import Entry, Lexicon
from negagen.lexicon.selection import load_selection
from negagen.ops.context import accepts, is_described, verb_and_preposition
from negagen.ops.pronouns import clothes_another_sex, pronoun_splices
from negagen.ops.replacement import Choices, Replacement, Site
from negagen.realise import noun_form
from negagen.types import Parse, Phrase, Relation, Splice

if TYPE_CHECKING:
    from negagen.ruleset import Rule

_MAX_PLACES = 20_000
_WATER = frozenset(["place.water", "water", "wave", "nature.wave"])
_IN_WATER = frozenset("swim surf wade float dive kayak canoe paddle row snorkel submerge sail bathe bob drown".split())
_AGED = frozenset(["aged", "age"])
_AGENTS = {
    "skier": "ski", "surfer": "surf", "skateboarder": "skat", "skater": "skat", "snowboarder": "snowboard",
    "swimmer": "swim", "biker": "bik", "cyclist": "cycl", "rider": "rid", "boarder": "board", "dancer": "danc",
}  # fmt: skip


class ReplaceObject(Replacement):
    """Another thing of the same class in the same number: "a man on a horse" -> "a man on a cow".

    Replaces the whole head unit, keeps the phrase's number, and lets pronouns follow the gender of a person.
    Words with no form in that number, of the other countability, or that captions do not use after the same verb
    and preposition are passed over.
    """

    role = "object"

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        super().__init__(rule, lexicon)
        self._selection = load_selection()
        self._known: dict[tuple[str, bool, str, str], Choices] = {}

    def _places(self, parse: Parse) -> list[int]:
        return [n for n, phrase in enumerate(parse.phrases) if phrase.entry is not None or self._own]

    def _sites(self, parse: Parse, place: int) -> tuple[Site, ...]:
        phrase = parse.phrases[place]
        if parse.tokens[phrase.head].code != "N" or "H" in parse.codes[max(phrase.unit - 1, 0) : phrase.stop + 1]:
            return ()
        if phrase.quantity >= 0 and phrase.determiner >= 0 and not phrase.plural:
            return ()  # "a four compartment tray"
        if phrase.stop < len(parse.tokens) and parse.tokens[phrase.stop].lower == "of" and phrase.family != "kitchen":
            return ()  # "a field of grass", but a cup of tea may be a glass of tea
        if (phrase.family == "person" and _bound(parse, phrase)) or _qualifies(parse, phrase):
            return ()
        before = next((r for r in parse.relations if r.object == place), None)
        choices, cumulative = self._fitting(parse, phrase, before)
        return (Site(phrase.unit, phrase.stop, phrase.lemma, choices, cumulative, place),) if choices else ()

    def _fitting(self, parse: Parse, phrase: Phrase, before: Relation | None) -> Choices:
        """What may replace the head after the verb and preposition of `before`; kept for the next such place."""
        if self._own or phrase.entry is None:
            return self._choices(phrase.lemma, phrase.entry)
        verb = preposition = ""
        if before is not None and before.kind != "coordination":
            verb, preposition = verb_and_preposition(parse, before)
        plural = phrase.plural or _counted(parse, phrase)
        place = (phrase.lemma, plural, verb, preposition)
        found = self._known.get(place)
        if found is None:
            choices, cumulative = self._choices(phrase.lemma, phrase.entry)
            weights = {
                word: high - low
                for word, low, high in zip(choices, (0, *cumulative), cumulative, strict=False)
                if self._selection.allows(verb, preposition, word)
                and noun_form(self._lexicon, word, plural=plural) is not None
                and not (verb in _IN_WATER and _leaves_water(phrase.entry, self._lexicon.noun(word)))
            }
            if len(self._known) >= _MAX_PLACES:
                self._known.clear()
            found = self._known[place] = (tuple(weights), tuple(accumulate(weights.values())))
        return found

    def _stands(self, parse: Parse, number: int, new: Entry) -> bool:
        return accepts(parse, number, new) and is_described(self._selection, parse, number, new)

    def _splices(self, parse: Parse, site: Site, new: str) -> tuple[Splice, ...]:
        phrase = parse.phrases[site.phrase]
        entry = self._lexicon.noun(new)
        plural = phrase.plural or (phrase.quantity >= 0 and _counted(parse, phrase))
        if entry is None:  # a word of the rule's own
            text = noun_form(self._lexicon, new, plural=plural)
        else:
            text = entry.forms.get("NNS" if plural else "NN") if fits_noun(parse, phrase, entry) else None
        if text is None or not (self._own or entry is None or self._stands(parse, site.phrase, entry)):
            return ()
        splice = Splice(site.start, site.stop, text)
        if clothes_another_sex(parse, site.phrase, new):
            return ()
        if phrase.family != "person":
            return (splice,)
        pronouns = pronoun_splices(parse, new)
        return () if pronouns is None else tuple(sorted([splice, *pronouns], key=lambda s: s.start))


def _bound(parse: Parse, phrase: Phrase) -> bool:
    """Whether a person is what somebody or something else in the caption makes him: "her baby", "a skier skiing"."""
    if phrase.determiner >= 0 and parse.tokens[phrase.determiner].lower in POSSESSIVES:
        return True
    stem = _AGENTS.get(phrase.lemma)
    return stem is not None and any(token.code in "VG" and token.lower.startswith(stem) for token in parse.tokens)


def _qualifies(parse: Parse, phrase: Phrase) -> bool:
    """Whether the noun is less than a thing of its own, or more than its last word says.

    "A rain covered window", "grade school aged children", "a matching mask" that was read as a compound.
    """
    following = parse.codes[phrase.stop : phrase.stop + 2]
    if following[:1] == "E" and following[1:] in tuple("NuJM"):
        return True
    inner = [token.lower for token in parse.tokens[phrase.start : phrase.head]]
    if not _AGED.isdisjoint(inner):
        return True
    return phrase.compound and any(token.lower.endswith("ing") for token in parse.tokens[phrase.unit : phrase.head])


def _leaves_water(old: Entry, new: Entry | None) -> bool:
    return not _WATER.isdisjoint(old.names) and new is not None and _WATER.isdisjoint(new.names)


def _counted(parse: Parse, phrase: Phrase) -> bool:
    """Whether a number makes the phrase plural, whatever its head looks like ("three zebra")."""
    number = parse.tokens[phrase.quantity].number if phrase.quantity >= 0 else None
    return number is not None and number.plural


def fits_noun(parse: Parse, phrase: Phrase, entry: Entry) -> bool:
    """Whether the noun can stand where the phrase's head does, by countability and preposition."""
    if not phrase.plural:
        determiner = parse.tokens[phrase.determiner].lower if phrase.determiner >= 0 else ""
        if determiner in ("a", "an", "another", "each", "every") or phrase.quantity >= 0:
            if not entry.countable:
                return False
        elif determiner in ("", "some", "much") and not entry.mass and not (phrase.entry and phrase.entry.countable):
            return False
        old = phrase.entry
        # "eating cake" is of a mass; "eating donut" is not.
        if determiner == "" and old and (old.countable != entry.countable or (old.mass and not entry.mass)):
            return False
    if entry.prepositions and phrase.start:
        before = parse.tokens[phrase.start - 1].lower
        return before not in ("in", "on", "at") or before in entry.prepositions
    return True
