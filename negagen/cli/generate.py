"""`negagen generate`: captions in, negatives out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from negagen.cli.options import Categories, Column, Overwrite, PictureIds, Pipeline, Quiet, Rules, Seed, categories_of

if TYPE_CHECKING:
    from negagen.llm.settings import LanguageSettings
    from negagen.proposing import Mode


def generate(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Files of captions (.parquet, .csv, .tsv, .jsonl), a folder of Parquet files, a glob; or s3://...",
            show_default=False,
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="Parquet file to write, also s3://bucket/out.parquet and the like. [default: INPUT.negatives.parquet]",
            show_default=False,
        ),
    ] = None,
    parts: Annotated[
        Path | None,
        typer.Option(
            help="Local folder for the parts of an output that is an address. [default: the current one]",
            show_default=False,
        ),
    ] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, max=64, help="Negatives per caption.")] = 4,
    seed: Seed = 0,
    column: Column = "caption",
    id_column: Annotated[
        str | None,
        typer.Option(
            help="Draw by this column too: rows of equal captions then get different negatives.",
            show_default=False,
        ),
    ] = None,
    rules: Rules = None,
    categories: Categories = None,
    pipeline: Pipeline = "bundled",
    blindness: Annotated[
        Literal["off", "balanced", "strict"],
        typer.Option(
            help="Draw negatives so that texts alone give nothing away: fewer of them, and harder to tell, or off."
        ),
    ] = "balanced",
    model: Annotated[
        Path | None,
        typer.Option(
            help="What to draw by, a file of `negagen fit`. [default: fitted on the input, if it has 2,000 captions]",
            show_default=False,
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="Fit what to draw by on the captions of this file, not the input's.", show_default=False),
    ] = None,
    scorer: Annotated[
        Path | None,
        typer.Option(
            help="Let a causal language model judge too, a folder or .gguf file: slow, and blinder.",
            show_default=False,
        ),
    ] = None,
    pool: Annotated[
        int,
        typer.Option(
            min=0,
            max=256,
            help="Store up to N candidates a caption with what a draw goes by; k are drawn from them later, anew each"
            " epoch (docs/on_the_fly.md). [default: store k]",
            show_default=False,
            metavar="N",
        ),
    ] = 0,
    nli: Annotated[
        Path | None,
        typer.Option(
            help="Let a model of language inference judge what is drawn: its folder (docs/judges.md).",
            show_default=False,
        ),
    ] = None,
    image_text: Annotated[
        Path | None,
        typer.Option(
            help="Let a CLIP-like model compare each picture with caption and negative: its folder.", show_default=False
        ),
    ] = None,
    llm: Annotated[
        str | None,
        typer.Option(
            help="Ask a language model too: a folder, a .gguf file, or a server's name for it (docs/llm.md).",
            show_default=False,
            metavar="MODEL",
        ),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            help="The OpenAI-compatible server that has it, such as http://localhost:8000/v1.", show_default=False
        ),
    ] = None,
    llm_mode: Annotated[
        Literal["fill", "mix", "only"],
        typer.Option(help="Ask where the rules gave fewer than k, always beside them, or in their place."),
    ] = "fill",
    llm_verify: Annotated[
        bool, typer.Option("--llm-verify", help="Ask once more, in other words, whether each negative is one.")
    ] = False,
    llm_positives: Annotated[
        bool, typer.Option("--llm-positives", help="Ask for rewordings that leave a caption true, too.")
    ] = False,
    with_images: Annotated[
        bool, typer.Option("--with-images", help="Send the pictures along, to a server that sees.")
    ] = False,
    llm_budget: Annotated[
        str | None,
        typer.Option(help="What may be spent: 200000tokens or 500requests. [default: no limit]", show_default=False),
    ] = None,
    llm_max_tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Tokens of an answer at most: more for a model that thinks first. [default: by the question]",
            show_default=False,
            metavar="N",
        ),
    ] = None,
    llm_concurrency: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Requests to a server at a time. [default: 8]", show_default=False),
    ] = None,
    llm_timeout: Annotated[
        float | None,
        typer.Option(
            help="Seconds that a server may take for an answer, in each of 5 tries. [default: 120]",
            show_default=False,
            metavar="SECONDS",
        ),
    ] = None,
    llm_price: Annotated[
        str | None,
        typer.Option(
            help="What a million tokens of prompts and of completions cost, to show what is paid: 0.15,0.60.",
            show_default=False,
            metavar="P,C",
        ),
    ] = None,
    llm_cache: Annotated[
        Path | None,
        typer.Option(help="The file that keeps all answers. [default: OUTPUT.llm.sqlite]", show_default=False),
    ] = None,
    image_column: Annotated[
        str | None,
        typer.Option(help="The column of pictures: paths or bytes. [default: image]", show_default=False),
    ] = None,
    image_id_column: PictureIds = None,
    siblings: Annotated[
        bool | None,
        typer.Option(
            "--siblings/--no-siblings",
            help="Make no negative that another caption of the picture supports. [default: where pictures are named]",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 for one per core.")] = 1,
    executor: Annotated[
        Literal["local", "ray"], typer.Option(help="Where workers run: processes here, or actors of Ray.")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            help="A Ray cluster, such as auto or ray://head:10001. [default: started here for the run]",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        Literal["auto", "never", "require"],
        typer.Option(help="Go on with a broken-off run: if there is one, never, or it must exist."),
    ] = "auto",
    overwrite: Overwrite = False,
    flat: Annotated[
        bool,
        typer.Option("--flat", help="One row per negative; captions without one are counted but get no row."),
    ] = False,
    limit: Annotated[int | None, typer.Option(min=0, help="Only the first N rows.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The closing report as JSON on stdout.")] = False,
    quiet: Quiet = False,
) -> None:
    """Make hard negatives for every caption of a file.

    The output has the input's rows and columns, in order, and beside them negatives, positives, status and
    reason. A run that is broken off goes on where it was when the same command is run again.

    Status 0: written. 1: written, but no caption could be used: every row has the status error; or nothing of what the
    language model said. 2: the input or an option cannot be used.

    \b
    Examples:
      negagen generate captions.parquet
      negagen generate captions.parquet -o out.parquet --k 8 --seed 1 --workers 4
      negagen generate train/ -o train.negatives.parquet --id-column id
      negagen generate captions.csv --column title --categories swap_att,replace_att
      negagen generate captions.parquet -o pool.parquet --pool 32
      negagen generate captions.parquet --flat --limit 1000 --overwrite --json > report.json
    """
    from negagen.batch import Job, NegatorSpec
    from negagen.batch import generate as run
    from negagen.cli.closing import close, report_json, unreadable, useless, what_is_left
    from negagen.cli.progress import watch
    from negagen.cli.target import target_of
    from negagen.errors import InputError

    if 0 < pool < k:
        raise InputError(f"a pool of {pool} candidates a caption is smaller than --k {k}: give --pool {k} or more.")
    chosen = categories_of(categories)
    _check_categories(chosen)
    target, upload = target_of(output, inputs, parts)
    options = {
        "k": k,
        "seed": seed,
        "rules": [str(path) for path in rules] if rules else None,
        "categories": chosen,
        "pipeline": pipeline,
        "blindness": blindness,
        "model": None if model is None else str(model),
        "scorer": None if scorer is None else str(scorer),
        "pool": pool,
    }
    judges = {name: str(path) for name, path in (("nli", nli), ("image_text", image_text)) if path is not None}
    job = Job(
        inputs=inputs,
        output=target,
        spec=NegatorSpec(options, judges=judges),
        column=column,
        id_column=id_column,
        image_id_column=image_id_column,
        siblings=siblings,
        reference=reference,
        image_column=image_column,
        flat=flat,
        workers=workers or _cores(),
        resume=resume,
        overwrite=overwrite,
        limit=limit,
        upload=upload,
        executor=executor,
        address=address,
        language_model=_language_model(
            llm,
            base_url,
            llm_mode,
            llm_verify,
            llm_positives,
            with_images,
            llm_budget,
            llm_price,
            llm_cache,
            llm_concurrency,
            llm_timeout,
            llm_max_tokens,
        ),
    )
    with _terminable():
        try:
            with watch(quiet) as progress:
                report = run(job, progress)
        except KeyboardInterrupt as error:
            typer.echo(what_is_left(target, job.language_model), err=True)
            raise typer.Exit(143 if error.args else 130) from None
    if as_json:
        from negagen.cli.console import print_json

        print_json(report_json(report))
    if not quiet:
        close(report, to_stderr=as_json)
    if warning := unreadable(report, None if job.language_model is None else job.language_model.cache_beside(target)):
        typer.echo(warning, err=True)
    wrong = useless(report, column)
    for warning in wrong:
        typer.echo(warning, err=True)
    if wrong:
        raise typer.Exit(1)


def _language_model(
    model: str | None,
    base_url: str | None,
    mode: Mode,
    verify: bool,
    positives: bool,
    seeing: bool,
    budget: str | None,
    price: str | None,
    cache: Path | None,
    concurrency: int | None,
    timeout: float | None,
    max_tokens: int | None,
) -> LanguageSettings | None:
    from negagen.errors import InputError

    if model is None:
        given = {
            "--base-url": base_url, "--llm-verify": verify, "--llm-positives": positives, "--with-images": seeing,
            "--llm-budget": budget, "--llm-price": price, "--llm-cache": cache, "--llm-concurrency": concurrency,
            "--llm-timeout": timeout, "--llm-max-tokens": max_tokens,
        }  # fmt: skip
        lonely = next((name for name, value in given.items() if value is not None and value is not False), None)
        if lonely is not None or mode != "fill":
            raise InputError(f"{lonely or '--llm-mode'} is for a language model: name it with --llm MODEL.")
        return None
    from negagen.llm.budget import Budget
    from negagen.llm.settings import LanguageSettings, Price

    return LanguageSettings(
        model=model,
        base_url=base_url,
        mode=mode,
        verify=verify,
        positives=positives,
        seeing=seeing,
        budget=None if budget is None else Budget.of(budget),
        cache=cache,
        price=None if price is None else Price.of(price),
        concurrency=concurrency,
        timeout=timeout,
        max_tokens=max_tokens,
    )


def _check_categories(names: list[str] | None) -> None:
    from negagen.errors import InputError
    from negagen.types import POSITIVE_CATEGORIES

    if names and all(name in POSITIVE_CATEGORIES for name in names):
        raise InputError(
            f"--categories {','.join(names)} makes positives only, rewordings that leave a caption true, and no"
            " negative: name a category of negatives too, such as replace_att (`negagen rules list` has all)."
        )


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM, as batch systems send it, ends a run as gently as Ctrl-C does."""
    import signal
    import threading

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt("terminated")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
