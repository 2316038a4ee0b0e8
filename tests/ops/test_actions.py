"""Replacement of actions: the form stays, and the sense is that of the subject, object and preposition."""

import pytest

from tests.ops.proposals import LEXICON, assert_fluent, candidates, rule_of, texts

RULE = "replace-action"


@pytest.mark.parametrize(
    ("caption", "may", "never"),
    [
        ("A boy is kicking a ball", {"A boy is holding a ball"}, {"A boy is holds a ball", "A boy is sleeping a ball"}),
        ("A woman walks her dog", {"A woman feeds her dog"}, {"A woman feed her dog", "A woman runs her dog"}),
        ("Two boys eating", {"Two boys sleeping"}, {"Two boys sleep", "Two boys holding"}),
        ("A cat sits on a rug", {"A cat stands on a rug"}, {"A cat standing on a rug", "A cat holds on a rug"}),
        ("Two cats sit on a rug", {"Two cats stand on a rug"}, {"Two cats stands on a rug"}),
    ],
)
def test_another_thing_to_do(caption: str, may: set[str], never: set[str]) -> None:
    made = texts(RULE, caption)
    assert may <= made
    assert not never & made
    assert_fluent(caption, made)


@pytest.mark.parametrize(
    "caption",
    ["A bench in a park", "A horse drawn by a man", "A goat carried by a boy", "A running dog", "A man is tall"],
)
def test_silent_without_an_active_verb(caption: str) -> None:
    assert texts(RULE, caption) == set()


def test_transitive_stays_transitive() -> None:
    for caption, frame in (("A man pushing a cart", "transitive"), ("A man sleeping", "intransitive")):
        found = candidates(RULE, caption)
        assert found
        for candidate in found:
            entry = LEXICON.action(candidate.new)
            assert entry is not None
            assert frame in {sense.frame for sense in entry.senses}


def test_each_verb_has_its_turn() -> None:
    made = candidates(RULE, "A man holding a ball while a dog sleeps")
    assert {candidate.old for candidate in made} == {"hold", "sleep"}


def test_a_rules_own_words() -> None:
    rule = rule_of("replace", "action", "replace_rel", words={"carry": ("hide", "drop")})
    assert texts(rule, "A man carries a bag") == {"A man hides a bag", "A man drops a bag"}
    assert texts(rule, "A man carrying a bag") == {"A man hiding a bag", "A man dropping a bag"}


def test_what_only_could_be_done_is_left_alone() -> None:
    assert texts(RULE, "A bench where a girl can sit") == set()
    assert texts(RULE, "A bench for people to sit on") == set()
    assert texts(RULE, "A bench where a girl sits")
