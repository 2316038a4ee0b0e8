"""Drawing what a blindness model is fitted on, by several processes."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from ctypes import c_bool
from dataclasses import dataclass
from typing import Final

from negagen.balance.drawing import Sample, draw
from negagen.balance.fit import Draw
from negagen.balance.model import BlindModel
from negagen.batch.interrupts import ctrl_c_later, end_with_parent
from negagen.batch.spec import NegatorSpec
from negagen.collector import kept_from_collector
from negagen.errors import WorkerError
from negagen.negator import Negator

_AT_ONCE: Final = 4  # batches that travel together


@dataclass(frozen=True, slots=True)
class PooledDrawer:
    """A `negagen.balance.drawing.Drawer` of `workers` spawned processes, each with its own negator.

    Its draws are those of a single process. Once they are read, or closed, all processes have ended. Raises
    `WorkerError` if a process dies.
    """

    spec: NegatorSpec
    workers: int

    def __call__(self, model: BlindModel, samples: Sequence[Sample]) -> Generator[Draw]:
        context = multiprocessing.get_context("spawn")
        stopped = context.RawValue(c_bool, False)
        pool = ProcessPoolExecutor(self.workers, context, _begin, (self.spec, model, stopped))
        try:
            with ctrl_c_later():  # all processes are started by this call
                drawn = pool.map(_draw, samples, chunksize=_AT_ONCE)
            yield from drawn
        except BrokenProcessPool as error:
            raise WorkerError(
                "a worker process ended while the blindness model was fitted. Run again, with fewer --workers if"
                " memory was short. A script that uses workers must keep its own work under"
                ' `if __name__ == "__main__":`, since each worker imports it.'
            ) from error
        finally:
            stopped.value = True  # what is handed out already cannot be cancelled
            pool.shutdown(cancel_futures=True)


_own: list[tuple[Negator, BlindModel, c_bool]] = []


def _begin(spec: NegatorSpec, model: BlindModel, stopped: c_bool) -> None:
    """The start of a worker process: Ctrl-C is for its parent, also where a process cannot be started without it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    with kept_from_collector():
        negator = spec.build()
    if not isinstance(negator, Negator):
        raise TypeError(f"{spec.factory} makes no Negator")
    _own.append((negator, model, stopped))


def _draw(sample: Sample) -> Draw:
    negator, model, stopped = _own[0]
    if stopped.value:
        raise WorkerError("nobody waits for this draw any more.")
    return draw(negator, model, sample)
