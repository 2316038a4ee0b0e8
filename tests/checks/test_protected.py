"""Edits inside idioms, compounds and names, and pronouns taken for nouns; and the nearest edits that are fine."""

import pytest

from negagen.checks import context_of
from negagen.checks.protected import check_protected
from negagen.types import Candidate, Splice, Verdict
from tests.ops.proposals import LEXICON, parse

IDIOM = Verdict("reject", "inside an idiom or compound")
NAME = Verdict("reject", "inside a proper name")
PRONOUN = Verdict("reject", "a pronoun is not a noun")
KEEP = Verdict("keep")


def verdict(caption: str, old: str, role: str = "object", new: str = "thing") -> Verdict:
    """Of `new` in the place of the words `old`."""
    parsed = parse(caption)
    words = [token.text for token in parsed.tokens]
    length = len(old.split())
    start = next(i for i in range(len(words)) if words[i : i + length] == old.split())
    candidate = Candidate((Splice(start, start + length, new),), "replace", role, old.lower(), new, ())
    return check_protected(parsed, candidate, context_of(LEXICON, parsed))


@pytest.mark.parametrize(
    ("caption", "torn", "whole"),
    [
        ("A fire hydrant near a wall", "fire", "fire hydrant"),
        ("A living room near a wall", "living", "living room"),
        ("A hot dog on a plate", "hot", "hot dog"),
        ("A goat in front of a barn", "in", "in front of"),
        ("A goat on top of a barn", "on", "on top of"),
        ("A red cross tent near a wall", "red", "tent"),
        ("A red cross tent near a wall", "cross", "wall"),
        ("A slice of cake on a plate", "slice", "plate"),
    ],
)
def test_no_unit_is_torn(caption: str, torn: str, whole: str) -> None:
    role = "relation" if torn in ("in", "on") else "object"
    assert verdict(caption, torn, role) == IDIOM
    assert verdict(caption, whole, role) == KEEP


def test_nothing_is_put_into_an_idiom() -> None:
    parsed = parse("A red cross tent near a wall")
    context = context_of(LEXICON, parsed)
    inside = Candidate((Splice(2, 2, "and blue"),), "add", "attribute", "red", "blue", (0,))
    after = Candidate((Splice(4, 4, "and a car"),), "add", "object", "tent", "car", (0,))
    assert check_protected(parsed, inside, context) == IDIOM
    assert check_protected(parsed, after, context) == KEEP


@pytest.mark.parametrize(
    ("caption", "refused", "passes"),
    [
        ("A man beside Lake Tahoe on a rock", "Tahoe", "rock"),
        ("A dog in front of the White House near a car", "White", "car"),
        ("A boat on the Thames near Maria and a dog", "Maria", "dog"),
    ],
)
def test_no_name_is_touched(caption: str, refused: str, passes: str) -> None:
    assert verdict(caption, refused).kind == "reject"
    assert verdict(caption, passes) == KEEP


@pytest.mark.parametrize(
    "caption",
    ["Goats near a barn", "A hen near a barn. Goats near a pond", "Two Goats Near A Barn", "TWO GOATS NEAR A BARN"],
)
def test_a_capital_that_marks_no_name(caption: str) -> None:
    goats = next(token.text for token in parse(caption).tokens if token.lower == "goats")
    assert verdict(caption, goats) == KEEP


def test_a_capital_that_marks_a_name() -> None:
    assert verdict("A man feeds two Goats near a barn", "Goats") == NAME


def test_a_stop_sign_is_replaced_whole_but_not_inflected() -> None:
    caption = "A STOP sign near a wall"
    assert verdict(caption, "STOP sign", "count", "stop signs") == NAME
    assert verdict(caption, "STOP sign", "object", "bench") == KEEP
    assert verdict("A stop sign near a wall", "stop sign", "count", "stop signs") == KEEP


@pytest.mark.parametrize("pronoun", ["it", "others", "something", "they", "one"])
def test_a_pronoun_is_no_noun(pronoun: str) -> None:
    assert verdict(f"A goat looks at {pronoun}", pronoun) == PRONOUN
    assert verdict("A goat looks at ducks", "ducks") == KEEP
