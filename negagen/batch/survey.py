"""What is in a finished file: counts from its rows, metadata from its footer, samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from negagen.batch import schema as schemas
from negagen.batch.opening import explained
from negagen.batch.stats import Counts
from negagen.errors import InputError


@dataclass(frozen=True, slots=True)
class Contents:
    """`counts` of a flat file know its captions by the footer alone; so they do the refusals of any file."""

    layout: str
    rows: int
    counts: Counts
    metadata: dict[str, object]
    samples: list[dict[str, Any]]


def read_contents(path: Path, samples: int = 0) -> Contents:
    """Read a file that `generate` wrote, of either layout, batch by batch.

    A sample is {"caption", "negatives": [{"text", "rule", "category", "edits", ...}]}; they are taken at even
    distances, from rows that have a negative.

    Raises:
        InputError: there is no such file, it is not Parquet, or it has not the columns of negagen.
    """
    with explained(path), pq.ParquetFile(str(path), pre_buffer=False, buffer_size=1 << 20) as file:
        metadata = schemas.read_footer(file.metadata.metadata)
        layout = _layout(path, file.schema_arrow)
        recorded = metadata.get("counts")
        counts = Counts.from_json(recorded) if isinstance(recorded, Mapping) else Counts()
        caption = str(metadata.get("column", "caption"))
        reader = _Flat() if layout == "flat" else _Rows()
        columns = [*reader.columns, *([caption] if caption in file.schema_arrow.names else [])]
        picked = _Samples(caption, samples, file.metadata.num_rows)
        start = 0
        for batch in file.iter_batches(2048, columns=columns, use_threads=False):
            reader.count(batch)
            picked.look(start, batch, reader)
            start += batch.num_rows
        reader.into(counts)
        return Contents(layout, file.metadata.num_rows, counts, metadata, picked.taken)


def _layout(path: Path, schema: pa.Schema) -> str:
    for layout, added in (("rows", schemas.COLUMNS), ("flat", schemas.FLAT_COLUMNS)):
        if all(name in schema.names and _fits(schema.field(name).type, added.field(name).type) for name in added.names):
            return layout
    raise InputError(
        f"{path} is not a file of negatives: it lacks the columns {', '.join(schemas.COLUMNS.names)} that"
        f" `negagen generate` writes. Its columns: {', '.join(schema.names[:12]) or 'none'}."
    )


def _fits(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether `found` has all that `wanted` has. Which scores there are differs: by version, and `mine` adds some."""
    if pa.types.is_list(wanted):
        return bool(pa.types.is_list(found)) and _fits(found.value_type, wanted.value_type)
    if not pa.types.is_struct(wanted) or not pa.types.is_struct(found):
        return bool(found == wanted)
    if wanted == schemas.SCORES:
        return True
    names = {field.name for field in found}
    return all(field.name in names and _fits(found.field(field.name).type, field.type) for field in wanted)


class _Rows:
    columns = schemas.COLUMNS.names

    def __init__(self) -> None:
        self.found = Counts()

    def count(self, batch: pa.RecordBatch) -> None:
        found = self.found
        found.rows += batch.num_rows
        found.status.update(_values(batch.column("status")))
        found.reason.update(_values(batch.column("reason")))
        negatives = batch.column("negatives")
        struct = negatives.flatten()
        categories = pc.struct_field(struct, "category")
        found.category.update(_values(categories))
        found.rule.update(_values(pc.struct_field(struct, "rule")))
        found.positive.update(_values(pc.struct_field(batch.column("positives").flatten(), "category")))
        pairs = pa.table({"row": pc.list_parent_indices(negatives), "category": categories})
        kinds = pairs.group_by("row").aggregate([("category", "count_distinct")])
        several = kinds.filter(pc.greater(kinds["category_count_distinct"], 1))["row"]
        full = batch.column("status").take(several.combine_chunks())
        found.diverse += pc.sum(pc.equal(full, "ok")).as_py() or 0

    def into(self, counts: Counts) -> None:
        for name in ("rows", "diverse", "status", "reason", "category", "rule", "positive"):
            setattr(counts, name, getattr(self.found, name))

    def has_negative(self, batch: pa.RecordBatch) -> pa.Array:
        return pc.greater(pc.list_value_length(batch.column("negatives")), 0)

    def negatives(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [{**negative, "scores": dict(negative["scores"] or ())} for negative in row["negatives"]]


class _Flat:
    columns = schemas.FLAT_COLUMNS.names

    def __init__(self) -> None:
        self.category: Counter[str] = Counter()
        self.rule: Counter[str] = Counter()

    def count(self, batch: pa.RecordBatch) -> None:
        self.category.update(_values(batch.column("negative_category")))
        self.rule.update(_values(batch.column("negative_rule")))

    def into(self, counts: Counts) -> None:
        counts.category, counts.rule = self.category, self.rule

    def has_negative(self, batch: pa.RecordBatch) -> pa.Array:
        return pc.is_valid(batch.column("negative"))

    def negatives(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        plain = {name.removeprefix("negative_"): row[name] for name in self.columns[1:]}
        return [{"text": row["negative"], **plain, "scores": dict(plain["scores"] or ())}]


class _Samples:
    def __init__(self, caption: str, wanted: int, rows: int) -> None:
        self._caption = caption
        self._due = [index * rows // wanted for index in range(wanted)] if rows else []
        self.taken: list[dict[str, Any]] = []

    def look(self, start: int, batch: pa.RecordBatch, reader: _Rows | _Flat) -> None:
        if not self._due or self._due[0] >= start + batch.num_rows:
            return
        for row in pc.indices_nonzero(reader.has_negative(batch)).to_pylist():
            if self._due and start + row >= self._due[0]:
                self._due.pop(0)
                values = batch.slice(row, 1).to_pylist()[0]
                self.taken.append({"caption": values.get(self._caption) or "", "negatives": reader.negatives(values)})


def _values(column: pa.Array) -> dict[str, int]:
    return {one["values"]: one["counts"] for one in pc.value_counts(column).to_pylist() if one["values"] is not None}
