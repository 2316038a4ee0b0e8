"""Puts the commands together."""

from __future__ import annotations

from typing import Annotated

import typer

from negagen.cli.answers import answers
from negagen.cli.audit import audit
from negagen.cli.doctor import doctor
from negagen.cli.draw import draw
from negagen.cli.evaluate import evaluate
from negagen.cli.exchange import export, import_
from negagen.cli.finetune import finetune
from negagen.cli.fit import fit
from negagen.cli.generate import generate
from negagen.cli.inspect import inspect
from negagen.cli.mine import mine
from negagen.cli.patch import patch
from negagen.cli.preview import preview
from negagen.cli.rules import rules

# Plain help: it needs no rich, and reads the same in a log, a narrow terminal and a non-UTF-8 one.
app = typer.Typer(
    name="negagen",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Errors end with status 2; --debug, anywhere on the line, shows their traceback.",
)
app.command()(generate)
app.command()(draw)
app.command()(mine)
app.command()(fit)
app.command()(preview)
app.command()(inspect)
app.command()(answers)
app.command()(audit)
app.command()(finetune)
app.command()(patch)
app.command()(evaluate)
app.command()(export)
app.command("import")(import_)
app.add_typer(rules, name="rules")
app.command()(doctor)


def _version(wanted: bool) -> None:
    if wanted:
        from negagen import __version__

        typer.echo(f"negagen {__version__}")
        raise typer.Exit


@app.callback()
def negagen(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Hard-negative captions for CLIP-like models.

    \b
    Examples:
      negagen preview "A brown dog chases a white cat."
      negagen generate captions.parquet
      negagen inspect captions.negatives.parquet
      negagen audit captions.negatives.parquet
    """
