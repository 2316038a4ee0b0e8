"""Which spans a model may be asked about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from negagen import Negator
from negagen.lexicon import load
from negagen.llm.slots import Slot, drawn, slots_of
from negagen.parsing import load_parser
from negagen.seeding import Stream
from negagen.types import Parse

LEXICON = load()


def parsed(text: str) -> Parse:
    return load_parser("bundled", LEXICON).parse([text])[0]


def spans(text: str, *, positive: bool = False) -> dict[str, str]:
    return {slot.span: slot.role for slot in slots_of(LEXICON, parsed(text), positive=positive)}


def test_every_kind_of_span() -> None:
    assert spans("Two brown dogs are chasing a cat near a fire hydrant") == {
        "Two": "count",
        "brown": "attribute",
        "dogs": "object",
        "chasing": "action",
        "cat": "object",
        "near": "relation",
        "fire hydrant": "object",
    }


def test_rewordings_are_asked_for_things_qualities_and_actions_alone() -> None:
    slots = slots_of(LEXICON, parsed("Two brown dogs are chasing a cat near a tree"), positive=True)
    assert {slot.role for slot in slots} == {"object", "attribute", "action"}
    assert all(slot.positive and slot.category == "paraphrase" for slot in slots)


@pytest.mark.parametrize(
    ("text", "never"),
    [
        ("A field of grass", "field"),  # what replaces it would have to suit the grass
        ("A kid's bike on a road", "kid"),
        ("A four compartment tray on a table", "compartment tray"),
        ("It is sitting next to somebody", "It"),
        ("A man looks at a dog", "at"),  # the verb's own preposition
        ("A very big dog", "big"),
        ("A bus that has been parked", "has"),
        ("A dog on a red-brick road", "red"),
        ("A dog on a bench </s> in a park", "/s"),
        ("A dog\u202e on a bench", "dog\u202e"),  # which would go with the word
    ],
)
def test_spans_that_are_left_alone(text: str, never: str) -> None:
    assert never not in spans(text)


@given(
    st.sampled_from(["A dog", "Two  red cars\non a road", "THREE CATS SLEEP", "Une fille — 🐕 sees a dog.", "ß a tree"])
)
def test_a_span_is_what_stands_there(text: str) -> None:
    parse = parsed(text)
    for slot in slots_of(LEXICON, parse):
        assert text[slot.start : slot.end] == slot.span
        assert slot.start == parse.starts[slot.first]
        assert slot.end == parse.end(slot.stop - 1)


def test_a_draw_takes_categories_in_turn_and_depends_on_its_stream_alone() -> None:
    slots = slots_of(LEXICON, parsed("Two brown dogs and a white cat are chasing a small bird near a tall tree"))
    for key in range(20):
        chosen = drawn(slots, Stream(key), 4)
        assert chosen == drawn(slots, Stream(key), 4)
        assert [slot.first for slot in chosen] == sorted({slot.first for slot in chosen})
        assert len({slot.category for slot in chosen}) == 4
    assert len({tuple(drawn(slots, Stream(key), 4)) for key in range(20)}) > 3
    assert drawn(slots, Stream(0), 100) == slots
    assert drawn([], Stream(0), 3) == []


def test_slots_are_values() -> None:
    slot = Slot("A dog", 2, 5, "replace_obj", "object", 1, 2, "dog")
    assert (slot.span, slot.positive) == ("dog", False)
    assert slot == Slot("A dog", 2, 5, "replace_obj", "object", 1, 2, "dog")


def test_the_negator_itself_knows_nothing_of_slots() -> None:
    assert "llm" not in " ".join(Negator(blindness="off").config)
