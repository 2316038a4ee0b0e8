"""`negagen finetune`: a model, pictures and negatives in, a better model out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from negagen.cli.options import CaptionColumn, Device, ImageColumn, ImageIdColumn, MaxBad, Quiet, names


def finetune(
    negatives: Annotated[
        list[Path],
        typer.Argument(
            help="Captions with their negatives: negagen's Parquet, NegCLIP's TSV, WebDataset tars ...",
            show_default=False,
        ),
    ],
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="A CLIP to start from: a folder, or a name on the hub.", show_default=False),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run.", show_default=False)],
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder that paths of pictures start from, or a Parquet of pictures with their ids."
            " [default: pictures are in the negatives' file]",
            show_default=False,
        ),
    ] = None,
    recipe: Annotated[
        str, typer.Option("--recipe", "-r", help="A recipe by name (clip, negclip ...), or a .toml of your own.")
    ] = "negclip",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Override a key, e.g. optimizer.lr=1e-5; repeatable.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the order, the negatives drawn, and the split.")] = 0,
    held_out: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of the pictures to measure on instead; 0: none.")
    ] = 0.05,
    benchmarks: Annotated[
        list[str] | None,
        typer.Option(
            "--eval",
            metavar="BENCHMARKS",
            help="Measure on these before and after, by comma, as `negagen evaluate` names them.",
            show_default=False,
        ),
    ] = None,
    root: Annotated[
        Path | None, typer.Option("--eval-root", help="Folder of the benchmarks' files.", show_default=False)
    ] = None,
    benchmark_images: Annotated[
        list[Path] | None,
        typer.Option("--eval-images", help="Folder of their pictures; repeatable.", show_default=False),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            help='Go on from a checkpoint: "latest", or its folder.', metavar="latest|DIR", show_default=False
        ),
    ] = None,
    chunk: Annotated[
        int | None,
        typer.Option(
            min=0, help="Encode so many rows at a time; the loss still sees the whole batch.", show_default=False
        ),
    ] = None,
    lock_image: Annotated[
        bool, typer.Option("--lock-image", help="Freeze the vision tower and encode every picture once.")
    ] = False,
    feedback: Annotated[
        Path | None,
        typer.Option(
            help="What a model said of the negatives, for a recipe's curriculum to begin with: of `negagen mine`, or a"
            " run's feedback.parquet.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Threads that make batches, processes that decode.")] = 4,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder for decoded pictures. [default: ~/.cache/negagen]", show_default=False),
    ] = None,
    max_bad: MaxBad = 0.01,
    caption_column: CaptionColumn = None,
    image_column: ImageColumn = None,
    image_id_column: ImageIdColumn = None,
    log: Annotated[
        list[str] | None,
        typer.Option(help="Metrics also to tensorboard or wandb; repeatable.", show_default=False),
    ] = None,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 500,
    keep: Annotated[int, typer.Option(min=1, help="Checkpoints that are kept.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="The closing report as JSON on stdout.")] = False,
    quiet: Quiet = False,
) -> None:
    """Fine-tune a CLIP on captions and their hard negatives.

    OUTPUT/model is what `transformers` loads afterwards; OUTPUT/report.json holds what was measured before and after;
    OUTPUT/metrics.jsonl every step. Several GPUs: torchrun --nproc-per-node 2 -m negagen finetune ...

    \b
    Examples:
      negagen finetune coco.negatives.parquet --model clip-vit-base-patch32 --images train2017/ -o run
      negagen finetune shots.parquet -m clip/ -r clip --set optimizer.epochs=2 -o control
      negagen finetune shots.parquet -m clip/ -o run --eval sugarcrepe,valse --eval-root bench/
      negagen finetune coco.negatives.parquet -m clip/ --images train2017/ -o run --resume latest
    """  # fmt: skip
    from transformers.utils import logging

    from negagen.cli.training import print_measured, watched
    from negagen.data import Inputs
    from negagen.train.distributed import alike
    from negagen.train.launched import is_first
    from negagen.train.loop import Job
    from negagen.train.loop import finetune as tune
    from negagen.train.measured import Benchmarks
    from negagen.train.recipe import load_recipe

    with alike():
        overrides = dict(pair(text) for text in settings or ())
        if chunk is not None:
            overrides["batch.chunk"] = str(chunk)
        resolved = load_recipe(recipe, overrides)
    job = Job(
        inputs=Inputs(negatives, images, caption_column, image_column, image_id_column),
        model=model,
        output=output,
        recipe=resolved,
        cache=cache,
        max_bad=max_bad,
        held_out=held_out,
        lock_image=lock_image,
        feedback=feedback,
        seed=seed,
        workers=workers,
        device=device,
        benchmarks=Benchmarks(names(benchmarks), root, tuple(benchmark_images or ())),
        log=tuple(log or ()),
        save_every=save_every,
        keep=keep,
        resume=resume,
    )
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with watched(quiet) as watch:
            report = tune(job, watch)
    except KeyboardInterrupt:
        if is_first():
            typer.echo(
                "interrupted: go on from the last checkpoint by the same command with --resume latest.", err=True
            )
        raise typer.Exit(130) from None
    if not report:
        return
    if as_json:
        from negagen.cli.console import print_json

        print_json(report)
    elif not quiet:
        print_measured(report["measured"])
        if "patching" in report:
            typer.echo(f"patched at alpha {report['patching']['alpha']:g} ({report['patching']['rule']})")
        for note in report["notes"]:
            typer.echo(note)
        typer.echo(f"Written to {output / 'model'}; figures in {output / 'report.json'} and {output / 'metrics.jsonl'}")


def pair(text: str) -> tuple[str, str]:
    """Key and value of `--set KEY=VALUE`. Raises `RecipeError`."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        from negagen.errors import RecipeError

        raise RecipeError(f"--set {text}: expected KEY=VALUE, as in optimizer.lr=1e-5.")
    return key.strip(), value.strip()
