"""What a language model proposes, as it comes out of the proposer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from negagen import Negator
from negagen.llm.asking import LanguageProposer
from negagen.llm.slots import Proposal, Slot


@dataclass(frozen=True)
class Says:
    """A filler that says the same of each span that it knows."""

    words: Mapping[str, str]
    name: str = "says"

    def parameters(self) -> Mapping[str, Any]:
        return {}

    def fill(self, slots: Sequence[Slot]) -> Iterator[tuple[int, Sequence[Proposal]]]:
        for n, slot in enumerate(slots):
            yield n, [Proposal(self.words[slot.span])] if slot.span in self.words else []

    def close(self) -> None:
        pass


def made(text: str, words: Mapping[str, str], k: int = 4) -> dict[str, float]:
    """Negatives with their weights, in order."""
    rules = Negator(k=k, blindness="off")
    negator = rules.proposing_by(LanguageProposer(Says(words), rules.lexicon, rules.parser, mode="only"))
    return {each.text: each.weight for each in negator(text).negatives}


def test_a_thing_where_it_is_not_at_home_comes_last_and_weighs_less() -> None:
    found = made("A horse walks in a field", {"horse": "zebra", "field": "moose"})
    assert list(found.items()) == [("A zebra walks in a field", 1.0), ("A horse walks in a moose", 0.5)]
    assert list(made("A horse walks in a field", {"horse": "zebra", "field": "moose"}, k=1)) == [
        "A zebra walks in a field"
    ]


def test_a_thing_that_captions_hardly_ever_name_beside_the_rest_weighs_less() -> None:
    assert made("Books on a shelf", {"Books": "elephants"}) == {"Elephants on a shelf": 0.5}


def test_what_the_lexicon_does_not_know_weighs_less_than_what_it_knows() -> None:
    assert made("A man with a phone", {"phone": "smartwatch"}) == {"A man with a smartwatch": 0.8}
