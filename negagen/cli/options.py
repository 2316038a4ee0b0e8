"""Options that several commands have, declared once: the same name means the same everywhere."""

from __future__ import annotations

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
