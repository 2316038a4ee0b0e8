"""What a run is told, what of that cannot be done, and what a run tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from negagen.batch import schema as schemas
from negagen.batch.remote import check_upload
from negagen.batch.source import Source, image_ids
from negagen.batch.spec import NegatorSpec
from negagen.batch.stats import Counts
from negagen.errors import InputError, ResumeError

if TYPE_CHECKING:
    from negagen.llm.desk import Usage
    from negagen.llm.settings import LanguageSettings, Price

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


def check_options(job: Job) -> None:
    """Raise `InputError`, `ResumeError` for options that go together with nothing."""
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
    if job.language_model is not None:
        _check_language_model(job, job.language_model)


class PictureColumns(NamedTuple):
    """The columns of the pictures' ids and of the pictures to read, None where there is none."""

    ids: str | None
    pictures: str | None


def check_source(job: Job, source: Source) -> PictureColumns:
    """Raise `InputError`, `OutputError` unless the columns and the address that the job names will do.

    Gives the columns of pictures, which the job need not name.
    """
    _check_remote(job, source)
    schemas.check_caption_column(source.schema, job.column, str(source))
    if job.id_column is not None:
        schemas.check_id_column(source.schema, job.id_column, str(source))
    columns = PictureColumns(image_ids(source, job.image_id_column), _pictures_of(job))
    if columns.ids is None and job.siblings:
        raise InputError(
            f"{source}: --siblings needs a column that names each caption's picture: give --image-id-column NAME."
        )
    if columns.pictures is not None:
        schemas.check_image_column(source.schema, columns.pictures, str(source))
    schemas.output_schema(source.schema, job.flat, str(source))
    return columns


def _pictures_of(job: Job) -> str | None:
    """The column of pictures to read, if a judge or a language model looks at them."""
    seeing = job.language_model is not None and job.language_model.seeing
    if seeing or job.spec.judges.get("image_text") is not None:
        return job.image_column or "image"
    if job.image_column is not None:
        raise InputError(
            f"--image-column {job.image_column}: only --image-text and --with-images look at pictures; leave it out."
        )
    return None


def _check_language_model(job: Job, settings: LanguageSettings) -> None:
    if job.workers > 1 or job.executor == "ray":
        raise InputError(
            "--llm is asked by one process: leave --workers and --executor out. A server is sent many requests at a"
            " time, a local model takes them in batches; the rules cost next to nothing beside it."
        )
    categories = job.spec.options.get("categories")
    settings.check(categories if isinstance(categories, list | tuple) else None, job.output)


def _check_remote(job: Job, source: Source) -> None:
    if job.upload is not None:
        check_upload(job.upload, [file.path for file in source.files], job.overwrite)
    if (job.workers > 1 or job.executor == "ray") and any(file.path.startswith("memory://") for file in source.files):
        raise InputError("memory:// is the memory of one process, which workers cannot read: give --workers 1.")
