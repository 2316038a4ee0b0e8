"""`negagen fit`: a blindness model from captions, for `--model` and for negators in dataloaders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from negagen.cli.options import Column, Overwrite, PictureIds, Pipeline, Rules


def fit(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT", help="Files of captions, as for generate.", show_default=False),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model file to write (.npz).")],
    blindness: Annotated[Literal["balanced", "strict"], typer.Option(help="The mode that it is for.")] = "balanced",
    k: Annotated[int, typer.Option("--k", "-k", min=1, max=64, help="Negatives per caption that it is for.")] = 4,
    column: Column = "caption",
    image_id_column: PictureIds = None,
    rules: Rules = None,
    pipeline: Pipeline = "bundled",
    scorer: Annotated[
        Path | None,
        typer.Option(
            help="Fit for --scorer too: the folder or .gguf file of a causal language model.", show_default=False
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first N captions.", metavar="N", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Fit a blindness model on captions: what generate does by itself, kept for further runs and other files.

    \b
    Examples:
      negagen fit captions.parquet -o blindness.npz
      negagen generate other.parquet --model blindness.npz
      negagen fit captions.parquet -o blindness.npz --scorer SmolLM2-135M/
    """
    from negagen import Negator
    from negagen.batch.fitting import Captions, fit_captions
    from negagen.batch.schema import check_caption_column
    from negagen.batch.source import image_ids, open_source
    from negagen.cli.progress import watch_fit
    from negagen.outputs import check_output

    source = open_source(inputs)
    check_output(output, [Path(file.path) for file in source.files], overwrite=overwrite, parquet=False)
    check_caption_column(source.schema, column, str(source))
    negator = Negator(
        k=k,
        blindness=blindness,
        rules=[str(path) for path in rules] if rules else None,
        pipeline=pipeline,
        scorer=scorer,
    )
    pictures = image_ids(source, image_id_column)
    rows = source.rows if limit is None else min(limit, source.rows)
    with watch_fit(quiet) as tell:
        fit_captions(negator, Captions(source, column, pictures, rows), output, tell)
    typer.echo(f"Fitted on {rows:,} captions ({f'pictures by {pictures}' if pictures else 'each its own picture'}).")
    typer.echo(f"Written to {output}, {output.stat().st_size / (1 << 20):.1f} MiB")
