"""Slots: the spans of a caption that a language model may be asked about, each for one kind of edit.

A slot never asks for more than what stands at one place, so that whatever a model answers can only ever become a
replacement of that place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Protocol

from negagen.closed_class import POSSESSIVES
from negagen.lexicon import Lexicon
from negagen.llm.protocol import Failure
from negagen.ops.context import number_of
from negagen.seeding import Stream
from negagen.types import Parse, Phrase

CATEGORY_OF: Final[Mapping[str, str]] = MappingProxyType(
    {
        "object": "replace_obj",
        "attribute": "replace_att",
        "relation": "replace_rel",
        "action": "replace_rel",
        "count": "replace_count",
    }
)
"""The category of a negative that replaces what has this role."""

REWORDED: Final = frozenset(["object", "attribute", "action"])
"""Roles that can be asked for another wording that leaves the caption true."""

WORDS: Final = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*(?: [^\W_]+(?:['’-][^\W_]+)*)*")
"""What a span and its replacement may consist of."""

_VERB_TAGS: Final = frozenset(["VBZ", "VBP", "VBG"])
_AUXILIARIES: Final = frozenset(["be", "have", "do"])


@dataclass(frozen=True, slots=True)
class Slot:
    """A place of `text`: characters `[start, end)`, which are tokens `[first, stop)` of its parse.

    `category` is that of the negative that a replacement makes, or "paraphrase" where one is asked for that leaves the
    caption true. `role` says what stands there: object (the head of a noun phrase, without article and attributes),
    attribute, relation (a preposition), action (a verb) or count (a number). `old` is its lemma, `phrase` and
    `relation` index the parse or are -1. `key` fixes what of the asking is drawn by lot. `image` is the picture, PNG or
    JPEG, for models that see.
    """

    text: str
    start: int
    end: int
    category: str
    role: str
    first: int
    stop: int
    old: str
    phrase: int = -1
    relation: int = -1
    key: int = 0
    image: bytes | None = None

    @property
    def span(self) -> str:
        """What stands there."""
        return self.text[self.start : self.end]

    @property
    def positive(self) -> bool:
        """Whether a replacement must leave the caption true."""
        return self.category == "paraphrase"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a model would put in a slot, as it said it: not yet checked in any way.

    `plausible` is whether it finds that a photo may well show the result; one that `echoes` repeats what it was shown.
    """

    replacement: str
    why_false: str = ""
    plausible: bool = True
    echoes: bool = False


class Filler(Protocol):
    """Proposes replacements for slots: a chat with a language model, or a masked model."""

    @property
    def name(self) -> str:
        """Stands in negatives as their generator, behind "llm:"."""
        ...

    def parameters(self) -> Mapping[str, Any]:
        """All that changes what it proposes, as JSON values: a part of the run's fingerprint."""
        ...

    def fill(self, slots: Sequence[Slot]) -> Iterator[tuple[int, Sequence[Proposal] | Failure]]:
        """Proposals a slot, as they come, in any order, each index once; no proposals where it abstains."""
        ...

    def close(self) -> None: ...


def slots_of(lexicon: Lexicon, parse: Parse, *, positive: bool = False) -> list[Slot]:
    """Every slot of a caption, in the order of places, for negatives or for rewordings that leave it true.

    What is not spelt in letters and digits ("</s>", a hidden mark of direction) is no slot.
    """
    found = [*_objects(parse), *_attributes(parse), *_actions(parse)]
    if positive:
        found = [slot for slot in found if slot.role in REWORDED]
    else:
        found += [*_relations(parse), *_counts(lexicon, parse)]
    found = [slot for slot in found if WORDS.fullmatch(" ".join(slot.span.split()))]
    found.sort(key=lambda slot: (slot.first, slot.role))
    return [_as_positive(slot) for slot in found] if positive else found


def drawn(slots: Sequence[Slot], stream: Stream, most: int) -> list[Slot]:
    """Up to `most` slots, categories taking turns in random order, in the order of their places."""
    left: dict[str, list[Slot]] = {}
    for slot in stream.shuffled(slots):
        left.setdefault(slot.category, []).append(slot)
    chosen: list[Slot] = []
    taken: set[int] = set()
    while left and len(chosen) < most:
        for category in stream.shuffled(sorted(left)):
            slot = left[category].pop()
            if not left[category]:
                del left[category]
            if slot.first not in taken and len(chosen) < most:
                taken.add(slot.first)
                chosen.append(slot)
    return sorted(chosen, key=lambda slot: slot.first)


def _slot(parse: Parse, role: str, first: int, stop: int, old: str, phrase: int = -1, relation: int = -1) -> Slot:
    start, end = parse.starts[first], parse.end(stop - 1)
    return Slot(parse.text, start, end, CATEGORY_OF[role], role, first, stop, old, phrase, relation)


def _as_positive(slot: Slot) -> Slot:
    return replace(slot, category="paraphrase")


def _objects(parse: Parse) -> Iterator[Slot]:
    """Heads of noun phrases: common nouns that neither a possessive nor a hyphen ties to something else."""
    codes = parse.codes
    for number, phrase in enumerate(parse.phrases):
        if codes[phrase.head] != "N" or "H" in codes[max(phrase.unit - 1, 0) : phrase.stop + 1]:
            continue
        if codes[phrase.stop : phrase.stop + 1] == "S" or _follows_of(parse, phrase) or _owned(parse, phrase):
            continue
        if phrase.quantity >= 0 and phrase.determiner >= 0 and not phrase.plural:
            continue  # "a four compartment tray"
        yield _slot(parse, "object", phrase.unit, phrase.stop, phrase.lemma, number)


def _attributes(parse: Parse) -> Iterator[Slot]:
    """Adjectives and participles of one word before a noun."""
    for number, phrase in enumerate(parse.phrases):
        for index in phrase.attributes:
            alone = index not in parse.units and "H" not in parse.codes[max(index - 1, 0) : index + 2]
            if alone and parse.codes[index] in "JGE" and parse.codes[index - 1 : index] != "R":
                yield _slot(parse, "attribute", index, index + 1, parse.tokens[index].lower, number)


def _actions(parse: Parse) -> Iterator[Slot]:
    """Verbs of one word in the present or progressive, outside of noun phrases."""
    verbs = {relation.verb: n for n, relation in enumerate(parse.relations) if relation.verb >= 0}
    for index, token in enumerate(parse.tokens):
        if parse.codes[index] not in "VG" or token.tag not in _VERB_TAGS or index in parse.units:
            continue
        if token.lemma in _AUXILIARIES:
            continue  # "has been parked", "has a tail"
        if not any(phrase.start <= index < phrase.stop for phrase in parse.phrases):
            yield _slot(parse, "action", index, index + 1, token.lemma, -1, verbs.get(index, -1))


def _relations(parse: Parse) -> Iterator[Slot]:
    """Prepositions between two things, but not those that a verb may own ("looking at")."""
    for number, relation in enumerate(parse.relations):
        if relation.kind in ("preposition", "copula") and relation.name:
            yield _slot(
                parse, "relation", relation.start, relation.stop, relation.name, relation.object, number
            )  # fmt: skip


def _counts(lexicon: Lexicon, parse: Parse) -> Iterator[Slot]:
    """Numbers and quantifiers before a plural."""
    for number, phrase in enumerate(parse.phrases):
        index = phrase.quantity
        if index < 0 or not phrase.plural or parse.codes[phrase.head] != "N":
            continue
        entry = number_of(lexicon, parse, index)
        if entry is not None:
            stop = parse.units[index][0] if index in parse.units else index + 1
            yield _slot(parse, "count", index, stop, entry.word, number)


def _follows_of(parse: Parse, phrase: Phrase) -> bool:
    """Whether "of" hangs on the phrase ("a field of grass"): what replaces the one must suit the other."""
    return phrase.stop < len(parse.tokens) and parse.tokens[phrase.stop].lower == "of"


def _owned(parse: Parse, phrase: Phrase) -> bool:
    return phrase.family == "person" and phrase.determiner >= 0 and (
        parse.tokens[phrase.determiner].lower in POSSESSIVES
    )  # fmt: skip
