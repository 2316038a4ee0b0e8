"""Pronouns that follow a person whose gender changes."""

import pytest

from negagen.ops.pronouns import pronoun_splices
from tests.ops.proposals import parse


def changed(caption: str, new: str) -> list[str] | None:
    splices = pronoun_splices(parse(caption), new)
    return None if splices is None else [splice.text for splice in splices]


@pytest.mark.parametrize(
    ("caption", "new", "pronouns"),
    [
        ("A boy riding his bike", "girl", ["her"]),
        ("A woman combing her hair", "man", ["his"]),
        ("A woman with a dog behind her", "man", ["him"]),
        ("A man as he lifts his cup to himself", "woman", ["she", "her", "herself"]),
        ("A woman as she lifts her cup", "boy", ["he", "his"]),
        ("A woman combing her hair", "girl", []),  # the same gender
        ("A woman combing her hair", "child", []),  # any gender
        ("A woman with a cup", "man", []),
        ("A dog chewing its bone", "man", []),
        ("A woman and a nurse with her bag", "man", None),  # whose bag?
        ("A woman and a nurse with a bag", "man", []),
    ],
)
def test_pronouns_follow(caption: str, new: str, pronouns: list[str] | None) -> None:
    assert changed(caption, new) == pronouns
