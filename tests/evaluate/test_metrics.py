from __future__ import annotations

from math import comb, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from negagen.evaluate import metrics

# Coarse values, so that ties are common.
VALUES = st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0, float("nan")])


def above(one: float, other: float, tolerance: float = 0.0) -> bool:
    """The definition, for the slow references."""
    return not isnan(one) and not isnan(other) and one - other > tolerance


@given(st.data(), st.integers(1, 6), st.integers(1, 3), st.integers(1, 4))
def test_choice_is_every_wanted_above_every_other(data: st.DataObject, n: int, p: int, k: int) -> None:
    wanted = np.array(data.draw(st.lists(st.lists(VALUES, min_size=p, max_size=p), min_size=n, max_size=n)))
    others = np.array(data.draw(st.lists(st.lists(VALUES, min_size=k, max_size=k), min_size=n, max_size=n)))
    found = metrics.choice(wanted, others)
    slow = [all(above(a, b) for a in wanted[row] for b in others[row]) for row in range(n)]
    assert found.right.tolist() == slow
    assert not (found.right & found.tied).any()


@given(st.data(), st.integers(1, 5))
def test_masked_places_do_not_matter(data: st.DataObject, n: int) -> None:
    near = np.array(data.draw(st.lists(st.lists(VALUES, min_size=5, max_size=5), min_size=n, max_size=n)))
    sizes = data.draw(st.lists(st.tuples(st.integers(1, 2), st.integers(1, 3)), min_size=n, max_size=n))
    wanted = np.array([[place < p for place in range(2)] for p, _ in sizes])
    others = np.array([[place < k for place in range(3)] for _, k in sizes])
    found = metrics.choice(near[:, :2], near[:, 2:], wanted, others)
    for row, (p, k) in enumerate(sizes):
        alone = metrics.choice(near[row : row + 1, :p], near[row : row + 1, 2 : 2 + k])
        assert found.right[row] == alone.right[0]
        assert found.tied[row] == alone.tied[0]


def test_choice_by_hand() -> None:
    found = metrics.choice(np.array([[0.3], [0.3], [0.2], [0.3]]), np.array([[0.2], [0.3], [0.3], [0.3 - 1e-9]]))
    assert found.right.tolist() == [True, False, False, True]
    assert found.tied.tolist() == [False, True, False, False]
    near = metrics.choice(np.array([[0.3]]), np.array([[0.3 - 1e-9]]), tolerance=1e-6)
    assert not near.right[0]
    assert near.tied[0]


@given(st.data(), st.integers(1, 6))
def test_matching_is_winogrounds(data: st.DataObject, n: int) -> None:
    grid = np.array(data.draw(st.lists(st.lists(VALUES, min_size=4, max_size=4), min_size=n, max_size=n)))
    s = grid.reshape(n, 2, 2)
    found = metrics.matching(s)
    for row in range(n):
        # Winoground names c_i the score of caption c with picture i.
        c0_i0, c1_i0, c0_i1, c1_i1 = s[row].reshape(-1).tolist()
        text = above(c0_i0, c1_i0) and above(c1_i1, c0_i1)
        image = above(c0_i0, c0_i1) and above(c1_i1, c1_i0)
        assert found["text"].right[row] == text
        assert found["image"].right[row] == image
        assert found["group"].right[row] == (text and image)


def test_matching_by_hand() -> None:
    # The second picture is nearer to both texts: each picture finds its text, no text all its pictures.
    s = np.array([[[0.3, 0.2], [0.5, 0.6]]])
    found = metrics.matching(s)
    assert (found["text"].right[0], found["image"].right[0], found["group"].right[0]) == (True, False, False)


def test_text_only_by_hand() -> None:
    found = metrics.text_only(np.array([0.9, 0.9, 0.8]), np.array([0.8, 0.95, 0.7]), np.array([0.7, 0.5, 0.8]))
    assert found.right.tolist() == [True, False, False]
    assert found.tied.tolist() == [False, False, True]


@given(st.data(), st.integers(1, 5), st.integers(1, 7))
def test_ranks_count_what_the_best_match_is_not_above(data: st.DataObject, q: int, c: int) -> None:
    near = np.array(data.draw(st.lists(st.lists(VALUES, min_size=c, max_size=c), min_size=q, max_size=q)))
    flags = st.lists(st.lists(st.booleans(), min_size=c, max_size=c), min_size=q, max_size=q)
    match = np.array(data.draw(flags))
    found = metrics.ranks(near, match)
    for row in range(q):
        own = [near[row, j] for j in range(c) if match[row, j] and not isnan(near[row, j])]
        if not own:
            assert found[row] == c + 1
            continue
        ahead = sum(not above(max(own), near[row, j]) for j in range(c) if not match[row, j])
        assert found[row] == 1 + ahead


def test_ranks_agree_with_sorting_where_nothing_ties() -> None:
    generator = np.random.default_rng(0)
    near = generator.normal(size=(50, 30))
    match = np.zeros((50, 30), bool)
    match[np.arange(50), generator.integers(0, 30, 50)] = True
    order = np.argsort(-near, axis=1)
    slow = [int(np.flatnonzero(match[row][order[row]])[0]) + 1 for row in range(50)]
    assert metrics.ranks(near, match).tolist() == slow


@pytest.mark.parametrize("value", [0.0, 0.7, float("nan")])
def test_constant_and_broken_models_score_nothing(value: float) -> None:
    n = 20
    full = np.full((n, 3), value)
    assert not metrics.choice(full[:, :1], full[:, 1:]).right.any()
    assert not any(one.right.any() for one in metrics.matching(np.full((n, 2, 2), value)).values())
    assert not metrics.text_only(full[:, 0], full[:, 1], full[:, 2]).right.any()
    match = np.eye(n, dtype=bool)
    assert (metrics.ranks(np.full((n, n), value), match) >= n).all()


@pytest.mark.parametrize(("p", "k"), [(1, 1), (1, 4), (2, 1), (2, 3)])
def test_chance_of_choice_is_what_random_similarities_get(p: int, k: int) -> None:
    generator = np.random.default_rng(p * 10 + k)
    near = generator.normal(size=(40_000, p + k))
    got = metrics.choice(near[:, :p], near[:, p:]).right.mean()
    assert got == pytest.approx(metrics.chance_of_choice(p, k), abs=0.01)


def test_chances_of_the_others() -> None:
    generator = np.random.default_rng(5)
    found = metrics.matching(generator.normal(size=(60_000, 2, 2)))
    for name, outcome in found.items():
        assert outcome.right.mean() == pytest.approx(metrics.CHANCE_OF_MATCHING[name], abs=0.01)
    three: NDArray[np.float64] = generator.normal(size=(3, 60_000))
    assert metrics.text_only(*three).right.mean() == pytest.approx(metrics.CHANCE_OF_TEXT_ONLY, abs=0.01)
    near = generator.normal(size=(20_000, 12))
    match = np.zeros((20_000, 12), bool)
    match[:, :3] = True
    for k in (1, 5, 10):
        got = (metrics.ranks(near, match) <= k).mean()
        assert got == pytest.approx(metrics.chance_of_rank(3, 12, k), abs=0.01)
    assert metrics.chance_of_rank(3, 12, 5) == pytest.approx(1 - comb(9, 5) / comb(12, 5))
    assert metrics.chance_of_rank(1, 4, 5) == 1


def test_rank_ties_are_told() -> None:
    near = np.array([[0.5, 0.5, 0.1], [0.5, 0.4, 0.1], [float("nan"), 0.4, 0.1]])
    match = np.zeros((3, 3), bool)
    match[:, 0] = True
    assert metrics.rank_ties(near, match).tolist() == [True, False, False]
