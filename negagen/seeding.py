"""The only source of randomness.

Every draw is a pure function of (seed, caption key, epoch, rule): the same caption gives the same
negatives whatever batch, order, worker, engine or machine it passes through. `Stream` is SplitMix64
(Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014): its state is one
64-bit integer, so that a stream for each rule costs nothing to begin.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15


def key_of(*parts: object) -> int:
    """A 64-bit key of the parts' text; the same on every machine and Python version."""
    joined = "\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(joined, digest_size=8).digest(), "little")


class Stream:
    """An endless sequence of draws, fixed by `key`. `fork` begins an independent one for another 64-bit key."""

    __slots__ = ("_key", "_state")

    def __init__(self, key: int) -> None:
        self._key = self._state = key & _MASK

    def fork(self, key: int) -> Stream:
        """The stream of this one's *beginning* and `key`, a hash: what was drawn before does not matter."""
        return Stream(self._key ^ key)

    def bits(self) -> int:
        """A uniform 64-bit integer."""
        self._state = z = (self._state + _GAMMA) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def below(self, n: int) -> int:
        """A uniform integer in `[0, n)`, for n up to 2**32 (the bias is below 2**-32)."""
        if n <= 0:
            raise ValueError(f"below() needs a positive bound, got {n}")
        return (self.bits() >> 32) * n >> 32

    def weighted(self, cumulative: Sequence[int]) -> int:
        """An index drawn in proportion to the steps of `cumulative`, a non-decreasing running sum."""
        return bisect_right(cumulative, (self.bits() >> 32) * cumulative[-1] >> 32)

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """A new list: `items` in uniformly random order."""
        out = list(items)
        if len(out) < 2:
            return out
        for i in range(len(out) - 1, 0, -1):
            j = self.below(i + 1)
            out[i], out[j] = out[j], out[i]
        return out


def uniforms(keys: NDArray[np.uint64], numbers: NDArray[np.uint64]) -> NDArray[np.float64]:
    """A draw from (0, 1) for each pair of a key and a number, both uint64 [N]: float64 [N].

    What `Stream(key)` would give at its draw `number`, all at once.
    """
    z = keys + (numbers + np.uint64(1)) * np.uint64(_GAMMA)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    out: NDArray[np.float64] = ((z >> np.uint64(12)).astype(np.float64) + 0.5) / float(1 << 52)
    return out
