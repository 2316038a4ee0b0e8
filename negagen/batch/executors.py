"""Who computes the parts: this process, or a pool of spawned ones. Both give the same parts, and
so do Ray's actors (`negagen.batch.on_ray`).

Each process builds its negator once and keeps one forward-only stream of the captions. Parts are written
to disk by whoever computed them; only their numbers and counts travel between processes.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import pyarrow as pa

from negagen.batch.interrupts import ctrl_c_later, end_with_parent
from negagen.batch.parts import Parts
from negagen.batch.siblings import SiblingIndex
from negagen.batch.source import RowStream, Source
from negagen.batch.spec import Identity, NegatorLike, NegatorSpec
from negagen.batch.stats import Counts, peak_rss
from negagen.batch.table import TableNegator
from negagen.collector import kept_from_collector
from negagen.errors import NegagenError, WorkerError


@dataclass(frozen=True, slots=True)
class Task:
    """Part `index`: the rows `[start, stop)`."""

    index: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Done:
    """A part that is on disk. `peak_rss` is that of the process `pid` that made it, in bytes."""

    task: Task
    counts: Counts
    pid: int
    peak_rss: int


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker must know to make parts. `siblings` is the folder of a `SiblingIndex`."""

    spec: NegatorSpec
    source: Source
    column: str
    id_column: str | None
    image_id_column: str | None = None
    siblings: Path | None = None
    image_column: str | None = None


class Executor(Protocol):
    """Makes parts. A context manager: on leaving, whatever it started has ended."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def identity(self) -> Identity:
        """What the negator says of itself; builds it if need be."""
        ...

    def run(self, tasks: Iterable[Task], folder: Path, plan: str) -> Iterator[Done]:
        """Make all parts; each is yielded when it is on disk, in any order."""
        ...


def executor_for(work: Work, workers: int, ready: NegatorLike | None = None) -> Executor:
    """In-process for one worker, else a pool of `workers` processes. `ready` is the work's negator, if it is built."""
    return InProcess(work, ready) if workers == 1 else ProcessPool(work, workers)


class Maker:
    """Builds the negator, then makes part after part."""

    def __init__(self, work: Work, ready: NegatorLike | None = None) -> None:
        with kept_from_collector(), warnings.catch_warnings(record=True) as caught:
            negator = work.spec.build(ready)
        self.identity = Identity.of(negator, tuple(str(warning.message) for warning in caught))
        self._negator = TableNegator(
            negator,
            work.column,
            work.id_column,
            image_id_column=work.image_id_column,
            siblings=None if work.siblings is None else SiblingIndex(work.siblings),
            image_column=work.image_column,
        )
        columns = {work.column, work.id_column, work.image_id_column, work.image_column} - {None}
        self._stream = RowStream(work.source, [name for name in columns if name is not None])

    def columns(self, task: Task) -> tuple[pa.Table, Counts]:
        """The added columns of the task's rows, and what they count to."""
        return self._negator.columns(self._stream.read(task.start, task.stop))

    def make(self, task: Task, folder: Path, plan: str) -> Done:
        """Write the task's part."""
        table, counts = self.columns(task)
        Parts(folder, plan).write(task.index, table, counts)
        return Done(task, counts, os.getpid(), peak_rss())


class InProcess:
    """Makes the parts here, one after another."""

    def __init__(self, work: Work, ready: NegatorLike | None = None) -> None:
        self._work = work
        self._ready = ready
        self._maker: Maker | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._maker = None
        gc.unfreeze()

    def identity(self) -> Identity:
        """What the negator says of itself."""
        if self._maker is None:
            repeat_warnings(self._made().identity)
        return self._made().identity

    def run(self, tasks: Iterable[Task], folder: Path, plan: str) -> Iterator[Done]:
        """Make all parts in order."""
        for task in tasks:
            yield self._made().make(task, folder, plan)

    def _made(self) -> Maker:
        if self._maker is None:
            self._maker = Maker(self._work, self._ready)
        return self._maker


@dataclass(slots=True)
class _Worker:
    number: int
    process: Any
    pipe: Connection
    tasks: list[Task]


class ProcessPool:
    """Spawned worker processes, each with its own negator. They end when this process does."""

    # A second task waits in each worker's pipe, so that none idles while the parent writes.
    _AHEAD = 2

    def __init__(self, work: Work, workers: int) -> None:
        self._work = work
        self._count = workers
        self._workers: list[_Worker] = []
        self._identity: Identity | None = None

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        with ctrl_c_later():
            for number in range(self._count):
                ours, theirs = context.Pipe()
                process = context.Process(
                    target=_serve, args=(theirs, self._work), name=f"negagen-{number}", daemon=True
                )
                process.start()
                theirs.close()
                self._workers.append(_Worker(number, process, ours, []))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            if kind is None:
                with suppress(OSError):  # it has ended already
                    worker.pipe.send(None)
            else:
                worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()
        self._workers = []

    def identity(self) -> Identity:
        """What the first worker that is ready says of its negator."""
        while self._identity is None:
            for worker, message in self._messages():
                self._ready(worker, message)
        return self._identity

    def run(self, tasks: Iterable[Task], folder: Path, plan: str) -> Iterator[Done]:
        """Make all parts; each is yielded when it is on disk, in the order of their ends."""
        waiting = iter(tasks)

        def hand_out(worker: _Worker) -> None:
            while len(worker.tasks) < self._AHEAD and (task := next(waiting, None)) is not None:
                worker.tasks.append(task)
                try:
                    worker.pipe.send((task, folder, plan))
                except OSError as error:
                    raise self._death(worker) from error

        for _ in range(self._AHEAD):  # one each, then the second: a short list is shared evenly
            for worker in self._workers:
                if (task := next(waiting, None)) is not None:
                    worker.tasks.append(task)
                    worker.pipe.send((task, folder, plan))
        while any(worker.tasks for worker in self._workers):
            for worker, message in self._messages():
                if isinstance(message, Identity):
                    self._ready(worker, message)
                    continue
                worker.tasks.remove(message.task)
                hand_out(worker)
                yield message

    def _messages(self) -> Iterator[tuple[_Worker, Any]]:
        """Wait, then give what has come; raises what a worker raised, and `WorkerError` if one is gone."""
        pipes = {worker.pipe: worker for worker in self._workers}
        ready = connection.wait(list(pipes))
        for pipe in ready:
            worker = pipes[pipe]  # type: ignore[index]
            try:
                message = worker.pipe.recv()
            except (EOFError, OSError) as error:
                raise self._death(worker) from error
            if isinstance(message, BaseException):
                raise message
            yield worker, message

    def _ready(self, worker: _Worker, identity: Identity) -> None:
        if self._identity is not None and identity.fingerprint != self._identity.fingerprint:
            raise WorkerError(
                f"worker {worker.number} has other rules or another pipeline than the first: did a file"
                " change just now? Run again."
            )
        if self._identity is None:
            repeat_warnings(identity)
        self._identity = identity

    def _death(self, worker: _Worker) -> WorkerError:
        worker.process.join(5)
        code = worker.process.exitcode
        how = f"with exit code {code}"
        if code is not None and code < 0:
            how = f"by signal {-code}"
            if -code == getattr(signal, "SIGKILL", None):
                how += " (out of memory?)"
        if self._identity is None and code == 1:
            return WorkerError(
                f"worker process {worker.number} could not start. A script that uses workers must keep its own"
                ' work under `if __name__ == "__main__":`, since each worker imports it.'
            )
        where = f" at rows {worker.tasks[0].start} to {worker.tasks[0].stop - 1}" if worker.tasks else ""
        return WorkerError(
            f"worker process {worker.number} ended {how}{where}. Finished parts are kept: run the same"
            " command again to go on, with fewer --workers if memory was short."
        )


def repeat_warnings(identity: Identity) -> None:
    """Warn here of what was warned of there: once, not once for each worker."""
    for message in identity.warnings:
        warnings.warn(message, stacklevel=2)


def _serve(pipe: Connection, work: Work) -> None:
    """The life of a worker process."""
    end_with_parent()
    try:
        maker = Maker(work)
        pipe.send(maker.identity)
        while (order := pipe.recv()) is not None:
            task, folder, plan = order
            pipe.send(maker.make(task, folder, plan))
    except NegagenError as error:
        pipe.send(error)
    except (EOFError, BrokenPipeError):
        pass  # the parent is gone
    except Exception as error:  # noqa: BLE001  the parent must hear of any, or it would wait for ever
        import traceback

        failure = WorkerError(f"a worker process failed: {type(error).__name__}: {error}")
        failure.add_note(traceback.format_exc())
        pipe.send(failure)
