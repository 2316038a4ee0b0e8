"""Fits the blindness model: counts of the captions, then the tilt at which their negatives give nothing away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from negagen.balance.pool import MODELS, Pool
from negagen.balance.ngrams import SCALE
from negagen.balance.selection import BINS, Policy, Tilt, choose, crowding, gap_bins, noise, tilted

_STEP_TABLE: Final = 0.04
_STEP_BINS: Final = 0.02
_BOUND: Final = 8.0


def typical_gaps(pools: Sequence[Pool]) -> NDArray[np.int64]:
    """The median size of the gaps that are not zero, by model: int64 [MODELS], in nats / SCALE."""
    gaps = np.concatenate([pool.gaps for pool in pools]) if pools else np.zeros((0, MODELS), np.int64)
    sizes = [np.abs(column[column != 0]) for column in gaps.T]
    return np.array([int(np.median(size)) if len(size) else SCALE for size in sizes], np.int64)


def fit_tilt(
    pools: Sequence[Pool],
    folds: Sequence[NDArray[np.int64]],
    keys: Sequence[NDArray[np.uint64]],
    prior: NDArray[np.int64],
    *,
    k: int,
    policy: Policy,
    bits: int,
    fold_count: int,
    epochs: int,
) -> Tilt:
    """Draw from each pool in turn with the weights so far, then move them against what the draw shows too much of.

    This is stochastic ascent on the dual of the maximum-entropy problem "stay close to the pool's own distribution,
    subject to negatives and captions having equal features in the mean"; the weights returned are the mean of the
    second half of the way (Polyak averaging). A batch moves the weights of all folds but those of its captions' own.
    """
    units = typical_gaps(pools)
    table = np.zeros((fold_count, 1 << bits), np.float64)
    bins = np.zeros((fold_count, len(prior), MODELS, BINS), np.float64)
    table_mean, bins_mean, taken = np.zeros_like(table), np.zeros_like(bins), 0
    shares = [crowding(pool, prior) for pool in pools]
    steps = [gap_bins(pool.gaps, units) for pool in pools]
    for epoch in range(epochs):
        rate = 1.0 / (1.0 + 2.0 * epoch / epochs)
        for number, pool in enumerate(pools):
            if not len(pool.owner):
                continue
            now = Tilt(_fixed(table), _fixed(bins), units) if number % 4 == 0 else now
            energy = tilted(pool, now, folds[number]) + shares[number]
            drawn = energy + noise(pool, keys[number] + np.uint64(epoch))
            picked = np.array([i for mine in choose(pool, energy, drawn, k, policy) for i in mine], np.int64)
            _move(table, bins, pool, picked, folds[number], steps[number], rate)
        if epoch >= epochs // 2:
            table_mean += table
            bins_mean += bins
            taken += 1
    return Tilt(_fixed(table_mean / max(taken, 1)), _fixed(bins_mean / max(taken, 1)), units)


def _move(
    table: NDArray[np.float64],
    bins: NDArray[np.float64],
    pool: Pool,
    picked: NDArray[np.int64],
    folds: NDArray[np.int64],
    steps: tuple[NDArray[np.int64], NDArray[np.int64]],
    rate: float,
) -> None:
    own = folds[pool.owner[picked]]
    place, sign = steps
    columns = np.arange(MODELS)
    for fold in range(len(table)):
        mine = picked[own != fold] if len(table) > 1 else picked
        if not len(mine):
            continue
        rows = np.repeat(pool.category[mine][:, None], MODELS, axis=1)
        np.subtract.at(bins[fold], (rows, columns, place[mine]), rate * _STEP_BINS * sign[mine])
        for texts, direction in ((pool.captions + mine, -1.0), (pool.owner[mine], 1.0)):
            at = _ragged(pool.starts[texts], pool.lengths[texts])
            np.add.at(table[fold], pool.slots[at].ravel(), direction * rate * _STEP_TABLE)
    np.clip(bins, -_BOUND, _BOUND, out=bins)


def _ragged(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The concatenated ranges [start, start + length): int64 [sum of lengths]."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)


def _fixed(weights: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.rint(weights * SCALE).astype(np.int64)
