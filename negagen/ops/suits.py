"""Whether a word can be said of a thing: by the thing's family, class or own name."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from functools import lru_cache

from negagen.types import Phrase


def suits(names: AbstractSet[str], phrase: Phrase) -> bool:
    """Whether `names` (families, classes, nouns) is empty or holds what the phrase names."""
    if not names or phrase.lemma in names:
        return True
    return phrase.entry is not None and not names.isdisjoint(_prefixes(phrase.entry.classes))


@lru_cache(maxsize=4096)
def _prefixes(classes: tuple[str, ...]) -> frozenset[str]:
    """Every class and what it belongs to: "furniture.seat" gives "furniture.seat" and "furniture"."""
    found = set()
    for name in classes:
        while name:
            found.add(name)
            name = name.rpartition(".")[0]
    return frozenset(found)
