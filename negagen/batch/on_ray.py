"""Parts made by actors of Ray: on a cluster, or on this machine without one.

Ray's actors rather than Ray Data: the plan already says which rows make which part, and a part must be the same
wherever it is made, which Ray Data's blocks are not. A part travels back to this process, which alone writes: no worker
can write one twice, and a worker that dies loses what it was at and no more. Its parts are given to another.
"""

from __future__ import annotations

import logging
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

import negagen
from negagen.batch.executors import Done, Maker, Task, Work, repeat_warnings
from negagen.batch.parts import Parts
from negagen.batch.spec import Identity
from negagen.batch.stats import Counts, peak_rss
from negagen.errors import InputError, NegagenError, WorkerError


@dataclass(frozen=True, slots=True)
class Made:
    """What comes back from a worker: the part, and who made it."""

    table: pa.Table
    counts: Counts
    pid: int
    peak_rss: int


class Actor:
    """The worker: its negator is built by the first call, whose errors then reach the caller."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._maker: Maker | None = None

    def identity(self) -> tuple[str, Identity]:
        """The version of negagen on the worker's machine, and what the negator says of itself."""
        if self._maker is None:
            self._maker = Maker(self._work)
        return negagen.__version__, self._maker.identity

    def make(self, task: Task) -> Made:
        """The part of `task`."""
        if self._maker is None:
            self._maker = Maker(self._work)
        table, counts = self._maker.columns(task)
        return Made(table, counts, os.getpid(), peak_rss())


@dataclass(slots=True, eq=False)
class _Worker:
    actor: Any
    ready: bool = False
    tasks: dict[Any, Task] = field(default_factory=dict)


class RayPool:
    """`workers` actors of one CPU each, on the cluster at `address`, or (None) on this machine.

    Uses the connection that a program has already made with `ray.init`, and then leaves it open.

    Raises:
        InputError: ray is not installed.
        WorkerError: no cluster at `address`; no actor could be started; a part's worker died three times.
    """

    # A second task waits at each worker, so that none idles while this process writes.
    _AHEAD = 2
    _ATTEMPTS = 3
    _START_SECONDS = 300.0

    def __init__(self, work: Work, workers: int, address: str | None = None) -> None:
        self._work = work
        self._count = workers
        self._address = address
        self._workers: list[_Worker] = []
        self._starting: dict[Any, _Worker] = {}
        self._identity: Identity | None = None
        self._deaths = 0
        self._ours = False

    def __enter__(self) -> Self:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise InputError("--executor ray needs ray: pip install 'negagen[ray]'.") from error
        self._ray: Any = ray
        if not ray.is_initialized():
            local = {"address": "local", "num_cpus": self._count, "include_dashboard": False}
            given = local if self._address is None else {"address": self._address}
            try:
                ray.init(**given, log_to_driver=False, logging_level=logging.ERROR)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise WorkerError(f"no Ray at {self._address or 'this machine'}: {_first_line(error)}.") from error
            self._ours = True
        for _ in range(self._count):
            self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            with suppress(Exception):  # it has ended already
                self._ray.kill(worker.actor)
        self._workers, self._starting = [], {}
        if self._ours:
            self._ray.shutdown()

    def identity(self) -> Identity:
        """What the first worker that is ready says of its negator."""
        while self._identity is None:
            ready, _ = self._ray.wait(list(self._starting), num_returns=1, timeout=self._START_SECONDS)
            if not ready:
                raise WorkerError(
                    f"no worker could be started within {self._START_SECONDS:.0f} s: has the cluster a CPU to spare"
                    f" (it has {self._ray.cluster_resources().get('CPU', 0):.0f})?"
                )
            self._greet(ready[0])
        return self._identity

    def run(self, tasks: Iterable[Task], folder: Path, plan: str) -> Iterator[Done]:
        """Make all parts; each is yielded when it is on disk, in the order of their ends."""
        waiting = deque(tasks)
        deaths: Counter[int] = Counter()
        parts = Parts(folder, plan)
        while waiting or any(worker.tasks for worker in self._workers):
            self._hand_out(waiting)
            at_work = {ref: worker for worker in self._workers for ref in worker.tasks}
            ready, _ = self._ray.wait([*at_work, *self._starting], num_returns=1)
            if ready[0] in self._starting:
                self._greet(ready[0])
                continue
            worker = at_work[ready[0]]
            # An actor goes through its tasks in order: if one is ended, by success or death, so is the first.
            ref, task = next(iter(worker.tasks.items()))
            try:
                made: Made = self._get(ref)
            except _Dead:
                # What waited behind the part that it died of has not been begun.
                deaths[task.index] += 1
                if deaths[task.index] == self._ATTEMPTS:
                    raise WorkerError(
                        f"{self._ATTEMPTS} workers died at rows {task.start} to {task.stop - 1} (out of memory?)."
                        " Finished parts are kept: run the same command again to go on, with fewer --workers if"
                        " memory was short."
                    ) from None
                waiting.extendleft(reversed(worker.tasks.values()))
                self._workers.remove(worker)
                self._start()
                continue
            del worker.tasks[ref]
            self._hand_out(waiting)
            parts.write(task.index, made.table, made.counts)
            yield Done(task, made.counts, made.pid, made.peak_rss)

    def _hand_out(self, waiting: deque[Task]) -> None:
        """Give tasks to workers that are up: one that still waits for a CPU must hold none."""
        for most in range(1, self._AHEAD + 1):
            for worker in self._workers:
                if worker.ready and len(worker.tasks) < most and waiting:
                    task = waiting.popleft()
                    worker.tasks[worker.actor.make.remote(task)] = task

    def _start(self) -> None:
        # Any: what a class gains by it is in no type.
        actor: Any = self._ray.remote(num_cpus=1, max_restarts=0)(Actor).remote(self._work)
        worker = _Worker(actor)
        self._workers.append(worker)
        self._starting[actor.identity.remote()] = worker

    def _greet(self, ref: Any) -> None:
        worker = self._starting.pop(ref)
        try:
            version, identity = self._get(ref)
        except _Dead as error:
            self._deaths += 1
            if self._deaths == self._ATTEMPTS:
                raise WorkerError(f"{self._ATTEMPTS} workers died while they started: {error}.") from error
            self._workers.remove(worker)
            self._start()
            return
        if version != negagen.__version__:
            raise WorkerError(f"a worker has negagen {version}, this machine {negagen.__version__}: install the same.")
        if self._identity is not None and identity.fingerprint != self._identity.fingerprint:
            raise WorkerError("two workers have different rules or pipelines: install the same files on all machines.")
        if self._identity is None:
            repeat_warnings(identity)
            self._identity = identity
        worker.ready = True

    def _get(self, ref: Any) -> Any:
        from ray.exceptions import RayActorError, RayTaskError

        try:
            return self._ray.get(ref)
        except RayActorError as error:
            raise _Dead(_first_line(error)) from error
        except RayTaskError as error:
            cause = error.cause
            if isinstance(cause, NegagenError):
                raise cause from None
            failure = WorkerError(f"a worker process failed: {type(cause).__name__}: {cause}")
            failure.add_note(str(error))
            raise failure from error


class _Dead(Exception):  # noqa: N818  it never leaves this module
    """A worker that is gone."""


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:300]
