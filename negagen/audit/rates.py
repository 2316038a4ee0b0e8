"""Blind accuracy from score gaps, with an interval that knows that pairs of one picture are not independent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from negagen.errors import InputError
from negagen.seeding import key_of, uniforms

FOLDS: Final = 5

_Z = 1.959963984540054
"""The normal quantile of a two-sided 95% interval."""


@dataclass(frozen=True, slots=True)
class Rate:
    """The share of `pairs` in which the caption scores higher (ties count half), and its 95% interval."""

    accuracy: float
    low: float
    high: float
    pairs: int
    groups: int

    def to_json(self) -> dict[str, float | int]:
        """Plain numbers."""
        return {
            "accuracy": round(self.accuracy, 5),
            "low": round(self.low, 5),
            "high": round(self.high, 5),
            "pairs": self.pairs,
            "groups": self.groups,
        }


def rate(gaps: NDArray[np.float64], groups: NDArray[np.int64]) -> Rate:
    """The rate of `gaps` (caption's score minus negative's, [N]), N >= 1, with pairs clustered by `groups` (int64 [N]).

    The interval is Wilson's at the effective number of pairs, which follows from the cluster-robust variance:
    n = p (1 - p) / Var(p). Where no pair differs from another, each group counts as one pair.
    """
    wins = (np.sign(gaps) + 1) / 2
    accuracy = float(wins.mean())
    _, codes = np.unique(groups, return_inverse=True)
    count = int(codes.max()) + 1
    residual = np.bincount(codes, wins - accuracy)
    variance = float(residual @ residual) / len(wins) ** 2 * (count / max(1, count - 1))
    spread = accuracy * (1 - accuracy)
    n = spread / variance if count > 1 and variance > 0 and spread > 0 else float(count)
    centre = (accuracy + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(spread / n + _Z**2 / (4 * n**2))
    return Rate(
        accuracy, max(0.0, min(accuracy, centre - half)), min(1.0, max(accuracy, centre + half)), len(wins), count
    )


def folds_of(groups: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """A fold in `[0, FOLDS)` for each entry of `groups` (int64 [N]); one group is never in two folds.

    Fewer folds where there are fewer groups. Raises `InputError` below two groups.
    """
    found, codes = np.unique(groups, return_inverse=True)
    if len(found) < 2:
        raise InputError(
            "all pairs are of one group, so that no attack can be trained on other pictures' captions."
            " Is the column of groups the right one?"
        )
    draws = uniforms(np.full(len(found), key_of("folds", seed), np.uint64), np.arange(len(found), dtype=np.uint64))
    rank = np.empty(len(found), np.int64)
    rank[np.argsort(draws)] = np.arange(len(found))
    return (rank % min(FOLDS, len(found)))[codes]
