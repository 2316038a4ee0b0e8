"""One input file, any format: what is in it (`survey`), and its rows from any row on (`batches`).

Parquet is read row group by row group and page by page, text files block by block; none is ever held in
memory as a whole. CSV and TSV columns are read as strings, so that "007" stays what it was; so are the
timestamps of JSON Lines.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pcsv

from negagen.batch import jsonl, remote
from negagen.batch.opening import BLOCK, explained, format_of, open_parquet, open_raw, open_text
from negagen.errors import InputError

_LINES = f"on each line {jsonl.OBJECT}"
_EXPECTED = "a first line with the columns' names, then one caption a line"


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
            raise InputError(f"{path} is empty: expected {_LINES if kind == 'jsonl' else _EXPECTED}.")
        schema = jsonl.schema_of(path) if kind == "jsonl" else _csv_schema(path, kind)
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


def _survey_parquet(path: Path | str, size: int) -> InputFile:
    with open_parquet(str(path)) as file:
        metadata, schema = file.metadata, file.schema_arrow
        groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    with open_raw(path) as raw:
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
    with open_parquet(file.path) as reader:
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


def _csv_options(kind: str) -> tuple[Any, Any]:
    return (
        pcsv.ReadOptions(use_threads=False, block_size=BLOCK),
        pcsv.ParseOptions(delimiter="\t" if kind == "tsv" else ",", newlines_in_values=True),
    )


def _csv_schema(path: Path | str, kind: str) -> pa.Schema:
    with open_text(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        names = next(csv.reader(text, delimiter="\t" if kind == "tsv" else ","), None)
        text.detach()
    if not names:
        raise InputError(f"{path} has no first line: expected {_EXPECTED}.")
    return pa.schema([(name, pa.string()) for name in names])


def _text_batches(path: str, kind: str, schema: pa.Schema, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    if kind == "jsonl":
        yield from jsonl.batches_of(path, schema, columns)
        return
    read, parse = _csv_options(kind)
    convert = pcsv.ConvertOptions(
        column_types={name: pa.string() for name in schema.names},
        strings_can_be_null=False,
        include_columns=columns,
    )
    with (
        open_text(path) as stream,
        pcsv.open_csv(stream, read_options=read, parse_options=parse, convert_options=convert) as reader,
    ):
        yield from reader


def _digest_of(path: Path | str) -> str:
    with open_raw(path) as raw:
        return hashlib.file_digest(raw, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
