"""Count expressions: a replacement's range never meets the replaced one's."""

from __future__ import annotations

import pytest

from negagen.lexicon import load


def test_ranges_never_meet() -> None:
    lexicon = load()
    for entry in lexicon.numbers.values():
        assert 0 < entry.low <= entry.high
        assert len(entry.replacements) == len(entry.cumulative)
        for word in entry.replacements:
            other = lexicon.number(word)
            assert other is not None
            assert other.high < entry.low or other.low > entry.high
            assert other.value is not None
            assert other.value <= 6
            assert other.digits == entry.digits


def test_two() -> None:
    two = load().number("two")
    assert two is not None
    assert (two.value, two.low, two.high, two.vague, two.plural) == (2, 2, 2, False, True)
    assert "four" in two.replacements
    assert {"several", "some", "a couple of", "2", "both"}.isdisjoint(two.replacements)


@pytest.mark.parametrize(
    "word", ["several", "some", "many", "a couple of", "a few", "a group of", "dozens of", "lots of"]
)
def test_vague_counts_are_left_alone(word: str) -> None:
    entry = load().number(word)
    assert entry is not None
    assert entry.vague
    assert entry.value is None
    assert entry.replacements == ()


def test_a_pair_is_two() -> None:
    pair = load().number("a pair of")
    assert pair is not None
    assert pair.value == 2


def test_one_is_singular_and_near_counts_are_likelier() -> None:
    lexicon = load()
    one, three = lexicon.number("one"), lexicon.number("three")
    assert one is not None
    assert not one.plural
    assert three is not None
    weights = dict(
        zip(
            three.replacements,
            [b - a for a, b in zip((0, *three.cumulative), three.cumulative, strict=False)],
            strict=True,
        )
    )
    assert weights["four"] > weights["six"]
