"""The blindness model of a run: fitted on its own captions before the first part, kept beside the parts."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from negagen.balance.fitting import ENOUGH, fit_model
from negagen.batch import schema as schemas
from negagen.batch.source import RowStream, Source
from negagen.batch.spec import NegatorSpec
from negagen.batch.table import strings
from negagen.negator import Negator
from negagen.screen import unusable

_READ = 4096


def fit_source(
    negator: Negator,
    source: Source,
    target: Path,
    *,
    column: str,
    image_id_column: str | None,
    limit: int | None = None,
    siblings: bool = True,
) -> None:
    """Fit a model on the first `limit` captions of `source` (all, if None) and write it to `target`.

    With `siblings`, and a column that names the pictures, captions of one picture are checked against each other.
    """
    rows = source.rows if limit is None else min(limit, source.rows)

    def captions() -> Iterator[tuple[str, object]]:
        return read_captions(source, rows, column, image_id_column)

    about = {"input": [file.digest for file in source.files]}
    beside = siblings and image_id_column is not None
    fit_model(negator, captions, rows, siblings=beside, about=about).save(target)


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
    source: Source,
    folder: Path,
    *,
    column: str,
    image_id_column: str | None,
    limit: int | None,
    siblings: bool = True,
) -> NegatorSpec:
    """`spec` with a model fitted on `source`, if it wants one, names none, and there are captions enough.

    The model is kept in `folder` under a name that changes with all that it depends on: a resumed run takes it up.
    """
    rows = source.rows if limit is None else min(limit, source.rows)
    blindness = spec.options.get("blindness", "off")
    if blindness == "off" or spec.options.get("model") is not None or rows < ENOUGH:
        return spec
    negator = spec.build()
    if not isinstance(negator, Negator):
        return spec
    key = blake2b(
        schemas.dump(
            [[file.digest for file in source.files], rows, column, image_id_column, siblings, negator.fingerprint]
        ).encode(),
        digest_size=8,
    ).hexdigest()
    path = folder / f"blindness-{key}.npz"
    if not path.exists():
        fit_source(
            negator, source, path, column=column, image_id_column=image_id_column, limit=limit, siblings=siblings
        )
    return NegatorSpec({**spec.options, "model": str(path)}, spec.factory)
