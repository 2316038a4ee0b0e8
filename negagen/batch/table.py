"""The function that every executor runs: a table of captions in, the same table with negatives out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from negagen.batch import schema as schemas
from negagen.batch.stats import Counts
from negagen.collector import uncollected

if TYPE_CHECKING:
    from negagen.batch.siblings import SiblingIndex
    from negagen.batch.spec import NegatorLike
    from negagen.types import Negative, Result

# Bounds the Python objects alive at a time; large enough that a negator's own batches stay full.
_CHUNK = 2048
_CHUNK_OF_PICTURES = 256
_NOT_UTF8 = "the caption is not valid UTF-8"


class TableNegator:
    """Adds negatives to tables: `pa.Table -> pa.Table`, one row per input row, in order, none dropped.

    The input's columns stay as they are; `negatives`, `positives`, `status` and `reason` come after them
    (see `negagen.batch.schema.COLUMNS`). Fits `datasets.Dataset.with_format("arrow").map(batched=True)`,
    Ray Data's `map_batches(batch_format="pyarrow")` and, batch by batch, Spark's `mapInArrow`.

    Args:
        negator: a `negagen.Negator`, or anything with its `pipe`.
        column: name of the captions' column: string, large_string, string_view or a dictionary of these.
        id_column: strings or integers that key the randomness. By default the caption is its own key:
            the same caption then gets the same negatives wherever it stands.
        image_id_column: strings or integers that name each caption's picture, for a blindness model that was
            fitted with them, and for `siblings`.
        siblings: where the other captions of a picture are looked up (see `negagen.batch.index_siblings`): no
            negative is then made that one of them supports. None for no siblings.
        image_column: pictures (paths, bytes, or structs of both) for a `negagen.judges.stage.JudgedNegator`.
        flat: give one row per negative instead, with `negative`, `negative_rule`, ... as plain columns.
            Rows without a negative then leave no row.

    Raises:
        ValueError: `siblings` without `image_id_column`.
        InputError: from a call, if the column is missing, not text, or an added name is taken.
    """

    def __init__(
        self,
        negator: NegatorLike,
        column: str = "caption",
        id_column: str | None = None,
        flat: bool = False,
        image_id_column: str | None = None,
        siblings: SiblingIndex | None = None,
        image_column: str | None = None,
    ) -> None:
        if siblings is not None and image_id_column is None:
            raise ValueError("siblings are found by image_id_column: name it too")
        self.negator = negator
        self.column = column
        self.id_column = id_column
        self.flat = flat
        self.image_id_column = image_id_column
        self.siblings = siblings
        self.image_column = image_column

    def __repr__(self) -> str:
        return (
            f"TableNegator({self.negator!r}, column={self.column!r}, id_column={self.id_column!r}, flat={self.flat!r},"
            f" image_id_column={self.image_id_column!r}, siblings={self.siblings!r},"
            f" image_column={self.image_column!r})"
        )

    def __call__(self, table: pa.Table) -> pa.Table:
        """`table` with its negatives."""
        schemas.output_schema(table.schema, self.flat)
        return attach(table, self.columns(table)[0], self.flat)

    def columns(self, table: pa.Table) -> tuple[pa.Table, Counts]:
        """The added columns alone (`schema.COLUMNS`, a row per row of `table`), and what they count to."""
        schemas.check_caption_column(table.schema, self.column, "the table")
        if self.id_column is not None:
            schemas.check_id_column(table.schema, self.id_column, "the table")
        if self.image_id_column is not None:
            schemas.check_id_column(table.schema, self.image_id_column, "the table")
        if self.image_column is not None:
            schemas.check_image_column(table.schema, self.image_column, "the table")
        counts = Counts()
        batches = []
        rows = _CHUNK if self.image_column is None else _CHUNK_OF_PICTURES
        for start in range(0, table.num_rows, rows):
            with uncollected():
                batch, count = self._columns(table.slice(start, rows))
            counts.add(count)
            batches.append(batch)
        return pa.Table.from_batches(batches, schema=schemas.COLUMNS), counts

    def _columns(self, chunk: pa.Table) -> tuple[pa.RecordBatch, Counts]:
        texts, broken = strings(chunk.column(self.column))
        keys = None if self.id_column is None else strings(chunk.column(self.id_column))[0]
        groups = None if self.image_id_column is None else strings(chunk.column(self.image_id_column))[0]
        siblings = None if self.siblings is None or groups is None else self.siblings(groups, texts)
        # Only a negator that judges by pictures takes them.
        shown = {} if self.image_column is None else {"images": chunk.column(self.image_column).to_pylist()}
        results = list(self.negator.pipe(texts, keys, siblings=siblings, groups=groups, **shown))
        for row in broken:
            results[row] = replace(results[row], status="error", reason=_NOT_UTF8)
        return record_batch(results), Counts.of(results)


def attach(table: pa.Table, added: pa.Table, flat: bool = False) -> pa.Table:
    """`table` with the columns `added` (as from `TableNegator.columns`), or one row a negative if `flat`."""
    schema = schemas.output_schema(table.schema, flat)
    if not flat:
        return pa.Table.from_arrays([*table.columns, *added.columns], schema=schema)
    lists = _one_array(added.column("negatives"))
    negatives = lists.flatten()
    parents = pc.list_parent_indices(lists)
    rows = [_take(column, parents) for column in table.columns]
    return pa.Table.from_arrays([*rows, *negatives.flatten()], schema=schema)


def record_batch(results: Sequence[Result]) -> pa.RecordBatch:
    """The added columns of `results`: `schema.COLUMNS`, a row a result."""
    return pa.RecordBatch.from_arrays(
        [
            _negatives([result.negatives for result in results]),
            _negatives([result.positives for result in results]),
            pa.array([result.status for result in results], pa.string()),
            pa.array([result.reason or None for result in results], pa.string()),
        ],
        schema=schemas.COLUMNS,
    )


# Column by column, not row by row: pa.array() over dicts costs five times as much as all of this.


def _negatives(lists: Sequence[Collection[Negative]]) -> pa.ListArray:
    flat = list(chain.from_iterable(lists))
    return pa.ListArray.from_arrays(
        _offsets(lists),
        pa.StructArray.from_arrays(
            [
                _text(flat, attrgetter("text")),
                _text(flat, attrgetter("rule")),
                _text(flat, attrgetter("category")),
                _text(flat, attrgetter("generator")),
                pa.array(np.fromiter(map(attrgetter("weight"), flat), np.float32, len(flat))),
                _edits([negative.edits for negative in flat]),
                _scores([negative.scores for negative in flat]),
            ],
            fields=list(schemas.NEGATIVE),
        ),
        type=schemas.COLUMNS.field("negatives").type,
    )


def _edits(lists: Sequence[Collection[Any]]) -> pa.ListArray:
    flat = list(chain.from_iterable(lists))
    return pa.ListArray.from_arrays(
        _offsets(lists),
        pa.StructArray.from_arrays(
            [
                pa.array(np.fromiter(map(attrgetter("start"), flat), np.int32, len(flat))),
                pa.array(np.fromiter(map(attrgetter("end"), flat), np.int32, len(flat))),
                _text(flat, attrgetter("old")),
                _text(flat, attrgetter("new")),
            ],
            fields=list(schemas.EDIT),
        ),
        type=schemas.NEGATIVE.field("edits").type,
    )


def _scores(scores: Sequence[Mapping[str, float]]) -> pa.StructArray:
    """A score that a negative does not have is null."""
    columns = [pa.array([score.get(field.name) for score in scores], field.type) for field in schemas.SCORES]
    return pa.StructArray.from_arrays(columns, fields=list(schemas.SCORES))


def _offsets(lists: Sequence[Collection[object]]) -> pa.Int32Array:
    out = np.zeros(len(lists) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, lists), np.int32, len(lists)), out=out[1:])
    return pa.array(out)


def _text(values: Iterable[Any], get: Callable[[Any], str]) -> pa.StringArray:
    return pa.array(list(map(get, values)), pa.string())


def strings(column: pa.ChunkedArray) -> tuple[list[str | None], list[int]]:
    """A column of text or integers as Python strings, and the rows that are not UTF-8.

    Arrow does not check the encoding; such rows come as None.
    """
    if pa.types.is_integer(column.type):
        column = column.cast(pa.string())
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        return column.to_pylist(), []
    except UnicodeDecodeError:
        pass
    texts: list[str | None] = []
    broken = []
    for row, value in enumerate(column):
        try:
            texts.append(value.as_py())
        except UnicodeDecodeError:
            texts.append(None)
            broken.append(row)
    return texts, broken


def _take(column: pa.ChunkedArray, rows: pa.Array) -> pa.ChunkedArray:
    """`column.take(rows)` also for the types that pyarrow cannot take from: views, alone and nested."""
    try:
        return column.take(rows)
    except pa.ArrowNotImplementedError:
        pass
    for view, plain in ((pa.string_view(), pa.large_string()), (pa.binary_view(), pa.large_binary())):
        if column.type == view:
            return column.cast(plain).take(rows).cast(view)
    pieces = [chunk for row in rows.to_pylist() for chunk in column.slice(row, 1).chunks]
    return pa.chunked_array(pieces, column.type)


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return combined if isinstance(combined, pa.Array) else pa.concat_arrays(combined.chunks)
