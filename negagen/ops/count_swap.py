"""Exchanges of counts: "two dogs and a cat" -> "a dog and two cats"."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar, Final

from negagen.closed_class import POSSESSIVES, SINGULAR_PRONOUNS
from negagen.lexicon import Lexicon
from negagen.ops.count import ReplaceCount
from negagen.realise import inner_text
from negagen.seeding import Stream
from negagen.types import Candidate, Needs, Parse

if TYPE_CHECKING:
    from negagen.ruleset import Rule

_MOST: Final = 6
# What is said of several together would have to be said of one, and the reverse.
_TOGETHER: Final = frozenset("other others another each both together same apart different them they".split())


class SwapCounts:
    """Each of two things gets the other's number, in which an article counts as "one".

    For exact numbers up to six, where `ReplaceCount` may change either of them (`target.families`, `target.words`), and
    not both are one, if no other phrase names the thing of which there are to be more. No word comes in or goes out but
    for the forms of nouns and verbs.
    """

    needs: ClassVar[Needs] = Needs.NOTHING

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._counts = ReplaceCount(rule, lexicon)

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        if "C" not in parse.codes or not _TOGETHER.isdisjoint(parse.words):
            return
        if not POSSESSIVES.isdisjoint(parse.words) or not SINGULAR_PRONOUNS.isdisjoint(parse.words):
            return
        found = []
        for number, phrase in enumerate(parse.phrases):
            counted = self._counts.counted(parse, number)
            if counted is not None and counted[1].value is not None and counted[1].value <= _MOST:
                found.append((number, phrase, *counted))
        pairs = [(a, b) for a, b in combinations(found, 2) if a[3].low != b[3].low and a[1].lemma != b[1].lemma]
        for (left, _, i, one), (right, _, j, two) in stream.shuffled(pairs):
            larger = left if one.low < two.low else right
            if self._counts.shares_one(parse, larger, but=right if larger == left else left):
                continue
            if self._named_again(parse, larger):
                continue
            agrees, put = not self._joined(parse, left, right), self._counts.respelt
            first = put(parse, left, i, self._text(parse, j, i), plural=two.plural, agrees=agrees)
            second = put(parse, right, j, self._text(parse, i, j), plural=one.plural, agrees=agrees)
            if first and second:
                splices = tuple(sorted((*first, *second), key=lambda splice: splice.start))
                yield Candidate(splices, "swap", "count", one.word, two.word, (left, right))

    def _named_again(self, parse: Parse, number: int) -> bool:
        """Whether another phrase may name the same kind of thing: of "a cup and a red cup", two are there already."""
        phrase = parse.phrases[number]
        alike = phrase.entry.excluded if phrase.entry is not None else frozenset[str]()
        return any(
            other.lemma == phrase.lemma or other.lemma in alike
            for place, other in enumerate(parse.phrases)
            if place != number
        )

    def _joined(self, parse: Parse, left: int, right: int) -> bool:
        """Whether the two are conjuncts, who have one verb between them."""
        return any(r.kind == "coordination" and {r.subject, r.object} == {left, right} for r in parse.relations)

    def _text(self, parse: Parse, source: int, place: int) -> str:
        """What counts at token `source`, as it stands before what follows token `place`."""
        if parse.tokens[source].article:
            return self._lexicon.article(parse.tokens[place + 1].lower)
        return inner_text(parse, source, source + 1)
