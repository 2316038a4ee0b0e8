"""The shuffles of ARO (Yuksekgonul et al., arXiv 2210.01936): word order destroyed, for diagnostics.

No picture is needed to spot them; they are off by default and no training set should hold them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from negagen.lexicon import Lexicon
from negagen.realise import inner_text
from negagen.seeding import Stream
from negagen.types import Candidate, Needs, Parse, Splice

if TYPE_CHECKING:
    from negagen.ruleset import Rule

_TRIES = 4
_CLASSES = {"nouns_and_adjectives": "NMuJj", "all_but_nouns_and_adjectives": "DSCcOVBXGETIiARWF"}


def _movable(parse: Parse) -> list[int]:
    return [index for index, token in enumerate(parse.tokens) if token.text[0].isalnum()]


def _candidate(parse: Parse, places: list[int], order: list[int], role: str) -> Candidate | None:
    splices = tuple(
        Splice(place, place + 1, inner_text(parse, source, source + 1))
        for place, source in zip(places, order, strict=True)
        if parse.tokens[place].lower != parse.tokens[source].lower
    )
    return Candidate(splices, "shuffle", role, "", "", ()) if splices else None


class ShuffleNgrams:
    """Shuffles whole trigrams (`words = "order"`), or the words within each (`words = "within"`)."""

    needs: ClassVar[Needs] = Needs.NOTHING

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._within = "within" in rule.target.words

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        places = _movable(parse)
        chunks = [places[i : i + 3] for i in range(0, len(places), 3)]
        for _ in range(_TRIES):
            mixed = [stream.shuffled(chunk) for chunk in chunks] if self._within else stream.shuffled(chunks)
            candidate = _candidate(parse, places, [index for chunk in mixed for index in chunk], "ngram")
            if candidate is not None:
                yield candidate


class ShuffleWithinClass:
    """Shuffles the nouns and adjectives among themselves, or all other words (`target.classes`)."""

    needs: ClassVar[Needs] = Needs.NOTHING

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._codes = "".join(_CLASSES[name] for name in rule.target.classes or tuple(_CLASSES)[:1])

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        places = [index for index in _movable(parse) if parse.codes[index] in self._codes]
        for _ in range(_TRIES):
            candidate = _candidate(parse, places, stream.shuffled(places), "class")
            if candidate is not None:
                yield candidate
