from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from negagen.evaluate.intervals import difference, holm, interval, mean


def test_means_of_strata_by_hand() -> None:
    values = np.array([1.0, 0.0, 1.0, 1.0])
    assert mean(values) == 0.75
    assert mean(values, np.array([0, 0, 0, 1])) == pytest.approx((2 / 3 + 1) / 2)


def test_the_bootstrap_agrees_with_the_normal_interval_where_that_holds() -> None:
    generator = np.random.default_rng(0)
    values = (generator.random(2000) < 0.7).astype(float)
    found = interval(values, np.arange(2000))
    half = 1.96 * np.sqrt(values.mean() * (1 - values.mean()) / 2000)
    assert found.value == values.mean()
    assert found.high - found.low == pytest.approx(2 * half, rel=0.12)


def test_items_of_one_picture_count_as_one() -> None:
    generator = np.random.default_rng(1)
    pictures = (generator.random(100) < 0.6).astype(float)
    values, groups = np.repeat(pictures, 10), np.repeat(np.arange(100), 10)
    together, alone = interval(values, groups), interval(values, np.arange(1000))
    assert together.high - together.low > 2.5 * (alone.high - alone.low)


def test_the_bootstrap_is_that_of_a_slow_loop() -> None:
    generator = np.random.default_rng(2)
    values, groups = (generator.random(60) < 0.5).astype(float), generator.integers(0, 20, 60)
    strata = generator.integers(0, 3, 60)
    found = interval(values, groups, strata, resamples=4000)
    loop, names = [], np.unique(groups)
    for _ in range(1500):
        rows = np.concatenate([np.flatnonzero(groups == name) for name in generator.choice(names, len(names))])
        loop.append(np.mean([values[rows][strata[rows] == one].mean() for one in np.unique(strata[rows])]))
    low, high = np.quantile(loop, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.02)
    assert found.high == pytest.approx(high, abs=0.02)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_interval_has_width_where_all_agree(value: float) -> None:
    found = interval(np.full(50, value), np.arange(50))
    assert found.value == value
    assert 0.02 < found.high - found.low < 0.15


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.arange(40) % 3 / 2
    assert interval(values, np.arange(40), seed=3) == interval(values, np.arange(40), seed=3)
    assert interval(values, np.arange(40), seed=3) != interval(values, np.arange(40), seed=4)


def test_five_of_five_better_is_one_in_sixteen() -> None:
    before, after = np.zeros(8), np.array([1.0, 1, 1, 1, 1, 0, 0, 0])
    found = difference(before, after, np.arange(8))
    assert (found.better, found.worse) == (5, 0)
    assert found.p == pytest.approx(2 / 32)
    assert found.value == pytest.approx(5 / 8)


@pytest.mark.parametrize(("better", "worse"), [(3, 7), (40, 20), (25, 25)])
def test_on_single_items_it_is_mcnemars(better: int, worse: int) -> None:
    before = np.array([0.0] * better + [1.0] * worse + [1.0] * 30)
    after = np.array([1.0] * better + [0.0] * worse + [1.0] * 30)
    found = difference(before, after, np.arange(len(before)))
    exact = stats.binomtest(better, better + worse).pvalue
    assert found.p == pytest.approx(exact, abs=0.02)


def test_sign_flips_are_of_whole_pictures() -> None:
    change, groups = np.array([1.0, 1, 1, -1, 1, 1]), np.array([0, 0, 0, 1, 2, 2])
    sums = [3.0, -1.0, 2.0]
    slow = np.mean(
        [abs(sum(a * b for a, b in zip(signs, sums, strict=True))) >= 4 for signs in product((1, -1), repeat=3)]
    )
    assert difference(np.zeros(6), change, groups).p == pytest.approx(slow)


def test_models_that_do_not_differ() -> None:
    values = np.arange(20) % 2.0
    found = difference(values, values, np.arange(20))
    assert (found.value, found.p, found.better, found.worse) == (0, 1, 0, 0)


def test_the_test_holds_its_level() -> None:
    generator = np.random.default_rng(3)
    ps = []
    for _ in range(200):
        before, after = (generator.random((2, 60)) < 0.6).astype(float)
        ps.append(difference(before, after, np.arange(60), flips=400, resamples=10).p)
    assert np.mean(np.array(ps) < 0.05) < 0.1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_the_definition(ps: list[float]) -> None:
    order = sorted(range(len(ps)), key=lambda index: ps[index])
    found = holm(ps)
    for place, index in enumerate(order):
        slow = max(min(1.0, (len(ps) - other) * ps[order[other]]) for other in range(place + 1))
        assert found[index] == pytest.approx(slow)
