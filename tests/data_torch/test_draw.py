from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from negagen.data.draw import Draw, category_weights
from negagen.data.hard_negatives import HardNegatives
from negagen.data.trainingset import Choices
from negagen.errors import DataError
from negagen.types import CATEGORIES
from tests.data_torch.files import caption, negatives_of, rows, write


def choices(counts: list[int], kinds: list[int] | None = None, weights: list[float] | None = None) -> Choices:
    total = sum(counts)
    none = np.full(total, -1, np.int32)
    return Choices(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.arange(total, dtype=np.int32),
        np.array(weights or [1.0] * total, np.float32),
        np.array(kinds or [0] * total, np.int8),
        none,
        none,
        np.full(total, np.nan, np.float32),
    )


@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=12),
    k=st.integers(0, 6),
    seed=st.integers(0, 2**63),
    epoch=st.integers(0, 9),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_each_row_gets_its_own_without_repeats(
    counts: list[int], k: int, seed: int, epoch: int, data: st.DataObject
) -> None:
    pool = choices(counts)
    draw = Draw(pool, k, seed=seed)
    wanted = np.array(data.draw(st.lists(st.integers(0, len(counts) - 1), max_size=9)), np.int64)
    drawn = draw(wanted, epoch)
    assert drawn.shape == (len(wanted), k)
    for row, found in zip(wanted.tolist(), drawn.tolist(), strict=True):
        there = [one for one in found if one >= 0]
        assert len(there) == len(set(there)) == min(k, counts[row])
        assert all(pool.offsets[row] <= one < pool.offsets[row + 1] for one in there)
        assert found == draw(np.array([row]), epoch)[0].tolist()  # alone or in a batch
        assert found[: k - 1 if k else 0] == Draw(pool, max(k - 1, 0), seed=seed)(np.array([row]), epoch)[0].tolist()


def test_epochs_seeds_and_purposes_give_other_draws() -> None:
    pool = choices([20] * 50)
    every = np.arange(50)
    first = Draw(pool, 4, seed=1)(every, 0)
    for other in (
        Draw(pool, 4, seed=1)(every, 1),
        Draw(pool, 4, seed=2)(every, 0),
        Draw(pool, 4, seed=1, purpose="positives")(every, 0),
    ):
        assert (first != other).mean() > 0.7


def test_chances_are_in_proportion_to_the_weights() -> None:
    names = CATEGORIES[:3]
    pool = choices([4] * 30_000, kinds=[0, 1, 2, -1] * 30_000)
    weights = {names[0]: 3.0, names[1]: 1.0}
    drawn = Draw(pool, 1, categories=weights)(np.arange(30_000), 0)[:, 0]
    shares = np.bincount(drawn % 4, minlength=4) / 30_000
    # 3 standard deviations of a share of 3/4.
    assert shares == pytest.approx([0.75, 0.25, 0, 0], abs=3 * math.sqrt(0.75 * 0.25 / 30_000))
    confident = choices([2] * 30_000, weights=[0.2, 0.8] * 30_000)
    drawn = Draw(confident, 1, confidence=True)(np.arange(30_000), 0)[:, 0]
    assert (drawn % 2).mean() == pytest.approx(0.8, abs=0.01)
    assert (Draw(confident, 1)(np.arange(30_000), 0)[:, 0] % 2).mean() == pytest.approx(0.5, abs=0.01)


def test_what_may_not_be_drawn_is_not() -> None:
    pool = choices([3, 3], kinds=[0, 1, -1] * 2)
    without = np.array([False, False, True, True, True, True])
    assert sorted(Draw(pool, 3, without=without)(np.array([0]), 0)[0].tolist()) == [-1, 0, 1]
    draw = Draw(pool, 3, categories=[CATEGORIES[1]])
    assert draw(np.array([0, 1]), 5).tolist() == [[1, -1, -1], [4, -1, -1]]
    assert draw.available().tolist() == [1, 1]
    assert Draw(pool, 3, without=without).available().tolist() == [2, 0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["replace_atr"], "replace_att"),
        ({"swap_obj": -1.0}, "from 0 on"),
        ({"swap_obj": float("nan")}, "from 0 on"),
        ({"swap_obj": 0.0}, "weight 0"),
    ],
)
def test_categories_that_are_none(given: list[str] | dict[str, float], words: str) -> None:
    with pytest.raises(DataError, match=words):
        category_weights(given)
    assert category_weights(None).all()
    assert category_weights({}).all()


def test_negatives_of_a_file_by_row_and_by_batch(tmp_path: Path) -> None:
    table = rows(9)
    table[4]["caption"] = None
    path = write(tmp_path / "n.parquet", table, ["caption", "negatives"])
    found = HardNegatives.open([path], cache=tmp_path / "cache", k=2, seed=7)
    assert len(found) == 9
    for row in range(9):
        own = {one["text"] for one in negatives_of(row, 1 + row % 3)}
        assert set(found[row]) <= own
        assert len(found[row]) == min(2, len(own))
    assert found[-1] == found[8]
    with pytest.raises(IndexError):
        found[9]
    again: HardNegatives = pickle.loads(pickle.dumps(found))
    for epoch in (0, 3):
        assert again.batch([3, 8, 0], epoch) == found.batch(np.array([3, 8, 0]), epoch)
    assert found.batch([], 1) == []
    only = HardNegatives.open([path], cache=tmp_path / "cache", k=3, categories=["replace_att"])
    assert [only[row] for row in (0, 1)] == [
        [caption(row).replace(word, "purple", 1)] for row, word in ((0, "red"), (1, "blue"))
    ]


@pytest.mark.parametrize("method", ["batch", "candidates", "samples"])
def test_rows_that_are_none(tmp_path: Path, method: str) -> None:
    path = write(tmp_path / "n.parquet", rows(9), ["caption", "negatives"])
    negatives = HardNegatives.open([path], cache=tmp_path / "cache", k=2)
    ask = getattr(negatives, method)
    for wrong in (9, -1, -9, 1 << 40):
        with pytest.raises(IndexError, match=f"row {wrong} is none of the 9 rows"):
            ask([0, wrong])
    for unfit in ([3.5], [None], ["3"], [True], 3, [[0, 1]], np.array([0.0])):
        with pytest.raises(DataError, match="rows are whole numbers"):
            ask(unfit)
    assert len(ask([])) == 0
    assert len(ask(torch.tensor([8]))) == len(ask(np.array([8], np.uint8))) == len(ask(range(1))) == 1
    by_index: Any = negatives
    assert len(list(by_index)) == 9


def test_another_process_gets_where_they_lie(tmp_path: Path) -> None:
    path = write(tmp_path / "n.parquet", rows(2000), ["caption", "negatives"])
    found = HardNegatives.open([path], cache=tmp_path / "cache", k=2, seed=7, categories={"replace_obj": 1.0})
    sent = pickle.dumps(found)
    assert len(sent) < 1000
    again: HardNegatives = pickle.loads(sent)
    assert again.batch(range(2000), 1) == found.batch(range(2000), 1)
