"""Which rows each step of a run trains on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from negagen.errors import DataError
from negagen.seeding import key_of, uniforms


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run.

    `number` counts from 0 through all epochs; `epoch` is the one it belongs to. `rows` (int64, as many as the whole
    batch has) are those of all ranks; this rank's are `rows[start:stop]`.
    """

    number: int
    epoch: int
    rows: NDArray[np.int64]
    start: int
    stop: int

    @property
    def own(self) -> NDArray[np.int64]:
        """The rows of this rank."""
        return self.rows[self.start : self.stop]


class Order:
    """Every row once an epoch, in an order that `seed` and the epoch fix; the rest that fills no batch is left out.

    The batch of a step is the same for any number of ranks, which take equal slices of it, and whether a run began at
    the first step or goes on from any other.

    Args:
        rows: int64 [M], the rows to train on.
        size: rows of a batch, all ranks together.
        seed: of the order.
        rank, world_size: this process among those of the run.

    Raises:
        DataError: a batch is larger than all rows, or the ranks cannot share it equally.
    """

    def __init__(
        self, rows: NDArray[np.int64], size: int, *, seed: int = 0, rank: int = 0, world_size: int = 1
    ) -> None:
        if size < 1 or size % world_size:
            raise DataError(
                f"a batch of {size} rows cannot be shared equally by {world_size} processes: make batch.size a multiple"
                f" of {world_size}."
            )
        if len(rows) < size:
            raise DataError(
                f"{len(rows):,} rows can be trained on, fewer than a batch of {size:,}: make batch.size smaller, or"
                " give more data."
            )
        self._rows, self._size, self._seed = rows, size, seed
        each = size // world_size
        self._start, self._stop = rank * each, (rank + 1) * each

    def __len__(self) -> int:
        """Rows of an epoch."""
        return len(self._rows)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch."""
        return len(self._rows) // self._size

    def epoch(self, number: int) -> NDArray[np.int64]:
        """The rows of an epoch in their order, int64 [M]."""
        key = np.uint64(key_of("order", self._seed, number))
        draws = uniforms(np.full(len(self._rows), key), np.arange(len(self._rows), dtype=np.uint64))
        return self._rows[np.argsort(draws, kind="stable")]

    def steps(self, start: int = 0, stop: int | None = None) -> Iterator[Step]:
        """Steps `[start, stop)`, through one epoch after another; without end for None."""
        epoch, number = -1, start
        rows = self._rows
        while stop is None or number < stop:
            wanted, inside = divmod(number, self.steps_per_epoch)
            if wanted != epoch:
                epoch, rows = wanted, self.epoch(wanted)
            batch = rows[inside * self._size : (inside + 1) * self._size]
            yield Step(number, epoch, batch, self._start, self._stop)
            number += 1
