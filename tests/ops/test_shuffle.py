"""Shuffles: the same words in another order, punctuation where it was."""

import pytest

from tests.ops.proposals import texts

CAPTION = "A pink vase stands near the low shelf."


def words(text: str) -> list[str]:
    return sorted(text.lower().rstrip(".").split())


@pytest.mark.parametrize(
    "rule",
    [
        "shuffle-trigrams",
        "shuffle-within-trigrams",
        "shuffle-nouns-and-adjectives",
        "shuffle-all-but-nouns-and-adjectives",
    ],
)
def test_no_word_is_lost_and_the_end_stays(rule: str) -> None:
    made = texts(rule, CAPTION)
    assert made
    assert CAPTION not in made
    for text in made:
        assert words(text) == words(CAPTION)
        assert text.endswith(".")
        assert text[0].isupper()


def test_trigrams_move_as_wholes() -> None:
    for text in texts("shuffle-trigrams", CAPTION):
        assert "a pink vase" in text.lower()
        assert "stands near the" in text.lower()


def test_words_stay_within_their_trigram() -> None:
    for text in texts("shuffle-within-trigrams", CAPTION):
        assert words(" ".join(text.split()[:3])) == ["a", "pink", "vase"]


def test_nouns_and_adjectives_leave_the_rest_in_place() -> None:
    for text in texts("shuffle-nouns-and-adjectives", CAPTION):
        assert [word for word in text.lower().split() if word in ("a", "stands", "near", "the")] == [
            "a", "stands", "near", "the",
        ]  # fmt: skip


def test_all_but_nouns_and_adjectives_leaves_those_in_place() -> None:
    for text in texts("shuffle-all-but-nouns-and-adjectives", CAPTION):
        found = text.lower().rstrip(".").split()
        assert [found[1], found[2], found[6], found[7]] == ["pink", "vase", "low", "shelf"]


@pytest.mark.parametrize("rule", ["shuffle-nouns-and-adjectives", "shuffle-trigrams"])
def test_one_word_has_no_other_order(rule: str) -> None:
    assert texts(rule, "Goats.") == set()
