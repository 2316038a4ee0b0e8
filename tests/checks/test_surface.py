"""Texts that are no different from the caption or from an earlier negative."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from negagen.checks import check_surface, context_of
from negagen.checks.surface import fold
from negagen.types import Verdict
from tests.ops.proposals import LEXICON, parse

EQUAL = Verdict("reject", "equal to the caption after folding")
DUPLICATE = Verdict("reject", "a duplicate")


@pytest.mark.parametrize(
    ("caption", "equal", "other"),
    [
        ("A black and white t-shirt", "a Black and white T-shirt.", "A black and white shirt"),
        ("Two cafés, one bus", "two cafés one bus!", "Two cafes, one bus"),
        ("A hot-dog stand", "A hot dog stand", "A hot dogs stand"),
        ("Straße at night", "STRASSE AT NIGHT", "Strase at night"),
    ],
)
def test_equal_after_folding(caption: str, equal: str, other: str) -> None:
    context = context_of(LEXICON, parse(caption))
    assert check_surface(fold(caption), equal, context) == EQUAL
    assert check_surface(fold(caption), other, context).kind == "keep"


def test_a_duplicate_differs_in_case_or_punctuation_only() -> None:
    caption = "A goat on a rock"
    context = context_of(LEXICON, parse(caption))
    assert check_surface(fold(caption), "A cow on a rock", context).kind == "keep"
    assert check_surface(fold(caption), "A cow on a rock", context) == DUPLICATE
    assert check_surface(fold(caption), "a COW, on a rock.", context) == DUPLICATE
    assert check_surface(fold(caption), "A cow on a rocks", context).kind == "keep"


def test_each_caption_begins_anew() -> None:
    first, second = (context_of(LEXICON, parse("A goat on a rock")) for _ in range(2))
    assert check_surface("agoatonarock", "A cow on a rock", first).kind == "keep"
    assert check_surface("agoatonarock", "A cow on a rock", second).kind == "keep"


def test_the_equal_one_is_not_remembered() -> None:
    context = context_of(LEXICON, parse("A goat on a rock"))
    assert check_surface("agoatonarock", "a goat on a rock.", context) == EQUAL
    assert context.taken == set()


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_keeps_letters_and_digits_in_small(text: str) -> None:
    assert fold(text) == "".join(letter.lower() for letter in text if letter.isalnum())
