"""How sure a score is, and whether two models differ: resampling whole pictures, not items.

Items of one picture are not independent, so the bootstrap draws, and the test turns round, all of a picture together.
A score that averages categories is averaged anew in every resample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from negagen.audit.rates import rate
from negagen.seeding import key_of

RESAMPLES = 1000
FLIPS = 9999
_EXACT = 12
"""So many changed pictures, or fewer, are turned round in every way there is."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How much higher one model scores than another: `value` with its 95% interval, the two-sided `p` of the sign-flip
    test, and how many items are `better` and `worse`."""

    value: float
    low: float
    high: float
    p: float
    better: int
    worse: int


def mean(values: NDArray[np.floating], strata: NDArray[np.int64] | None = None) -> float:
    """The mean of `values` ([N]), or the mean of the means of `strata` (int64 [N]); NaN of nothing."""
    if not len(values):
        return float("nan")
    if strata is None:
        return float(np.mean(values))
    _, codes = np.unique(strata, return_inverse=True)
    return float(np.mean(np.bincount(codes, values) / np.bincount(codes)))


def interval(
    values: NDArray[np.floating],
    groups: NDArray[np.int64],
    strata: NDArray[np.int64] | None = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """The mean of `values` (in [0, 1], [N]) and its percentile bootstrap interval, drawing whole `groups` (int64 [N]).

    With `strata` (int64 [N]) it is the mean of their means. Where all values are equal the bootstrap has no width;
    there the interval is Wilson's, each group counting once.
    """
    value = mean(values, strata)
    if not len(values):
        return Interval(value, float("nan"), float("nan"))
    if np.all(values == values[0]) and values[0] in (0, 1):
        wilson = rate(np.where(values > 0, 1.0, -1.0), groups)
        return Interval(value, wilson.low, wilson.high)
    low, high = _percentiles(values, groups, strata, seed, resamples)
    return Interval(value, min(low, value), max(high, value))


def difference(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    groups: NDArray[np.int64],
    strata: NDArray[np.int64] | None = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    flips: int = FLIPS,
) -> Difference:
    """The mean of `after` minus that of `before`, of the same items ([N] each).

    The test: if the models did not differ, the changes of each group could as well have the other sign (a sign-flip
    randomisation test, exact for few groups). With single items as groups and right-or-wrong values it is McNemar's.
    """
    change = np.asarray(after, np.float64) - np.asarray(before, np.float64)
    value = mean(change, strata)
    better, worse = int((change > 0).sum()), int((change < 0).sum())
    if not len(change) or not (better or worse):
        return Difference(value, value, value, 1.0, better, worse)
    low, high = _percentiles(change, groups, strata, seed, resamples)
    p = _sign_flip(_shares(change, groups, strata), seed, flips)
    return Difference(value, min(low, value), max(high, value), p, better, worse)


def holm(ps: Sequence[float]) -> list[float]:
    """`ps` corrected for their number by Holm's step-down procedure, in the order given."""
    order = sorted(range(len(ps)), key=lambda index: ps[index])
    out, highest = [0.0] * len(ps), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(ps) - place) * ps[index]))
        out[index] = highest
    return out


def _percentiles(
    values: NDArray[np.floating],
    groups: NDArray[np.int64],
    strata: NDArray[np.int64] | None,
    seed: int,
    resamples: int,
) -> tuple[float, float]:
    _, group = np.unique(groups, return_inverse=True)
    _, stratum = np.unique(np.zeros(len(values), np.int64) if strata is None else strata, return_inverse=True)
    count, width = int(group.max()) + 1, int(stratum.max()) + 1
    cell = group * width + stratum
    sums = np.bincount(cell, values, count * width).reshape(count, width)
    sizes = np.bincount(cell, minlength=count * width).reshape(count, width).astype(np.float64)
    generator = np.random.default_rng(key_of("bootstrap", seed))
    means = np.empty(resamples)
    # Some hundred resamples at a time: counts of 25,000 pictures take 20 MB a hundred.
    for start in range(0, resamples, 100):
        taken = range(start, min(start + 100, resamples))
        drawn = np.stack([np.bincount(generator.integers(0, count, count), minlength=count) for _ in taken])
        totals = drawn @ sizes
        part = np.where(totals > 0, drawn @ sums / np.maximum(totals, 1), np.nan)
        means[taken.start : taken.stop] = np.nanmean(part, axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _shares(
    change: NDArray[np.float64], groups: NDArray[np.int64], strata: NDArray[np.int64] | None
) -> NDArray[np.float64]:
    """What each group adds to the mean; those that add nothing are left out."""
    _, group = np.unique(groups, return_inverse=True)
    if strata is None:
        weight = np.full(len(change), 1 / len(change))
    else:
        _, stratum, sizes = np.unique(strata, return_inverse=True, return_counts=True)
        weight = 1 / (sizes[stratum] * len(sizes))
    shares = np.bincount(group, change * weight)
    return np.asarray(shares[np.abs(shares) > 1e-15])


def _sign_flip(shares: NDArray[np.float64], seed: int, flips: int) -> float:
    observed = abs(float(shares.sum())) - 1e-12
    if not len(shares):
        return 1.0
    if len(shares) <= _EXACT:
        signs = 1 - 2 * ((np.arange(1 << len(shares))[:, None] >> np.arange(len(shares))) & 1)
        return float(np.mean(np.abs(signs @ shares) >= observed))
    generator = np.random.default_rng(key_of("sign flips", seed))
    reached = 0
    for start in range(0, flips, 500):
        number = min(500, flips - start)
        signs = generator.integers(0, 2, (number, len(shares)), dtype=np.int8)
        sums = 2.0 * (signs @ shares) - shares.sum()
        reached += int((np.abs(sums) >= observed).sum())
    return (1 + reached) / (1 + flips)
