"""Which of its negatives a row gets this epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from negagen.data.difficulty import Curriculum, Feedback
from negagen.data.trainingset import Choices, TrainingSet
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


class HardNegatives:
    """New negatives every epoch, as texts, from a training set or a file of `negagen generate`, best with `--pool`.

    `negatives[i]` are those of row i in the first epoch, `negatives.batch(rows, epoch)` those of many rows. The same
    seed, epoch and row give the same negatives in any process, batch or order. It pickles as where it lies on disk.

    With a `curriculum`, hard ones are preferred: `candidates(rows, epoch)` numbers what was drawn, and
    `feedback.feed(numbers, margins, captions, epoch)` says what the model made of it. Draws then depend on what was fed
    in earlier epochs too, and on nothing else.

    Args:
        data: the training set; `HardNegatives.open` reads files.
        k: at most so many a row.
        categories: weights by category, or the names of those wanted.
        weights: draw in proportion to each negative's own weight too.
        seed: of the draws.
        curriculum: how to go by difficulty.
        feedback: what a model said earlier, with a curriculum; None begins anew.
    """

    def __init__(
        self,
        data: TrainingSet,
        k: int = 4,
        categories: Categories = None,
        weights: bool = False,
        seed: int = 0,
        curriculum: Curriculum | None = None,
        feedback: Feedback | None = None,
    ) -> None:
        self._data = data
        self.feedback = Feedback(len(data.negatives)) if curriculum is not None and feedback is None else feedback
        self._options = (k, categories, weights, seed, curriculum, self.feedback)
        self._draw = Draw(
            data.negatives,
            k,
            seed=seed,
            categories=categories,
            confidence=weights,
            curriculum=curriculum,
            feedback=self.feedback,
        )

    def __reduce__(self) -> Any:
        return HardNegatives, (self._data, *self._options)

    @classmethod
    def open(
        cls,
        files: Sequence[str | Path],
        *,
        cache: Path,
        caption_column: str | None = None,
        k: int = 4,
        categories: Categories = None,
        weights: bool = False,
        seed: int = 0,
        curriculum: Curriculum | None = None,
        feedback: Feedback | None = None,
    ) -> HardNegatives:
        """Those of `files`, a row for each row there; what is read of them lies in `cache`, for the next time too.

        Raises:
            InputError, DataError: a file or column that cannot be read.
            OutputError: `cache` cannot be written to.
        """
        from negagen.data.reading import read_texts, texts_fingerprint

        place = cache / "texts" / texts_fingerprint(files, caption_column)
        data = TrainingSet.open(place) if place.exists() else read_texts(files, caption_column).save(place)
        return cls(data, k, categories, weights, seed, curriculum, feedback)

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, row: int) -> list[str]:
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self):,}")
        return self.batch([row % len(self)])[0]

    def batch(self, rows: Sequence[int] | NDArray[np.integer], epoch: int = 0) -> list[list[str]]:
        """The negatives of `rows`, as many as each has and at most k.

        Raises:
            IndexError: a row below 0, or beyond the last.
            DataError: `rows` are not whole numbers, one after the other.
        """
        drawn = self._draw(self._checked(rows), epoch)
        there = drawn >= 0
        texts = self._data.texts.take(self._data.negatives.texts[drawn[there]])
        ends = [0, *np.cumsum(there.sum(axis=1)).tolist()]
        return [texts[start:end] for start, end in pairwise(ends)]

    def candidates(self, rows: Sequence[int] | NDArray[np.integer], epoch: int = 0) -> NDArray[np.int64]:
        """The numbers of what `batch` gives, for feedback: int64 [B, k], -1 where a row has no more.

        Raises as `batch` does.
        """
        return self._draw(self._checked(rows), epoch)

    def _checked(self, rows: Sequence[int] | NDArray[np.integer]) -> NDArray[np.int64]:
        found = np.asarray(rows)
        if found.ndim != 1 or (len(found) and found.dtype.kind not in "iu"):
            raise DataError(f"rows are whole numbers, such as [3, 17, 4], not {rows!r:.60}")
        if len(found) and (found.min() < 0 or found.max() >= len(self)):
            wrong = found[(found < 0) | (found >= len(self))][0]
            raise IndexError(f"row {wrong} is none of the {len(self):,} rows: they are numbered from 0 on")
        return found.astype(np.int64, copy=False)

    def save_feedback(self, path: Path) -> None:
        """Write what was fed as Parquet; see `negagen.data.feedback_file`. Raises `OutputError`; `DataError` without a
        curriculum."""
        from negagen.data.feedback_file import save_feedback

        save_feedback(path, self._data, self._fed())

    def load_feedback(self, path: Path, *, anew: bool = False) -> None:
        """Go on from what this, `negagen mine --feedback` or a run wrote; `anew` as in `negagen.data.load_feedback`.

        Raises `InputError`, `DataError` for a file that does not fit, or without a curriculum.
        """
        from negagen.data.feedback_file import load_feedback

        self._fed().restore(load_feedback(path, self._data, anew=anew).state())

    def _fed(self) -> Feedback:
        if self.feedback is None:
            raise DataError("there is no feedback without a curriculum: give HardNegatives one.")
        return self.feedback

    def samples(self, rows: Sequence[int] | NDArray[np.integer], epoch: int = 0) -> list[dict[str, Any]]:
        """`rows` as `negagen.data.Collator` takes them: `caption` and `negatives`, each with text, weight, category.

        Raises as `batch` does.
        """
        rows = self._checked(rows)
        drawn, forced = self._draw.drawn(rows, epoch)
        there = drawn >= 0
        found = drawn[there]
        choices = self._data.negatives
        weights = choices.weights[found] / (1 + np.repeat(forced, there.sum(axis=1)))
        names = [*CATEGORIES, ""]
        negatives = [
            {"text": text, "weight": weight, "category": names[kind]}
            for text, weight, kind in zip(
                self._data.texts.take(choices.texts[found]),
                weights.tolist(),
                choices.kinds[found].tolist(),
                strict=True,
            )
        ]
        ends = [0, *np.cumsum(there.sum(axis=1)).tolist()]
        captions = self._data.caption_texts(rows)
        return [
            {"caption": caption, "negatives": negatives[start:end]}
            for caption, (start, end) in zip(captions, pairwise(ends), strict=True)
        ]
