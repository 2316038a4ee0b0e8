"""Negation of verbs, of things and of places."""

import pytest

from tests.ops.proposals import assert_fluent, texts


@pytest.mark.parametrize(
    ("caption", "made"),
    [
        ("A goat is eating", {"A goat is not eating"}),
        ("A goat eats grass", {"A goat does not eat grass"}),
        ("Two goats eat grass", {"Two goats do not eat grass"}),
        ("A boy wearing a cap.", {"A boy not wearing a cap."}),
        ("A bus parked on a road", {"A bus not parked on a road"}),
        ("The bus is red", {"The bus is not red"}),
        ("A girl getting ready to eat", {"A girl not getting ready to eat"}),
        ("A boy feeds a goat while a girl watches", {"A boy does not feed a goat while a girl watches"}),
    ],
)
def test_what_is_done_is_denied(caption: str, made: set[str]) -> None:
    assert texts("negate-verb", caption, 8) == made
    assert_fluent(caption, made)


@pytest.mark.parametrize(
    "caption", ["There is a goat", "A running dog", "A man not eating", "A dog that isn't wet", "A goat in a barn"]
)
def test_no_verb_to_deny(caption: str) -> None:
    assert texts("negate-verb", caption, 8) == set()


@pytest.mark.parametrize(
    ("caption", "made"),
    [
        ("A boy wearing a cap", {"A boy wearing no cap"}),
        ("A boy with a cap", {"A boy without a cap"}),
        ("A vase with flowers", {"A vase without flowers"}),
        ("A boy with several kites", {"A boy with no kites"}),
        ("A boy carrying some books", {"A boy carrying no books"}),
        ("There is a goat in a yard", {"There is no goat in a yard"}),
        ("There are several goats", {"There are no goats"}),
        ("Goats in a yard", {"No goats in a yard"}),
        ("Several goats in a yard", {"No goats in a yard"}),
    ],
)
def test_what_is_there_is_denied(caption: str, made: set[str]) -> None:
    assert texts("negate-object", caption, 8) == made
    assert_fluent(caption, made)


@pytest.mark.parametrize(
    "caption",
    [
        "Two goats in a yard",  # "no goats" would deny more than was said
        "A boy with two kites",
        "A bowl filled with soup",
        "A boy with no kite",
        "A boy with a girl eating",
        "A goat in a yard",
    ],
)
def test_nothing_to_deny(caption: str) -> None:
    assert texts("negate-object", caption, 8) == set()


def test_a_place_is_denied() -> None:
    assert texts("negate-place", "A goat in a barn", 8) == {"A goat not in a barn"}
    assert texts("negate-place", "A goat in front of a barn", 8) == {"A goat not in front of a barn"}


@pytest.mark.parametrize(
    "caption", ["A jar of jam", "A bag for a man", "A goat standing in a barn", "No goat in a barn"]
)
def test_no_place_to_deny(caption: str) -> None:
    assert texts("negate-place", caption, 8) == set()


def test_of_several_things_the_last_is_denied() -> None:
    assert texts("negate-object", "A desk with a lamp, a pen and a clock") == {"A desk with a lamp, a pen and no clock"}
    assert texts("negate-object", "A shelf with cups and bowls") == {"A shelf with cups and no bowls"}
    assert texts("negate-object", "A shelf with cups and two bowls") == set()
