"""Replacement of prepositions: whole ones, only where they are place, only with what contradicts them."""

import pytest

from tests.ops.proposals import LEXICON, assert_fluent, candidates, rule_of, texts

RULE = "replace-relation"


@pytest.mark.parametrize(
    ("caption", "may", "never"),
    [
        ("A man on a horse", {"A man under a horse"}, {"A man atop a horse", "A man on top of a horse"}),
        ("A lamp in front of a window", {"A lamp behind a window"}, {"A lamp in behind of a window"}),
        ("A goat sitting behind a bench", {"A goat sitting in front of a bench"}, {"A goat in front of a bench"}),
    ],
)
def test_a_contrary_place(caption: str, may: set[str], never: set[str]) -> None:
    made = texts(RULE, caption)
    assert may <= made
    assert not never & made
    assert_fluent(caption, made)


@pytest.mark.parametrize(
    "caption",
    ["A slice of melon", "A bag for a boy", "A goat and a duck", "A man dressed in a suit", "A goat wearing a hat"],
)
def test_prepositions_that_are_no_place_are_left_alone(caption: str) -> None:
    assert texts(RULE, caption) == set()


def test_the_whole_of_a_long_preposition_gives_way() -> None:
    for candidate in candidates(RULE, "A goat in front of a barn"):
        (splice,) = candidate.splices
        assert (splice.start, splice.stop) == (2, 5)
        assert candidate.old == "in front of"


def test_what_is_drawn_contradicts() -> None:
    for caption in ("A goat on a table", "A goat under a table", "A goat behind a barn", "A goat in a box"):
        for candidate in candidates(RULE, caption):
            old = LEXICON.relation(candidate.old)
            assert old is not None
            assert candidate.new not in old.entails | old.overlaps | {old.name}


def test_what_may_be_said_depends_on_the_object() -> None:
    wall = {c.new for c in candidates(RULE, "A clock on a wall")}
    table = {c.new for c in candidates(RULE, "A cat on a table")}
    assert "under" in table
    assert "under" not in wall


def test_a_rules_own_words() -> None:
    rule = rule_of("replace", "relation", "replace_rel", words={"near": ("far from",)})
    assert texts(rule, "A goat near a barn on a hill") == {"A goat far from a barn on a hill"}
