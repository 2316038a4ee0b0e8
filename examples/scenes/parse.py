"""Caption, or what negagen made of one -> its meaning, by a closed grammar.

    caption  := ["there" be | "a picture of"] part {("," | "and" | ", and") part}
    part     := phrase [be] ["not"] [relation phrase]
    phrase   := (number | "no") {look | look "and" look} noun

A part without relation that stands before parts with one is a further subject of it ("a cup and a bowl on a table").
Words that name nothing of this world are understood as names of things that no picture shows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from examples.scenes.vocabulary import (
    COLOUR_SYNONYMS,
    COLOURS,
    FOREIGN_LOOKS,
    MATERIAL_SYNONYMS,
    MATERIALS,
    NOUN_SYNONYMS,
    NOUNS,
    NUMBERS,
    PATTERN_SYNONYMS,
    PATTERNS,
    SIZE_SYNONYMS,
    SIZES,
)

__all__ = ["Meaning", "Part", "Phrase", "parse_caption"]


@dataclass(frozen=True, slots=True)
class Phrase:
    """At least `count` things of this noun with all these looks; count 0: none. `known`: the world has such things."""

    count: int
    looks: frozenset[str]
    noun: str
    known: bool


@dataclass(frozen=True, slots=True)
class Part:
    """`subject` stands in `relation` to `object`, or, without a relation, is there; `denied`: it is not so."""

    subject: Phrase
    relation: str | None = None
    object: Phrase | None = None
    denied: bool = False


@dataclass(frozen=True, slots=True)
class Meaning:
    """A caption says that all its parts are so."""

    parts: tuple[Part, ...]

    @property
    def known(self) -> bool:
        """Whether every thing named is one that some picture shows."""
        return all(part.subject.known and (part.object is None or part.object.known) for part in self.parts)


RELATION_WORDS: Final[dict[str, str]] = {
    "on": "on", "on top of": "on", "atop": "on", "upon": "on",
    "under": "under", "beneath": "under", "underneath": "under", "below": "below",
    "above": "above", "over": "above",
    "in": "in", "inside": "in", "inside of": "in", "within": "in",
    "outside": "outside", "outside of": "outside",
    "behind": "behind", "in front of": "in front of",
    "to the left of": "left of", "on the left of": "left of", "left of": "left of",
    "to the right of": "right of", "on the right of": "right of", "right of": "right of",
    "next to": "next to", "beside": "next to", "alongside": "next to", "close to": "near", "near": "near",
    "far from": "far from", "far away from": "far from", "away from": "far from",
}  # fmt: skip
LOOKS: Final[dict[str, str]] = {
    **{word: word for word in (*COLOURS, *SIZES, *MATERIALS, *PATTERNS, *FOREIGN_LOOKS)},
    **COLOUR_SYNONYMS, **SIZE_SYNONYMS, **MATERIAL_SYNONYMS, **PATTERN_SYNONYMS,
}  # fmt: skip
SINGULAR: Final[dict[str, str]] = {
    **{name: name for name in NOUNS},
    **{noun.many: name for name, noun in NOUNS.items()},
    **NOUN_SYNONYMS,
}
OPENING: Final = re.compile(r"^(?:there (?:is|are)|an? (?:picture|photo|image|photograph) of)\s+")
TOKEN: Final = re.compile(r"[a-z][a-z'-]*|[0-9]+|,")
BE: Final = frozenset({"is", "are"})
LONGEST: Final = max(len(name.split()) for name in RELATION_WORDS)


def parse_caption(text: str) -> Meaning | None:
    """The meaning, or None where the text is not of this grammar. Case and the last full stop do not matter."""
    plain = text.strip().rstrip(".").lower()
    plain = OPENING.sub("", plain)
    words = TOKEN.findall(plain)
    if " ".join(words).replace(" ,", ",") != " ".join(plain.split()):
        return None
    reader = _Reader(words)
    parts: list[Part] = []
    while True:
        part = reader.part()
        if part is None:
            return None
        parts.append(part)
        if reader.done:
            return Meaning(tuple(_shared(parts)))
        if not reader.joined():
            return None


def _shared(parts: list[Part]) -> list[Part]:
    """Leading bare phrases take the relation of the first part that has one."""
    first = next((index for index, part in enumerate(parts) if part.relation is not None), None)
    if first is None:
        return parts
    return [replace(parts[first], subject=part.subject) if index < first else part for index, part in enumerate(parts)]


class _Reader:
    """Words from left to right."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.at = 0

    @property
    def done(self) -> bool:
        return self.at >= len(self.words)

    def _next(self, ahead: int = 0) -> str:
        return self.words[self.at + ahead] if self.at + ahead < len(self.words) else ""

    def joined(self) -> bool:
        """Reads what stands between parts; whether there was anything."""
        start = self.at
        if self._next() == ",":
            self.at += 1
        if self._next() == "and":
            self.at += 1
        return self.at > start and not self.done

    def part(self) -> Part | None:
        denied = self._word("not")
        subject = self.phrase()
        if subject is None:
            return None
        self._be()
        denied = self._word("not") or denied
        relation = self.relation()
        if relation is None:
            return Part(subject, denied=denied)
        second = self.phrase()
        return None if second is None else Part(subject, relation, second, denied)

    def _word(self, word: str) -> bool:
        if self._next() != word:
            return False
        self.at += 1
        return True

    def _be(self) -> None:
        if self._next() in BE:
            self.at += 1

    def relation(self) -> str | None:
        for length in range(LONGEST, 0, -1):
            name = RELATION_WORDS.get(" ".join(self.words[self.at : self.at + length]))
            if name is not None:
                self.at += length
                return name
        return None

    def phrase(self) -> Phrase | None:
        count = 1
        if self._next() == "no":
            count, self.at = 0, self.at + 1
        elif self._next().isdigit():
            count, self.at = int(self._next()), self.at + 1
        elif self._next() == "a" and self._next(1) in {"couple", "pair"} and self._next(2) == "of":
            count, self.at = 2, self.at + 3
        elif self._next() in NUMBERS:
            count, self.at = NUMBERS[self._next()], self.at + 1
        else:
            return None
        looks: set[str] = set()
        while True:
            if self._next() in LOOKS:
                looks.add(LOOKS[self._next()])
                self.at += 1
            elif looks and self._next() == "and" and self._next(1) in LOOKS:
                self.at += 1
            else:
                break
        return self._noun(count, frozenset(looks))

    def _noun(self, count: int, looks: frozenset[str]) -> Phrase | None:
        """A noun of one to three words, up to what cannot be in one."""
        start = self.at
        while not self.done and self.at - start < 4 and not self._ends():
            self.at += 1
        name = " ".join(self.words[start : self.at])
        last = self.words[start - 1]
        if not name and last in {"orange", "glass"} and last in looks:
            return Phrase(count, looks - {last}, last, False)  # the fruit, and what one drinks from
        if not name or (not self.done and not self._ends()):
            return None
        known = name in SINGULAR
        return Phrase(count, looks, SINGULAR.get(name, name), known)

    def _ends(self) -> bool:
        word = self._next()
        if word in BE or word in NUMBERS or word in {",", "and", "not", "no", "with", "without"}:
            return True
        here, self.at = self.at, self.at
        found = self.relation() is not None
        self.at = here
        return found
