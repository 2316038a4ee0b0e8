"""The pool as a file again: each candidate with its scores, those that are kept, and how each row came out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from negagen.atomic import written_aside
from negagen.batch import schema as schemas
from negagen.batch.readers import InputFile
from negagen.batch.writer import dictionary_columns
from negagen.data.ragged import is_lists, spoken
from negagen.data.trainingset import Choices, TrainingSet
from negagen.errors import InputError
from negagen.mining.keeping import Judged, Keep

SCORES = (pa.field("image_similarity", pa.float32()), pa.field("margin", pa.float32()))
"""What a candidate's scores gain: its cosine with the picture, and how much higher its caption's is."""

_ROWS = 8192
_UNSCORED = "no picture to score it by"
_QUOTA = "the rest is beyond the quota"
_SUSPECTED = "the rest is suspected to be true"
_FEW_FOOL = "no further candidate fools the model"
_FEW = "it has no further candidates"


@dataclass(frozen=True, slots=True)
class Part:
    """Choices of a training set (negatives or positives) with what was found of each."""

    choices: Choices
    similarities: NDArray[np.float32]
    judged: Judged


def write(
    pool: InputFile, output: Path, data: TrainingSet, scored: NDArray[np.bool_], negatives: Part, positives: Part,
    keep: Keep, footer: dict[str, object],
) -> NDArray[np.bool_]:  # fmt: skip
    """Write the rows of `pool`, with the candidates that are kept, hardest first; which rows are "ok", bool [rows].

    `data` was read from it, and `scored` (bool [N]) are its rows with a picture. Raises `InputError` if the pool
    changed since, `OutputError`.
    """
    row_of = np.full(pool.rows, -1, np.int64)
    row_of[data.numbers] = np.arange(len(data))
    schema = mined_schema(pool.schema)
    schema = schema.with_metadata({**(pool.schema.metadata or {}), **schemas.footer(footer)})
    full: list[NDArray[np.bool_]] = []
    with (
        written_aside(output) as aside,
        pq.ParquetWriter(
            str(aside), schema, compression="zstd", write_page_index=True, use_dictionary=dictionary_columns(schema)
        ) as writer,
    ):
        for table, rows in _chunks(pool, row_of):
            found, kept = _kept(_lists(table, "negatives"), rows, negatives, schema.field("negatives").type)
            columns = {"negatives": found}
            if _has_positives(pool.schema):
                columns["positives"] = _scored(
                    _lists(table, "positives"), rows, positives, schema.field("positives").type
                )
            states, reasons = _states(table, rows, scored, kept, negatives, keep)
            columns |= {"status": states, "reason": reasons}
            arrays = [columns.get(name, table[name] if name in table.column_names else None) for name in schema.names]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            full.append(pc.equal(states, "ok").to_numpy(zero_copy_only=False))
    return np.concatenate(full) if full else np.zeros(0, bool)


def mined_schema(source: pa.Schema) -> pa.Schema:
    """The columns that a mined pool has. Raises `InputError` for a column of another type than `generate` writes."""
    fields = []
    for field in source:
        if field.name == "negatives" or (field.name == "positives" and _has_positives(source)):
            field = field.with_type(pa.list_(_candidate(field.type.value_type, field.name)))
        fields.append(field)
    for name in ("status", "reason"):
        if name not in source.names:
            fields.append(pa.field(name, pa.string()))
        elif source.field(name).type != pa.string():
            raise InputError(
                f"column {name!r} of the pool is {source.field(name).type}, but the string that `negagen generate`"
                " writes is wanted: rename the column first."
            )
    return pa.schema(fields)


def _has_positives(source: pa.Schema) -> bool:
    return "positives" in source.names and is_lists(source.field("positives").type)


def _candidate(kind: pa.DataType, column: str) -> pa.DataType:
    """The type of a candidate with its new scores; texts become structs of text and scores."""
    if not pa.types.is_struct(kind):
        return pa.struct([pa.field("text", pa.string()), pa.field("scores", pa.struct(list(SCORES)))])
    names = [field.name for field in kind]
    if "scores" not in names or pa.types.is_null(kind.field("scores").type):
        return pa.struct([*(one for one in kind if one.name != "scores"), pa.field("scores", pa.struct(list(SCORES)))])
    old = kind.field("scores").type
    if not pa.types.is_struct(old):
        raise InputError(f"the scores in column {column!r} are {old}, but should be a struct, as generate writes it.")
    mine = {field.name for field in SCORES}
    scores = pa.struct([*(one for one in old if one.name not in mine), *SCORES])
    return pa.struct([pa.field("scores", scores) if one.name == "scores" else one for one in kind])


def _chunks(pool: InputFile, row_of: NDArray[np.int64]) -> Iterator[tuple[pa.Table, NDArray[np.int64]]]:
    """Pieces of the file, and which row of the training set each of its rows is, -1 for none."""
    start = 0
    with pq.ParquetFile(pool.path) as file:
        for batch in file.iter_batches(batch_size=_ROWS):
            yield pa.Table.from_batches([batch]), row_of[start : start + batch.num_rows]
            start += batch.num_rows
    if start != len(row_of):
        raise InputError(
            f"{pool.path} had {len(row_of):,} rows, now {start:,}: it changed while it was read. Run again."
        )


def _lists(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name).combine_chunks()
    return column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)


def _kept(
    lists: pa.Array, rows: NDArray[np.int64], part: Part, kind: pa.DataType
) -> tuple[pa.Array, NDArray[np.int64]]:
    """The candidates that are kept, hardest first, with their scores; and how many of each row."""
    flat, numbers, owners = _numbered(lists, rows, part.choices)
    there = np.flatnonzero(numbers >= 0)
    there = there[part.judged.kept[numbers[there]]]
    there = there[np.lexsort((there, part.judged.margins[numbers[there]], owners[there]))]
    kept = np.bincount(owners[there], minlength=len(rows))
    values = _with_scores(flat.take(pa.array(there)), numbers[there], part, kind.value_type)
    return pa.ListArray.from_arrays(_offsets(kept), values, type=kind), kept


def _scored(lists: pa.Array, rows: NDArray[np.int64], part: Part, kind: pa.DataType) -> pa.Array:
    """All candidates, with their scores."""
    flat, numbers, owners = _numbered(lists, rows, part.choices)
    counts = np.bincount(owners, minlength=len(rows))
    return pa.ListArray.from_arrays(_offsets(counts), _with_scores(flat, numbers, part, kind.value_type), type=kind)


def _offsets(counts: NDArray[np.int64]) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))


def _numbered(
    lists: pa.Array, rows: NDArray[np.int64], choices: Choices
) -> tuple[pa.Array, NDArray[np.int64], NDArray[np.int64]]:
    """All listed candidates, the number of each among `choices` (-1 for none), and the row of the piece that lists it.

    Those without text are not among the choices: what is listed is matched by its order.
    """
    counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    flat, owners = pc.list_flatten(lists), np.repeat(np.arange(len(counts)), counts)
    usable = spoken(pc.struct_field(flat, "text") if pa.types.is_struct(flat.type) else flat) & (rows[owners] >= 0)
    listed = np.bincount(owners[usable], minlength=len(counts))
    if not np.array_equal(listed, np.where(rows >= 0, choices.counts[rows], 0)):
        raise InputError("the pool changed while it was read: its rows list other candidates than before. Run again.")
    numbers = np.full(len(flat), -1, np.int64)
    own = owners[usable]
    numbers[usable] = choices.offsets[rows[own]] + np.arange(len(own)) - (np.cumsum(listed) - listed)[own]
    return flat, numbers, owners


def _with_scores(flat: pa.Array, numbers: NDArray[np.int64], part: Part, kind: pa.DataType) -> pa.Array:
    new = dict(zip((field.name for field in SCORES), (part.similarities, part.judged.margins), strict=True))
    found = {
        name: pa.array(np.append(values, np.float32(np.nan))[numbers], pa.float32(), from_pandas=True)
        for name, values in new.items()
    }
    old: dict[str, pa.Array] = {"text": flat}
    if pa.types.is_struct(flat.type):
        old = dict(zip((field.name for field in flat.type), flat.flatten(), strict=True))
    scores = old.get("scores")
    earlier: dict[str, pa.Array] = {}
    if scores is not None and pa.types.is_struct(scores.type):
        earlier = dict(zip((field.name for field in scores.type), scores.flatten(), strict=True))
    inner = list(kind.field("scores").type)
    columns = [found[field.name] if field.name in found else earlier[field.name] for field in inner]
    old["scores"] = pa.StructArray.from_arrays(columns, fields=inner)
    fields = list(kind)
    return pa.StructArray.from_arrays([old[field.name].cast(field.type) for field in fields], fields=fields)


def _states(
    table: pa.Table, rows: NDArray[np.int64], scored: NDArray[np.bool_], kept: NDArray[np.int64], part: Part,
    keep: Keep,
) -> tuple[pa.Array, pa.Array]:  # fmt: skip
    """`status` and `reason` of the rows. One that was an error stays it."""
    names = table.column_names
    before = table["status"].to_pylist() if "status" in names else [None] * len(rows)
    why = table["reason"].to_pylist() if "reason" in names else [None] * len(rows)
    usable = (rows >= 0) & scored[rows]
    fitting = part.judged.fools if keep.fools else part.judged.scored
    fit, sure = (_per_row(mask, rows, part.choices) for mask in (fitting, fitting & ~part.judged.suspected))
    wanted = keep.hardest or 1
    few = _FEW_FOOL if keep.fools else _FEW
    told: list[tuple[str, str | None]] = []
    for at, (state, reason) in enumerate(zip(before, why, strict=True)):
        own = int(kept[at])
        if state == "error":
            told.append(("error", reason))
        elif not usable[at]:
            told.append(("error", _UNSCORED))
        elif own >= wanted:
            told.append(("ok", None))
        else:
            missing = _QUOTA if sure[at] > own else _SUSPECTED if fit[at] > sure[at] else few
            told.append(("partial" if own else "none", missing))
    return pa.array([state for state, _ in told], pa.string()), pa.array([reason for _, reason in told], pa.string())


def _per_row(mask: NDArray[np.bool_], rows: NDArray[np.int64], choices: Choices) -> NDArray[np.int64]:
    """How many of the choices of `rows` the mask has; 0 for a row -1."""
    running = np.concatenate([[0], np.cumsum(mask)])
    out: NDArray[np.int64] = running[choices.offsets[rows + 1]] - running[choices.offsets[np.maximum(rows, 0)]]
    return np.where(rows >= 0, out, 0)
