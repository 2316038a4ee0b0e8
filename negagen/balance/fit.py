"""Fits the blindness model: counts of the captions, then the tilt at which their negatives give nothing away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from negagen.balance.ngrams import SCALE
from negagen.balance.pool import MODELS, Pool
from negagen.balance.selection import BINS, Policy, Tilt, choose, gap_bins, noise, tilted

_STEP_TABLE: Final = 0.04
_STEP_BINS: Final = 0.02
_SHRINK: Final = 0.9
_BOUND: Final = 8 * SCALE


class Draw(NamedTuple):
    """A batch to draw from: its pool, a key for each of its captions (uint64 [C]), and the candidates' log weights
    before the tilt (int64 [N], in nats / SCALE).
    """

    pool: Pool
    keys: NDArray[np.uint64]
    share: NDArray[np.int64]


def typical_gaps(pools: Sequence[Pool]) -> NDArray[np.int64]:
    """The median size of the gaps that are not zero, by model: int64 [MODELS], in nats / SCALE."""
    gaps = np.concatenate([pool.gaps for pool in pools]) if pools else np.zeros((0, MODELS), np.int64)
    sizes = [np.abs(column[column != 0]) for column in gaps.T]
    return np.array([int(np.median(size)) if len(size) else SCALE for size in sizes], np.int64)


def fit_tilt(
    groups: Sequence[Sequence[Draw]], categories: int, *, k: int, policy: Policy, bits: int, epochs: int
) -> Tilt:
    """Draw from each pool in turn with the weights so far, then move them against what the draw shows too much of.

    This is stochastic ascent on the dual of the maximum-entropy problem "stay close to the pool's own distribution,
    subject to negatives and captions having equal features in the mean". Each group of captions has its own weights,
    fitted on the other groups: each is a game of its own, for weights that are moved by draws which they do not steer
    drift without end.
    """
    units = typical_gaps([draw.pool for group in groups for draw in group])
    fitted = [_fit_group(group, categories, units, k=k, policy=policy, bits=bits, epochs=epochs) for group in groups]
    tables, bins = np.stack([table for table, _ in fitted]), np.stack([each for _, each in fitted])
    if len(groups) == 2:  # each group draws with what the other one taught
        tables, bins = tables[::-1], bins[::-1]
    return Tilt(np.ascontiguousarray(tables), np.ascontiguousarray(bins), units)


def _fit_group(
    draws: Sequence[Draw],
    categories: int,
    units: NDArray[np.int64],
    *,
    k: int,
    policy: Policy,
    bits: int,
    epochs: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The weights of one game: table int64 [2**bits], bins int64 [categories, MODELS, BINS]."""
    table_mean, bins_mean, taken = np.zeros(1 << bits), np.zeros((categories, MODELS, BINS)), 0
    steps = [gap_bins(draw.pool.gaps, units) for draw in draws]
    table, bins = np.zeros(1 << bits, np.int64), np.zeros((categories, MODELS, BINS), np.int64)
    for epoch in range(epochs):
        rate = 1.0 / (1.0 + 3.0 * epoch / epochs)
        for number, (pool, keys, share) in enumerate(draws):
            if not len(pool.owner):
                continue
            tilt = Tilt(table[None], bins[None], units)
            energy = tilted(pool, tilt, np.zeros(pool.captions, np.int64)) + share
            drawn = energy + noise(pool, keys + np.uint64(epoch))
            picked = np.array([i for mine in choose(pool, drawn, k, policy) for i in mine], np.int64)
            _move(table, bins, pool, picked, steps[number], rate)
        table = np.rint(table * _SHRINK).astype(np.int64)
        if epoch >= epochs // 2:
            table_mean += table
            bins_mean += bins
            taken += 1
    return np.rint(table_mean / taken).astype(np.int64), np.rint(bins_mean / taken).astype(np.int64)


def _move(
    table: NDArray[np.int64],
    bins: NDArray[np.int64],
    pool: Pool,
    picked: NDArray[np.int64],
    steps: tuple[NDArray[np.int64], NDArray[np.int64]],
    rate: float,
) -> None:
    if not len(picked):
        return
    place, sign = steps
    rows = np.repeat(pool.category[picked][:, None], MODELS, axis=1)
    np.subtract.at(bins, (rows, np.arange(MODELS), place[picked]), round(rate * _STEP_BINS * SCALE) * sign[picked])
    step = round(rate * _STEP_TABLE * SCALE)
    text = pool.captions + picked
    for begin, size, direction in (
        (pool.starts[text], pool.lengths[text], -step),
        (pool.begin[picked], pool.end[picked] - pool.begin[picked], step),
    ):
        np.add.at(table, pool.slots[_ragged(begin, size)].ravel(), direction)
    np.clip(bins, -_BOUND, _BOUND, out=bins)


def _ragged(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The concatenated ranges [start, start + length): int64 [sum of lengths]."""
    ends = np.cumsum(lengths)
    out: NDArray[np.int64] = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)
    return out
