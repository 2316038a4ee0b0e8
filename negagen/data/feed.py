"""What a trainer iterates over: the batches of its steps, made ahead by threads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from negagen.data.batch import Batch
from negagen.data.collate import Batches
from negagen.data.loader import ahead
from negagen.data.order import Order, Step


class Feed:
    """The batches of a run's steps, for this rank.

    Args:
        batches: makes them.
        order: says which rows they have.
        workers: threads that make them ahead.
        pin: put them into page-locked memory.
    """

    def __init__(self, batches: Batches, order: Order, *, workers: int = 2, pin: bool = False) -> None:
        self._batches, self._order, self._workers, self._pin = batches, order, workers, pin

    def __len__(self) -> int:
        """Rows of an epoch."""
        return len(self._order)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch."""
        return self._order.steps_per_epoch

    def is_plain(self, number: int) -> bool:
        """Whether step `number` is of single pictures with their captions alone."""
        return self._batches.is_plain(number)

    def steps(self, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """The batches of steps `[start, stop)`; without end for None.

        Where draws go by feedback, nothing of an epoch is drawn before its first batch is asked for: by then all of the
        epoch before it must have been fed.
        """
        if self._batches.feedback is None:
            yield from ahead(self._make, self._order.steps(start, stop), self._workers)
            return
        while stop is None or start < stop:
            end = (start // self.steps_per_epoch + 1) * self.steps_per_epoch
            end = end if stop is None else min(end, stop)
            yield from ahead(self._make, self._order.steps(start, end), self._workers)
            start = end

    def _make(self, step: Step) -> Batch:
        return self._batches(step, self._pin)


class Sweep:
    """All rows once, in their own order, with the draws of epoch 0: what a held-out part is measured on.

    Each iteration gives the same batches; the last may be smaller.
    """

    def __init__(self, batches: Batches, size: int, *, workers: int = 2) -> None:
        self._batches, self._size, self._workers = batches, size, workers
        self._rows = batches.prepared.rows

    def __len__(self) -> int:
        """Batches."""
        return (len(self._rows) + self._size - 1) // self._size

    def __iter__(self) -> Iterator[Batch]:
        return ahead(self._batches, self._steps(), self._workers)

    def _steps(self) -> Iterator[Step]:
        for number, start in enumerate(range(0, len(self._rows), self._size)):
            rows = np.array(self._rows[start : start + self._size])
            yield Step(number, 0, rows, 0, len(rows))
