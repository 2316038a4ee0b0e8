"""What one score came to, item by item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-6
"""Similarities nearer than this are a tie: float32 features of one text differ by as much from batch to batch."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One score of N items.

    `right` (float64 [N]) is 1 or 0, or their mean over several ways of asking; `tied` (bool [N]), `margin` (float64
    [N], NaN where there is none), `chance` (float64 [N]) as in `negagen.evaluate.metrics`. `ids`, `categories`,
    `groups` are the items'.
    """

    ids: Sequence[str]
    categories: Sequence[str]
    groups: Sequence[str]
    right: NDArray[np.float64]
    tied: NDArray[np.bool_]
    margin: NDArray[np.float64]
    chance: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)
