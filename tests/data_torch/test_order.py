from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from negagen.data.order import Order
from negagen.errors import DataError

ROWS = np.arange(100, 161)


@given(seed=st.integers(0, 2**40), size=st.integers(1, 61), epoch=st.integers(0, 50))
@settings(max_examples=50, deadline=None)
def test_an_epoch_has_every_row_once(seed: int, size: int, epoch: int) -> None:
    order = Order(ROWS, size, seed=seed)
    per = order.steps_per_epoch
    steps = list(order.steps(epoch * per, (epoch + 1) * per))
    assert {step.epoch for step in steps} == {epoch}
    rows = np.concatenate([step.rows for step in steps])
    assert len(rows) == per * size == len(np.unique(rows))
    assert set(rows.tolist()) <= set(ROWS.tolist())
    assert sorted(order.epoch(epoch).tolist()) == ROWS.tolist()


def test_orders_differ_by_seed_and_epoch() -> None:
    one = Order(ROWS, 4, seed=1)
    assert one.epoch(0).tolist() != one.epoch(1).tolist()
    assert one.epoch(0).tolist() != Order(ROWS, 4, seed=2).epoch(0).tolist()


@given(start=st.integers(0, 40), world=st.sampled_from([1, 2, 3, 6]))
@settings(max_examples=30, deadline=None)
def test_a_step_does_not_depend_on_where_a_run_began_or_how_many_ranks_it_has(start: int, world: int) -> None:
    unbroken = list(Order(ROWS, 12, seed=5).steps(0, 45))[start:]
    ranks = [list(Order(ROWS, 12, seed=5, rank=rank, world_size=world).steps(start, 45)) for rank in range(world)]
    for index, step in enumerate(unbroken):
        assert step.number == start + index
        shared = np.concatenate([rank[index].own for rank in ranks])
        assert shared.tolist() == step.own.tolist() == step.rows.tolist()


def test_what_cannot_be_shared_or_filled_is_refused() -> None:
    with pytest.raises(DataError, match="multiple of 3"):
        Order(ROWS, 10, world_size=3)
    with pytest.raises(DataError, match="61 rows can be trained on, fewer than a batch of 64"):
        Order(ROWS, 64)
