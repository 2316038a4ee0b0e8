"""Replacement of one word by another of its class: objects, attributes, relations, actions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from negagen.lexicon import Entry, Lexicon, RelationEntry
from negagen.ops.pronouns import pronoun_splices
from negagen.ops.suits import suits
from negagen.realise import noun_form, verb_form
from negagen.seeding import Stream
from negagen.types import Candidate, Parse, Phrase, Splice

if TYPE_CHECKING:
    from negagen.ruleset import Rule

_ROUNDS = 6


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

    def _choices(self, word: str, entry: Entry | RelationEntry | None) -> tuple[Sequence[str], Sequence[int]]:
        """What may replace `word`: the rule's own list if it has one, else the lexicon's."""
        if self._own:
            return self._own.get(word, ((), ()))
        if entry is None or (self._classes and not self._covers(entry)):
            return (), ()
        return entry.replacements, entry.cumulative

    def _covers(self, entry: Entry | RelationEntry) -> bool:
        names = (entry.kind,) if isinstance(entry, RelationEntry) else entry.classes
        return any(name == wanted or name.startswith(f"{wanted}.") for name in names for wanted in self._classes)


class ReplaceObject(_Replace):
    """Another thing of the same class in the same number: "a man on a horse" -> "a man on a cow".

    Replaces the whole head unit, keeps the phrase's number, and lets pronouns follow the gender of a person.
    Words with no form in that number, or of the other countability, are passed over.
    """

    role = "object"

    def _sites(self, parse: Parse) -> list[Site]:
        sites = []
        for number, phrase in enumerate(parse.phrases):
            choices, cumulative = self._choices(phrase.lemma, phrase.entry)
            if choices and parse.tokens[phrase.head].code == "N":
                sites.append(Site(phrase.unit, phrase.stop, phrase.lemma, choices, cumulative, number))
        return sites

    def _splices(self, parse: Parse, site: Site, new: str) -> tuple[Splice, ...]:
        phrase = parse.phrases[site.phrase]
        text = noun_form(self._lexicon, new, plural=phrase.plural)
        entry = self._lexicon.noun(new)
        if text is None or (entry is not None and not fits_noun(parse, phrase, entry)):
            return ()
        splice = Splice(site.start, site.stop, text)
        if phrase.family != "person":
            return (splice,)
        pronouns = pronoun_splices(parse, site.phrase, new)
        return () if pronouns is None else tuple(sorted([splice, *pronouns], key=lambda s: s.start))


def fits_noun(parse: Parse, phrase: Phrase, entry: Entry) -> bool:
    """Whether the noun can stand where the phrase's head does, by countability and preposition."""
    if not phrase.plural:
        determiner = parse.tokens[phrase.determiner].lower if phrase.determiner >= 0 else ""
        if determiner in ("a", "an", "another", "each", "every") or phrase.count >= 0:
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
            for sense in entry.senses
            if sense.replacements and (not self._classes or self._covers(sense)) and sense.suits(noun)
        ]

    def _splices(self, parse: Parse, site: Site, new: str) -> tuple[Splice, ...]:
        entry = self._lexicon.attribute(new)
        if entry is not None and not any(sense.suits(parse.phrases[site.phrase].entry) for sense in entry.senses):
            return ()
        return (Splice(site.start, site.stop, new),)


class ReplaceRelation(_Replace):
    """A preposition that contradicts the caption's: "a cat under a table" -> "a cat on a table".

    A preposition after a verb is replaced only after the verbs of `target.words`, since others may own it ("looking
    at"); `fits` says which things a new relation can be said of.
    """

    role = "relation"

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        super().__init__(rule, lexicon)
        self._verbs = frozenset(rule.target.words)
        self._fits = {name: frozenset(names) for name, names in rule.fits.items()}

    def _sites(self, parse: Parse) -> list[Site]:
        sites = []
        for number, relation in enumerate(parse.relations):
            if not relation.name or (relation.verb >= 0 and parse.tokens[relation.verb].lemma not in self._verbs):
                continue
            choices, cumulative = self._choices(relation.name, self._lexicon.relation(relation.name))
            if choices:
                sites.append(
                    Site(relation.start, relation.stop, relation.name, choices, cumulative, relation.object, number)
                )
        return sites

    def _splices(self, parse: Parse, site: Site, new: str) -> tuple[Splice, ...]:
        fits = self._fits.get(new)
        if fits is not None and not suits(fits, parse.phrases[site.phrase]):
            return ()
        return (Splice(site.start, site.stop, new),)


class ReplaceAction(_Replace):
    """Another thing to do that fits the same subject and object: "a man pushing a bike" -> "a man riding a bike".

    Keeps the verb's form. Transitive senses stand in for verbs with an object, intransitive ones for verbs
    without, before the same prepositions. Passives are left alone: there the object is the subject.
    """

    role = "action"

    def _sites(self, parse: Parse) -> list[Site]:
        by_verb = {relation.verb: number for number, relation in enumerate(parse.relations) if relation.verb >= 0}
        sites: list[Site] = []
        for index, token in enumerate(parse.tokens):
            if (token.entry is None and not self._own) or parse.codes[index] not in "VG":
                continue
            number = by_verb.get(index, -1)
            if self._own:
                choices, cumulative = self._own.get(token.lemma, ((), ()))
                if choices:
                    sites.append(Site(index, index + 1, token.lemma, choices, cumulative, -1, number))
            elif token.entry is not None and not any(p.start <= index < p.stop for p in parse.phrases):
                sites += [
                    Site(index, index + 1, token.lemma, sense.replacements, sense.cumulative, -1, number)
                    for sense in token.entry.senses
                    if sense.replacements and self._fits(parse, index, number, sense)
                ]
        return sites

    def _fits(self, parse: Parse, index: int, number: int, sense: Entry) -> bool:
        if self._classes and not self._covers(sense):
            return False
        if number < 0:
            before = [phrase for phrase in parse.phrases if phrase.stop <= index]
            subject = before[-1].entry if before else None
            has_object = parse.codes[index + 1 : index + 2] in ("D", "O")
        else:
            relation = parse.relations[number]
            subject = parse.phrases[relation.subject].entry
            has_object = relation.kind == "verb"
            if has_object and not sense.suits(parse.phrases[relation.object].entry):
                return False
        if not sense.suits_subject(subject) or sense.frame == ("intransitive" if has_object else "transitive"):
            return False
        following = parse.tokens[index + 1] if index + 1 < len(parse.tokens) else None
        return has_object or following is None or following.code in ".," or sense.takes(following.lower)

    def _splices(self, parse: Parse, site: Site, new: str) -> tuple[Splice, ...]:
        text = verb_form(self._lexicon, new, parse.tokens[site.start].tag)
        return () if text is None else (Splice(site.start, site.stop, text),)
