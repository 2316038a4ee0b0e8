"""`negagen inspect`: what is in a file of negatives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from negagen.batch.survey import Contents


def inspect(
    file: Annotated[Path, typer.Argument(help="A file that `negagen generate` wrote.", show_default=False)],
    samples: Annotated[int, typer.Option(min=0, help="Captions to show with their negatives.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
) -> None:
    """Show what is in a file of negatives.

    Rows by status, negatives by category and rule, samples, and how the file was made.

    \b
    Examples:
      negagen inspect captions.negatives.parquet
      negagen inspect captions.negatives.parquet --samples 20
      negagen inspect captions.negatives.parquet --json --samples 0
    """
    from negagen.batch.survey import read_contents

    contents = read_contents(file, samples)
    if as_json:
        from negagen.cli.console import print_json

        print_json(
            {
                "file": str(file),
                "layout": contents.layout,
                "output_rows": contents.rows,
                **contents.counts.to_json(),
                "metadata": contents.metadata,
                "samples": contents.samples,
            }
        )
        return
    from negagen.cli.console import console, print_counts

    target = console()
    _show_origin(target, file, contents)
    print_counts(target, contents.counts)
    _show_samples(target, contents)


def _show_origin(target: Console, file: Path, contents: Contents) -> None:
    from rich.text import Text

    kind = "one row a negative" if contents.layout == "flat" else "one row a caption"
    target.print(Text(f"{file}: {contents.rows:,} rows, {kind}", "bold"))
    for name in (
        "version",
        "schema_version",
        "fingerprint",
        "seed",
        "rules",
        "pipeline",
        "lexicon",
        "column",
    ):
        if value := contents.metadata.get(name):
            target.print(Text(f"  {name:<15} {value}"))
    if not contents.metadata:
        target.print(Text("  no record in its footer of how it was made: another program wrote it anew"))
    target.print()


def _show_samples(target: Console, contents: Contents) -> None:
    from rich.text import Text

    from negagen.cli.console import is_colourful
    from negagen.cli.diff import from_edits, from_texts, styled
    from negagen.types import Edit

    colour = is_colourful(target)
    for sample in contents.samples:
        caption = sample["caption"]
        target.print(Text(f"\n   {caption}"))
        for number, negative in enumerate(sample["negatives"], 1):
            edits = [Edit(**edit) for edit in negative["edits"] or ()]
            pieces = from_edits(caption, edits) if edits else from_texts(caption, negative["text"])
            target.print(styled(pieces, colour, f"{number}  "))
            target.print(Text(f"   {negative['rule']}, {negative['category']}", "dim"))
