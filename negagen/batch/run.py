"""The whole job: input files to one finished Parquet file, part by part, resumable at any moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import negagen
from negagen.balance.drawing import MOST
from negagen.batch import schema as schemas
from negagen.batch.assembly import Assembly
from negagen.batch.executors import Executor, Work, executor_for
from negagen.batch.fitting import Captions, open_reference, with_model
from negagen.batch.job import Job, Progress, Report, check_options, check_source
from negagen.batch.lock import Lock
from negagen.batch.parts import Parts
from negagen.batch.plan import Plan, make_plan, rows_of_a_part
from negagen.batch.remote import upload
from negagen.batch.siblings import index_for
from negagen.batch.source import open_source
from negagen.batch.spec import Identity, NegatorLike, NegatorSpec
from negagen.batch.stats import peak_rss
from negagen.batch.writer import Output
from negagen.errors import InputError
from negagen.negator import Negator
from negagen.outputs import check_output

if TYPE_CHECKING:
    from negagen.llm.desk import Usage
    from negagen.llm.settings import LanguageModel


def parts_folder(output: Path) -> Path:
    """Where the parts of a run to `output` lie while it lasts."""
    return output.with_name(f"{output.name}.parts")


def generate(job: Job, progress: Callable[[Progress], None] | None = None) -> Report:
    """Make negatives for every row of the inputs and write them to `job.output`.

    The output has one row per input row, in input order (or one per negative with `flat`), and is the same
    to the byte for any number of workers and however often the run was broken off and resumed.
    `progress` is called after every part, and while a blindness model is fitted. On any exception,
    `KeyboardInterrupt` included, finished parts stay in `parts_folder(job.output)` for the next run.

    Raises:
        InputError: an input is missing, damaged, or has no usable column.
        OutputError: the target exists, cannot be written, or another run is writing it.
        ResumeError: there are parts of another run (or none, where `resume` requires some).
        WorkerError: a worker process died.
        RuleError, PipelineError, ResourceError: from building the negator.
        LanguageModelError: the language model cannot be asked.
    """
    began = time.perf_counter()
    check_options(job)
    output = job.output.absolute()
    overwrite = job.overwrite or job.upload is not None
    check_output(output, [Path(given) for given in job.inputs], overwrite=overwrite)
    source = open_source(job.inputs)
    check_output(output, [Path(file.path) for file in source.files], overwrite=overwrite)
    pictures, shown = check_source(job, source)
    rows = source.rows if job.limit is None else min(job.limit, source.rows)
    own = Captions(source, job.column, pictures, rows, job.siblings is not False)
    reference = (
        None
        if job.reference is None
        else open_reference(job.reference, job.column, job.image_id_column, siblings=own.siblings)
    )

    folder = parts_folder(output)
    lock = Lock(folder)
    lock.acquire()
    finished = False
    try:
        check_output(output, overwrite=overwrite)  # a run that held the lock until now may have written it
        workers = max(1, min(job.workers, -(-rows // rows_of_a_part(rows))))  # no more than there are parts
        # What a single process finds while it fits, it need not find again.
        keep = workers == 1 and job.id_column is None and reference is None
        tell = _teller(progress)
        # Within it all the work, so that it hears of an error: a run that is to go on is not over.
        with _language_model(job, output) as language_model:
            spec, ready = with_model(job.spec, own, folder, reference=reference, workers=workers, keep=keep, tell=tell)
            if language_model is not None:
                ready = _asking(language_model, spec, ready, own, tell)
            index = (
                None
                if pictures is None or job.siblings is False
                else index_for(source, folder, column=job.column, image_id_column=pictures, rows=rows, tell=None)
            )
            work = Work(spec, source, job.column, job.id_column, pictures, index, shown)
            with _executor(job, work, workers, ready) as executor:
                identity = executor.identity()
                plan = make_plan(
                    source,
                    identity,
                    column=job.column,
                    id_column=job.id_column,
                    image_id_column=pictures,
                    image_column=shown,
                    siblings=0 if index is None else MOST,
                    flat=job.flat,
                    limit=job.limit,
                )
                run = Assembly(source, plan, Parts(folder, plan.fingerprint), progress)
                run.take_over(job.resume)
                started = time.perf_counter()
                origin = _footer(identity, plan, job.column, job.flat)
                with Output(output, folder / "output.tmp", source.schema, job.flat, origin) as file:
                    run.write_what_is_done(file)
                    for done in executor.run(run.tasks(), folder, plan.fingerprint):
                        run.accept(done, file)
                    run.finish(file)
            if job.upload is not None:
                upload(output, job.upload)  # if it fails, the parts are still there
                output.unlink()
        finished = True
    finally:
        lock.release(remove=finished or not any(folder.glob("part-*.arrow")))
    now = time.perf_counter()
    return Report(
        output=job.output,
        fingerprint=plan.fingerprint,
        config=dict(identity.config),
        counts=run.counts,
        resumed=run.resumed,
        seconds=now - began,
        start_seconds=started - began,
        peak_rss=(peak_rss(), *(run.worker_peaks if workers > 1 or job.executor == "ray" else ())),
        upload=job.upload,
        usage=None if language_model is None else language_model.usage,
        price=None if job.language_model is None else job.language_model.price,
    )


def _footer(identity: Identity, plan: Plan, column: str, flat: bool) -> dict[str, object]:
    config = identity.config
    return {
        "schema_version": schemas.SCHEMA_VERSION,
        "version": negagen.__version__,
        "fingerprint": plan.fingerprint,
        "layout": "flat" if flat else "rows",
        "config": dict(config),
        "column": column,
        "rules": config.get("rules_fingerprint", ""),
        "pipeline": f"{config.get('pipeline', '')} {config.get('pipeline_version', '')}".strip(),
        "lexicon": config.get("lexicon", ""),
        "seed": str(config.get("seed", "")),
    }


def _teller(progress: Callable[[Progress], None] | None) -> Callable[[str, int, int], None]:
    def tell(step: str, done: int, of: int) -> None:
        if progress is not None:
            progress(Progress(of, done, 0, 0, step))

    return tell


def _language_model(job: Job, output: Path) -> AbstractContextManager[LanguageModel | None]:
    """The job's language model, to be entered before the work begins."""
    if job.language_model is None:
        return nullcontext()
    from negagen.llm.settings import LanguageModel

    return LanguageModel(job.language_model, output)


def _asking(
    language_model: LanguageModel,
    spec: NegatorSpec,
    ready: Negator | None,
    own: Captions,
    tell: Callable[[str, int, int], None],
) -> Negator:
    """The negator of `spec` with the language model beside its rules."""
    price = language_model.settings.price

    def told(usage: Usage) -> None:
        cost = "" if price is None else f", {price.cost(usage):,.2f} paid"
        cached = f" and {usage.cached:,} from the cache" if usage.cached else ""
        awaited = f", {usage.under_way:,} awaited" if usage.under_way else ""
        tell(f"{usage.asked:,} answers{cached}{awaited}, {usage.tokens_per_second:,.0f} tokens/s{cost}", 0, 0)

    rules = replace(spec, judges={}).build() if ready is None else ready
    if not isinstance(rules, Negator):
        raise InputError(f"--llm needs negagen's own Negator, not {spec.factory}.")
    return language_model.negator(rules, own.identity, told)


def _executor(job: Job, work: Work, workers: int, ready: NegatorLike | None) -> Executor:
    if job.executor == "ray":
        from negagen.batch.on_ray import RayPool

        return RayPool(work, workers, job.address)
    return executor_for(work, workers, ready)
