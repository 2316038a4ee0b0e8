from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from negagen.batch.stats import Counts, peak_rss, ranked
from tests.batch.files import captions
from tests.batch.standin import swap


@given(st.lists(st.sampled_from(["a b c", "dog", "", None, "two cats"])), st.integers(0, 20))
def test_counts_of_pieces_add_up(texts: list[str | None], cut: int) -> None:
    results = [swap(text) for text in texts]
    total = Counts.of(results[:cut])
    total.add(Counts.of(results[cut:]))
    assert total == Counts.of(results)
    assert total.rows == len(texts) == total.status.total()
    assert Counts.from_json(total.to_json()) == total


def test_what_is_counted() -> None:
    counts = Counts.of([swap(text) for text in captions(50)])
    assert (counts.covered, counts.negatives, counts.diverse) == (49, 49, 0)


def test_ranked() -> None:
    assert ranked({"b": 1, "a": 1, "c": 2}) == [("c", 2), ("a", 1), ("b", 1)]


def test_from_json_forgives_what_it_does_not_know() -> None:
    assert Counts.from_json({"rows": "many", "status": 3, "else": 1}) == Counts()


def test_peak_rss_is_that_of_a_python() -> None:
    assert 5 << 20 < peak_rss() < 64 << 30
