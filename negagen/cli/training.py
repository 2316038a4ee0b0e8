"""What `finetune` and `patch` show: a live line, and tables of what was measured."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from negagen.train.launched import is_first
from negagen.train.loop import Progress

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def watched(quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """A callback for `negagen.train.loop.finetune` that shows where the run stands on stderr."""
    if quiet or not is_first():
        yield lambda _: None
    elif sys.stderr.isatty():
        with _live() as show:
            yield show
    else:
        yield _Lines()


@contextmanager
def _live() -> Iterator[Callable[[Progress], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    from negagen.cli.console import console

    with Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        console=console(error=True),
        transient=True,
    ) as bar:
        task = bar.add_task("starting", total=None, figures="")

        def show(now: Progress) -> None:
            bar.update(
                task, description=_doing(now), completed=now.step, total=now.steps or None, figures=_figures(now)
            )

        yield show


class _Lines:
    """A line for each thing that is begun, and one every ten seconds of training."""

    def __init__(self) -> None:
        self._last = -math.inf
        self._doing = ""

    def __call__(self, now: Progress) -> None:
        doing = _doing(now)
        last = now.phase == "training" and now.step == now.steps
        if doing == self._doing and not last and time.monotonic() - self._last < _SECONDS_BETWEEN_LINES:
            return
        self._doing, self._last = doing, time.monotonic()
        of = f" {now.step:,} of {now.steps:,}" if now.steps else ""
        sys.stderr.write(f"{doing}{of}{': ' if _figures(now) else ''}{_figures(now)}\n")
        sys.stderr.flush()


def _doing(now: Progress) -> str:
    return "step" if now.phase == "training" else f"{now.phase} {now.detail}".strip()


def _figures(now: Progress) -> str:
    if now.phase != "training":
        return ""
    own = "" if now.own_accuracy is None else f", own negatives {now.own_accuracy:.1%}"
    return f"loss {now.loss:.4f}{own}, {now.images_per_second:,.0f} images/s, {_duration(now.seconds_left)} left"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def print_measured(measured: Mapping[str, Mapping[str, Any]]) -> None:
    """A table on stdout: a row for each figure, a column for each model; as `report.json` has them."""
    from rich.table import Table

    from negagen.cli.console import console, plain_box
    from negagen.train.measured import Measured

    target = console()
    found = {name: Measured(one["held_out"], one["benchmarks"]).headlines() for name, one in measured.items()}
    rows = list(dict.fromkeys(row for figures in found.values() for row in figures))
    if not rows:
        return
    table = Table(box=plain_box(target), show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("")
    for name in found:
        table.add_column(name, justify="right")
    for row in rows:
        values = [figures.get(row) for figures in found.values()]
        table.add_row(row, *("" if value is None else f"{value:.1%}" for value in values))
    target.print(table)
