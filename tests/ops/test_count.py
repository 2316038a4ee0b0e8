"""Counts: noun and verb agree with the new number; articles count as one only where it is safe."""

import pytest

from tests.ops.proposals import assert_fluent, candidates, rule_of, texts

RULE = "replace-count"


@pytest.mark.parametrize(
    ("caption", "may", "never"),
    [
        (
            "A goat sleeps beside a barn",
            {"Two goats sleep beside a barn"},
            {"Two goats sleeps beside a barn", "Two goat sleeps beside a barn", "One goat sleeps beside a barn"},
        ),
        ("Five geese swim", {"Six geese swim", "One goose swims"}, {"One geese swim", "One goose swim"}),
        ("Two women are eating", {"Three women are eating", "One woman is eating"}, {"One women is eating"}),
        ("A man is sitting on a bench", {"Two men are sitting on a bench"}, {"Two men is sitting on a bench"}),
        ("Three sheep", {"Four sheep"}, {"Four sheeps"}),
        ("A pair of scissors on a desk", {"Three scissors on a desk"}, {"Three of scissors on a desk"}),
    ],
)
def test_noun_and_verb_agree(caption: str, may: set[str], never: set[str]) -> None:
    made = texts(RULE, caption)
    assert may <= made
    assert not never & made
    assert_fluent(caption, made)


def test_numerals_stay_numerals() -> None:
    made = texts(RULE, "10 people beside a truck")
    numbers = {text.split()[0] for text in made if text.endswith(" people beside a truck")} - {"10"}
    assert numbers
    assert all(number.isdigit() for number in numbers)


@pytest.mark.parametrize(
    "caption",
    [
        "A boy and his dog",  # "his" depends on there being one
        "A four compartment tray",
        "Two men in a hat",  # they would share it
        "Some water",
        "A living room",
    ],
)
def test_what_cannot_be_counted_anew(caption: str) -> None:
    assert texts(RULE, caption) == set()


def test_one_sits_on_one_bench() -> None:
    assert {c.splices[0].start for c in candidates(RULE, "A goat on a bench")} == {0}


def test_a_conjunct_takes_no_verb_with_it() -> None:
    made = texts(RULE, "A dog and a cat are sleeping")
    assert not [text for text in made if " is " in text]


def test_a_rules_own_words() -> None:
    rule = rule_of("replace", "count", "replace_count", words={"two": ("seven",)})
    assert texts(rule, "Two goats eat beside three ducks") == {"Seven goats eat beside three ducks"}


def test_what_is_said_of_one_and_the_other_fits_no_other_count() -> None:
    assert texts("replace-count", "Two goats, one on a rock and the other in a barn") == set()
