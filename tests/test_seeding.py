"""Randomness is a pure function of its keys."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from negagen.seeding import Stream, key_of


def test_key_is_the_same_everywhere() -> None:
    # Fixed numbers: a change here changes every user's output.
    assert key_of(0, 0, "A dog") == 17156867322957014784
    assert key_of("a", "bc") != key_of("ab", "c")


def test_stream_is_splitmix64() -> None:
    # The first output for seed 0 in the reference implementation.
    assert Stream(0).bits() == 0xE220A8397B1DCDAF


@given(st.integers(min_value=0, max_value=2**64 - 1), st.integers(min_value=1, max_value=10_000))
def test_below_stays_below(key: int, bound: int) -> None:
    stream = Stream(key)
    assert all(0 <= stream.below(bound) < bound for _ in range(20))


def test_below_refuses_an_empty_range() -> None:
    with pytest.raises(ValueError, match="positive bound"):
        Stream(1).below(0)


def test_draws_are_uniform() -> None:
    stream = Stream(7)
    counts = Counter(stream.below(8) for _ in range(80_000))
    assert all(abs(count - 10_000) < 500 for count in counts.values())


def test_weighted_follows_the_weights() -> None:
    stream = Stream(3)
    counts = Counter(stream.weighted([1, 1, 4]) for _ in range(40_000))
    assert counts[1] == 0
    assert abs(counts[0] - 10_000) < 500


@given(st.integers(), st.lists(st.integers()))
def test_shuffled_permutes(key: int, items: list[int]) -> None:
    assert sorted(Stream(key).shuffled(items)) == sorted(items)


def test_a_fork_does_not_depend_on_what_was_drawn() -> None:
    fresh, used = Stream(5), Stream(5)
    for _ in range(10):
        used.bits()
    assert [fresh.fork(1).bits() for _ in range(3)] == [used.fork(1).bits() for _ in range(3)]
    assert fresh.fork(1).bits() != fresh.fork(2).bits()
