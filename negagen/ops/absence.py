"""Denials that are true: "a bench in a park" -> "a bench in a park with no horses"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Final

from negagen.lexicon import Lexicon, family_of
from negagen.realise import noun_form
from negagen.seeding import Stream
from negagen.types import Candidate, Needs, Parse, Splice

if TYPE_CHECKING:
    from negagen.ruleset import Rule

_ROUNDS: Final = 4
_SHARE: Final = 2  # one in so many captions that allow it: as often as negatives say "no" and "without"


class DenyAbsent:
    """Says of the scene that ends a caption that a thing of `target.words` is not there.

    Those are things that nobody would leave unnamed. None is taken of a family that the caption names, or that one of
    them rules out (`words`: on a road no vehicle is missed). Scenes are what the lexicon calls one, and things of
    `target.families`. Only some of the captions get a denial, so that "no" tells nothing.
    """

    needs: ClassVar[Needs] = Needs.NOTHING

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._places = frozenset(rule.target.families)
        self._rules_out = {family: frozenset(others) for family, others in rule.words.items()}
        self._things = [entry for word in rule.target.words if (entry := lexicon.noun(word)) is not None]

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        phrases, codes = parse.phrases, parse.codes
        if not phrases or codes[phrases[-1].stop :] not in ("", ".") or stream.below(_SHARE):
            return
        scene = phrases[-1].entry
        if scene is None or not (scene.scene or phrases[-1].family in self._places):
            return
        last = len(phrases) - 1
        # "in a field", not "eating grass".
        if codes[phrases[-1].start - 1 : phrases[-1].start] not in ("I", "i"):
            return
        if codes[phrases[-1].head] != "N" or "with" in parse.words or "W" in codes or "K" in codes:
            return
        out = {phrase.family for phrase in phrases}
        out |= {family_of(token.entry) for token in parse.tokens if token.entry and token.entry.classes}
        for family in tuple(out):
            out |= self._rules_out.get(family, frozenset())
        for _ in range(_ROUNDS):
            thing = self._things[stream.below(len(self._things))]
            if family_of(thing) in out:
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
