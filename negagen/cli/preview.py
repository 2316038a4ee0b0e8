"""`negagen preview`: what becomes of one caption, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from negagen.cli.options import Categories, Pipeline, Rules, Seed, categories_of

if TYPE_CHECKING:
    from rich.console import Console

    from negagen.types import Negative, Result


def preview(
    caption: Annotated[str, typer.Argument(help="The caption, in quotes.", show_default=False)],
    k: Annotated[int, typer.Option("--k", "-k", min=1, max=64, help="Negatives to make.")] = 4,
    seed: Seed = 0,
    rules: Rules = None,
    categories: Categories = None,
    pipeline: Pipeline = "bundled",
    blindness: Annotated[
        Literal["off", "balanced", "strict"],
        typer.Option(help="Off shows the first that pass the checks, else a draw as generate makes it."),
    ] = "off",
    model: Annotated[
        Path | None,
        typer.Option(help="What to draw by, a file of `negagen fit`. [default: the bundled one]", show_default=False),
    ] = None,
    rejected: Annotated[bool, typer.Option("--rejected", help="Also show what was refused, and why.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
) -> None:
    """Show the negatives of one caption.

    With the same seed, blindness and model they are those that `generate` makes. Words that left are red
    and struck, words that came green; without colour [-so-] and {+so+}.

    \b
    Examples:
      negagen preview "A brown dog chases a white cat."
      negagen preview "Two men on a red bench" --k 8 --rejected
      negagen preview "A cup next to a plate" --rules my-rules/ --json
    """
    from negagen import Negator
    from negagen.errors import InputError

    if model is not None and blindness == "off":
        raise InputError("--model is what is drawn by with --blindness balanced or strict: give one of these too.")
    negator = Negator(
        k=k,
        seed=seed,
        rules=[str(path) for path in rules] if rules else None,
        categories=categories_of(categories),
        pipeline=pipeline,
        explain=rejected or as_json,
        blindness=blindness,
        model=model,
    )
    result = negator(caption)
    if as_json:
        from negagen.cli.console import print_json

        print_json(result_json(result))
    else:
        from negagen.cli.console import console

        show(console(), caption, result, rejected)
    if result.status == "error":
        raise typer.Exit(1)


def result_json(result: Result) -> dict[str, object]:
    """A result as JSON values, refused candidates included."""
    return {
        "caption": result.text,
        "status": result.status,
        "reason": result.reason or None,
        "negatives": [negative_json(negative) for negative in result.negatives],
        "positives": [negative_json(positive) for positive in result.positives],
        "rejected": [
            {"text": one.text, "rule": one.rule, "category": one.category, "reason": one.reason}
            for one in result.rejected
        ],
    }


def negative_json(negative: Negative) -> dict[str, object]:
    """A negative (or positive) as JSON values."""
    return {
        "text": negative.text,
        "rule": negative.rule,
        "category": negative.category,
        "generator": negative.generator,
        "edits": [{"start": edit.start, "end": edit.end, "old": edit.old, "new": edit.new} for edit in negative.edits],
        "scores": dict(negative.scores),
    }


def show(target: Console, caption: str, result: Result, rejected: bool) -> None:
    """Print a caption and what became of it; refused candidates too if `rejected`."""
    from rich.text import Text

    from negagen.cli.console import is_colourful
    from negagen.cli.diff import from_edits, from_texts, styled

    colour = is_colourful(target)
    target.print(Text(f"   {caption}"))
    target.print()
    for number, negative in enumerate(result.negatives, 1):
        target.print(styled(from_edits(caption, negative.edits), colour, f"{number}  "))
        target.print(Text(f"   {_about(negative)}", "dim"))
    if result.positives:
        target.print(Text("\nstill true (hard positives)", "bold"))
    for positive in result.positives:
        target.print(styled(from_edits(caption, positive.edits), colour, "=  "))
        target.print(Text(f"   {_about(positive)}", "dim"))
    if rejected:
        target.print(Text("\nrefused" if result.rejected else "\nnothing was refused", "bold"))
        for one in result.rejected:
            target.print(styled(from_texts(caption, one.text), colour, "x  "))
            target.print(Text(f"   {one.rule}, {one.category}: {one.reason}", "dim"))
    if result.status != "ok":
        reason = f": {result.reason}" if result.reason else ""
        target.print(Text(f"\n{result.status}{reason}", "yellow"))


def _about(negative: Negative) -> str:
    scores = "".join(f", {name} {value:.3g}" for name, value in sorted(negative.scores.items()))
    return f"{negative.rule}, {negative.category}{scores}"
