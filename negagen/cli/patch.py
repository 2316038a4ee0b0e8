"""`negagen patch`: between a model and the one tuned from it, where composition is won and little is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from negagen.cli.options import Device, names


def patch(
    base: Annotated[
        str, typer.Argument(help="The model before tuning: a folder, or a name on the hub.", show_default=False)
    ],
    tuned: Annotated[str, typer.Argument(help="The model tuned from it.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the patched model.", show_default=False)],
    alpha: Annotated[
        str, typer.Option(help="Share of the tuned model: a number, a list (0,0.5,1), or START:END:STEP.")
    ] = "0:1:0.1",
    benchmarks: Annotated[
        list[str] | None,
        typer.Option(
            "--eval",
            metavar="BENCHMARKS",
            help="Measure every point on these, by comma, as `negagen evaluate` names them: at least one of composition"
            " and one of retained skill (retrieval, zero-shot).",
            show_default=False,
        ),
    ] = None,
    root: Annotated[
        Path | None, typer.Option("--eval-root", help="Folder of the benchmarks' files.", show_default=False)
    ] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option("--eval-images", help="Folder of their pictures; repeatable.", show_default=False),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(min=0, max=1, help="How far the retained score may fall below the base's: 0.01 is one point."),
    ] = 0.01,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an exported model in OUTPUT.")] = False,
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Every point as JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> None:
    """Mix the weights of a model with those of the one tuned from it.

    Of several alphas every one is measured, and the one exported that composes best among those whose retained score
    is at most --tolerance below the base's. OUTPUT/patching.json and .png show the curve.

    \b
    Examples:
      negagen patch clip/ run/tuned --alpha 0.6 -o patched
      negagen patch clip/ run/tuned -o patched --eval sugarcrepe,coco-retrieval --eval-root bench/
      negagen patch clip/ run/tuned -o patched --eval generic:pairs.parquet,retrieval:held-out.parquet
    """  # fmt: skip
    from transformers.utils import logging

    from negagen.cli.training import print_measured, watched
    from negagen.train.ending import patch as mix
    from negagen.train.loop import Progress
    from negagen.train.measured import Benchmarks
    from negagen.train.patching import parse_alphas

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    alphas = parse_alphas(alpha)
    with watched(quiet) as watch:
        curve = mix(
            base,
            tuned,
            output,
            alphas=alphas,
            benchmarks=Benchmarks(names(benchmarks), root, tuple(images or ())),
            tolerance=tolerance,
            device=device,
            overwrite=overwrite,
            tell=lambda name: watch(Progress("measuring", detail=name)),
        )
    if as_json:
        from negagen.cli.console import print_json

        print_json(curve.to_json())
    elif not quiet:
        points = sorted(curve.measured.items())
        print_measured({f"{one:g}": found.to_json() for one, found in points})
        typer.echo(f"alpha {curve.alpha:g}: {curve.rule}")
        typer.echo(f"Written to {output}")
