"""One input file, any format: what is in it (`survey`), and its rows from any row on (`batches`).

Parquet is read row group by row group and page by page, text files block by block; none is ever held in
memory as a whole. CSV and TSV columns are read as strings, so that "007" stays what it was; so are the
timestamps of JSON Lines.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.json as pjson
import pyarrow.parquet as pq

from negagen.batch import remote
from negagen.errors import InputError

FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_CODECS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}
_COMPRESSED = tuple(_CODECS)
_BLOCK = 4 << 20


@dataclass(frozen=True, slots=True)
class InputFile:
    """What a survey found: enough to read the file again, and to notice that it changed.

    `digest` is a hash of a text file's bytes, or of a Parquet file's footer, which states where each column
    begins and how long it is. `groups` are the rows of each Parquet row group. `uncompressed` is the size of
    the data in bytes, as far as it is known.
    """

    path: str
    format: str
    rows: int
    size: int
    uncompressed: int
    digest: str
    schema: pa.Schema
    groups: tuple[int, ...] = ()


def format_of(path: Path | str) -> str | None:
    """ "parquet", "csv", "tsv" or "jsonl" by the name's ending, or None. Text may be compressed (.csv.gz)."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        inner = FORMATS.get(suffixes[-2]) if len(suffixes) > 1 else None
        return inner if inner != "parquet" else None
    return FORMATS.get(suffixes[-1]) if suffixes else None


def survey(path: Path | str) -> InputFile:
    """Look through one file, or the object at an address (a text). Parquet: its footer alone; text: all of it, once.

    Raises:
        InputError: the file is missing, of no known format, or cannot be read as what its name says.
    """
    kind = format_of(path)
    if kind is None:
        raise InputError(
            f"{path}: unknown kind of file. Captions come as .parquet, .csv, .tsv or .jsonl"
            " (text also as .csv.gz and the like)."
        )
    with explained(path):
        size = remote.size_of(str(path)) if remote.is_remote(path) else Path(path).stat().st_size
        if kind == "parquet":
            return _survey_parquet(path, size)
        if size == 0:
            raise InputError(f"{path} is empty: expected {_EXPECTED[kind]}.")
        schema = _jsonl_schema(path) if kind == "jsonl" else _csv_schema(path, kind)
        names = schema.names[:1]
        rows = sum(batch.num_rows for batch in _text_batches(str(path), kind, schema, names))
        return InputFile(str(path), kind, rows, size, size, _digest_of(path), schema)


def batches(
    file: InputFile, row: int = 0, columns: Sequence[str] | None = None, batch_rows: int = 2048
) -> Iterator[pa.RecordBatch]:
    """The rows of `file` from `row` on, with `columns` alone if given (name them in the file's order).

    Raises `InputError` if the file cannot be read to its end, or has other contents than surveyed.
    """
    with explained(file.path):
        if file.format == "parquet":
            yield from _parquet_batches(file, row, columns, batch_rows)
        else:
            skip = row
            for batch in _text_batches(file.path, file.format, file.schema, columns):
                if skip >= batch.num_rows:
                    skip -= batch.num_rows
                    continue
                for start in range(skip, batch.num_rows, batch_rows):
                    yield batch.slice(start, batch_rows)
                skip = 0


_EXPECTED = {
    "csv": "a first line with the columns' names, then one caption a line",
    "tsv": "a first line with the columns' names, then one caption a line",
    "jsonl": 'one JSON object a line, such as {"caption": "a dog on a beach"}',
}


@contextmanager
def explained(path: Path | str) -> Iterator[None]:
    """Turn what pyarrow and the system raise in reading `path` into `InputError`."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file.") from error
    except PermissionError as error:
        raise InputError(f"{path}: no permission to read it.") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text ({error.reason}): convert it first.") from error
    except (pa.ArrowException, OSError) as error:
        if format_of(path) == "parquet":
            raise InputError(
                f"{path} cannot be read as Parquet: {_first_line(error)}. Is it cut off, or damaged? Copy or"
                " write it again."
            ) from error
        raise InputError(f"{path} cannot be read: {_first_line(error)}.") from error


# Parquet


@contextmanager
def _open_parquet(path: str) -> Iterator[pq.ParquetFile]:
    # Without pre_buffer a column is read page by page: one huge row group costs no more memory than a small.
    with ExitStack() as stack:
        source = stack.enter_context(remote.open_binary(path)) if remote.is_remote(path) else path
        yield stack.enter_context(pq.ParquetFile(source, pre_buffer=False, buffer_size=1 << 20))


def _raw(path: Path | str) -> Any:
    return remote.open_binary(str(path)) if remote.is_remote(path) else Path(path).open("rb")


@contextmanager
def _text(path: Path | str) -> Iterator[pa.NativeFile]:
    """The file's text, decompressed by its ending."""
    if not remote.is_remote(path):
        with pa.input_stream(str(path), compression="detect") as stream:
            yield stream
        return
    compression = _CODECS.get(Path(path).suffix.lower())
    with remote.open_binary(str(path)) as raw, pa.input_stream(raw, compression=compression) as stream:
        yield stream


def _survey_parquet(path: Path | str, size: int) -> InputFile:
    with _open_parquet(str(path)) as file:
        metadata, schema = file.metadata, file.schema_arrow
        groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    with _raw(path) as raw:
        raw.seek(size - 8)
        length = int.from_bytes(raw.read(4), "little")
        raw.seek(size - min(length + 8, size))
        digest = hashlib.blake2b(raw.read(), digest_size=16).hexdigest()
    return InputFile(
        str(path),
        "parquet",
        metadata.num_rows,
        size,
        sum(group.total_byte_size for group in groups),
        digest,
        schema,
        tuple(group.num_rows for group in groups),
    )


def _parquet_batches(
    file: InputFile, row: int, columns: Sequence[str] | None, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    with _open_parquet(file.path) as reader:
        if reader.metadata.num_rows != file.rows:
            raise InputError(f"{file.path} changed while it was being read: run again.")
        for group, rows in enumerate(file.groups):
            if row >= rows:
                row -= rows
                continue
            for batch in reader.iter_batches(batch_rows, row_groups=[group], columns=columns, use_threads=False):
                if row >= batch.num_rows:
                    row -= batch.num_rows
                    continue
                yield batch.slice(row)
                row = 0


# CSV and TSV


def _csv_options(kind: str) -> tuple[Any, Any]:
    return (
        pcsv.ReadOptions(use_threads=False, block_size=_BLOCK),
        pcsv.ParseOptions(delimiter="\t" if kind == "tsv" else ",", newlines_in_values=True),
    )


def _csv_schema(path: Path | str, kind: str) -> pa.Schema:
    with _text(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        names = next(csv.reader(text, delimiter="\t" if kind == "tsv" else ","), None)
        text.detach()
    if not names:
        raise InputError(f"{path} has no first line: expected {_EXPECTED[kind]}.")
    return pa.schema([(name, pa.string()) for name in names])


# JSON Lines


def _jsonl_blocks(path: str) -> Iterator[tuple[int, bytes]]:
    """Whole lines, about `_BLOCK` bytes at a time, with the number of the first."""
    line = 1
    with _text(path) as stream:
        rest = b""
        first = True
        while chunk := stream.read(_BLOCK):
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


def _jsonl_table(path: str, line: int, block: bytes, schema: pa.Schema | None) -> pa.Table | None:
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
            f"{path}, lines {line} to {last}: {_first_line(error)}. A field must hold one type of value throughout."
        ) from error


def _find_bad_line(path: str, first: int, block: bytes) -> None:
    for number, text in enumerate(block.split(b"\n"), first):
        if not text.strip():
            continue
        try:
            value = json.loads(text)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: not JSON ({error}). Expected {_EXPECTED['jsonl']}.") from error
        if not isinstance(value, dict):
            raise InputError(f"{path}, line {number}: expected {_EXPECTED['jsonl']}.")


def _jsonl_schema(path: Path | str) -> pa.Schema:
    merged: pa.DataType = pa.struct([])
    for line, block in _jsonl_blocks(str(path)):
        table = _jsonl_table(str(path), line, block, None)
        if table is None:
            continue
        try:
            merged = _merge(merged, _plain(pa.struct(list(table.schema))))
        except InputError as error:
            raise InputError(f"{path}, from line {line} on: {error}") from error
    return pa.schema(list(merged))


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


def _text_batches(path: str, kind: str, schema: pa.Schema, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    if kind == "jsonl":
        wanted = schema if columns is None else pa.schema([field for field in schema if field.name in columns])
        for line, block in _jsonl_blocks(path):
            table = _jsonl_table(path, line, block, wanted)
            if table is not None:
                yield from table.select(wanted.names).to_batches()
        return
    read, parse = _csv_options(kind)
    convert = pcsv.ConvertOptions(
        column_types={name: pa.string() for name in schema.names},
        strings_can_be_null=False,
        include_columns=columns,
    )
    with (
        _text(path) as stream,
        pcsv.open_csv(stream, read_options=read, parse_options=parse, convert_options=convert) as reader,
    ):
        yield from reader


def _digest_of(path: Path | str) -> str:
    with _raw(path) as raw:
        return hashlib.file_digest(raw, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")[:300]
