"""JSON Lines in blocks of whole lines, so that a file is never held in memory; a bad line is named."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.json as pjson

from negagen.batch.opening import BLOCK, first_line, open_text
from negagen.errors import InputError

OBJECT: Final = 'a JSON object such as {"caption": "a dog on a beach"}'


def object_of(text: str | bytes, where: str) -> dict[str, Any]:
    """The JSON object that `text` is. Raises `InputError`, which begins with `where`, if it is none."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(f"{where}: not JSON ({error}). Expected {OBJECT}.") from error
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected {OBJECT}.")
    return value


def schema_of(path: Path | str) -> pa.Schema:
    """All fields of a file. Raises `InputError` for one that holds values of several types."""
    merged: pa.DataType = pa.struct([])
    for line, block in _blocks(str(path)):
        table = _table(str(path), line, block, None)
        if table is None:
            continue
        try:
            merged = _merge(merged, _plain(pa.struct(list(table.schema))))
        except InputError as error:
            raise InputError(f"{path}, from line {line} on: {error}") from error
    return pa.schema(list(merged))


def batches_of(path: str, schema: pa.Schema, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    """The rows, with the fields of `schema` or, of these, `columns` alone."""
    wanted = schema if columns is None else pa.schema([field for field in schema if field.name in columns])
    for line, block in _blocks(path):
        table = _table(path, line, block, wanted)
        if table is not None:
            yield from table.select(wanted.names).to_batches()


def _blocks(path: str) -> Iterator[tuple[int, bytes]]:
    """Whole lines, about `BLOCK` bytes at a time, with the number of the first."""
    line = 1
    with open_text(path) as stream:
        rest = b""
        first = True
        while chunk := stream.read(BLOCK):
            if first:
                chunk = chunk.removeprefix(b"\xef\xbb\xbf")
                first = False
            head, newline, tail = chunk.rpartition(b"\n")
            if not newline:
                rest += chunk
                continue
            block = rest + head + newline
            rest = tail
            yield line, block
            line += block.count(b"\n")
        if rest:
            yield line, rest


def _table(path: str, line: int, block: bytes, schema: pa.Schema | None) -> pa.Table | None:
    if not block.strip():
        return None
    options = pjson.ParseOptions(
        explicit_schema=schema,
        unexpected_field_behavior="infer" if schema is None else "ignore",
        newlines_in_values=False,
    )
    try:
        return pjson.read_json(
            io.BytesIO(block),
            read_options=pjson.ReadOptions(use_threads=False, block_size=max(len(block) + 1, 1 << 10)),
            parse_options=options,
        )
    except pa.ArrowInvalid as error:
        _find_bad_line(path, line, block)
        last = line + block.rstrip().count(b"\n")
        raise InputError(
            f"{path}, lines {line} to {last}: {first_line(error)}. A field must hold one type of value throughout."
        ) from error


def _find_bad_line(path: str, first: int, block: bytes) -> None:
    for number, text in enumerate(block.split(b"\n"), first):
        if text.strip():
            object_of(text, f"{path}, line {number}")


def _plain(kind: pa.DataType) -> pa.DataType:
    """`kind` with strings for the timestamps that pyarrow sees in JSON strings."""
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _plain(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    return kind


def _merge(a: pa.DataType, b: pa.DataType, name: str = "") -> pa.DataType:
    """The type that holds values of both, for blocks of one file that show different fields."""
    if a == b or pa.types.is_null(b):
        return a
    if pa.types.is_null(a):
        return b
    if pa.types.is_struct(a) and pa.types.is_struct(b):
        fields = {field.name: field.type for field in a}
        for field in b:
            known = fields.get(field.name)
            fields[field.name] = field.type if known is None else _merge(known, field.type, field.name)
        return pa.struct(list(fields.items()))
    if pa.types.is_list(a) and pa.types.is_list(b):
        return pa.list_(_merge(a.value_type, b.value_type, name))
    if {str(a), str(b)} == {"int64", "double"}:
        return pa.float64()
    raise InputError(f"field {name!r} holds {b}, but {a} before. A field must hold one type of value throughout.")
