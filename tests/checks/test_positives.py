"""A hard positive must be true: what only looks like a reordering is none."""

import pytest

from negagen import Negator

NEGATOR = Negator(k=64, blindness="off")


@pytest.mark.parametrize(
    "caption",
    [
        "A man chasing a cat near a dog",
        "A woman hugging a girl with a boy",
        "A man near a woman in a red hat",
        "A man with a dog and a cat with a ball",
        "A cat behind a dog and a horse beside a bench",
    ],
)
def test_no_positive_where_more_is_said_of_one_side(caption: str) -> None:
    assert [found for found in NEGATOR(caption).positives if found.category != "paraphrase"] == []


@pytest.mark.parametrize(
    ("caption", "positive"),
    [
        ("A cat next to a dog", "A dog next to a cat"),
        ("A cat and a dog", "A dog and a cat"),
        ("Two cats beside two dogs", "Two dogs beside two cats"),
    ],
)
def test_a_mere_reordering_is_positive(caption: str, positive: str) -> None:
    assert positive in {found.text for found in NEGATOR(caption).positives}


@pytest.mark.parametrize(
    "caption", ["There are no red cars or blue trucks", "A street without red cars and blue trucks"]
)
def test_nothing_denied_is_exchanged(caption: str) -> None:
    assert not [negative for negative in NEGATOR(caption).negatives if negative.category.startswith("swap")]


def test_a_general_word_covers_its_kinds() -> None:
    result = NEGATOR("A dog and other animals in a yard")
    assert not [n.text for n in result.negatives if n.rule == "replace-object" and "yard" in n.text]


def test_a_shuffle_keeps_the_words() -> None:
    caption = "A pink vase on a low shelf"
    result = Negator(k=16, categories=["shuffle"])(caption)
    assert result.negatives
    for negative in result.negatives:
        assert sorted(negative.text.lower().split()) == sorted(caption.lower().split())
