"""Additions: a second attribute, or a second thing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from negagen.closed_class import SINGULAR_PRONOUNS
from negagen.lexicon import Entry, Lexicon
from negagen.lexicon.selection import load_selection
from negagen.ops.context import is_idiomatic
from negagen.realise import noun_form
from negagen.seeding import Stream
from negagen.types import Candidate, Needs, Parse, Phrase, Splice

if TYPE_CHECKING:
    from negagen.ruleset import Rule

_ROUNDS = 4


def _weighted(stream: Stream, entry: Entry) -> str:
    return entry.replacements[stream.weighted(entry.cumulative)]


class AddAttribute:
    """A second attribute of the class of one that stands: "a red bus" -> "a red and yellow bus".

    What the caption gives one colour has, as a rule, not two; an attribute of another class might hold unseen. Only
    words of `target.words` are added (nearly everything has some black or white in it), and things of
    `unless.families` are left alone: skies and birds do have two colours.
    """

    needs: ClassVar[Needs] = Needs.ATTRIBUTES

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._classes = frozenset(rule.target.classes)
        self._words = frozenset(rule.target.words)
        self._families = frozenset(rule.unless.families)

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        sites = [
            (number, phrase.attributes[0], sense)
            for number, phrase in enumerate(parse.phrases)
            if len(phrase.attributes) == 1 and (sense := self._sense(parse, phrase)) is not None
        ]
        tried: set[tuple[int, str]] = set()
        for _ in range(_ROUNDS):
            for number, index, sense in stream.shuffled(sites):
                new = _weighted(stream, sense)
                if (index, new) not in tried and new in self._words:
                    tried.add((index, new))
                    splice = Splice(index + 1, index + 1, f"and {new}")
                    yield Candidate((splice,), "add", "attribute", sense.lemma, new, (number,))

    def _sense(self, parse: Parse, phrase: Phrase) -> Entry | None:
        index = phrase.attributes[0]
        entry = parse.tokens[index].attribute
        adjective = parse.codes[index] == "J" and index not in parse.units and parse.codes[index + 1] in "Nu"
        if entry is None or not adjective or phrase.family in self._families or parse.codes[index - 1 : index] == "R":
            return None
        sense = entry.attribute_sense(phrase.entry)
        return sense if sense is not None and sense.replacements and self._classes & set(sense.classes) else None


class AddObject:
    """A second thing of the same class beside one that stands: "a cat on a couch" -> "a cat and a dog on a couch".

    Only where no verb has to agree, so not after the subject of a finite verb, and only at the caption's start or
    after one of `target.words`: who sits on a bench does not sit on a bench and a chair.
    """

    needs: ClassVar[Needs] = Needs.NOTHING

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._families = frozenset(rule.target.families)
        self._after = frozenset(rule.target.words)
        self._selection = load_selection()

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        if not SINGULAR_PRONOUNS.isdisjoint(parse.words):
            return
        sites: list[tuple[int, Entry]] = []
        for number, phrase in enumerate(parse.phrases):
            entry = phrase.entry
            if entry is None or not entry.replacements or number in parse.finite or phrase.family not in self._families:
                continue
            if phrase.start and not self._follows(parse, phrase.start):
                continue
            follower = parse.tokens[phrase.stop].lower if phrase.stop < len(parse.tokens) else ""
            if follower == "with" or parse.codes[phrase.stop : phrase.stop + 1] == "E":
                continue  # what it is with, or filled with, is said of it alone
            after = parse.codes[phrase.stop : phrase.stop + 1]
            before = parse.codes[phrase.start - 1 : phrase.start] if phrase.start else ""
            conjunct = after in ("A", ",", "S", "H") or before in ("A", ",", "H")
            counted = phrase.quantity >= 0 or parse.tokens[min(phrase.stop, len(parse.tokens) - 1)].lower == "of"
            if not conjunct and not counted and parse.tokens[phrase.head].code == "N":
                sites.append((number, entry))
        tried: set[tuple[int, str]] = set()
        for _ in range(_ROUNDS):
            for number, entry in stream.shuffled(sites):
                new = _weighted(stream, entry)
                if (number, new) in tried:
                    continue
                tried.add((number, new))
                text = self._conjunct(parse, number, new)
                if text:
                    stop = parse.phrases[number].stop
                    yield Candidate((Splice(stop, stop, f"and {text}"),), "add", "object", entry.lemma, new, (number,))

    def _follows(self, parse: Parse, start: int) -> bool:
        token = parse.tokens[start - 1]
        if token.lower == "with" and any(r.verb >= 0 and parse.phrases[r.object].stop < start for r in parse.relations):
            return False  # an instrument: one hits a ball with one thing
        return token.lemma in self._after or token.lower in self._after

    def _conjunct(self, parse: Parse, number: int, new: str) -> str:
        """The new thing in the phrase's number, with an article if the phrase has one; "" if it has no form."""
        phrase = parse.phrases[number]
        form = noun_form(self._lexicon, new, plural=phrase.plural)
        entry = self._lexicon.noun(new)
        if form is None or entry is None or phrase.entry is None:
            return ""
        if not is_idiomatic(self._selection, parse, number, entry):
            return ""
        if phrase.plural:
            return form
        if phrase.determiner < 0:
            return form if entry.mass and phrase.entry.mass else ""
        return f"{self._lexicon.article(form)} {form}" if entry.countable else ""
