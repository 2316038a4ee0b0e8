"""Additions: a second colour, a second thing."""

import pytest

from tests.ops.proposals import LEXICON, SHIPPED, assert_fluent, candidates, texts


def test_a_second_colour() -> None:
    made = texts("add-colour", "An orange kite")
    assert {"An orange and blue kite", "An orange and green kite"} <= made
    assert_fluent("An orange kite", made)
    assert not {"An orange and red kite", "An orange and orange kite", "An orange and black kite"} & made


def test_only_listed_colours_are_added() -> None:
    listed = set(SHIPPED["add-colour"].target.words)
    assert {c.new for c in candidates("add-colour", "A white bus beside a pink vase")} <= listed


@pytest.mark.parametrize(
    "caption",
    [
        "A vase",
        "A pink duck",
        "A pink and blue kite",
        "A dark red bus",
        "A wooden table",
        "A blue sky",
        "A red-hot fire",
    ],
)
def test_no_second_colour(caption: str) -> None:
    assert texts("add-colour", caption) == set()


@pytest.mark.parametrize(
    ("caption", "may", "never"),
    [
        ("A goat in a field", {"A goat and an elephant in a field"}, {"A goat and a elephant in a field"}),
        ("A bus behind a car", {"A bus and a truck behind a car"}, {"A bus and truck behind a car"}),
        ("A woman carrying an umbrella", {"A woman carrying an umbrella and a kite"}, set()),
        ("A man with bread", {"A man with bread and rice"}, {"A man with bread and a rice"}),
        ("Goats near a fence", {"Goats and dogs near a fence"}, {"Goats and dog near a fence"}),
    ],
)
def test_company(caption: str, may: set[str], never: set[str]) -> None:
    made = texts("add-object", caption)
    assert may <= made
    assert not never & made
    assert_fluent(caption, made)


@pytest.mark.parametrize(
    "caption",
    [
        "A goat runs",  # the verb would have to agree
        "A goat is eating",
        "A boy with his goat",
        "A goat and a duck",
        "Two goats behind a fence",
        "A goat's owner",
        "A man on a bus",
    ],
)
def test_no_company(caption: str) -> None:
    assert texts("add-object", caption) == set()


def test_company_is_of_the_same_class() -> None:
    for candidate in candidates("add-object", "A goat in a field"):
        new = LEXICON.noun(candidate.new)
        assert new is not None
        assert new.classes[0].startswith("animal")
