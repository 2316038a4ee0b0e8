"""Replacement by spaCy token pattern."""

import pytest

from negagen.errors import RuleError
from negagen.ruleset import Rule
from tests.ops.proposals import candidates, operation, rule_of, texts


def pattern_rule(*pattern: dict[str, object], new: tuple[str, ...]) -> Rule:
    return rule_of("replace", "pattern", "replace_rel", target={"pattern": pattern}, **{"with": new})


def test_every_match_has_its_turn() -> None:
    rule = pattern_rule({"LOWER": "left"}, new=("right",))
    made = texts(rule, "A goat on the left side and a duck on the left")
    assert made == {
        "A goat on the right side and a duck on the left",
        "A goat on the left side and a duck on the right",
    }


def test_only_whole_tokens_match() -> None:
    assert texts(pattern_rule({"LOWER": "cat"}, new=("dog",)), "A catfish beside a caterpillar") == set()


def test_several_tokens_and_choices() -> None:
    rule = pattern_rule({"LOWER": "at"}, {"LOWER": "night"}, new=("at noon", "in the morning"))
    assert texts(rule, "A barn at night") == {"A barn at noon", "A barn in the morning"}


def test_tags_and_lemmas_may_be_asked_for() -> None:
    assert texts(pattern_rule({"LEMMA": "goose", "TAG": "NNS"}, new=("ducks",)), "Three geese on a lake") == {
        "Three ducks on a lake"
    }
    assert texts(pattern_rule({"LEMMA": "goose", "TAG": "NNS"}, new=("ducks",)), "A goose on a lake") == set()


def test_the_article_and_the_capital_follow() -> None:
    assert texts(pattern_rule({"LOWER": "goat"}, new=("owl",)), "A goat on a rock") == {"An owl on a rock"}
    assert texts(pattern_rule({"LOWER": "goats"}, new=("owls",)), "Goats on a rock") == {"Owls on a rock"}


def test_the_candidate_says_what_matched() -> None:
    (candidate,) = candidates(pattern_rule({"LOWER": "night"}, new=("Noon",)), "A barn at Night", 1)
    assert (candidate.operation, candidate.role, candidate.old, candidate.new) == (
        "replace", "pattern", "night", "noon",
    )  # fmt: skip


def test_a_wrong_pattern_is_explained() -> None:
    with pytest.raises(RuleError, match=r"rule 'of-a-test': target\.pattern is not a spaCy token pattern"):
        operation(pattern_rule({"LOWERCASE": "cat"}, new=("dog",)))
