"""The blindness model of a run: fitted on its own captions before the first part, kept beside the parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from negagen.balance.drawing import Drawer, drawer_of
from negagen.balance.fitting import ENOUGH, fit_model
from negagen.balance.model import BlindModel
from negagen.balance.scoring import fit_scorer
from negagen.batch import schema as schemas
from negagen.batch.drawing import PooledDrawer
from negagen.batch.source import RowStream, Source, image_ids, open_source
from negagen.batch.spec import NegatorSpec
from negagen.batch.table import strings
from negagen.collector import kept_from_collector
from negagen.errors import InputError
from negagen.negator import Negator
from negagen.screen import unusable

_READ = 4096

Tell = Callable[[str, int, int], None]


def _quiet(step: str, done: int, of: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Captions:
    """What a model is fitted on: the first `rows` of `source`, and the columns of captions and of pictures' ids.

    With `siblings`, and a column that names the pictures, captions of one picture are checked against each other.
    """

    source: Source
    column: str
    image_id_column: str | None
    rows: int
    siblings: bool = True

    @property
    def beside(self) -> bool:
        """Whether captions of one picture are checked against each other."""
        return self.siblings and self.image_id_column is not None

    @property
    def identity(self) -> list[Any]:
        """All that a model fitted on these depends on."""
        digests = [file.digest for file in self.source.files]
        return [digests, self.rows, self.column, self.image_id_column, self.siblings]

    def __call__(self) -> Iterator[tuple[str, object]]:
        return read_captions(self.source, self.rows, self.column, self.image_id_column)


def open_reference(path: Path, column: str, image_id_column: str | None, *, siblings: bool = True) -> Captions:
    """The captions of the file `path`, for a model of the run's own captions to be fitted on instead.

    Raises `InputError` if it cannot be read, lacks a column, or has fewer than `ENOUGH` captions.
    """
    source = open_source([path])
    schemas.check_caption_column(source.schema, column, f"the reference {source}")
    if source.rows < ENOUGH:
        raise InputError(
            f"the reference {source} has {source.rows:,} captions, and a model fitted on fewer than {ENOUGH:,} is worse"
            " than the bundled one: give a larger file, or leave --reference out."
        )
    return Captions(source, column, image_ids(source, image_id_column), source.rows, siblings)


def fit_captions(
    negator: Negator, captions: Captions, target: Path, tell: Tell = _quiet, *, drawer: Drawer | None = None
) -> BlindModel:
    """Fit a model on the captions and write it to `target`; with weights for the negator's scorer, if it has one.

    `drawer` is as for `negagen.balance.fitting.fit_model`.

    Raises `InputError` if the captions are too few for a scorer.
    """
    about = {"input": [file.digest for file in captions.source.files]}
    model = fit_model(negator, captions, captions.rows, siblings=captions.beside, drawer=drawer, about=about, tell=tell)
    if negator.scorer is not None:
        model = with_scorer(negator, model, captions, tell)
    model.save(target)
    return model


def with_scorer(negator: Negator, model: BlindModel, captions: Captions, tell: Tell = _quiet) -> BlindModel:
    """`model` with weights for the negator's scorer, fitted on a sample of the captions."""
    if negator.scorer is None:
        raise ValueError("the negator has no scorer")
    weights = fit_scorer(negator, negator.scorer, model, captions, siblings=captions.beside, tell=tell)
    return replace(model, about={**model.about, "scorer": weights.to_json()})


def read_captions(source: Source, rows: int, column: str, image_id_column: str | None) -> Iterator[tuple[str, object]]:
    """Each usable caption among the first `rows`, with the id of its picture, or itself where there is none."""
    columns = [column] if image_id_column is None else [column, image_id_column]
    stream = RowStream(source, columns)
    for start in range(0, rows, _READ):
        table = stream.read(start, min(start + _READ, rows))
        texts = strings(table.column(column))[0]
        groups = texts if image_id_column is None else strings(table.column(image_id_column))[0]
        for text, group in zip(texts, groups, strict=True):
            if text is not None and not unusable(text):
                yield text, text if group is None else group


def with_model(
    spec: NegatorSpec,
    own: Captions,
    folder: Path,
    *,
    reference: Captions | None = None,
    workers: int = 1,
    keep: bool = False,
    tell: Tell = _quiet,
) -> tuple[NegatorSpec, Negator | None]:
    """`spec` with a model fitted on `reference`, or on the run's `own` captions, if it wants one and names none.

    Without a reference, fewer than `ENOUGH` captions are served by the bundled model. A scorer needs weights: a model
    that has none for it gets them from a sample of the same captions. What is fitted is kept in `folder` under a name
    that changes with all that it depends on: a resumed run takes it up. `workers` processes draw
    what a model is fitted on. With `keep`, which is for one worker, there is also the negator of that spec, if a model
    was fitted: it has kept the candidates that it found on the way.

    Raises:
        InputError: a reference beside a model; either with blindness off; captions too few for a scorer.
        ModelError: the spec's model, or its scorer, is none.
    """
    options = spec.options
    if options.get("model") is not None and options.get("blindness") == "off":
        raise InputError(
            "--model is what --blindness balanced and strict draw by, and off draws by none: leave one out."
        )
    if reference is not None:
        if options.get("blindness", "off") == "off":
            raise InputError("--reference is for a blindness model, and --blindness off uses none: leave one out.")
        if options.get("model") is not None:
            raise InputError("--reference fits a blindness model, and --model names a fitted one: give one of them.")
    captions = own if reference is None else reference
    fits = options.get("model") is None and captions.rows >= ENOUGH
    scores = options.get("scorer") is not None
    if options.get("blindness", "off") == "off" or not (fits or scores):
        return spec, None
    negator = replace(spec, judges={}).build()
    if not isinstance(negator, Negator):
        return spec, None
    scorer = negator.scorer
    if (
        not fits
        and scorer is not None
        and (negator.model.about.get("scorer") or {}).get("scorer") == scorer.fingerprint
    ):
        return spec, None
    parts = [*captions.identity]
    plain = NegatorSpec({name: value for name, value in options.items() if name != "scorer"}, spec.factory)
    if scorer is None:
        parts.append(negator.fingerprint)
    else:  # whose weights, a part of the fingerprint, are not there yet
        parts += [plain.build().fingerprint, scorer.fingerprint]
    key = blake2b(schemas.dump(parts).encode(), digest_size=8).hexdigest()
    path = folder / f"blindness-{key}.npz"
    ready = None
    if not path.exists():
        if fits:
            drawer = drawer_of(negator, keep=keep) if workers == 1 else PooledDrawer(plain, workers)
            with kept_from_collector():
                fit_captions(negator, captions, path, tell, drawer=drawer)
            ready = negator.drawing_by(path) if keep else None
        else:
            with_scorer(negator, negator.model, captions, tell).save(path)
    return replace(spec, options={**options, "model": str(path)}), ready
