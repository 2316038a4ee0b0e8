"""`negagen export` and `negagen import`: files of negatives in the formats of other programs, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from negagen.cli.options import Overwrite

Name = Literal["negclip-tsv", "sugarcrepe-json", "hf-dataset", "webdataset", "csv"]


def export(
    file: Annotated[Path, typer.Argument(help="A file of `negagen generate`, not --flat.", show_default=False)],
    to: Annotated[Name, typer.Option("--to", help="The format.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="File or, for most, new folder to write.")],
    image_column: Annotated[
        str | None,
        typer.Option(
            help="The column of pictures: paths, or bytes for webdataset. [default: filepath, filename, image...]",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Write negatives in another program's format, and say what that format cannot hold.

    \b
    Examples:
      negagen export negatives.parquet --to negclip-tsv -o train.tsv --image-column filepath
      negagen export negatives.parquet --to sugarcrepe-json -o exam/
      negagen export negatives.parquet --to hf-dataset -o dataset/
      negagen export negatives.parquet --to webdataset -o shards/
      negagen export negatives.parquet --to csv -o negatives.csv
    """
    from negagen.exchange import export_file

    done = export_file(file, output, to, image_column=image_column, overwrite=overwrite)
    left = f" {done.left_out:,} captions without negatives are left out." if done.left_out else ""
    typer.echo(f"{done.rows:,} captions, {done.negatives:,} negatives.{left}\nWritten to {output}")
    typer.echo(f"Not in it: {'; '.join(done.lost)}.")


def import_(
    path: Annotated[Path, typer.Argument(help="File or folder to read.", show_default=False)],
    source: Annotated[Name, typer.Option("--from", help="Its format.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Parquet file to write.")],
    overwrite: Overwrite = False,
) -> None:
    """Read negatives from another program's format into the Parquet that all of negagen reads.

    \b
    Examples:
      negagen import train_neg_clip.tsv --from negclip-tsv -o negclip.parquet
      negagen import sugar-crepe/data/ --from sugarcrepe-json -o sugarcrepe.parquet
    """
    from negagen.exchange import import_file

    done = import_file(path, output, source, overwrite=overwrite)
    typer.echo(f"{done.rows:,} captions, {done.negatives:,} negatives.\nWritten to {output}")
