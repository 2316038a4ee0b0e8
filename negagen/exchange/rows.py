"""What every format is written from and read into: negagen's own Parquet, one row a caption."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import negagen
from negagen.atomic import explained, written_aside
from negagen.batch import schema as schemas
from negagen.batch.readers import InputFile, batches, survey
from negagen.batch.writer import dictionary_columns
from negagen.errors import InputError

ADDED = tuple(schemas.COLUMNS.names)
_PATHS = ("filepath", "filename", "file_name", "file_path", "image_path", "image")
_ROWS = 2048


@dataclass(frozen=True, slots=True)
class Opened:
    """A file of negatives. `caption` is its column of captions, `image` that of pictures (None: it has none)."""

    file: InputFile
    caption: str
    image: str | None

    @property
    def schema(self) -> pa.Schema:
        """Columns and footer."""
        return self.file.schema

    @property
    def own(self) -> list[str]:
        """The columns that were there before negagen's."""
        return [name for name in self.schema.names if name not in ADDED]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every row as Python values."""
        return rows_of(self.file)

    def paths(self) -> str:
        """The column of pictures, which must hold paths. Raises `InputError`."""
        kind = None if self.image is None else self.schema.field(self.image).type
        if kind is None or not schemas.is_text(kind):
            texts = [
                name for name in self.own if schemas.is_text(self.schema.field(name).type) and name != self.caption
            ]
            raise InputError(
                f"{self.file.path} has no column of paths of pictures, which this format needs for each caption: name"
                f" it with --image-column. Columns of text there: {', '.join(map(repr, texts)) or 'none'}."
            )
        return str(self.image)


@dataclass(slots=True)
class Written:
    """What a format wrote. `left_out` rows had no negative, where the format has no place for them; `omitted` are
    columns that it cannot hold."""

    rows: int = 0
    negatives: int = 0
    left_out: int = 0
    omitted: list[str] = field(default_factory=list)


def rows_of(file: InputFile) -> Iterator[dict[str, Any]]:
    """Every row of a file as Python values."""
    for batch in batches(file):
        yield from batch.to_pylist()


def open_negatives(path: Path, image_column: str | None = None) -> Opened:
    """Open what `negagen generate` wrote.

    Raises:
        InputError: it is no such file, was written with `--flat`, or has no column `image_column`.
    """
    file = survey(path)
    names = file.schema.names
    if file.format != "parquet" or "negatives" not in names:
        flat = " It has one row a negative: run generate without --flat." if "negative" in names else ""
        raise InputError(f"{path} is no Parquet file with a column 'negatives', as `negagen generate` writes it.{flat}")
    for added in schemas.COLUMNS:
        found = file.schema.field(added.name).type if added.name in names else None
        if found is None or not _fields(added.type) <= _fields(found):
            raise InputError(
                f"column {added.name!r} of {path} is {found}, but should be {added.type}: was the file written by"
                " this version's `negagen generate`?"
            )
    recorded = schemas.read_footer(file.schema.metadata).get("column")
    caption = str(recorded or "caption")
    if caption not in names:
        raise InputError(f"{path} has no column {caption!r} of captions; it has {', '.join(map(repr, names))}.")
    if image_column is not None and image_column not in names:
        raise InputError(f"{path} has no column {image_column!r} of pictures; it has {', '.join(map(repr, names))}.")
    return Opened(file, caption, image_column or next((name for name in _PATHS if name in names), None))


def _fields(kind: pa.DataType) -> set[str]:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _fields(kind.value_type)
    return {one.name for one in kind} if pa.types.is_struct(kind) else {"text"}


def json_columns(opened: Opened, but: str | None = None) -> tuple[list[str], list[str]]:
    """The caption file's own columns that text can hold, and those that hold bytes, without `but`."""
    held = [name for name in opened.own if name != but]
    bytes_of = [name for name in held if _has_bytes(opened.schema.field(name).type)]
    return [name for name in held if name not in bytes_of], bytes_of


def _has_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return any(_has_bytes(kind.field(index).type) for index in range(kind.num_fields))
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def negative(text: str, *, category: str = "", generator: str = "") -> dict[str, Any]:
    """A negative of which no more is known: no edits, no scores, the full weight (others' programs know no weights)."""
    return {
        "text": text,
        "rule": "",
        "category": category,
        "generator": generator,
        "weight": 1.0,
        "edits": [],
        "scores": dict.fromkeys(one.name for one in schemas.SCORES),
    }


def status_of(negatives: list[Any]) -> dict[str, object]:
    """`status` and `reason` of a row from a format that has neither."""
    return {"status": "ok", "reason": None} if negatives else {"status": "none", "reason": "no negative in the import"}


def write_rows(
    path: Path, own: pa.Schema, rows: Iterable[Mapping[str, Any]], *, origin: str, caption: str = "caption"
) -> Written:
    """Write a file of negatives: columns `own` and negagen's. `rows` have a value for each; a missing one is null.

    The footer of `own`'s metadata is kept; where there is none it says that the file was imported from `origin`.
    """
    schema = schemas.output_schema(own, flat=False, where="the import")
    if not schemas.read_footer(schema.metadata):
        known = {
            "schema_version": schemas.SCHEMA_VERSION,
            "version": negagen.__version__,
            "layout": "rows",
            "column": caption,
            "imported_from": origin,
        }
        schema = schema.with_metadata({**(schema.metadata or {}), **schemas.footer(known)})
    written = Written()
    with (
        written_aside(path) as aside,
        explained(path),
        pq.ParquetWriter(str(aside), schema, compression="zstd", use_dictionary=dictionary_columns(schema)) as writer,
    ):
        for chunk in _chunks(rows):
            columns = [column([row.get(name) for row in chunk], schema.field(name)) for name in schema.names]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            written.rows += len(chunk)
            written.negatives += sum(len(row["negatives"]) for row in chunk)
    return written


def _chunks(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    chunk: list[Mapping[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _ROWS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def column(values: list[Any], wanted: pa.Field) -> pa.Array:
    """`values` as an array of the field's type; what JSON has as text (times, decimals) is cast.

    Raises `InputError` naming the column.
    """
    try:
        return pa.array(values, wanted.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError) as error:
        try:
            return pa.array(values, pa.string()).cast(wanted.type)
        except (pa.ArrowException, TypeError):
            raise InputError(f"column {wanted.name!r}: {error}. Expected {wanted.type}.") from error
