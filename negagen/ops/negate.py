"""Negation: of what is done ("not wearing a hat") and of what is there ("with no hat", "without a hat")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from negagen.closed_class import NEGATIONS, POSSESSIVES
from negagen.lexicon import Lexicon
from negagen.ops.context import number_of
from negagen.realise import agreement, inner_text, verb_form
from negagen.seeding import Stream
from negagen.types import Candidate, Needs, Parse, Phrase, Splice

if TYPE_CHECKING:
    from negagen.ruleset import Rule


class NegateVerb:
    """Denies an action or state: "is not wearing", "not wearing", "does not wear"."""

    needs: ClassVar[Needs] = Needs.NOTHING

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._lexicon = lexicon

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        if not NEGATIONS.isdisjoint(parse.words):
            return
        # A verb may open an idiom ("getting ready").
        sites = [
            index for index, code in enumerate(parse.codes) if code in "BVGEX" or (code == "Z" and index in parse.units)
        ]
        for index in stream.shuffled(sites):
            splices = self._splices(parse, index)
            if splices:
                token = parse.tokens[index]
                yield Candidate(splices, "negate", "verb", token.lemma, "not", ())

    def _splices(self, parse: Parse, index: int) -> tuple[Splice, ...]:
        tokens, codes = parse.tokens, parse.codes
        token = tokens[index]
        before = codes[index - 1] if index else ""
        if "K" in codes[:index] and not (token.code == "G" and before == "K"):
            return ()  # nobody denies what goes on "as" or "while", but "while not holding"
        after = codes[index + 1 : index + 2]
        if token.code == "B":
            # "is not" only: "be" and "being" are the verb's inner parts, and "there is" wants "no".
            finite = token.lower in ("is", "are", "was", "were")
            if not finite or not before or after in ("O", "") or tokens[index - 1].lower == "there":
                return ()
            # "is not a dog", but hardly "is not a picture of a dog".
            if after == "D" and not any(p.start == index + 1 and p.entry is not None for p in parse.phrases):
                return ()
            return (Splice(index + 1, index + 1, "not"),)
        if token.tag == "MD" or (token.lower in ("has", "have", "had") and after in ("E", "B")):
            if token.lower == "can":
                return (Splice(index, index + 1, "cannot"),)
            return (Splice(index + 1, index + 1, "not"),)
        if token.code == "G":  # an idiom's first word as well
            # After a noun, not inside a phrase ("a running dog"), a chain ("is riding") or after a preposition.
            if (before not in ("N", "K") and codes[max(index - 2, 0) : index] != "N,") or _inside(parse, index):
                return ()
            return (Splice(index, index, "not"),)
        if token.code == "E":
            # "a bus parked on a street", but not "a man dressed as" with more to say before it.
            return (Splice(index, index, "not"),) if before == "N" and after in ("I", "R") else ()
        if token.tag not in ("VBZ", "VBP") or before not in ("N", "W") or token.lemma in ("appear", "seem"):
            return ()
        base = verb_form(self._lexicon, token.lemma, "VB")
        auxiliary = "does" if token.tag == "VBZ" else "do"
        return (Splice(index, index + 1, f"{auxiliary} not {base}"),) if base else ()


def _inside(parse: Parse, index: int) -> bool:
    """Whether the participle at `index` stands in a phrase ("a running dog") or says what is with another thing ("a bed
    with a dog lying on it").
    """
    if any(phrase.start <= index < phrase.stop for phrase in parse.phrases):
        return True
    last = max((n for n, phrase in enumerate(parse.phrases) if phrase.stop <= index), default=-1)
    return any(relation.object == last and relation.name == "with" for relation in parse.relations)


class NegateRelation:
    """Denies where a thing is: "a dog not on a bed". For prepositions of `target.words` straight after a noun."""

    needs: ClassVar[Needs] = Needs.RELATIONS

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._prepositions = frozenset(rule.target.words)

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        if not NEGATIONS.isdisjoint(parse.words):
            return
        sites = [
            number
            for number, relation in enumerate(parse.relations)
            if relation.kind == "preposition" and not relation.finite and relation.name in self._prepositions
        ]
        for number in stream.shuffled(sites):
            relation = parse.relations[number]
            # "a woman with a racket on a court": who is on the court is not the racket.
            governed = any(
                other.object == relation.subject and other.kind != "coordination" and other.name != "of"
                for other in parse.relations
            )
            if parse.codes[relation.start - 1] == "N" and not governed:
                splice = Splice(relation.start, relation.start, "not")
                yield Candidate((splice,), "negate", "relation", relation.name, "not", (relation.object,), number)


class NegateObject:
    """Denies a thing: "with a hat" -> "without a hat", "there is a dog" -> "there is no dog", "wearing no hat".

    Of several things that go with one the last is denied: "with a sink and no mirror".
    """

    needs: ClassVar[Needs] = Needs.NOTHING

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._verbs = frozenset(rule.target.words)

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        if not NEGATIONS.isdisjoint(parse.words):
            return
        for number in stream.shuffled(range(len(parse.phrases))):
            phrase = parse.phrases[number]
            following = parse.codes[phrase.stop : phrase.stop + 2]
            clause = following[:1] in tuple("BVWS") or following in ("G", "E", "G.", "E.")
            if parse.tokens[phrase.head].code != "N" or (clause and phrase.start):
                continue
            splice = self._splice(parse, phrase) if phrase.start else self._first(parse, phrase)
            if splice is not None:
                yield Candidate((splice,), "negate", "object", phrase.lemma, "no", (number,))

    def _first(self, parse: Parse, phrase: Phrase) -> Splice | None:
        """ "Dogs on a bed", "Several dogs on a bed" -> "No dogs on a bed"."""
        following = parse.codes[phrase.stop : phrase.stop + 1]
        if not POSSESSIVES.isdisjoint(parse.words):
            return None  # "no people with their luggage"
        if phrase.determiner >= 0 or not phrase.plural or following in ("", ",", "A", "H", "W"):
            return None
        if phrase.quantity < 0:
            return Splice(0, 1, f"no {inner_text(parse, 0, 1)}")
        quantifier = self._vague(parse, phrase)
        number = parse.phrases.index(phrase)
        agrees = agreement(self._lexicon, parse, number, plural=True) == []
        return quantifier if agrees else None

    def _splice(self, parse: Parse, phrase: Phrase) -> Splice | None:
        before = parse.tokens[phrase.start - 1]
        if before.lower == "and":
            return self._last(parse, phrase)
        possessed = before.lower == "with" and self._possessed(parse, phrase.start - 2)
        # "without glasses and a hat" denies the hat as well, or does it not?
        following = parse.codes[phrase.stop : phrase.stop + 2]
        if following[:1] in ("A", ",") and following[1:] in tuple("DCJNuA"):
            return None
        if possessed and phrase.quantity < 0:
            return Splice(phrase.start - 1, phrase.start, "without")
        existential = before.code == "B" and parse.codes[phrase.start - 2 : phrase.start - 1] == "O"
        if not possessed and not existential and before.lemma not in self._verbs:
            return None
        if phrase.quantity < 0:
            article = phrase.determiner >= 0 and parse.tokens[phrase.determiner].lower in ("a", "an", "some")
            return Splice(phrase.determiner, phrase.determiner + 1, "no") if article else None
        return self._vague(parse, phrase) if phrase.determiner < 0 else None

    def _last(self, parse: Parse, phrase: Phrase) -> Splice | None:
        """ "with a sink, a tub and no mirror": of several things the last one is denied, and it alone."""
        number = parse.phrases.index(phrase)
        while joined := [r for r in parse.relations if r.object == number and r.kind == "coordination"]:
            number = joined[0].subject
        first = parse.phrases[number].start
        if first == phrase.start or not first or parse.tokens[first - 1].lower != "with":
            return None
        if phrase.quantity >= 0 or not self._possessed(parse, first - 2):
            return None
        if phrase.determiner < 0:
            return Splice(phrase.start, phrase.start, "no")
        article = parse.tokens[phrase.determiner].lower in ("a", "an", "some")
        return Splice(phrase.determiner, phrase.determiner + 1, "no") if article else None

    def _vague(self, parse: Parse, phrase: Phrase) -> Splice | None:
        """ "no dogs" for "several dogs"; for "two dogs" it would deny more than was said."""
        unit = parse.units.get(phrase.quantity)
        number = number_of(self._lexicon, parse, phrase.quantity)
        if number is None or not number.vague:
            return None
        return Splice(phrase.quantity, unit[0] if unit else phrase.quantity + 1, "no")

    def _possessed(self, parse: Parse, index: int) -> bool:
        """Whether "with" follows a noun ("a man with a hat"), not a verb that wants it ("filled with")."""
        return index >= 0 and (parse.codes[index] == "N" or parse.codes[max(index - 1, 0) : index + 1] == "N,")
