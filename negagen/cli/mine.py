"""`negagen mine`: the candidates of a pool that fool a given model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from negagen.cli.options import CaptionColumn, Device, ImageColumn, ImageIdColumn, MaxBad, Quiet

if TYPE_CHECKING:
    from rich.console import Console

    from negagen.data.prepared import Tell
    from negagen.mining import Mined


def mine(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A CLIP: a folder, or a name on the hub.", show_default=False)
    ],
    pool: Annotated[
        Path,
        typer.Argument(
            metavar="POOL", help="A file of `negagen generate`, best with --pool, and its pictures.", show_default=False
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Parquet file to write.", show_default=False)],
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder that paths of pictures start from, or a Parquet of pictures with their ids."
            " [default: pictures are in the pool]",
            show_default=False,
        ),
    ] = None,
    hardest: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Keep at most so many a caption, those nearest to its picture; half of one category at most,"
            " unless others run out.",
            show_default=False,
        ),
    ] = None,
    fools: Annotated[
        bool | None,
        typer.Option(
            "--fools/--any",
            help="Keep only those that score above the caption, or any. [default: --any with --hardest, else --fools]",
            show_default=False,
        ),
    ] = None,
    below: Annotated[
        float,
        typer.Option(min=0, help="Suspect those above this share of the caption's own score of being true; 0: none."),
    ] = 1.2,
    feedback: Annotated[
        Path | None,
        typer.Option(
            help="Also write all margins, for `negagen finetune --feedback` to begin a curriculum with.",
            show_default=False,
        ),
    ] = None,
    quota: Annotated[float, typer.Option(min=0, max=1, help="Most of all that is kept, of one category.")] = 1.0,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures a forward pass.")] = 256,
    precision: Annotated[Literal["fp32", "bf16"], typer.Option(help="Of the model's arithmetic.")] = "fp32",
    device: Device = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode, threads that make batches.")] = 4,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="Folder for pixels, tokens and what models said. [default: ~/.cache/negagen]", show_default=False
        ),
    ] = None,
    max_bad: MaxBad = 0.01,
    caption_column: CaptionColumn = None,
    image_column: ImageColumn = None,
    image_id_column: ImageIdColumn = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as JSON on stdout.")] = False,
    picture: Annotated[
        Path | None, typer.Option("--plot", help="Write what fools the model as a picture, SVG.", show_default=False)
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Score every candidate of a pool with a model, and keep those that fool it.

    A candidate fools the model if its picture is nearer to it than to the caption. Far nearer ones are suspected to be
    true, and left out. One row is written for each row of the pool; each candidate has a score `margin`.

    \b
    Examples:
      negagen mine clip/ pool.parquet --images train2017/ -o hard.parquet
      negagen mine clip/ pool.parquet --images train2017/ -o hardest.parquet --hardest 4
      negagen mine clip/ pool.parquet --images train2017/ -o hard.parquet --quota 0.3 --below 1.1
    """
    from transformers.utils import logging

    from negagen.data import Inputs, default_cache
    from negagen.errors import InputError
    from negagen.mining import Keep
    from negagen.mining import mine as run
    from negagen.mining.similarities import Scorer
    from negagen.train.distributed import process_group, world_size
    from negagen.train.models import load

    keep = Keep(hardest is None if fools is None else fools, hardest, below, quota)
    inputs = Inputs([pool], images, caption_column, image_column, image_id_column)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    with process_group(device) as chosen:
        if world_size() > 1:
            raise InputError("mining is the work of one process: start it without torchrun.")
        mined = run(
            lambda: Scorer(load(model, device=chosen), batch_size, precision == "bf16", workers),
            inputs, output, keep, cache=cache or default_cache(), max_bad=max_bad, feedback=feedback, picture=picture,
            overwrite=overwrite, tell=None if quiet else _tell(), told=model,
        )  # fmt: skip
    if as_json:
        from negagen.cli.console import print_json

        print_json(mined.to_json())
        return
    if quiet:
        return
    from negagen.cli.console import console

    _print(console(), mined)
    typer.echo(f"Written to {output}")


def _tell() -> Tell | None:
    import sys

    if not sys.stderr.isatty():
        return None

    def tell(what: str, done: int, whole: int) -> None:
        end = "\r" if done < whole else "\r\x1b[K"
        sys.stderr.write(f"\r\x1b[K{what}: {done:,} of {whole:,}{end}")
        sys.stderr.flush()

    return tell


def _print(target: Console, mined: Mined) -> None:
    from rich.table import Table
    from rich.text import Text

    from negagen.cli.console import plain_box

    table = Table(box=plain_box(target), show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("category")
    for title in ("candidates", "fool the model", "share", "suspected true", "kept", "of all kept"):
        table.add_column(title, justify="right")
    whole = mined.negatives
    for name, one in [*mined.categories.items(), ("all", whole)]:
        table.add_row(
            Text(name, "bold" if one is whole else ""), f"{one.scored:,}", f"{one.fools:,}",
            f"{one.fools / max(1, one.scored):.1%}", f"{one.suspected:,}", f"{one.kept:,}",
            f"{one.kept / max(1, whole.kept):.1%}",
        )  # fmt: skip
    target.print(table)
    if mined.positives.scored:
        true = mined.positives
        target.print(
            f"Of {true.scored:,} rewordings, which are true, {true.fools / true.scored:.1%} score above their caption"
            f" and {true.suspected / true.scored:.1%} above the share at which candidates are suspected."
        )
    target.print(
        f"{mined.rows:,} captions: {mined.fooled:,} have a candidate that fools the model, {mined.full:,} have all that"
        f" they shall have, {mined.unscored:,} could not be scored."
    )
    if unscored := mined.candidates - whole.scored:
        target.print(f"{unscored:,} candidates have no score, for want of a picture or of tokens of their own.")
    for note in mined.notes:
        target.print(note)
