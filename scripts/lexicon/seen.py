"""How often captions use a lemma, by part of speech, and how words are weighed by it."""

from __future__ import annotations

from collections import defaultdict
from math import sqrt
from typing import Any

from inflect import Inflector

FEWEST_SEEN = 2  # a word that captions hardly know would give the negative away
TAG_KIND = {"NN": "n", "NNS": "n", "VB": "v", "VBZ": "v", "VBG": "v", "VBD": "v", "VBN": "v", "JJ": "a"}


class Seen:
    """How often captions use a lemma, by part of speech."""

    def __init__(self, statistics: dict[str, Any], inflector: Inflector) -> None:
        self._words: int = statistics["words"]
        self.forms: dict[str, int] = statistics["forms"]
        self.units: dict[str, int] = statistics["units"]
        self.company: dict[str, dict[str, list[int]]] = statistics["company"]
        self.nouns: dict[str, int] = defaultdict(int)
        self.verbs: dict[str, int] = defaultdict(int)
        for tag, forms in statistics["tagged"].items():
            for form, n in forms.items():
                if TAG_KIND[tag] == "n":
                    self.nouns[inflector.lemma(form, tag)] += n
                elif TAG_KIND[tag] == "v":
                    self.verbs[inflector.lemma(form, tag)] += n

    def per_million(self, n: int) -> int:
        return round(n * 1_000_000 / self._words)


def weight(frequency: int) -> int:
    """Square-root sampling: common words more often, but not only those."""
    return max(1, round(sqrt(frequency)))
