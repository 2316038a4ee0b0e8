"""The tables of `negagen evaluate`."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from negagen.cli.console import plain_box
from negagen.evaluate.compare import Comparison
from negagen.evaluate.controls import strongest
from negagen.evaluate.report import Report, Result, Score, benchmarks_of

_MOST_CATEGORIES = 14


def print_report(target: Console, report: Report) -> None:
    """A table for each benchmark: its scores, its headline by category, what was left out; and the means."""
    changes = {(one.benchmark, one.after): one for one in report.comparisons()}
    for benchmark in benchmarks_of(report.models):
        _benchmark(target, report, benchmark, changes)
    if len(report.models) > 1 or len(benchmarks_of(report.models)) > 1:
        for name in report.names:
            composition, retention = report.composition(name), report.retention(name)
            parts = [
                f"{label} {100 * value:.1f}"
                for label, value in (("composition", composition), ("retention", retention))
                if value == value
            ]
            target.print(Text(f"{name}: {', '.join(parts)} (means of the headline scores)"))
    if any(one.certain for one in changes.values()):
        target.print(f"* differs from {report.names[0]}, p < 0.05 after Holm's correction")
    if any(one.shared_with_blind for one in changes.values()):
        target.print("b the gain is mostly or only where judges without a picture find the answer too")


def _benchmark(target: Console, report: Report, benchmark: str, changes: Mapping[tuple[str, str], Comparison]) -> None:
    results = [model.results[benchmark] for model in report.models if benchmark in model.results]
    first, controls = results[0], report.controls.get(benchmark, ())
    title = Text.assemble((benchmark, "bold"), f"  {first.extent}", ("  SUBSET" if first.missing > 0 else "", "yellow"))
    target.print(title)
    table = Table(box=plain_box(target), show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("score", overflow="fold")
    table.add_column("items", justify="right")
    for model in report.models:
        table.add_column(model.name, justify="right", overflow="fold")
    blind = strongest(controls)
    if blind is not None:
        table.add_column(f"blind: {blind.name}", justify="right")
    table.add_column("chance", justify="right")
    table.add_column("ties", justify="right")
    names = [first.headline, *(name for name in first.scores if name != first.headline)]
    for name in names:
        mean = ", mean of categories" if first.macro and name == first.headline else ""
        cells: list[Text] = []
        for model in report.models:
            change = changes.get((benchmark, model.name)) if name == first.headline else None
            cells.append(_cell(_score_of(model.results.get(benchmark), name), change))
        told = [] if blind is None else [_percent(blind.value if name == first.headline else None)]
        _row(table, Text(name + mean, "bold" if name == first.headline else ""), first.scores[name], cells, told)
    own = first.categories.get(first.headline, {})
    for category in list(own)[:_MOST_CATEGORIES]:
        cells = [_cell(_by_category(model.results.get(benchmark), category)) for model in report.models]
        told = [] if blind is None else [_percent(blind.categories.get(category))]
        _row(table, Text(f"  {category}"), own[category], cells, told)
    target.print(table)
    if (more := len(own) - _MOST_CATEGORIES) > 0:
        target.print(f"  and {more} more categories, in the JSON")
    for reason, count in first.skipped.items():
        target.print(f"  left out, {reason}: {count:,}")
    for reason, count in first.notes.items():
        target.print(f"  {reason}: {count:,}")
    target.print()


def _score_of(result: Result | None, name: str) -> Score | None:
    return None if result is None else result.scores.get(name)


def _by_category(result: Result | None, category: str) -> Score | None:
    return None if result is None else result.categories.get(result.headline, {}).get(category)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _row(table: Table, label: Text, one: Score, cells: list[Text], told: list[str]) -> None:
    table.add_row(label, f"{one.items:,}", *cells, *told, f"{100 * one.chance:.1f}", f"{one.ties:,}")


def _cell(one: Score | None, change: Comparison | None = None) -> Text:
    if one is None:
        return Text("")
    text = Text.assemble(f"{100 * one.value:.1f}", (f" {100 * one.low:.0f}-{100 * one.high:.0f}", "dim"))
    if change is not None:
        style = "" if not change.certain else "green" if change.difference.value > 0 else "red"
        marks = ("*" if change.certain else "") + ("b" if change.shared_with_blind else "")
        text.append(f" {100 * change.difference.value:+.1f}{marks}", style)
    return text
