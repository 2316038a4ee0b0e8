"""Options that several commands have, declared once: the same name means the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
MaxBad = Annotated[float, typer.Option(min=0, max=1, help="Share of pictures that may be missing or damaged.")]
CaptionColumn = Annotated[str | None, typer.Option(help="Column of captions.", show_default=False)]
ImageColumn = Annotated[str | None, typer.Option(help="Column of pictures.", show_default=False)]
ImageIdColumn = Annotated[
    str | None, typer.Option(help="Column that tells which captions show one picture.", show_default=False)
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no closing table.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]

Seed = Annotated[int, typer.Option(help="Another seed, other negatives.")]
Rules = Annotated[
    list[Path] | None,
    typer.Option("--rules", help="Rule file or folder in place of the shipped rules; repeatable.", show_default=False),
]
Categories = Annotated[str | None, typer.Option(help="Only these, e.g. swap_att,replace_obj.", show_default=False)]
Pipeline = Annotated[str, typer.Option(help="A spaCy pipeline by name or path, such as en_core_web_sm.")]
Column = Annotated[str, typer.Option(help="The column that holds the captions.")]
PictureIds = Annotated[
    str | None,
    typer.Option(
        help='The column that names each caption\'s picture; "" for none. [default: image_id, if there is one]',
        show_default=False,
    ),
]


def names(given: Sequence[str] | None) -> tuple[str, ...]:
    """Names separated by commas, from an option that may be repeated."""
    return tuple(name.strip() for text in given or () for name in text.split(",") if name.strip())


def categories_of(given: str | None) -> list[str] | None:
    """What `Categories` names; None where it is not given. An empty name is kept: it is a mistake, not all of them."""
    return None if given is None else [name.strip() for name in given.split(",")]
