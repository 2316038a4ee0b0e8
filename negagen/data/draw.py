"""Which of its negatives a row gets this epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from negagen.data.difficulty import Curriculum, Feedback
from negagen.data.trainingset import Choices
from negagen.errors import DataError
from negagen.seeding import key_of, uniforms
from negagen.types import CATEGORIES

Categories = Mapping[str, float] | Sequence[str] | None
"""Weights of categories (others: 0), names of those that are wanted, or None for all alike."""

# Choices looked at at a time, where all are.
_BLOCK = 1 << 20
# A row's draws begin at this multiple of its number in the stream of the epoch.
_STRIDE = np.uint64(1 << 16)


def category_weights(categories: Categories) -> NDArray[np.float64]:
    """Weights by index into `CATEGORIES`, and last that of negatives of no category: float64 [C + 1].

    Raises:
        DataError: a category that is not known, a negative weight, or nothing but zeros.
    """
    if categories is None or not len(categories):
        return np.ones(len(CATEGORIES) + 1)
    given = dict(categories) if isinstance(categories, Mapping) else dict.fromkeys(categories, 1.0)
    out = np.zeros(len(CATEGORIES) + 1)
    for name, weight in given.items():
        if name not in CATEGORIES:
            from negagen.ruleset import nearest

            raise DataError(f"no such category of negatives: {name!r}{nearest(name, CATEGORIES)}")
        if not 0 <= weight < float("inf"):
            raise DataError(f"category {name!r} has the weight {weight}, but weights are numbers from 0 on.")
        out[CATEGORIES.index(name)] = weight
    if not out.any():
        raise DataError("all categories of negatives have the weight 0: give one of them more.")
    return out


class Draw:
    """Draws up to `k` of each row's choices, without repeats: a function of (seed, epoch, row) alone.

    The chance of each is in proportion to the weight of its category and, with `confidence`, to its own weight.
    The first k - 1 of k draws are those that k - 1 would have given.

    With a `curriculum`, it is in proportion to what `Feedback.chances` makes of the model's margins too, and categories
    have a quota.

    From a pool (`Choices.draws`), it is in proportion to the pool's weight too, and the draw is that of `negagen
    generate` with the pool's blindness (`negagen.balance.selection`): a candidate whose log weight and Gumbel noise
    come to less than 0 is not taken, but for one of a row that would have none; at most half of k, rounded up, are of
    one category unless others run out. Rows may then get fewer than k.

    Args:
        choices: what there is to draw from.
        without: bool [E], which of them may not be drawn; None for none.
        numbers: uint64 [N], what each row's chance depends on; None for its number.
        curriculum, feedback: prefer candidates that are hard for the model; they go together.

    Raises:
        DataError: `feedback` is of another number of candidates.
    """

    def __init__(
        self,
        choices: Choices,
        k: int,
        *,
        seed: int = 0,
        purpose: str = "negatives",
        categories: Categories = None,
        confidence: bool = False,
        without: NDArray[np.bool_] | None = None,
        numbers: NDArray[np.uint64] | None = None,
        curriculum: Curriculum | None = None,
        feedback: Feedback | None = None,
    ) -> None:
        if curriculum is not None and (feedback is None or len(feedback) != len(choices)):
            held = "none" if feedback is None else f"that on {len(feedback):,}"
            raise DataError(f"a curriculum needs feedback on all {len(choices):,} candidates, but has {held}.")
        self.k, self._numbers = k, numbers
        self._choices, self._without = choices, without
        self._seed, self._purpose, self._confidence = seed, purpose, confidence
        self._weights = category_weights(categories)
        self._curriculum, self._feedback = curriculum, feedback

    def __call__(self, rows: NDArray[np.integer], epoch: int) -> NDArray[np.int64]:
        """Indices into the choices, int64 [B, k]; -1 where a row has no more."""
        return self.drawn(rows, epoch)[0]

    def drawn(self, rows: NDArray[np.integer], epoch: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """What a call gives, and the rows (bool [B]) whose only negative gives itself away: half its weight."""
        rows = np.asarray(rows, np.int64)
        if not self.k:
            return np.zeros((len(rows), 0), np.int64), np.zeros(len(rows), bool)
        starts = self._choices.offsets[rows]
        counts = self._choices.offsets[rows + 1] - starts
        width = max(int(counts.max()) if len(rows) else 0, self.k)
        columns = np.arange(width)
        inside = columns < counts[:, None]
        found = (starts[:, None] + columns)[inside]
        key = np.uint64(key_of(self._purpose, self._seed, epoch))
        own_numbers = rows.astype(np.uint64) if self._numbers is None else self._numbers[rows]
        numbers = (own_numbers[:, None] * _STRIDE + columns.astype(np.uint64))[inside]
        # The least of exponential waiting times is a weighted draw; the least k are one without repeats (Efraimidis
        # and Spirakis, "Weighted random sampling with a reservoir", 2006).
        waits = np.full(inside.shape, np.inf)
        own = -np.log(uniforms(np.full(len(numbers), key), numbers))
        draws = self._choices.draws[found]
        pooled = not np.isnan(draws).all()
        if pooled:
            own *= np.exp(-np.nan_to_num(draws.astype(np.float64)))
        chances, most = self._chances(found), self.k
        if pooled:
            most = (self.k + 1) // 2
        if self._curriculum is not None and self._feedback is not None and self._curriculum.active(epoch):
            chances = chances * self._feedback.chances(found, epoch, self._curriculum)
            most = self._curriculum.most(self.k)
        with np.errstate(divide="ignore"):
            waits[inside] = own / chances
        order = np.argsort(waits, axis=1, kind="stable")
        forced = np.zeros(len(rows), bool)
        poor = np.zeros(inside.shape, bool)
        if pooled:
            # Log weight plus Gumbel noise is below 0 where a waiting time is above 1.
            poor[inside] = (own > 1) & ~np.isnan(draws)
        if most < self.k or pooled:
            kinds = np.full(inside.shape, -1, np.int8)
            kinds[inside] = self._choices.kinds[found]
            order, forced = _spread(order, waits, poor, kinds, most)
        first = order[:, : self.k]
        drawn: NDArray[np.int64] = starts[:, None] + first
        gone = np.isinf(np.take_along_axis(waits, first, axis=1))
        if pooled:
            gone |= np.take_along_axis(poor, first, axis=1)
            gone[:, :1] &= ~forced[:, None]
        drawn[gone] = -1
        return drawn, forced

    def _chances(self, found: NDArray[np.int64]) -> NDArray[np.float64]:
        # Kind -1, no category, is the last.
        chances = self._weights[self._choices.kinds[found]]
        if self._confidence:
            chances = chances * self._choices.weights[found]
        if self._without is not None:
            chances = chances * ~self._without[found]
        return chances

    def available(self) -> NDArray[np.int64]:
        """How many each row has to draw from, int64 [N]."""
        running = np.zeros(len(self._choices) + 1, np.int64)
        for start in range(0, len(self._choices), _BLOCK):
            stop = min(start + _BLOCK, len(self._choices))
            running[start + 1 : stop + 1] = self._chances(np.arange(start, stop)) > 0
        np.cumsum(running, out=running)
        return np.diff(running[self._choices.offsets])


def _spread(
    order: NDArray[np.int64],
    waits: NDArray[np.float64],
    poor: NDArray[np.bool_],
    kinds: NDArray[np.int8],
    most: int,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """`order` [B, W] with what is below the floor last and what is beyond the `most` of its category before it, and
    the rows (bool [B]) that have nothing but such as is below the floor."""
    unfit = np.take_along_axis(poor | np.isinf(waits), order, axis=1)
    nth = _places(np.where(unfit, -2, np.take_along_axis(kinds, order, axis=1)))
    rank = np.where(unfit, 2, nth >= most).astype(np.int8)
    forced: NDArray[np.bool_] = unfit.all(axis=1) & ~np.isinf(waits.min(axis=1, initial=np.inf))
    return np.take_along_axis(order, np.argsort(rank, axis=1, kind="stable"), axis=1), forced


def _places(kinds: NDArray[np.integer]) -> NDArray[np.int64]:
    """How many of the same kind stand before each in its row: int64 [B, W], like `kinds`."""
    by_kind = np.argsort(kinds, axis=1, kind="stable")
    ordered = np.take_along_axis(kinds, by_kind, axis=1)
    columns = np.broadcast_to(np.arange(kinds.shape[1]), kinds.shape)
    new = np.ones(kinds.shape, bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    nth = columns - np.maximum.accumulate(np.where(new, columns, 0), axis=1)
    out = np.empty(kinds.shape, np.int64)
    np.put_along_axis(out, by_kind, nth, axis=1)
    return out
