"""Replacement of one word by another of its class: objects, attributes, relations, actions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from negagen.lexicon import Entry, Lexicon
from negagen.lexicon.selection import load_selection
from negagen.ops.context import accepts, verb_and_preposition
from negagen.ops.pronouns import pronoun_splices
from negagen.realise import noun_form, verb_form
from negagen.seeding import Stream
from negagen.types import Candidate, Parse, Phrase, Relation, Splice

if TYPE_CHECKING:
    from negagen.ruleset import Rule

_ROUNDS = 12
_MAX_PLACES = 20_000

Choices = tuple[Sequence[str], Sequence[int]]
"""Words and the running sum of their weights."""
_VERBS = re.compile("[VG]")


class Site(NamedTuple):
    """Where a replacement may go: tokens `[start, stop)`, the word there, and what may stand in for it."""

    start: int
    stop: int
    word: str
    choices: Sequence[str]
    cumulative: Sequence[int]
    phrase: int
    relation: int = -1


class _Replace:
    """The drawing that all replacements share; subclasses say where (`_sites`) and how (`_splices`)."""

    role = ""

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._classes = rule.target.classes
        self._senses: dict[str, tuple[Entry, ...]] = {}
        self._own = {
            word: (tuple(choices), tuple(accumulate([1] * len(choices)))) for word, choices in rule.words.items()
        }

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        sites = self._sites(parse)
        if len(sites) > 1:
            sites = stream.shuffled(sites)
        tried: set[tuple[int, str]] = set()
        for _ in range(_ROUNDS):
            for site in sites:
                new = site.choices[stream.weighted(site.cumulative)]
                if (site.start, new) in tried:
                    continue
                tried.add((site.start, new))
                splices = self._splices(parse, site, new)
                if splices:
                    phrases = (site.phrase,) if site.phrase >= 0 else ()
                    yield Candidate(splices, "replace", self.role, site.word, new, phrases, site.relation)

    def _sites(self, parse: Parse) -> list[Site]:
        raise NotImplementedError

    def _splices(self, parse: Parse, site: Site, new: str) -> tuple[Splice, ...]:
        """The splices that put `new` at `site`; empty when it has no form that fits there."""
        raise NotImplementedError

    def _choices(self, word: str, entry: Entry | None) -> Choices:
        """What may replace `word`: the rule's own list if it has one, else the lexicon's."""
        if self._own:
            return self._own.get(word, ((), ()))
        if entry is None or (self._classes and not self._covers(entry)):
            return (), ()
        return entry.replacements, entry.cumulative

    def _covered(self, entry: Entry) -> tuple[Entry, ...]:
        """The senses of `entry` that have replacements and are of the rule's classes."""
        senses = self._senses.get(entry.lemma)
        if senses is None:
            senses = tuple(
                sense for sense in entry.senses if sense.replacements and (not self._classes or self._covers(sense))
            )
            self._senses[entry.lemma] = senses
        return senses

    def _covers(self, entry: Entry) -> bool:
        return any(
            name == wanted or name.startswith(f"{wanted}.") for name in entry.classes for wanted in self._classes
        )


class ReplaceObject(_Replace):
    """Another thing of the same class in the same number: "a man on a horse" -> "a man on a cow".

    Replaces the whole head unit, keeps the phrase's number, and lets pronouns follow the gender of a person.
    Words with no form in that number, of the other countability, or that captions do not use after the same verb
    and preposition are passed over.
    """

    role = "object"

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        super().__init__(rule, lexicon)
        self._selection = load_selection()
        self._places: dict[tuple[str, str, str], Choices] = {}

    def _sites(self, parse: Parse) -> list[Site]:
        sites = []
        before: dict[int, Relation] = {relation.object: relation for relation in parse.relations}
        for number, phrase in enumerate(parse.phrases):
            if phrase.entry is None and not self._own:
                continue
            choices, cumulative = self._fitting(parse, phrase, before.get(number))
            hyphenated = "H" in parse.codes[max(phrase.unit - 1, 0) : phrase.stop + 1]
            # "a four compartment tray"
            measured = phrase.quantity >= 0 and phrase.determiner >= 0 and not phrase.plural
            if choices and parse.tokens[phrase.head].code == "N" and not hyphenated and not measured:
                sites.append(Site(phrase.unit, phrase.stop, phrase.lemma, choices, cumulative, number))
        return sites

    def _fitting(self, parse: Parse, phrase: Phrase, before: Relation | None) -> Choices:
        """What may replace the head after the verb and preposition of `before`; kept for the next such place."""
        if self._own or phrase.entry is None or before is None or before.kind == "coordination":
            return self._choices(phrase.lemma, phrase.entry)
        verb, preposition = verb_and_preposition(parse, before)
        place = (phrase.lemma, verb, preposition)
        found = self._places.get(place)
        if found is None:
            choices, cumulative = self._choices(phrase.lemma, phrase.entry)
            weights = {
                word: high - low
                for word, low, high in zip(choices, (0, *cumulative), cumulative, strict=False)
                if self._selection.allows(verb, preposition, word)
            }
            if len(self._places) >= _MAX_PLACES:
                self._places.clear()
            found = self._places[place] = (tuple(weights), tuple(accumulate(weights.values())))
        return found

    def _splices(self, parse: Parse, site: Site, new: str) -> tuple[Splice, ...]:
        phrase = parse.phrases[site.phrase]
        text = noun_form(self._lexicon, new, plural=phrase.plural or _counted(parse, phrase))
        entry = self._lexicon.noun(new)
        if text is None or (entry is not None and not fits_noun(parse, phrase, entry)):
            return ()
        if not self._own and entry is not None and not accepts(parse, site.phrase, entry):
            return ()
        splice = Splice(site.start, site.stop, text)
        if phrase.family != "person":
            return (splice,)
        pronouns = pronoun_splices(parse, new)
        return () if pronouns is None else tuple(sorted([splice, *pronouns], key=lambda s: s.start))


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
        if determiner == "" and phrase.entry is not None and phrase.entry.countable != entry.countable:
            return False
    if entry.prepositions and phrase.start:
        before = parse.tokens[phrase.start - 1].lower
        return before not in ("in", "on", "at") or before in entry.prepositions
    return True


class ReplaceAttribute(_Replace):
    """A contradicting attribute of the same class: "a red bus" -> "a blue bus".

    Takes modifiers before a noun and adjectives after a form of "be". An attribute that only some families
    of things can have ("young", "ripe") is offered only for those.
    """

    role = "attribute"

    def _sites(self, parse: Parse) -> list[Site]:
        sites = []
        for number, phrase in enumerate(parse.phrases):
            for index in phrase.attributes:
                sites += self._at(parse, index, number)
        codes = parse.codes
        at = codes.find("BJ")
        while at >= 0:
            subject = next((number for number, verb in parse.finite.items() if verb == at), -1)
            if subject >= 0 and codes[at + 2 : at + 3] in ("", "I", "A", ",", ".", "R"):
                sites += self._at(parse, at + 1, subject)
            at = codes.find("BJ", at + 1)
        return sites

    def _at(self, parse: Parse, index: int, number: int) -> list[Site]:
        """A site for each sense of the attribute that can be said of the phrase's head."""
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
            Site(index, stop, word, sense.replacements, sense.cumulative, number)
            for sense in self._covered(entry)
            if sense.suits(noun)
        ]

    def _splices(self, parse: Parse, site: Site, new: str) -> tuple[Splice, ...]:
        entry = self._lexicon.attribute(new) if not self._own else None
        if entry is not None and not any(sense.suits(parse.phrases[site.phrase].entry) for sense in entry.senses):
            return ()
        return (Splice(site.start, site.stop, new),)


class ReplaceRelation(_Replace):
    """A preposition that contradicts the caption's: "a cat under a table" -> "a cat on a table".

    A preposition after a verb is replaced only after the verbs of `target.words`, since others may own it ("looking
    at"). What may replace it depends on its object.
    """

    role = "relation"

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        super().__init__(rule, lexicon)
        self._verbs = frozenset(rule.target.words)

    def _sites(self, parse: Parse) -> list[Site]:
        sites = []
        for number, relation in enumerate(parse.relations):
            if not relation.name or (relation.verb >= 0 and parse.tokens[relation.verb].lemma not in self._verbs):
                continue
            noun = parse.phrases[relation.object].entry
            own = self._own.get(relation.name, ((), ()))
            choices, cumulative = own if self._own else self._lexicon.contraries(relation.name, noun)
            if choices:
                sites.append(
                    Site(
                        relation.start,
                        relation.stop,
                        relation.name,
                        choices,
                        cumulative,
                        relation.object,
                        number,
                    )
                )
        return sites

    def _splices(self, parse: Parse, site: Site, new: str) -> tuple[Splice, ...]:
        return (Splice(site.start, site.stop, new),)


class ReplaceAction(_Replace):
    """Another thing to do that fits the same subject and object: "a man pushing a bike" -> "a man riding a bike".

    Keeps the verb's form. Transitive senses stand in for verbs with an object, intransitive ones for verbs
    without, before the same prepositions, and only where captions put them. Passives are left alone: there the object
    is the subject.
    """

    role = "action"

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        super().__init__(rule, lexicon)
        self._selection = load_selection()

    def _sites(self, parse: Parse) -> list[Site]:
        sites: list[Site] = []
        for match in _VERBS.finditer(parse.codes):
            index = match.start()
            token = parse.tokens[index]
            if self._own:
                choices, cumulative = self._own.get(token.lemma, ((), ()))
                if choices:
                    sites.append(Site(index, index + 1, token.lemma, choices, cumulative, -1))
            elif token.entry is not None and not any(p.start <= index < p.stop for p in parse.phrases):
                number = next((n for n, relation in enumerate(parse.relations) if relation.verb == index), -1)
                sense = self._sense(parse, index, number, token.entry)
                if sense is not None and sense.replacements and (not self._classes or self._covers(sense)):
                    sites.append(Site(index, index + 1, token.lemma, sense.replacements, sense.cumulative, -1, number))
        return sites

    def _sense(self, parse: Parse, index: int, number: int, entry: Entry) -> Entry | None:
        """The sense of the verb at token `index` in which it stands there; `number` is its relation or -1."""
        following = parse.tokens[index + 1] if index + 1 < len(parse.tokens) else None
        if number >= 0:
            relation = parse.relations[number]
            subject, object_ = parse.phrases[relation.subject].entry, parse.phrases[relation.object].entry
            transitive = relation.kind == "verb"
        else:
            before = [phrase for phrase in parse.phrases if phrase.stop <= index]
            subject, object_ = before[-1].entry if before else None, None
            transitive = following is not None and following.code in "DO"
        preposition = following.lower if following is not None and following.code not in ",." else ""
        return entry.action_sense(
            transitive=transitive,
            subject=subject,
            object=object_,
            preposition="" if transitive else preposition,
        )

    def _splices(self, parse: Parse, site: Site, new: str) -> tuple[Splice, ...]:
        text = verb_form(self._lexicon, new, parse.tokens[site.start].tag)
        if site.relation >= 0 and not self._own:
            relation = parse.relations[site.relation]
            _, preposition = verb_and_preposition(parse, relation)
            if not self._selection.allows(new, preposition, parse.phrases[relation.object].lemma):
                return ()
        return () if text is None else (Splice(site.start, site.stop, text),)
