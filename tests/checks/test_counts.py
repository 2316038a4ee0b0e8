"""Counts: only a larger one, out of the old one's range, is false."""

import pytest

from negagen.checks import context_of
from negagen.checks.counts import check_count
from negagen.types import Candidate, Splice, Verdict
from tests.ops.proposals import LEXICON, judged, parse

ENTAILED = Verdict("reject", "entailed: a smaller count holds where a larger one does")
OVERLAPS = Verdict("reject", "the counts overlap")
KEEP = Verdict("keep")


def verdict(old: str, new: str, role: str = "count") -> Verdict:
    parsed = parse("Two goats on a rock")
    candidate = Candidate((Splice(0, 1, new),), "replace", role, old, new, (0,))
    return check_count(parsed, candidate, context_of(LEXICON, parsed))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("three", "two", ENTAILED), ("three", "four", KEEP),
        ("two", "one", ENTAILED), ("one", "two", KEEP),
        ("10", "9", ENTAILED), ("5", "6", KEEP),
        ("many", "two", ENTAILED), ("one", "several", KEEP),
        ("two", "several", OVERLAPS), ("several", "five", OVERLAPS), ("a couple of", "three", OVERLAPS),
        ("a couple of", "four", KEEP), ("two", "2", OVERLAPS), ("two", "3", KEEP),
        ("a few", "several", OVERLAPS),
    ],
)  # fmt: skip
def test_pairs_of_counts(old: str, new: str, expected: Verdict) -> None:
    assert verdict(old, new) == expected


def test_other_roles_and_unknown_words_are_no_matter() -> None:
    assert verdict("three", "two", role="object") == KEEP
    assert verdict("three", "umpteen") == KEEP


def test_in_captions() -> None:
    made = judged("replace-count", "Three ducks swim")
    assert made["Two ducks swim"] == made["One duck swims"] == ENTAILED
    assert made["Four ducks swim"] == made["Six ducks swim"] == KEEP
