"""What the garbage collector is spared, and that it is left as it was."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from negagen.collector import pass_over, uncollected


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def work() -> None:
    with uncollected():
        assert not gc.isenabled()
        raise KeyError


def test_no_search_meanwhile_and_again_after_an_error() -> None:
    with pytest.raises(KeyError):
        work()
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    with uncollected():
        pass
    assert not gc.isenabled()


def test_what_was_made_is_not_searched_but_collected_later() -> None:
    class Knot:
        alive = 0

        def __init__(self) -> None:
            self.me = self
            Knot.alive += 1

        def __del__(self) -> None:
            Knot.alive -= 1

    with uncollected():
        for _ in range(10):
            Knot()
        pass_over()
        assert gc.collect(0) == 0
        assert Knot.alive == 10
    gc.collect()
    assert Knot.alive == 0


def test_what_is_frozen_stays_so() -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    pass_over()
    assert gc.get_freeze_count() >= frozen > 0
