"""New words that are not contrary: what is refused, and the nearest that passes."""

import pytest

from negagen.checks import context_of
from negagen.checks.lexical import check_lexical
from negagen.types import Candidate, Splice, Verdict
from tests.ops.proposals import LEXICON, parse


def verdict(caption: str, at: int, role: str, old: str, new: str, operation: str = "replace") -> Verdict:
    """Of one word put in the place of token `at`, or inserted after it."""
    parsed = parse(caption)
    splice = Splice(at, at + 1, new) if operation == "replace" else Splice(at + 1, at + 1, f"and {new}")
    candidate = Candidate((splice,), operation, role, old, new, ())
    return check_lexical(parsed, candidate, context_of(LEXICON, parsed))


NEAR = "synonym, hypernym, hyponym or near shade"


@pytest.mark.parametrize(
    ("caption", "at", "role", "old", "refused", "passes"),
    [
        ("A couch beside a lamp", 1, "object", "couch", "sofa", "bed"),  # synonym
        ("A dog beside a lamp", 1, "object", "dog", "animal", "cat"),  # hypernym
        ("A dog beside a lamp", 1, "object", "dog", "poodle", "cat"),  # hyponym
        ("An animal beside a lamp", 1, "object", "animal", "bear", "lamp post"),
        ("A red bus", 1, "attribute", "red", "crimson", "green"),  # near shade
        ("A red bus", 1, "attribute", "red", "orange", "yellow"),  # a border that people draw differently
        ("A large bus", 1, "attribute", "large", "huge", "small"),
        ("A man sitting on a rock", 2, "action", "sit", "rest", "stand"),
        ("A man walking on a rock", 2, "action", "walk", "stroll", "sleep"),
    ],
)
def test_near_in_meaning(caption: str, at: int, role: str, old: str, refused: str, passes: str) -> None:
    assert verdict(caption, at, role, old, refused) == Verdict("reject", NEAR)
    assert verdict(caption, at, role, old, passes).kind == "keep"


def test_the_same_word() -> None:
    assert verdict("A goat on a rock", 1, "object", "goat", "goat") == Verdict("reject", "the same word")
    assert verdict("A goat on a rock", 1, "object", "goat", "cow").kind == "keep"


@pytest.mark.parametrize(
    ("caption", "at", "role", "old", "refused", "passes"),
    [
        ("A goat and a cow", 1, "object", "goat", "cow", "zebra"),
        ("A goat and two cows", 1, "object", "goat", "cow", "zebra"),  # by lemma
        ("A bench beside a fire hydrant", 1, "object", "bench", "fire hydrant", "statue"),
        ("A red bus and a blue car", 1, "attribute", "red", "blue", "green"),
        ("A man stands while a girl sits", 6, "action", "sit", "stand", "jump"),
    ],
)
def test_already_in_the_caption(caption: str, at: int, role: str, old: str, refused: str, passes: str) -> None:
    assert verdict(caption, at, role, old, refused) == Verdict("reject", "already in the caption")
    assert verdict(caption, at, role, old, passes).kind == "keep"


def test_what_often_comes_together() -> None:
    refused = verdict("A plate beside a couch", 1, "object", "plate", "living room")
    assert refused == Verdict("reject", "often seen with what the caption names")
    assert verdict("A plate beside a lake", 1, "object", "plate", "living room").kind == "keep"


@pytest.mark.parametrize(
    ("denied", "at", "plain", "plain_at"),
    [
        ("A man with no dog", 4, "A man with a dog", 4),
        ("A man without a dog", 4, "A man beside a dog", 4),
        ("A man not near a dog", 5, "A man near a dog", 4),
        ("A man who never had a dog", 6, "A dog that never sleeps", 1),
    ],
)
def test_under_a_negation(denied: str, at: int, plain: str, plain_at: int) -> None:
    assert verdict(denied, at, "object", "dog", "cat") == Verdict("reject", "under a negation of the caption")
    assert verdict(plain, plain_at, "object", "dog", "cat").kind == "keep"


def test_a_negation_reaches_forward_only() -> None:
    assert verdict("A dog with no collar", 1, "object", "dog", "cat").kind == "keep"


def test_additions_are_judged_too() -> None:
    assert verdict("A red bus", 1, "attribute", "red", "crimson", "add").reason == NEAR
    assert verdict("A red bus and a blue car", 1, "attribute", "red", "blue", "add").reason == "already in the caption"
    assert verdict("A red bus", 1, "attribute", "red", "blue", "add").kind == "keep"
    assert verdict("A dog in a yard", 1, "object", "dog", "puppy", "add").reason == NEAR
    assert verdict("A dog in a yard", 1, "object", "dog", "goat", "add").kind == "keep"
