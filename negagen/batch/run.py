"""The whole job: input files to one finished Parquet file, part by part, resumable at any moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

import negagen
from negagen.balance.drawing import MOST
from negagen.batch import schema as schemas
from negagen.batch.executors import Done, Executor, Task, Work, executor_for
from negagen.batch.fitting import Captions, open_reference, with_model
from negagen.batch.lock import Lock
from negagen.batch.parts import Parts
from negagen.batch.plan import Plan, make_plan, rows_of_a_part
from negagen.batch.remote import check_upload, upload
from negagen.batch.siblings import index_for
from negagen.batch.source import RowStream, Source, image_ids, open_source
from negagen.batch.spec import Identity, NegatorLike, NegatorSpec
from negagen.batch.stats import Counts, peak_rss
from negagen.batch.writer import Output
from negagen.errors import InputError, ResumeError
from negagen.negator import Negator
from negagen.outputs import check_output

if TYPE_CHECKING:
    from negagen.llm.desk import Usage
    from negagen.llm.settings import LanguageModel, LanguageSettings, Price

Resume = Literal["auto", "never", "require"]


@dataclass(frozen=True, slots=True)
class Job:
    """What to do. Captions with the same value in `image_id_column` are of one picture: "" is for none, None for the
    column `image_id` where there is one. With `siblings` no negative is made that another caption of the picture
    supports: None does so where there are ids, True requires them. `reference` is a file of captions, with the same
    columns, that the blindness model is fitted on instead of the inputs. `image_column` holds the pictures, for judges
    that look at them (None: "image", if there is such a judge). `limit` takes the first rows only; `flat`
    writes one row a negative.

    `upload` is an address of fsspec (s3://bucket/out.parquet) to which the finished file goes; `output` and its parts
    are then on the way there, on a local disk, and gone once it has arrived.

    `executor`: "local" works in this process or, with several `workers`, in a pool of them; "ray" in as many actors of
    the Ray cluster at `address`, or of one that is started here for the while.

    `language_model` is asked for negatives too, by this process alone: it is the slowest part of such a run, and what
    it is asked and may spend is decided in one place.

    `resume`: "auto" goes on with the parts of a run that was broken off, "never" throws them away,
    "require" fails if there are none.
    """

    inputs: Sequence[str | Path]
    output: Path
    spec: NegatorSpec = field(default_factory=NegatorSpec)
    column: str = "caption"
    id_column: str | None = None
    image_id_column: str | None = None
    siblings: bool | None = None
    reference: Path | None = None
    image_column: str | None = None
    flat: bool = False
    workers: int = 1
    resume: Resume = "auto"
    overwrite: bool = False
    limit: int | None = None
    upload: str | None = None
    executor: Literal["local", "ray"] = "local"
    address: str | None = None
    language_model: LanguageSettings | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands. `resumed` rows were done by an earlier run; `written` are in the output file.

    Before the first row a model may be fitted: `step` then says what is being done, and `done` of `rows` how far it is
    (both 0 where that is not known).
    """

    rows: int
    done: int
    resumed: int
    written: int
    step: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did. `counts` are of the whole output, `seconds` and `peak_rss` of this run alone.

    `peak_rss` holds the largest resident size in bytes of this process and then of each worker.
    """

    output: Path
    fingerprint: str
    config: dict[str, object]
    counts: Counts
    resumed: int
    seconds: float
    start_seconds: float
    peak_rss: tuple[int, ...]
    upload: str | None = None
    usage: Usage | None = None
    price: Price | None = None

    @property
    def written_to(self) -> str:
        """Where the output is."""
        return self.upload or str(self.output)

    @property
    def rows_per_second(self) -> float:
        """Rows that this run computed, per second, loading included."""
        return (self.counts.rows - self.resumed) / self.seconds if self.seconds else 0.0


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
    _check_numbers(job)
    _check_language_model(job)
    output = job.output.absolute()
    overwrite = job.overwrite or job.upload is not None
    check_output(output, [Path(given) for given in job.inputs], overwrite=overwrite)
    source = open_source(job.inputs)
    check_output(output, [Path(file.path) for file in source.files], overwrite=overwrite)
    _check_remote(job, source)
    schemas.check_caption_column(source.schema, job.column, str(source))
    if job.id_column is not None:
        schemas.check_id_column(source.schema, job.id_column, str(source))
    pictures = image_ids(source, job.image_id_column)
    _check_siblings(job, source, pictures)
    shown = _pictures(job)
    if shown is not None:
        schemas.check_image_column(source.schema, shown, str(source))
    schemas.output_schema(source.schema, job.flat, str(source))
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
    opened = ExitStack()
    try:
        check_output(output, overwrite=overwrite)  # a run that held the lock until now may have written it
        workers = max(1, min(job.workers, -(-rows // rows_of_a_part(rows))))  # no more than there are parts
        # What a single process finds while it fits, it need not find again.
        keep = workers == 1 and job.id_column is None and reference is None
        tell = _teller(progress)
        language_model = opened.enter_context(_language_model(job, output))
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
            run = _Run(job, source, plan, Parts(folder, plan.fingerprint), progress)
            run.take_over()
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
        opened.close()
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


class _Run:
    """Which parts are done and how far the output is written."""

    def __init__(
        self,
        job: Job,
        source: Source,
        plan: Plan,
        parts: Parts,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._job = job
        self._plan = plan
        self._parts = parts
        self._progress = progress
        self._done: dict[int, Counts] = {}
        self._rows_done = 0
        self._rows = RowStream(source, batch_rows=min(2048, plan.group_rows))
        self._groups_written = 0
        self._part: tuple[int, pa.Table] | None = None
        self._peaks: dict[int, int] = {}
        self.resumed = 0

    @property
    def counts(self) -> Counts:
        """Counts of all parts."""
        total = Counts()
        for counts in self._done.values():
            total.add(counts)
        return total

    @property
    def worker_peaks(self) -> list[int]:
        """Largest resident size that each worker reported."""
        return list(self._peaks.values())

    def take_over(self) -> None:
        """Find the parts of an earlier run and judge them; raises `ResumeError`."""
        folder, plan = self._parts.folder, self._plan
        for aside in folder.glob("*.tmp"):
            aside.unlink()
        found = set(folder.glob("part-*.arrow"))
        if self._job.resume == "never":
            for path in found:
                path.unlink()
            found = set()
        for index in range(plan.parts):
            start, stop = plan.part(index)
            if self._parts.path(index) in found:
                counts = self._parts.counts(index, stop - start)
                if counts is not None:
                    self._take(index, counts)
        if found and not self._done:
            raise ResumeError(
                f"{folder} holds {len(found)} parts of a run with other settings, input or version. Either"
                " finish that run with its own settings, or throw its parts away with --resume never."
            )
        if self._job.resume == "require" and not self._done:
            raise ResumeError(f"--resume require: {folder} holds no parts. Start afresh with --resume auto.")
        self.resumed = self._rows_done

    def tasks(self) -> list[Task]:
        """What is left to do, in order."""
        return [Task(index, *self._plan.part(index)) for index in range(self._plan.parts) if index not in self._done]

    def accept(self, done: Done, file: Output) -> None:
        """Take note of a part, and write what it completes."""
        self._take(done.task.index, done.counts)
        self._peaks[done.pid] = done.peak_rss
        self.write_what_is_done(file)

    def _take(self, index: int, counts: Counts) -> None:
        self._done[index] = counts
        self._rows_done += counts.rows

    def write_what_is_done(self, file: Output) -> None:
        """Write each row group whose parts are all there and whose predecessors are written."""
        while self._groups_written < self._plan.groups:
            start, stop = self._plan.group(self._groups_written)
            first, last = start // self._plan.part_rows, (stop - 1) // self._plan.part_rows
            if not all(index in self._done for index in range(first, last + 1)):
                break
            file.write_group(self._rows.read(start, stop), self._added(start, stop, first, last))
            self._groups_written += 1
            self._tell()
        self._tell()

    def finish(self, file: Output) -> None:
        """Write the footer and give the output its name."""
        file.finish({"counts": self.counts.to_json()})

    def _added(self, start: int, stop: int, first: int, last: int) -> pa.Table:
        pieces = []
        for index in range(first, last + 1):
            begin, end = self._plan.part(index)
            if self._part is None or self._part[0] != index:
                self._part = (index, self._parts.read(index))
            pieces.append(self._part[1].slice(max(start - begin, 0), min(stop, end) - max(start, begin)))
        # In one piece: where a page ends must not depend on where a part does.
        return pa.concat_tables(pieces).combine_chunks()

    def _tell(self) -> None:
        if self._progress is not None:
            written = min(self._groups_written * self._plan.group_rows, self._plan.rows)
            self._progress(Progress(self._plan.rows, self._rows_done, self.resumed, written))


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


def _check_language_model(job: Job) -> None:
    """Raise `InputError` for what does not go together with a language model."""
    settings = job.language_model
    if settings is None:
        return
    if job.workers > 1 or job.executor == "ray":
        raise InputError(
            "--llm is asked by one process: leave --workers and --executor out. A server is sent many requests at a"
            " time, a local model takes them in batches; the rules cost next to nothing beside it."
        )
    categories = job.spec.options.get("categories")
    settings.check(categories if isinstance(categories, list | tuple) else None)


def _pictures(job: Job) -> str | None:
    """The column of pictures to read, if a judge or a language model looks at them."""
    seeing = job.language_model is not None and job.language_model.seeing
    if seeing or job.spec.judges.get("image_text") is not None:
        return job.image_column or "image"
    if job.image_column is not None:
        raise InputError(
            f"--image-column {job.image_column}: only --image-text and --with-images look at pictures; leave it out."
        )
    return None


def _check_siblings(job: Job, source: Source, pictures: str | None) -> None:
    if job.siblings and pictures is None:
        raise InputError(
            f"{source}: --siblings needs a column that names each caption's picture: give --image-id-column NAME."
        )


def _executor(job: Job, work: Work, workers: int, ready: NegatorLike | None) -> Executor:
    if job.executor == "ray":
        from negagen.batch.on_ray import RayPool

        return RayPool(work, workers, job.address)
    return executor_for(work, workers, ready)


def _check_remote(job: Job, source: Source) -> None:
    if job.upload is not None:
        check_upload(job.upload, [file.path for file in source.files], job.overwrite)
    if (job.workers > 1 or job.executor == "ray") and any(file.path.startswith("memory://") for file in source.files):
        raise InputError("memory:// is the memory of one process, which workers cannot read: give --workers 1.")


def _check_numbers(job: Job) -> None:
    if job.workers < 1:
        raise InputError(f"--workers {job.workers}: expected 1 or more.")
    if job.executor not in ("local", "ray"):
        raise InputError(f"--executor {job.executor}: expected local or ray.")
    if job.address is not None and job.executor != "ray":
        raise InputError(f"--address {job.address}: only --executor ray connects to a cluster.")
    if job.limit is not None and job.limit < 0:
        raise InputError(f"--limit {job.limit}: expected 0 or more.")
    if job.resume not in ("auto", "never", "require"):
        raise ResumeError(f"--resume {job.resume}: expected auto, never or require.")
