"""Columns of any Arrow type come out as they went in."""

from __future__ import annotations

import datetime as dt
import tempfile
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from negagen.batch import Job, generate
from tests.batch.files import captions
from tests.batch.standin import spec

_DAY = dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC)
_POINT = pa.struct([pa.field("x", pa.int8(), nullable=False), pa.field("y", pa.list_(pa.string()))])

# Each type with a function from a number to one of its values.
TYPES: list[tuple[pa.DataType, Callable[[int], Any]]] = [
    (pa.null(), lambda _: None),
    (pa.bool_(), lambda n: n % 2 == 0),
    (pa.uint8(), lambda n: n),
    (pa.int64(), lambda n: -n * 10**12),
    (pa.float16(), lambda n: n / 4),
    (pa.float64(), lambda n: float("inf") if n == 3 else n / 7),
    (pa.string(), lambda n: "é🎈\x00"[: n % 4]),
    (pa.large_string(), lambda n: "x" * n),
    (pa.string_view(), lambda n: "view " * n),
    (pa.binary(), lambda n: b"\xff" * n),
    (pa.large_binary(), lambda n: b"\x00" * n),
    (pa.binary(3), lambda n: bytes([n] * 3)),
    (pa.date32(), lambda n: _DAY.date() + dt.timedelta(n)),
    (pa.time64("us"), lambda n: dt.time(1, 2, 3, n)),
    (pa.timestamp("ms"), lambda n: (_DAY + dt.timedelta(hours=n)).replace(tzinfo=None)),
    (pa.timestamp("ns", "Europe/Berlin"), lambda n: _DAY + dt.timedelta(hours=n)),
    (pa.duration("s"), lambda n: dt.timedelta(seconds=n)),
    (pa.decimal128(10, 2), lambda n: Decimal(n) / 4),
    (pa.decimal256(50, 3), lambda n: Decimal(n) * 10**30),
    (pa.list_(pa.int32()), lambda n: [None, n] * (n % 3)),
    (pa.large_list(pa.string()), lambda n: ["a"] * n),
    (pa.list_(pa.float32(), 2), lambda n: [n, n + 1]),
    (pa.map_(pa.string(), pa.int32()), lambda n: [(str(i), i) for i in range(n % 3)]),
    (_POINT, lambda n: {"x": n, "y": None if n % 2 else ["y"]}),
    (pa.list_(_POINT), lambda n: [{"x": n, "y": []}] * (n % 3)),
    (pa.dictionary(pa.int8(), pa.string()), lambda n: "abc"[n % 3]),
    (pa.dictionary(pa.int32(), pa.large_string(), ordered=True), lambda n: "abc"[n % 3]),
    (pa.uuid(), lambda n: uuid.UUID(int=n).bytes),
]


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """A table with captions and up to five other columns, with nulls, field metadata and odd names."""
    rows = draw(st.integers(0, 30))
    fields, columns = (
        [pa.field("caption", pa.string(), metadata={"of": "the picture"})],
        [pa.array(captions(rows), pa.string())],
    )
    for number in range(draw(st.integers(0, 5))):
        kind, value = draw(st.sampled_from(TYPES))
        numbers = draw(st.lists(st.none() | st.integers(0, 9), min_size=rows, max_size=rows))
        values = [None if n is None else value(n) for n in numbers]
        storage = kind.storage_type if isinstance(kind, pa.ExtensionType) else kind
        if isinstance(kind, pa.DictionaryType):
            column = (
                pa.array(values, kind.value_type)
                .dictionary_encode()
                .cast(pa.dictionary(kind.index_type, kind.value_type))
            )
            column = pa.DictionaryArray.from_arrays(column.indices, column.dictionary, ordered=kind.ordered)
        else:
            column = pa.array(values, storage)
        if isinstance(kind, pa.ExtensionType):
            column = pa.ExtensionArray.from_storage(kind, column)
        name = draw(st.sampled_from(["id", "a.b", "", "Ünï", "negative"])) + f" {number}"
        fields.append(pa.field(name, kind, metadata={"number": str(number)} if number % 2 else None))
        columns.append(column)
    order = draw(st.permutations(range(len(fields))))
    schema = pa.schema([fields[i] for i in order], metadata={"made": "by a test"})
    return pa.Table.from_arrays([columns[i] for i in order], schema=schema)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), st.integers(1, 40), st.booleans())
def test_columns_of_any_type_pass_through(table: pa.Table, group: int, flat: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, "in.parquet"), Path(folder, "out.parquet")
        pq.write_table(table, path, row_group_size=group)
        generate(Job([path], out, spec(), flat=flat))
        before, after = pq.read_table(path), pq.read_table(out)
    kept = after.select(range(table.num_columns))
    if flat:
        rows = [row for row, text in enumerate(before["caption"].to_pylist()) if len(text.split(" ")) > 1]
        before = pa.concat_tables([before.slice(0, 0), *(before.slice(row, 1) for row in rows)])
    # Parquet's field ids are numbered anew by whoever writes a file.
    for field, other in zip(before.schema, kept.schema, strict=True):
        assert other.equals(field)
        for key, value in (field.metadata or {}).items():
            assert key == b"PARQUET:field_id" or other.metadata[key] == value
    assert kept.equals(before)
    assert after.schema.metadata[b"made"] == b"by a test"
