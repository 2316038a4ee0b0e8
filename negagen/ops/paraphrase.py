"""Rewording that keeps a caption true: conjuncts in the other order, and a relation told from its other side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Final

from negagen.closed_class import POSSESSIVES
from negagen.lexicon import Lexicon
from negagen.realise import agreement, inner_text
from negagen.seeding import Stream
from negagen.types import Candidate, Needs, Parse, Phrase, Relation, Splice

if TYPE_CHECKING:
    from negagen.ruleset import Rule

_GOVERNORS: Final = frozenset(["with", "between", "hold", "wear", "eat", "carry", "have", "contain", "include", "of"])


class ReorderConjuncts:
    """Two conjuncts change places with all that belongs to them: "a dog and two cats" -> "two cats and a dog".

    Only where what stands before and after is said of both: at the caption's start, or after a word of `_GOVERNORS`
    between things of one family, with nothing but a verb, a place or the caption's end behind. Words of `unless.words`
    have a fixed order ("salt and pepper").
    """

    needs: ClassVar[Needs] = Needs.RELATIONS
    cues: ClassVar[frozenset[str]] = frozenset(["and"])

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._except = frozenset(rule.unless.words)
        self._places = frozenset(rule.target.words)

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        if not POSSESSIVES.isdisjoint(parse.words):
            return
        numbers = [n for n, relation in enumerate(parse.relations) if relation.kind == "coordination"]
        for number in stream.shuffled(numbers):
            relation = parse.relations[number]
            p, q = parse.phrases[relation.subject], parse.phrases[relation.object]
            if self._exchangeable(parse, p, q):
                splices = (
                    Splice(p.start, p.stop, inner_text(parse, q.start, q.stop)),
                    Splice(q.start, q.stop, inner_text(parse, p.start, p.stop)),
                )
                sites = (relation.subject, relation.object)
                yield Candidate(splices, "paraphrase", "conjunct", p.lemma, q.lemma, sites, number)

    def _exchangeable(self, parse: Parse, p: Phrase, q: Phrase) -> bool:
        if q.start != p.stop + 1 or parse.tokens[p.stop].lower != "and":
            return False
        if p.lemma == q.lemma or {p.lemma, q.lemma} & self._except:
            return False
        if "S" in parse.codes[p.start : q.stop + 1] or "M" in parse.codes[p.start : q.stop + 1]:
            return False
        # "red apples and oranges", "a cup and saucer": one word may say something of both.
        marked = [phrase.determiner >= 0 or phrase.quantity >= 0 for phrase in (p, q)]
        if marked[0] != marked[1] or (not marked[0] and (p.attributes or q.attributes or p.compound or q.compound)):
            return False
        return self._introduced(parse, p, q) and self._closed(parse, q, start=p.start == 0)

    def _introduced(self, parse: Parse, p: Phrase, q: Phrase) -> bool:
        if p.start == 0:
            return True
        before = parse.tokens[p.start - 1]
        if before.lower == "between":
            return True
        if before.lemma not in _GOVERNORS or p.family != q.family or not p.family or p.animate:
            return False
        # "with a hat and a bag": not "of a hat and a bag", which may be two things of which one is of something.
        return before.lower != "of" or (p.determiner < 0 and q.determiner < 0)

    def _closed(self, parse: Parse, q: Phrase, *, start: bool) -> bool:
        after = parse.codes[q.stop : q.stop + 1]
        if after in ("", "."):
            return q.stop + 1 >= len(parse.tokens)
        if after == "I" and parse.tokens[q.stop].lower in self._places:
            return True
        return start and after in "BVG" and parse.tokens[q.stop].tag != "VBZ"


class ConverseRelation:
    """The same place told from the other side: "a cat above a dog" -> "a dog below a cat".

    For a caption that says nothing else: two phrases, one relation of `words` (its converse, or itself where it is
    symmetric), perhaps "is" between them.
    """

    needs: ClassVar[Needs] = Needs.RELATIONS

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._converses = rule.words
        self._symmetric = frozenset(rule.target.words)

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        if len(parse.phrases) != 2 or len(parse.relations) != 1:
            return
        relation = parse.relations[0]
        name = relation.name
        names = (name,) if name in self._symmetric else self._converses.get(name, ())
        if not names or not self._bare(parse, relation):
            return
        p, q = parse.phrases
        verb = agreement(self._lexicon, parse, 0, plural=q.plural)
        if verb is None or p.lemma == q.lemma:
            return
        for new in stream.shuffled(names):
            splices = [Splice(0, p.stop, inner_text(parse, q.start, q.stop)), *verb]
            if new != name:
                splices.append(Splice(relation.start, relation.stop, new))
            splices.append(Splice(q.start, q.stop, inner_text(parse, 0, p.stop)))
            yield Candidate(tuple(splices), "paraphrase", "converse", name, new, (0, 1), 0)

    def _bare(self, parse: Parse, relation: Relation) -> bool:
        p, q = parse.phrases
        ends = q.stop == len(parse.tokens) or (q.stop == len(parse.tokens) - 1 and parse.codes[q.stop] == ".")
        if p.start or not ends or relation.verb >= 0 or not POSSESSIVES.isdisjoint(parse.words):
            return False
        gap = parse.codes[p.stop : relation.start]
        whole = all(phrase.determiner >= 0 or phrase.quantity >= 0 or phrase.plural for phrase in (p, q))
        return gap in ("", "B") and relation.stop == q.start and whole
