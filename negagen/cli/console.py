"""Where text goes: rich consoles for stdout and stderr, and the tables that commands share."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import IO, TextIO

from rich.box import ASCII, SIMPLE, Box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from negagen.batch.stats import Counts, ranked

_LOG_WIDTH = 110


def console(error: bool = False) -> Console:
    """A console on stdout, or stderr. Captions are printed as they are: no markup, no highlighting."""
    stream: TextIO = sys.stderr if error else sys.stdout
    return Console(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=not stream.isatty(),
        width=None if stream.isatty() else _LOG_WIDTH,
    )


def is_colourful(target: Console) -> bool:
    """Whether a diff may rely on colour: on a terminal (or FORCE_COLOR) and without NO_COLOR."""
    return target.is_terminal and not target.no_color and target.color_system is not None


def print_json(value: object) -> None:
    """Indented JSON on stdout; one document, nothing else."""
    import json

    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=not _shows_unicode(sys.stdout), default=str) + "\n")


def _shows_unicode(stream: IO[str]) -> bool:
    return str(getattr(stream, "encoding", "")).lower().replace("-", "").replace("_", "").startswith("utf")


def plain_box(target: Console) -> Box:
    """Lines for a table that `target`'s encoding can show."""
    return SIMPLE if _shows_unicode(target.file) else ASCII


def print_counts(target: Console, counts: Counts) -> None:
    """Tables of rows by status, negatives by category and rule, and refusals by reason."""
    rows = max(1, counts.rows)
    lines = [(name, counts.status[name]) for name in ("ok", "partial", "none", "error")]
    _print_table(target, "rows", dict(lines), rows)
    if counts.reason:
        _print_table(target, "rows without all negatives, by reason", counts.reason, rows, top=8)
    if counts.negatives:
        _print_table(target, "negatives by category", counts.category, counts.negatives)
        _print_table(target, "negatives by rule", counts.rule, counts.negatives)
    if counts.positive:
        _print_table(target, "hard positives by category", counts.positive, counts.positive.total())
    if counts.rejected:
        refused = counts.rejected.total()
        _print_table(target, "refused candidates by reason", counts.rejected, refused, top=8)
    target.print(
        f"{counts.covered / rows:.1%} of the rows have a negative,"
        f" {counts.diverse / rows:.1%} have all, of two categories or more."
    )


def _print_table(target: Console, title: str, counter: Mapping[str, int], whole: int, top: int | None = None) -> None:
    table = Table(box=plain_box(target), show_edge=False, pad_edge=False, header_style="bold")
    table.add_column(title, width=min(60, max(20, target.width - 26)), overflow="fold")
    table.add_column("number", justify="right", width=12)
    table.add_column("share", justify="right", width=7)
    pairs = ranked(counter) if title != "rows" else list(counter.items())
    shown = pairs[:top]
    for name, number in shown:
        table.add_row(Text(name), f"{number:,}", f"{number / max(1, whole):.1%}")
    if left := sum(number for _, number in pairs[len(shown) :]):
        table.add_row(Text(f"{len(pairs) - len(shown)} more"), f"{left:,}", f"{left / max(1, whole):.1%}")
    target.print(table)
    target.print()
