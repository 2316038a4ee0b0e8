"""What all replacements share: where a word may go, what may go there, and the drawing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from negagen.lexicon import Entry, Lexicon
from negagen.seeding import Stream
from negagen.types import Candidate, Needs, Parse, Splice

if TYPE_CHECKING:
    from negagen.ruleset import Rule

_ROUNDS = 12

Choices = tuple[Sequence[str], Sequence[int]]
"""Words and the running sum of their weights."""

NOTHING: Choices = ((), ())


class Site(NamedTuple):
    """Where a replacement may go: tokens `[start, stop)`, the word there, and what may stand in for it.

    `phrase` and `relation` are the indices of those concerned, or -1.
    """

    start: int
    stop: int
    word: str
    choices: Sequence[str]
    cumulative: Sequence[int]
    phrase: int = -1
    relation: int = -1


class Replacement:
    """Draws replacements for site after site. Subclasses say where (`_places`, `_sites`) and how (`_splices`)."""

    role: ClassVar[str]
    needs: ClassVar[Needs] = Needs.NOTHING

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._classes = rule.target.classes
        self._senses: dict[str, tuple[Entry, ...]] = {}
        self._own = {
            word: (tuple(choices), tuple(accumulate([1] * len(choices)))) for word, choices in rule.words.items()
        }

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        """Every site once in random order, looked at only when its turn comes; then round after round."""
        tried: set[tuple[int, str]] = set()
        sites: list[Site] = []
        for place in stream.shuffled(self._places(parse)):
            for site in self._sites(parse, place):
                sites.append(site)
                candidate = self._draw(parse, site, stream, tried)
                if candidate is not None:
                    yield candidate
        possible = sum([len(site.choices) for site in sites])
        for _ in range(_ROUNDS - 1):
            if len(tried) == possible:
                return
            for site in sites:
                candidate = self._draw(parse, site, stream, tried)
                if candidate is not None:
                    yield candidate

    def _draw(self, parse: Parse, site: Site, stream: Stream, tried: set[tuple[int, str]]) -> Candidate | None:
        new = site.choices[stream.weighted(site.cumulative)]
        if (site.start, new) in tried:
            return None
        tried.add((site.start, new))
        splices = self._splices(parse, site, new)
        if not splices:
            return None
        phrases = (site.phrase,) if site.phrase >= 0 else ()
        return Candidate(splices, "replace", self.role, site.word, new, phrases, site.relation)

    def _places(self, parse: Parse) -> Sequence[Any]:
        """Where to look, cheaply found; each is handed to `_sites` in turn."""
        raise NotImplementedError

    def _sites(self, parse: Parse, place: Any) -> Sequence[Site]:
        raise NotImplementedError

    def _splices(self, parse: Parse, site: Site, new: str) -> tuple[Splice, ...]:
        """The splices that put `new` at `site`; empty when it has no form that fits there."""
        raise NotImplementedError

    def _choices(self, word: str, entry: Entry | None) -> Choices:
        """What may replace `word`: the rule's own list if it has one, else the lexicon's."""
        if self._own:
            return self._own.get(word, NOTHING)
        if entry is None or (self._classes and not self._covers(entry)):
            return NOTHING
        return self._lexicon.offers(entry)

    def _covered(self, entry: Entry) -> tuple[Entry, ...]:
        """The senses of `entry` that have replacements and are of the rule's classes."""
        senses = self._senses.get(entry.lemma)
        if senses is None:
            senses = tuple(
                sense
                for sense in entry.senses
                if self._lexicon.offers(sense)[0] and (not self._classes or self._covers(sense))
            )
            self._senses[entry.lemma] = senses
        return senses

    def _covers(self, entry: Entry) -> bool:
        return any(
            name == wanted or name.startswith(f"{wanted}.") for name in entry.classes for wanted in self._classes
        )
