"""An epoch's negatives from a pool as a file: what a dataloader would draw, for programs that read files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from negagen.atomic import written_aside
from negagen.batch import schema as schemas
from negagen.batch.readers import survey
from negagen.batch.writer import dictionary_columns
from negagen.data import ragged
from negagen.data.draw import Categories, Draw
from negagen.data.trainingset import Choices, listed
from negagen.errors import InputError
from negagen.outputs import check_output

_ROWS = 8192
_SHORT = "the rest would give itself away"


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was written: rows, negatives, and rows that have all `k`."""

    rows: int
    negatives: int
    full: int


def draw_epoch(
    pool: str | Path,
    output: Path,
    *,
    k: int = 4,
    seed: int = 0,
    epoch: int = 0,
    categories: Categories = None,
    overwrite: bool = True,
) -> Drawn:
    """Write `pool`, a Parquet file of `negagen generate --pool`, with the k negatives a row that `epoch` draws.

    They are those of `HardNegatives.open([pool], k=k, seed=seed).batch(rows, epoch)`. All else of the rows stays; the
    footer says what was drawn.

    Raises:
        InputError: `pool` is no Parquet file with a pool.
        DataError: a category that is not known.
        OutputError: `output` is the pool, exists and `overwrite` is not given, or cannot be written.
    """
    check_output(output, [Path(pool)], overwrite=overwrite, parquet=False)
    file = survey(Path(pool))
    field = file.schema.field("negatives") if "negatives" in file.schema.names else None
    if file.format != "parquet" or field is None or not _is_pool(field.type):
        raise InputError(
            f"{pool} has no pool to draw from, a column 'negatives' of structs with a score 'draw'; its columns are"
            f" {listed(file.schema.names)}. Make one with `negagen generate --pool 32`."
        )
    about = {"k": k, "seed": seed, "epoch": epoch}
    metadata = {**(file.schema.metadata or {}), **schemas.footer({"drawn": about})}
    schema = file.schema.with_metadata(metadata)
    rows = negatives = full = 0
    with (
        written_aside(output) as aside,
        pq.ParquetWriter(
            str(aside), schema, compression="zstd", write_page_index=True, use_dictionary=dictionary_columns(schema)
        ) as writer,
    ):
        for table, counts in _chunks(Path(pool), k, seed, epoch, categories):
            writer.write_table(table.cast(schema))
            rows, negatives, full = rows + len(counts), negatives + int(counts.sum()), full + int((counts >= k).sum())
    return Drawn(rows, negatives, full)


def _is_pool(kind: pa.DataType) -> bool:
    if not ragged.is_lists(kind) or not pa.types.is_struct(kind.value_type):
        return False
    index = kind.value_type.get_field_index("scores")
    scores = kind.value_type.field(index).type if index >= 0 else pa.null()
    return pa.types.is_struct(scores) and bool(scores.get_field_index("draw") >= 0)


def _chunks(
    pool: Path, k: int, seed: int, epoch: int, categories: Categories
) -> Iterator[tuple[pa.Table, NDArray[np.int64]]]:
    """Pieces of the file with their negatives drawn, and how many each row got."""
    start = 0
    with pq.ParquetFile(str(pool)) as file:
        for batch in file.iter_batches(batch_size=_ROWS):
            table = pa.Table.from_batches([batch])
            lists = table.column("negatives").combine_chunks()
            lists = lists if isinstance(lists, pa.Array) else pa.concat_arrays(lists.chunks)
            choices = _choices(ragged.of_lists(lists))
            numbers = np.arange(start, start + len(lists), dtype=np.uint64)
            start += len(lists)
            draw = Draw(choices, k, seed=seed, categories=categories, numbers=numbers)
            drawn, forced = draw.drawn(np.arange(len(lists)), epoch)
            counts = (drawn >= 0).sum(axis=1)
            halved = np.where(np.repeat(forced, counts), np.float32(0.5), np.float32(1))
            table = _with(table, "negatives", _taken(lists, drawn[drawn >= 0], counts, halved))
            yield _told(table, counts, k), counts


def _choices(found: ragged.Ragged) -> Choices:
    offsets = np.concatenate([[0], np.cumsum(found.counts)]).astype(np.int64)
    numbers = np.arange(len(found.texts), dtype=np.int32)
    return Choices(offsets, numbers, found.weights, found.kinds, found.starts, found.ends, found.draws)


def _taken(
    lists: pa.Array, chosen: NDArray[np.int64], counts: NDArray[np.int64], halved: NDArray[np.float32]
) -> pa.ListArray:
    taken = pc.list_flatten(lists).take(pa.array(chosen))
    fields = list(taken.type)
    values = dict(zip((field.name for field in fields), taken.flatten(), strict=True))
    if "weight" in values:
        values["weight"] = pc.multiply(values["weight"], pa.array(halved)).cast(values["weight"].type)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.StructArray.from_arrays(list(values.values()), fields=fields), type=lists.type
    )


def _told(table: pa.Table, counts: NDArray[np.int64], k: int) -> pa.Table:
    """`status` and `reason` for what was drawn."""
    if not {"status", "reason"} <= set(table.column_names):
        return table
    status: Sequence[str] = table.column("status").to_pylist()
    reason: Sequence[str | None] = table.column("reason").to_pylist()
    told = [
        (old, why)
        if old == "error"
        else ("ok", None)
        if count >= k
        else ("partial" if count else "none", why or _SHORT)
        for old, why, count in zip(status, reason, counts.tolist(), strict=True)
    ]
    table = _with(table, "status", pa.array([each for each, _ in told], pa.string()))
    return _with(table, "reason", pa.array([why for _, why in told], pa.string()))


def _with(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    index = table.column_names.index(name)
    return table.set_column(index, table.schema.field(index), column)
