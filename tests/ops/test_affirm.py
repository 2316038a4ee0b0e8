"""Denials taken back."""

import pytest

from tests.ops.proposals import assert_fluent, texts


@pytest.mark.parametrize(
    ("caption", "made"),
    [
        ("A boy without a cap", {"A boy with a cap"}),
        ("A street without any trees", {"A street with trees"}),
        ("A boy wearing no cap", {"A boy wearing a cap"}),
        ("A wall with no old clock", {"A wall with an old clock"}),
        ("No goats in a yard", {"Goats in a yard"}),
        ("There are no goats in a yard", {"There are goats in a yard"}),
        ("The goat is not wet", {"The goat is wet"}),
        ("The goat isn't wet", {"The goat is wet"}),
        ("A goat not eating grass", {"A goat eating grass"}),
        ("Two goats do not eat grass", {"Two goats eat grass"}),
    ],
)
def test_what_is_denied_is_said(caption: str, made: set[str]) -> None:
    assert texts("affirm", caption, 8) == made
    assert_fluent(caption, made)


@pytest.mark.parametrize(
    "caption",
    [
        "A goat in a yard",
        "A no parking sign",
        "A do not enter sign",
        "Plates with and without food",
        "A boy but not a girl",
        "A man riding no a motorcycle",
    ],
)
def test_no_denial_to_take_back(caption: str) -> None:
    assert texts("affirm", caption, 8) == set()
