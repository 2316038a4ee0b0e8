"""How far a run is: a live bar on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from negagen.batch import Progress

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def watch(quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """A callback for `negagen.batch.generate` that shows its progress on stderr; None if quiet."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar() as show:
            yield show
    else:
        yield _Lines()


@contextmanager
def watch_fit(quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """The same for what is fitted outside of a run: a callback that takes the step, how much is done, and of what."""
    with watch(quiet) as show:

        def tell(step: str, done: int, of: int) -> None:
            if show is not None:
                show(Progress(of, done, 0, 0, step))

        yield tell


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    from negagen.cli.console import console

    with Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
        console=console(error=True),
        transient=True,
    ) as bar:
        task = bar.add_task("loading", total=None, rate="")
        rate = _Rate()

        def show(now: Progress) -> None:
            speed = rate.update(now)
            what = now.step or ("writing" if now.done == now.rows else "captions")
            bar.update(
                task,
                description=what,
                completed=now.done,
                total=now.rows or None,
                rate=f"{speed:,.0f}/s" if speed else "",
            )

        yield show


class _Rate:
    """Rows per second of the step at hand, not counting what was taken over."""

    def __init__(self) -> None:
        self._began = 0.0
        self._step = ""

    def update(self, now: Progress) -> float:
        if not self._began or now.step != self._step:
            self._began, self._step = time.monotonic(), now.step
            return 0.0
        return (now.done - now.resumed) / max(1e-9, time.monotonic() - self._began)


class _Lines:
    """A line where another step begins, then one in ten seconds."""

    def __init__(self) -> None:
        self._rate = _Rate()
        self._last, self._step = time.monotonic(), ""

    def __call__(self, now: Progress) -> None:
        speed = self._rate.update(now)
        if now.step == self._step and time.monotonic() - self._last < _SECONDS_BETWEEN_LINES:
            return
        self._last, self._step = time.monotonic(), now.step
        left = f", {(now.rows - now.done) / speed:,.0f} s left" if speed else ""
        step = f"{now.step}: " if now.step else ""
        sys.stderr.write(
            f"{step}{now.done:,} of {now.rows:,} captions ({now.done / now.rows:.0%}), {speed:,.0f}/s{left}\n"
            if now.rows
            else f"{now.step}\n"
        )
        sys.stderr.flush()
