"""Exchanges: two things, two whole phrases, or the attributes of two things."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from negagen.closed_class import POSSESSIVES
from negagen.lexicon import Entry, Lexicon
from negagen.ops.attributes import is_bound
from negagen.ops.context import accepts, does
from negagen.ops.pronouns import pronoun_splices
from negagen.realise import agreement, inner_text, noun_form
from negagen.seeding import Stream
from negagen.types import Candidate, Needs, Parse, Phrase, Relation, Splice

if TYPE_CHECKING:
    from negagen.ruleset import Rule


class SwapObjects:
    """Exchanges the heads of two related phrases: "a dog chasing a cat" -> "a cat chasing a dog".

    Each head takes the number of its new place ("two dogs and a cat" -> "two cats and a dog"); attributes stay
    where they are. Which pairs are exchanged is fixed by the relation between them (`target.relations`) and
    by their families: both animate, or both things of one family in `target.families`.
    """

    role = "object"
    needs: ClassVar[Needs] = Needs.RELATIONS

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._kinds = frozenset(rule.target.relations)
        self._families = frozenset(rule.target.families)
        self._prepositions = frozenset(rule.target.words)
        self._across = frozenset(rule.target.across)
        self._except = frozenset(rule.unless.words)

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        phrases = parse.phrases
        pairs = []
        for number, relation in enumerate(parse.relations):
            if relation.kind not in self._kinds:
                continue
            p, q = phrases[relation.subject], phrases[relation.object]
            # The cheapest test first: most pairs are of different families.
            alike = p.family == q.family or (p.animate and q.animate)
            if (alike or relation.name in self._across) and self._exchangeable(parse, relation):
                pairs.append((relation.subject, relation.object, number))
        for left, right, number in stream.shuffled(pairs) if len(pairs) > 1 else pairs:
            splices = self._splices(parse, left, right)
            if splices:
                p, q = parse.phrases[left], parse.phrases[right]
                yield Candidate(splices, "swap", self.role, p.lemma, q.lemma, (left, right), number)

    def _exchangeable(self, parse: Parse, relation: Relation) -> bool:
        left, right = relation.subject, relation.object
        p, q = parse.phrases[left], parse.phrases[right]
        if relation.name in self._except:
            return False
        if not POSSESSIVES.isdisjoint(parse.words) or not (_stands_alone(p) and _stands_alone(q)):
            return False
        if relation.verb >= 0 and parse.tokens[relation.verb].lemma in self._except:
            return False
        if p.entry is None or q.entry is None or parse.tokens[p.head].code != "N" or parse.tokens[q.head].code != "N":
            return False
        if "S" in parse.codes[p.start : p.stop + 1] or "S" in parse.codes[q.start : q.stop + 1]:
            return False
        # "a slice of cake", but not "on top of a cake".
        beside = (p.start - 1, q.start - 1, p.stop, q.stop)
        of = [i for i in beside if 0 <= i < len(parse.tokens) and parse.tokens[i].lower == "of"]
        if any(parse.codes[i] == "I" for i in of):
            return False
        fits = accepts if self.role == "object" else does
        if not (fits(parse, left, q.entry) and fits(parse, right, p.entry)):
            return False
        if p.animate and q.animate:
            return relation.verb < 0 or relation.object == left + 1
        if relation.kind != "coordination" and relation.name not in self._prepositions:
            return False
        # "holding an umbrella in front of a house": what the preposition belongs to is not the thing before it.
        governed = relation.kind != "coordination" and any(
            other.object == left and other.kind != "coordination" for other in parse.relations
        )
        if governed or p.family not in self._families or q.family not in self._families:
            return False
        return p.family == q.family or (relation.verb < 0 and relation.name in self._across and _faces(relation, p, q))

    def _splices(self, parse: Parse, left: int, right: int) -> tuple[Splice, ...]:
        p, q = parse.phrases[left], parse.phrases[right]
        to_left, to_right = self._form(parse, q, p), self._form(parse, p, q)
        if to_left is None or to_right is None:
            return ()
        splices = [Splice(p.unit, p.stop, to_left), Splice(q.unit, q.stop, to_right)]
        return _with_pronouns(parse, left, right, splices)

    def _form(self, parse: Parse, moved: Phrase, place: Phrase) -> str | None:
        """The moved unit in the number of its new place; as it stands where the numbers agree."""
        if moved.plural == place.plural:
            entry, resident = moved.entry, place.entry
            if entry is None or resident is None or (entry.countable != resident.countable and not moved.plural):
                return None
            return inner_text(parse, moved.unit, moved.stop)
        if moved.compound or (not place.plural and place.determiner < 0 and place.quantity < 0):
            return None
        form = noun_form(self._lexicon, moved.lemma, plural=place.plural)
        return form if form is not None and self._lexicon.frequency(form.rpartition(" ")[2]) else None


def _faces(relation: Relation, p: Phrase, q: Phrase) -> bool:
    """Whether the two may stand one behind the other either way, and do not both stand before one another.

    A man in front of a laptop has it in front of him.
    """
    if any(phrase.entry is None or phrase.entry.scene for phrase in (p, q)):
        return False
    return relation.name == "behind" or not (p.animate or q.animate)


class SwapPhrases(SwapObjects):
    """Exchanges two whole phrases with all that stands in them, and lets the verb agree with its new subject."""

    role = "phrase"

    def _splices(self, parse: Parse, left: int, right: int) -> tuple[Splice, ...]:
        p, q = parse.phrases[left], parse.phrases[right]
        verb: list[Splice] = []
        for place, moved in ((left, q), (right, p)):
            change = agreement(self._lexicon, parse, place, plural=moved.plural)
            if change is None:
                return ()
            verb += change
        splices = [
            Splice(p.start, p.stop, inner_text(parse, q.start, q.stop)),
            Splice(q.start, q.stop, inner_text(parse, p.start, p.stop)),
            *verb,
        ]
        return _with_pronouns(parse, left, right, splices)


def _stands_alone(phrase: Phrase) -> bool:
    """Whether the phrase may stand anywhere: a singular count noun needs a determiner or a number."""
    if phrase.determiner >= 0 or phrase.quantity >= 0 or phrase.plural:
        return True
    return phrase.entry is not None and phrase.entry.mass


def _with_pronouns(parse: Parse, left: int, right: int, splices: list[Splice]) -> tuple[Splice, ...]:
    """`splices` in order; empty where a pronoun of the caption may refer to either of the two."""
    for place in (left, right):
        found = pronoun_splices(parse, parse.phrases[place].lemma)
        if found is None or found:
            return ()
    return tuple(sorted(splices, key=lambda splice: splice.start))


class SwapAttributes:
    """Exchanges attributes of one class between two phrases: "a red car and a blue bus" -> "a blue car and a red bus".

    Attributes of different classes are left alone, since a small wooden table and a large vase may well be a large
    wooden table as well; but for those of `target.classes`, of which a thing has one that is named: colour or material.
    """

    role = "attribute"
    needs: ClassVar[Needs] = Needs.ATTRIBUTES

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._except = frozenset(rule.unless.words)
        self._mixed = frozenset(rule.target.classes)

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        found = [
            (number, index, *self._attribute(parse, index))
            for number, phrase in enumerate(parse.phrases)
            for index in phrase.attributes
            if not is_bound(parse, index)
        ]
        pairs = [
            (first, second)
            for i, first in enumerate(found)
            for second in found[i + 1 :]
            if first[0] != second[0] and self._exchangeable(parse, first, second)
        ]
        for (left, i, stop_i, word_i), (right, j, stop_j, word_j) in stream.shuffled(pairs):
            splices = (
                Splice(i, stop_i, inner_text(parse, j, stop_j)),
                Splice(j, stop_j, inner_text(parse, i, stop_i)),
            )
            yield Candidate(splices, "swap", self.role, word_i, word_j, (left, right))

    def _attribute(self, parse: Parse, index: int) -> tuple[int, str]:
        unit = parse.units.get(index)
        return (unit[0], unit[1].lemma) if unit is not None else (index + 1, parse.tokens[index].lower)

    def _exchangeable(self, parse: Parse, first: tuple[int, int, int, str], second: tuple[int, int, int, str]) -> bool:
        a, b = self._lexicon.attribute(first[3]), self._lexicon.attribute(second[3])
        if a is None or b is None or b.lemma in a.excluded or a.lemma in b.excluded:
            return False
        if first[3] in self._except or second[3] in self._except:
            return False
        for (number, _, _, _), (_, _, _, word) in ((first, second), (second, first)):
            if any(parse.tokens[index].lower == word for index in parse.phrases[number].attributes):
                return False
        p, q = parse.phrases[first[0]].entry, parse.phrases[second[0]].entry
        moved = {sense.classes for sense in a.senses if sense.replacements and sense.suits(p) and sense.suits(q)}
        to = {sense.classes for sense in b.senses if sense.replacements and sense.suits(p) and sense.suits(q)}
        if not moved.isdisjoint(to):
            return True
        one, other = (_families(entry, p) & _families(entry, q) & self._mixed for entry in (a, b))
        return bool(one and other) and one.isdisjoint(other)


def _families(attribute: Entry, noun: Entry | None) -> frozenset[str]:
    """What the attribute may tell of the noun: "colour", "material"."""
    return frozenset(
        name.partition(".")[0]
        for sense in attribute.senses
        if sense.replacements and sense.suits(noun)
        for name in sense.classes
    )
