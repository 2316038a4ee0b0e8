"""`negagen evaluate`: models on the field's benchmarks, side by side, with controls."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.text import Text

    from negagen.evaluate.compare import Comparison
    from negagen.evaluate.report import Report, Result, Score

_STDOUT = Path("-")
_MOST_CATEGORIES = 14


def evaluate(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=]MODEL...",
            help="Folders that save_pretrained, open_clip or `negagen finetune` wrote; the first is compared with.",
            show_default=False,
        ),
    ] = None,
    benchmarks: Annotated[
        str,
        typer.Option(
            "--benchmarks",
            "-b",
            show_default=False,
            help="By comma: names of --list, generic:FILE, pairs:FILE, retrieval:FILE, zeroshot:FOLDER, each with NAME="
            " before the path if wanted. Default: all that lie below --root.",
        ),
    ] = "",
    root: Annotated[
        Path | None, typer.Option(help="Folder below which the benchmarks lie.", show_default=False)
    ] = None,
    images: Annotated[
        list[Path] | None, typer.Option(help="A folder of pictures; repeatable.", show_default=False)
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="Say which benchmarks there are, and what of them lies in --root.")
    ] = False,
    blind: Annotated[
        str, typer.Option(help="Judges that see no picture: surface, language-model, classifier; or none.")
    ] = "surface,language-model",
    lm: Annotated[
        Path | None, typer.Option(help="Folder of a causal language model: a further judge.", show_default=False)
    ] = None,
    lm_limit: Annotated[int, typer.Option(min=0, help="Pairs a benchmark that it scores; 0: all.")] = 2000,
    limit: Annotated[int, typer.Option(min=0, help="Items of each benchmark, a seeded sample; 0: all.")] = 0,
    method: Annotated[
        str, typer.Option(help="plain, or comclip: by the parts of a picture that a text speaks of.")
    ] = "plain",
    boxes: Annotated[
        Path | None,
        typer.Option(help="JSON of boxes by picture, for comclip; without it, a grid.", show_default=False),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures a forward pass.")] = 256,
    device: Annotated[str, typer.Option(help="Where to run: auto, cpu, cuda, cuda:1 ...")] = "auto",
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder of features, by model. Default: ~/.cache/negagen/features.", show_default=False),
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither read nor write features.")] = False,
    seed: Annotated[int, typer.Option(help="Of samples, resamples and the judges' folds.")] = 0,
    items_path: Annotated[
        Path | None,
        typer.Option("--items", help="Write each item's outcome, a Parquet file.", show_default=False),
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write the figures as JSON; - for stdout.", show_default=False)
    ] = None,
    html_path: Annotated[
        Path | None, typer.Option("--html", help="Write a page with plots and pictures, one file.", show_default=False)
    ] = None,
) -> None:
    """Score models on benchmarks of composition, retrieval and classification.

    A tie is wrong. Beside every score: its 95% interval, what chance and a model without pictures get, and how
    the models differ (paired test, * below 5% after Holm's correction; b: a gain that blind judges share).

    Status 0: evaluated. 2: a model, a benchmark or an option cannot be used.

    \b
    Examples:
      negagen evaluate --list --root data
      negagen evaluate clip tuned -b sugarcrepe,valse,coco-retrieval --root data --images coco/val2017
      negagen evaluate before=clip after=tuned -b generic:held-out.parquet --html report.html
    """  # fmt: skip
    from negagen.errors import InputError

    if listing:
        _list(root)
        return
    if not models:
        raise InputError("name a model to evaluate, or --list for the benchmarks.")
    _quiet()
    from negagen.evaluate import evaluate as run
    from negagen.evaluate.benchmarks import KNOWN

    wanted = [name.strip() for name in benchmarks.split(",") if name.strip()]
    if not wanted:
        wanted = [name for name, known in KNOWN.items() if root is not None and not known.missing(root)]
        if not wanted:
            raise InputError("name benchmarks with --benchmarks, or a folder that holds some with --root.")
    judges = [name.strip() for name in blind.split(",") if name.strip() and name.strip() != "none"]
    report = run(
        _by_name(models),
        wanted,
        root=root,
        images=images or (),
        batch_size=batch_size,
        device=device,
        cache=None if no_cache else cache or _default_cache(),
        controls=judges,
        lm=lm,
        lm_limit=lm_limit or None,
        limit=limit or None,
        method=method,  # type: ignore[arg-type]  # checked by `evaluate`
        boxes=boxes,
        seed=seed,
        on_progress=_progress(),
    )
    if items_path is not None:
        import pyarrow.parquet as pq

        from negagen.atomic import written_aside

        with written_aside(items_path) as aside:
            pq.write_table(report.items(), aside, compression="zstd")
    if html_path is not None:
        from negagen.evaluate.html import render

        _write(html_path, render(report))
    if json_path == _STDOUT:
        from negagen.cli.console import print_json

        print_json(report.to_json())
        return
    from negagen.cli.console import console

    if json_path is not None:
        import json

        _write(json_path, json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n")
    _show(console(), report)
    for written in (items_path, json_path, html_path):
        if written is not None:
            typer.echo(f"Written to {written}")


def _by_name(models: list[str]) -> dict[str, str]:
    from negagen.errors import InputError

    out: dict[str, str] = {}
    for given in models:
        name, equals, path = given.partition("=")
        if not equals or Path(given).exists():
            name, path = Path(given).name or given, given
        if name in out:
            # Runs are often .../before/model and .../after/model: the whole path tells them apart.
            name = path
        if name in out or (not equals and path in out.values()):
            raise InputError(f"two models are named {name!r}: give them names, as in before={path}.")
        out[name] = path
    return out


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "negagen" / "features"


def _quiet() -> None:
    """No bars of transformers' own: ours says what is being done."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def _progress() -> Callable[[str, str, str, int, int], None] | None:
    import sys

    if not sys.stderr.isatty():
        return None

    def tell(model: str, benchmark: str, what: str, done: int, whole: int) -> None:
        end = "\r" if done < whole else "\r\x1b[K"
        sys.stderr.write(f"\r\x1b[K{model}: {benchmark}, {done:,} of {whole:,} {what}{end}")
        sys.stderr.flush()

    return tell


def _write(path: Path, text: str) -> None:
    from negagen.atomic import written_aside

    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def _list(root: Path | None) -> None:
    from rich.text import Text

    from negagen.cli.console import console
    from negagen.evaluate.benchmarks import KNOWN, OWN

    target = console()
    for known in KNOWN.values():
        missing = [] if root is None else known.missing(root)
        state = ("", "") if root is None else ("missing", "yellow") if missing else ("there", "green")
        target.print(Text.assemble((f"{known.name:<20} ", "bold"), (f"{state[0]:<8}", state[1]), known.about))
        files = missing or [f"{known.folder}/{' or '.join(group)}" for group in known.files]
        if state[0] != "there":
            shown = ", ".join(files[:2]) + (f" and {len(files) - 2} more" if len(files) > 2 else "")
            target.print(Text(f"{'':<21}{shown}, from {known.source}; pictures: {known.images}", "dim"))
    target.print()
    for kind, about in OWN.items():
        target.print(f"{kind + ':':<21}{about}")
    target.print("Files are named from --root on. Pictures are looked for beside them and below each --images.")
    target.print("Nothing is downloaded.")


def _show(target: Console, report: Report) -> None:
    from rich.text import Text

    from negagen.evaluate.report import benchmarks_of

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


def _benchmark(target: Console, report: Report, benchmark: str, changes: dict[tuple[str, str], Comparison]) -> None:
    from rich.table import Table
    from rich.text import Text

    from negagen.cli.console import plain_box
    from negagen.evaluate.controls import strongest

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
        told = [] if blind is None else [f"{100 * blind.value:.1f}" if name == first.headline else ""]
        _row(table, Text(name + mean, "bold" if name == first.headline else ""), first.scores[name], cells, told)
    own = first.categories.get(first.headline, {})
    for category in list(own)[:_MOST_CATEGORIES]:
        cells = [
            _cell(model.results[benchmark].categories.get(first.headline, {}).get(category))
            if benchmark in model.results
            else Text("")
            for model in report.models
        ]
        told = []
        if blind is not None:
            told = [f"{100 * blind.categories[category]:.1f}" if category in blind.categories else ""]
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


def _row(table: object, label: Text, one: Score, cells: list[Text], told: list[str]) -> None:
    table.add_row(label, f"{one.items:,}", *cells, *told, f"{100 * one.chance:.1f}", f"{one.ties:,}")  # type: ignore[attr-defined]


def _cell(one: Score | None, change: Comparison | None = None) -> Text:
    from rich.text import Text

    if one is None:
        return Text("")
    text = Text.assemble(f"{100 * one.value:.1f}", (f" {100 * one.low:.0f}-{100 * one.high:.0f}", "dim"))
    if change is not None:
        style = "" if not change.certain else "green" if change.difference.value > 0 else "red"
        marks = ("*" if change.certain else "") + ("b" if change.shared_with_blind else "")
        text.append(f" {100 * change.difference.value:+.1f}{marks}", style)
    return text
