"""Drawing what a blindness model is fitted on, by several processes."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Final

from negagen.balance.drawing import Sample, draw
from negagen.balance.fit import Draw
from negagen.balance.model import BlindModel
from negagen.batch.spec import NegatorSpec
from negagen.collector import kept_from_collector
from negagen.errors import WorkerError
from negagen.negator import Negator

_AT_ONCE: Final = 4  # batches that travel together


@dataclass(frozen=True, slots=True)
class PooledDrawer:
    """A `negagen.balance.drawing.Drawer` of `workers` spawned processes, each with its own negator.

    Its draws are those of a single process. Raises `WorkerError` if a process dies.
    """

    spec: NegatorSpec
    workers: int

    def __call__(self, model: BlindModel, samples: Sequence[Sample]) -> Iterator[Draw]:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(self.workers, context, _begin, (self.spec, model)) as pool:
            try:
                yield from pool.map(_draw, samples, chunksize=_AT_ONCE)
            except BrokenProcessPool as error:
                raise WorkerError(
                    "a worker process ended while the blindness model was fitted. Run again, with fewer --workers if"
                    " memory was short. A script that uses workers must keep its own work under"
                    ' `if __name__ == "__main__":`, since each worker imports it.'
                ) from error


_own: list[tuple[Negator, BlindModel]] = []


def _begin(spec: NegatorSpec, model: BlindModel) -> None:
    """The start of a worker process: Ctrl-C is for its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with kept_from_collector():
        negator = spec.build()
    if not isinstance(negator, Negator):
        raise TypeError(f"{spec.factory} makes no Negator")
    _own.append((negator, model))


def _draw(sample: Sample) -> Draw:
    negator, model = _own[0]
    return draw(negator, model, sample)
