"""`negagen evaluate`: models on the field's benchmarks, side by side, with controls."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from negagen.cli.options import names

if TYPE_CHECKING:
    from collections.abc import Callable

_STDOUT = Path("-")


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

    wanted = list(names([benchmarks]))
    if not wanted:
        wanted = [name for name, known in KNOWN.items() if root is not None and not known.missing(root)]
        if not wanted:
            raise InputError("name benchmarks with --benchmarks, or a folder that holds some with --root.")
    judges = [name for name in names([blind]) if name != "none"]
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
    from negagen.cli.scores import print_report

    if json_path is not None:
        import json

        _write(json_path, json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n")
    print_report(console(), report)
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
