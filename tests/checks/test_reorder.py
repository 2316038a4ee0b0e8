"""Swaps that change nothing, and the nearest ones that do."""

import pytest

from negagen.types import Verdict
from tests.ops.proposals import judged

COORDINATION = Verdict("positive", "reordered coordination")
SYMMETRIC = Verdict("positive", "symmetric relation")
SHARED = Verdict("reject", "conjuncts may share their attributes")
ALIKE = Verdict("reject", "exchanged between things of one name")
SAME = Verdict("reject", "the same word")
KEEP = Verdict("keep")


@pytest.mark.parametrize(
    ("rule", "caption", "text", "expected"),
    [
        ("swap-objects", "A spoon and a fork", "A fork and a spoon", COORDINATION),
        ("swap-objects", "A goat and a duck", "A duck and a goat", COORDINATION),
        ("swap-objects", "A small spoon and a fork", "A small fork and a spoon", SHARED),
        ("swap-objects", "A small spoon and a large fork", "A small fork and a large spoon", KEEP),
        ("swap-objects", "Two small goats and three ducks", "Two small ducks and three goats", KEEP),
        ("swap-objects", "Two goats and two ducks", "Two ducks and two goats", COORDINATION),
        ("swap-objects", "Small goats and ducks", "Small ducks and goats", SHARED),
        ("swap-objects", "A goat near a duck", "A duck near a goat", SYMMETRIC),
        ("swap-objects", "A goat next to a duck", "A duck next to a goat", SYMMETRIC),
        ("swap-objects", "A boy with a girl", "A girl with a boy", SYMMETRIC),
        ("swap-objects", "A goat behind a duck", "A duck behind a goat", KEEP),
        ("swap-objects", "A small duck next to a big goat", "A small goat next to a big duck", KEEP),
        ("swap-roles", "A horse follows a horse", "A horse follows a horse", SAME),
        ("swap-roles", "A horse follows a goat", "A goat follows a horse", KEEP),
        ("swap-attributes", "A pink vase and a green vase", "A green vase and a pink vase", ALIKE),
        ("swap-attributes", "A pink cup and a green one", "A green cup and a pink one", ALIKE),
        ("swap-attributes", "A pink bus and a green school bus", "A green bus and a pink school bus", ALIKE),
        ("swap-attributes", "A pink vase and a green bowl", "A green vase and a pink bowl", KEEP),
    ],
)
def test_swaps(rule: str, caption: str, text: str, expected: Verdict) -> None:
    assert judged(rule, caption, 4) == {text: expected}


def test_a_symmetric_relation_with_a_verb_is_no_positive() -> None:
    """The goat stands, the duck perhaps not: neither surely true nor surely false."""
    (refused,) = judged("swap-objects", "A goat standing near a duck", 4).values()
    assert refused == Verdict("reject", "symmetric relation")
    (kept,) = judged("swap-objects", "A goat standing behind a duck", 4).values()
    assert kept == KEEP
