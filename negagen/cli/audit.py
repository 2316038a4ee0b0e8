"""`negagen audit`: what a file of negatives gives away without the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from negagen.cli.options import names

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from negagen.audit.attacks import Attack
    from negagen.audit.overlap import Overlap
    from negagen.audit.rates import Rate
    from negagen.audit.report import Audit

_STDOUT = Path("-")


def audit(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="Negatives: negagen's Parquet, NegCLIP's TSV, SugarCrepe's JSON ... Several JSON files are one set.",
            show_default=False,
        ),
    ],
    caption_column: Annotated[
        str | None, typer.Option(help="Column of captions, in a file of any other layout.", show_default=False)
    ] = None,
    negative_column: Annotated[
        str | None, typer.Option(help="Column of negatives: strings or lists of them.", show_default=False)
    ] = None,
    category_column: Annotated[str | None, typer.Option(help="Column of categories.", show_default=False)] = None,
    group_column: Annotated[
        str | None, typer.Option(help="Column that tells which captions show one picture.", show_default=False)
    ] = None,
    attacks: Annotated[
        str, typer.Option(help="Which judges, by comma: surface, language-model, classifier.")
    ] = "surface,language-model,classifier",
    reference: Annotated[
        Path | None, typer.Option(help="Captions to fit the n-gram model on, not the file's.", show_default=False)
    ] = None,
    lm: Annotated[
        Path | None,
        typer.Option(help="Folder of a causal language model (transformers): a further judge.", show_default=False),
    ] = None,
    lm_limit: Annotated[int, typer.Option(min=0, help="Pairs that it scores; 0: all.")] = 2000,
    benchmark: Annotated[
        list[Path] | None, typer.Option(help="A file to look for overlap with; repeatable.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Captions to look at, a seeded sample; 0: all.")] = 50_000,
    seed: Annotated[int, typer.Option(help="Of the sample, the folds and the samples shown.")] = 0,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write the figures as JSON; - for stdout.", show_default=False)
    ] = None,
    html_path: Annotated[
        Path | None, typer.Option("--html", help="Write a report with plots and samples, one file.", show_default=False)
    ] = None,
    fail_over: Annotated[
        float | None,
        typer.Option(
            min=0.5,
            max=1.0,
            help="End with status 1 if a judge's accuracy is above this or as far below one half.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure what a file of negatives gives away.

    Judges that see no picture try to tell each caption from its negative: 50% is what a coin gets. Also
    coverage, duplicates, sizes of edits, telling words, negations, and overlap with benchmarks.

    Status 0: measured. 1: over --fail-over. 2: the file or an option cannot be used.

    \b
    Examples:
      negagen audit captions.negatives.parquet --html report.html
      negagen audit captions.negatives.parquet --fail-over 0.60 --json audit.json
      negagen audit sugarcrepe/*.json
      negagen audit foils.csv --caption-column caption --negative-column foil
    """  # fmt: skip
    from negagen.audit import Columns
    from negagen.audit import audit as measure

    found = measure(
        files,
        columns=Columns(caption_column, negative_column, category_column, group_column),
        attacks=names([attacks]),
        reference=reference,
        lm=lm,
        lm_limit=lm_limit or None,
        benchmarks=benchmark or (),
        limit=limit or None,
        seed=seed,
    )
    if html_path is not None:
        from negagen.audit.html import render

        _write(html_path, render(found))
    if json_path == _STDOUT:
        from negagen.cli.console import print_json

        print_json(found.to_json())
    else:
        from negagen.cli.console import console

        if json_path is not None:
            import json

            _write(json_path, json.dumps(found.to_json(), indent=2, ensure_ascii=False) + "\n")
        _show(console(), found)
        for written in (json_path, html_path):
            if written is not None:
                typer.echo(f"Written to {written}")
    if fail_over is not None and (over := found.over(fail_over)):
        for attack in over:
            typer.echo(
                f"failed: {attack.title} ({attack.name}) picks the caption in {attack.overall.accuracy:.1%} of the"
                f" pairs; {1 - fail_over:.1%} to {fail_over:.1%} is allowed.",
                err=True,
            )
        raise typer.Exit(1)


def _write(path: Path, text: str) -> None:
    from negagen.atomic import written_aside

    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def _show(target: Console, found: Audit) -> None:
    from rich.text import Text

    pairs, contents = found.pairs, found.contents
    sample = f" (a sample of {pairs.rows:,} rows)" if pairs.sampled else ""
    target.print(Text(f"{pairs.source}: {len(pairs):,} pairs of {len(pairs.captions):,} captions{sample}", "bold"))
    for reason, count in pairs.omitted.items():
        target.print(f"  left out: {count:,} {reason}")
    target.print()
    overall = {one.name: one.overall for one in found.attacks}
    _rates(
        target,
        "blind accuracy (50% gives nothing away)",
        found,
        {"all pairs": overall} | _split(found.attacks, "by_category"),
    )
    if rules := _split(found.attacks, "by_rule"):
        _rates(target, "by rule", found, rules)
    coverage = (
        "unknown, the file leaves out captions without one" if contents.coverage is None else f"{contents.coverage:.1%}"
    )
    lines = [
        ("captions with a negative", coverage),
        ("negatives a caption", f"{len(pairs) / max(1, len(pairs.captions)):.2f}"),
        (
            "words changed",
            f"{contents.words_changed.mean:.2f} on average, {contents.words_changed.p90:.0f} at the 90th percentile",
        ),
        ("characters changed", f"{contents.characters_changed.mean:.1f} on average"),
        ("negatives equal to their caption", f"{contents.same_as_caption:,}"),
        ("equal to a sibling caption", f"{contents.same_as_sibling:,}"),
        ("repeated within a caption", f"{contents.repeated:,}"),
        ("only the negative denies", f"{contents.denies_negative:.1%} of the pairs"),
        ("only the caption denies", f"{contents.denies_caption:.1%} of the pairs"),
        (
            "words that speak for a negative",
            ", ".join(word.word.replace(" ", "␣") for word in found.for_negatives[:10]),
        ),
        ("words that speak for a caption", ", ".join(word.word.replace(" ", "␣") for word in found.for_captions[:10])),
    ]
    lines += [("texts cut by " + one.name, f"{one.truncated:,}") for one in found.attacks if one.truncated]
    lines += [(f"overlap with {Path(one.benchmark).name}", _shared(one)) for one in found.overlaps]
    for name, value in lines:
        target.print(Text(f"  {name:<33} {value}"))


def _shared(one: Overlap) -> str:
    captions, negatives = one.captions, one.negatives
    return (
        f"captions {captions.exact:,} exact, {captions.near:,} near; negatives {negatives.exact:,} exact,"
        f" {negatives.near:,} near; {one.touched:,} of its {one.texts:,} texts"
    )


def _split(attacks: tuple[Attack, ...], split: str) -> dict[str, dict[str, Rate]]:
    names = dict.fromkeys(name for one in attacks for name in getattr(one, split))
    return {
        name: {one.name: getattr(one, split)[name] for one in attacks if name in getattr(one, split)} for name in names
    }


def _rates(target: Console, title: str, found: Audit, parts: Mapping[str, Mapping[str, Rate]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from negagen.cli.console import plain_box

    table = Table(box=plain_box(target), show_edge=False, pad_edge=False, header_style="bold")
    table.add_column(title, overflow="fold")
    table.add_column("pairs", justify="right")
    for attack in found.attacks:
        table.add_column(attack.name, justify="right")
    for name, rates in parts.items():
        cells = [Text(name), Text(f"{max(one.pairs for one in rates.values()):,}")]
        for attack in found.attacks:
            one = rates.get(attack.name)
            cells.append(_cell(one) if one else Text(""))
        table.add_row(*cells)
    target.print(table)
    target.print()


def _cell(one: Rate) -> Text:
    from rich.text import Text

    distance = abs(one.accuracy - 0.5)
    style = "green" if distance <= 0.05 else "yellow" if distance <= 0.1 else "red"
    return Text.assemble((f"{one.accuracy:.1%}", style), (f" {100 * one.low:.1f}-{100 * one.high:.1f}", "dim"))
