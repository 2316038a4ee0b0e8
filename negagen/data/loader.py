"""Batches made ahead of the steps that need them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


def ahead(make: Callable[[S], T], steps: Iterable[S], workers: int = 2) -> Iterator[T]:
    """`make(step)` for each step, in order, up to twice the workers of them made ahead.

    By threads: what makes a batch copies memory and leaves the interpreter to others, the result is in this process
    already, and may be in page-locked memory. With 0 workers each is made when it is asked for. An error of `make`
    comes up at its step.
    """
    if workers < 1:
        yield from map(make, steps)
        return
    pool = ThreadPoolExecutor(workers, "batches")
    waiting: deque[Future[T]] = deque()
    try:
        for step in steps:
            waiting.append(pool.submit(make, step))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
