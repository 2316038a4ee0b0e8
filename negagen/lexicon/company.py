"""Which things captions name beside which words: what is at home on a tennis court, and what a zebra never does.

A class says that a field and a pool exclude one another; only usage says that nobody swims in a field.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

from negagen.errors import ResourceError

FILE_NAME: Final = "company.json"
FORMAT: Final = 1
_BY_CHANCE: Final = 8.0
_LIKE_OLD: Final = 4.0
"""How many captions must be expected to name two things together before it means anything that hardly any does."""
_HARDLY: Final = 0.1
_SEEN: Final = 5


class Beside(NamedTuple):
    """A word and what it stands beside: in how many captions it is, and in how many of these each noun."""

    captions: int
    nouns: Mapping[str, int]


class Company:
    """Counts of captions by word and by noun lemma; immutable."""

    def __init__(self, captions: int, nouns: Mapping[str, int], words: Mapping[str, Beside]) -> None:
        self._captions = captions
        self._nouns = nouns
        self.words = words

    def shuns(self, word: Beside, old: str, new: str) -> bool:
        """Whether captions with the word hardly ever name the noun `new`, though one would expect that they do.

        Expected is what chance would bring together; where the word goes with the noun `old`, as much as if it went
        with `new` like that. A word or noun too rare to expect anything of says nothing.
        """
        common = self._nouns.get(new, 0)
        if not common:
            return False
        seen, with_old = word.nouns.get(new, 0), word.nouns.get(old, 0)
        like_old = with_old * common / self._nouns[old] if with_old >= _SEEN else 0.0
        return _hardly(seen, word.captions * common / self._captions, like_old)

    def avoids(self, old: str, new: str, noun: str) -> bool:
        """The same of an attribute: whether captions hardly ever say `new` beside the noun, against expectation."""
        word, common = self.words.get(new), self._nouns.get(noun, 0)
        if word is None or not common:
            return False
        before = self.words.get(old)
        with_old = before.nouns.get(noun, 0) if before is not None else 0
        like_old = with_old * word.captions / before.captions if before is not None and with_old >= _SEEN else 0.0
        return _hardly(word.nouns.get(noun, 0), word.captions * common / self._captions, like_old)


def _hardly(seen: int, by_chance: float, like_old: float) -> bool:
    expected = max(by_chance, like_old)
    return (by_chance >= _BY_CHANCE or like_old >= _LIKE_OLD) and seen <= _HARDLY * expected


@cache
def load_company() -> Company:
    """The counts of the installed package. Raises `ResourceError` when the file is missing or damaged."""
    path = files("negagen.lexicon") / FILE_NAME
    try:
        document = json.loads(path.read_bytes())
        if document.get("format") != FORMAT:
            raise ResourceError(f"{path}: expected format {FORMAT}, found {document.get('format')}; reinstall negagen")
        names: list[str] = document["nouns"]
        words = {
            word: Beside(captions, {names[i]: n for i, n in zip(places, counts, strict=True)})
            for word, (captions, places, counts) in document["words"].items()
        }
        return Company(document["captions"], dict(zip(names, document["counts"], strict=True)), words)
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise ResourceError(f"{path}: not a file of company counts ({error!r}); reinstall negagen") from error
