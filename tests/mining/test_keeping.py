from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from negagen.data.trainingset import Choices
from negagen.errors import InputError
from negagen.mining.keeping import Judged, Keep, judge


def choices_of(counts: list[int], kinds: list[int]) -> Choices:
    total = sum(counts)
    none = np.full(total, -1, np.int32)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    ones = np.ones(total, np.float32)
    return Choices(offsets, np.arange(total, dtype=np.int32), ones, np.array(kinds, np.int8), none, none, ones * np.nan)


def judged(captions: list[float], lists: list[list[float]], keep: Keep, kinds: list[int] | None = None) -> Judged:
    flat = np.array([one for row in lists for one in row], np.float32)
    choices = choices_of([len(row) for row in lists], [0] * len(flat) if kinds is None else kinds)
    return judge(np.array(captions, np.float32), flat, choices, keep)


def test_a_tie_fools_nobody_and_far_above_is_suspected() -> None:
    found = judged([0.5], [[0.4, 0.5, 0.5 + 5e-7, 0.51, 0.59, 0.61, float("nan")]], Keep(below=1.2))
    assert found.fools.tolist() == [False, False, False, True, True, True, False]
    assert found.suspected.tolist() == [False, False, False, False, False, True, False]
    assert found.kept.tolist() == [False, False, False, True, True, False, False]
    assert found.scored.tolist() == [True] * 6 + [False]


def test_a_caption_below_zero() -> None:
    # Of -0.5, 1.2 times the size lies at -0.4.
    assert judged([-0.5], [[-0.45, -0.35]], Keep(below=1.2)).kept.tolist() == [True, False]


def test_a_share_below_one_keeps_a_distance() -> None:
    found = judged([0.5], [[0.3, 0.45, 0.49]], Keep(fools=False, hardest=1, below=0.95))
    assert found.kept.tolist() == [False, True, False]


def test_half_of_the_hardest_are_of_one_category_unless_others_run_out() -> None:
    keep = Keep(fools=False, hardest=4, below=0)
    scores = [0.9, 0.8, 0.7, 0.6, 0.1]
    assert judged([0.5], [scores], keep, [0, 0, 0, 0, 1]).kept.tolist() == [True, True, True, False, True]
    assert judged([0.5], [scores], keep, [0, 0, 0, 1, 1]).kept.tolist() == [True, True, False, True, True]


def test_no_category_takes_all() -> None:
    lists = [[0.6, 0.7, 0.8, 0.9], [0.65, 0.75, 0.85, 0.6, 0.61]]
    kinds = [0, 0, 0, 0, 0, 0, 0, 1, 2]
    found = judged([0.5, 0.5], lists, Keep(below=0, quota=0.5), kinds)
    # Seven against two: two remain, the hardest.
    assert np.flatnonzero(found.kept).tolist() == [3, 6, 7, 8]
    assert judged([0.5, 0.5], lists, Keep(below=0, quota=0.1), kinds).kept.sum() == 3
    assert judged([0.5, 0.5], lists, Keep(below=0, quota=0.1), [0] * 9).kept.sum() == 9


@given(
    rows=st.lists(
        st.lists(st.tuples(st.floats(-1, 1, width=32), st.integers(-1, 2)), max_size=9), min_size=1, max_size=6
    ),
    hardest=st.integers(1, 5),
    quota=st.floats(0.05, 1),
    below=st.sampled_from([0.0, 0.9, 1.1, 1.5]),
    fools=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_what_is_kept_keeps_the_rules(
    rows: list[list[tuple[float, int]]], hardest: int, quota: float, below: float, fools: bool
) -> None:
    if fools and below == 0.9:
        below = 1.1
    captions = np.linspace(0.1, 0.6, len(rows), dtype=np.float32)
    scores = np.array([score for row in rows for score, _ in row], np.float32)
    kinds = [kind for row in rows for _, kind in row]
    choices = choices_of([len(row) for row in rows], kinds)
    found = judge(captions, scores, choices, Keep(fools, hardest, below, quota))
    owners: NDArray[np.int64] = choices.owners()
    own = captions[owners]
    kept = found.kept
    assert not (kept & found.suspected).any()
    if below:
        assert (scores[kept] <= below * own[kept] + 1e-5).all()
    if fools:
        assert (scores[kept] > own[kept]).all()
    assert (np.bincount(owners[kept], minlength=len(rows)) <= hardest).all()
    shares = np.bincount(choices.kinds[kept] + 1)
    before = judge(captions, scores, choices, Keep(fools, hardest, below, 1.0)).kept
    present = len(np.unique(choices.kinds[before]))
    if kept.any() and present > 1:
        assert shares.max() <= max(quota, 1 / present) * kept.sum() + 1e-6
    # Of a row and category, nothing that was left out for others is harder than what was kept.
    for row in range(len(rows)):
        for kind in set(kinds):
            mine = (owners == row) & (choices.kinds == kind) & before
            if (mine & kept).any() and (mine & ~kept).any():
                assert scores[mine & kept].min() >= scores[mine & ~kept].max()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hardest": 0}, "--hardest 0"),
        ({"below": -1.0}, "--below -1"),
        ({"below": 0.9}, "drops whatever fools"),
        ({"quota": 0.0}, "--quota 0"),
        ({"quota": 1.5}, "--quota 1.5"),
    ],
)
def test_rules_that_cannot_be(options: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Keep(**options)  # type: ignore[arg-type]
