"""Fits the blindness model that negagen ships, on a file of captions.

    python -m scripts.balance.build --captions CAPTIONS.parquet

The model has counts and weights only, no text, and one fold: it serves for captions other than these.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from negagen import Negator
from negagen.balance.fitting import fit_model
from negagen.balance.model import BUNDLED
from negagen.batch.fitting import read_captions
from negagen.batch.source import open_source

_TARGET = Path(__file__).parents[2] / "negagen" / "balance" / BUNDLED


def main(
    captions: Annotated[Path, typer.Option(help="Parquet with `caption` and `image_id`.")],
    output: Annotated[Path, typer.Option(help="The model to write.")] = _TARGET,
) -> None:
    """Fit and write the model; print its size."""
    source = open_source([captions])
    pairs = list(read_captions(source, source.rows, "caption", "image_id"))
    negator = Negator(k=4, blindness="balanced")
    model = fit_model(negator, lambda: pairs, len(pairs), folds=1, about={"source": captions.stem})
    model.save(output)
    typer.echo(f"{output}: {output.stat().st_size / 1e6:.2f} MB, fitted on {len(pairs):,} captions")


if __name__ == "__main__":
    typer.run(main)
