"""Negatives as texts, drawn anew every epoch, for dataloaders of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from negagen.data.difficulty import Curriculum, Feedback
from negagen.data.draw import Categories, Draw
from negagen.data.trainingset import TrainingSet
from negagen.errors import DataError
from negagen.types import CATEGORIES


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
