"""Denials that are true: "a bench in a park" -> "a bench in a park with no horses"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Final

from negagen.lexicon import Lexicon
from negagen.realise import noun_form
from negagen.seeding import Stream
from negagen.types import Candidate, Needs, Parse, Splice

if TYPE_CHECKING:
    from negagen.ruleset import Rule

_ROUNDS: Final = 4


class DenyAbsent:
    """Says of the place that ends a caption that a thing of `target.words` is not there.

    Those are things that nobody would leave unnamed. None is taken that the caption names a relative or the usual
    company of, nor one of a family that it names; where it speaks of a room, no furniture is missed, and on a road no
    vehicle. `target.families` are those of places, `words` the families that each family rules out.
    """

    needs: ClassVar[Needs] = Needs.NOTHING

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._places = frozenset(rule.target.families)
        self._rules_out = {family: frozenset(others) for family, others in rule.words.items()}
        self._things = [entry for word in rule.target.words if (entry := lexicon.noun(word)) is not None]

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        phrases, codes = parse.phrases, parse.codes
        if not phrases or phrases[-1].family not in self._places or codes[phrases[-1].stop :] not in ("", "."):
            return
        last = len(phrases) - 1
        if codes[phrases[-1].head] != "N" or "with" in parse.words or "W" in codes or "K" in codes:
            return
        out: set[str] = set()
        for phrase in phrases:
            out.add(phrase.family)
            out |= self._rules_out.get(phrase.family, frozenset())
        for _ in range(_ROUNDS):
            thing = self._things[stream.below(len(self._things))]
            if thing.classes[0].partition(".")[0] in out:
                continue
            plural, denied = stream.below(2) == 0, stream.below(2) == 0
            form = noun_form(self._lexicon, thing.lemma, plural=plural)
            if form is None:
                continue
            without = f"without {form}" if plural else f"without {self._lexicon.article(form)} {form}"
            stop = phrases[-1].stop
            text = f"with no {form}" if denied else without
            yield Candidate((Splice(stop, stop, text),), "paraphrase", "absence", "", thing.lemma, (last,))
            return
