"""`negagen draw`: an epoch's negatives from a pool, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from negagen.cli.options import Categories, Overwrite, Seed, categories_of


def draw(
    pool: Annotated[
        Path, typer.Argument(metavar="POOL", help="A file of `negagen generate --pool`.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Parquet file to write.")],
    k: Annotated[int, typer.Option("--k", "-k", min=1, max=64, help="Negatives per caption.")] = 4,
    seed: Seed = 0,
    epoch: Annotated[int, typer.Option(min=0, help="Another epoch, other negatives.")] = 0,
    categories: Categories = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw an epoch's negatives from a pool: what a dataloader would draw, as a file for other programs.

    \b
    Examples:
      negagen draw pool.parquet -o epoch0.parquet
      negagen draw pool.parquet -o epoch1.parquet --epoch 1 --k 2
    """
    from negagen.data.epoch import draw_epoch

    drawn = draw_epoch(
        pool, output, k=k, seed=seed, epoch=epoch, categories=categories_of(categories), overwrite=overwrite
    )
    typer.echo(
        f"{drawn.rows:,} captions, {drawn.negatives:,} negatives; {drawn.full:,} captions have all {k}."
        f"\nWritten to {output}"
    )
