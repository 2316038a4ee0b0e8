"""All input files as one long table: found, checked against each other, and read from any row on."""

from __future__ import annotations

import glob
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import pyarrow as pa

from negagen.batch import remote
from negagen.batch.opening import FORMATS, format_of
from negagen.batch.readers import InputFile, batches, survey
from negagen.batch.schema import check_id_column, is_id
from negagen.errors import InputError

_IMAGE_ID = "image_id"
_PARQUET = tuple(ending for ending, kind in FORMATS.items() if kind == "parquet")


@dataclass(frozen=True, slots=True)
class Source:
    """Files of one schema, in order. Row numbers run through all of them."""

    files: tuple[InputFile, ...]

    @property
    def schema(self) -> pa.Schema:
        """The first file's schema; the others differ from it in metadata at most."""
        return self.files[0].schema

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(file.rows for file in self.files)

    @property
    def bytes_per_row(self) -> int:
        """Mean size of a row in memory, about."""
        return sum(file.uncompressed for file in self.files) // max(1, self.rows)

    def __str__(self) -> str:
        first = self.files[0].path
        return first if len(self.files) == 1 else f"{first} (and {len(self.files) - 1} more)"


def open_source(inputs: Sequence[str | Path]) -> Source:
    """Survey `inputs`: files, folders (their Parquet files, sorted by path), glob patterns, or addresses of fsspec
    (s3://bucket/...) of any of these.

    Raises:
        InputError: nothing is found, a file cannot be read, or the files' columns differ.
    """
    paths = [path for given in inputs for path in _expand(str(given))]
    if not paths:
        raise InputError("no input files.")
    seen: dict[Path | str, Path | str] = {}
    for path in paths:
        place = path.resolve() if isinstance(path, Path) else path
        if other := seen.get(place):
            raise InputError(f"{path} is given twice" + ("." if other == path else f", also as {other}."))
        seen[place] = path
    files = tuple(survey(path) for path in paths)
    for file in files[1:]:
        _check_same(files[0], file)
    return Source(files)


def _expand(given: str) -> Sequence[Path | str]:
    if remote.is_remote(given):
        return remote.expand(given, _PARQUET)
    given = remote.local(given)
    path = Path(given)
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if is_plain(p, path) and format_of(p) == "parquet")
        if not found:
            raise InputError(f"no Parquet files in the folder {path}. Give text files by their names.")
        return found
    if not path.exists() and glob.has_magic(given):
        names = glob.glob(given, recursive=True)  # noqa: PTH207  Path.glob refuses absolute patterns
        found = sorted(Path(name) for name in names if Path(name).is_file())
        if not found:
            raise InputError(f"no file matches {given!r}.")
        return found
    return [path]


def is_plain(path: Path, root: Path) -> bool:
    """Whether what lies below the folder `root` is one of its files: neither hidden nor put aside (`_SUCCESS`)."""
    return path.is_file() and not any(part.startswith((".", "_")) for part in path.relative_to(root).parts)


def _check_same(first: InputFile, other: InputFile) -> None:
    if first.schema.equals(other.schema):
        return
    hint = "All input files must have the same columns in the same order: run them one by one, or rewrite them."
    for index, field in enumerate(first.schema):
        theirs = other.schema.field(index) if index < len(other.schema) else None
        if theirs is None or not field.equals(theirs):
            found = "nothing" if theirs is None else f"{theirs.name!r} ({theirs.type})"
            raise InputError(f"{other.path} has {found} where {first.path} has {field.name!r} ({field.type}). {hint}")
    raise InputError(
        f"{other.path} has columns that {first.path} lacks:"
        f" {', '.join(map(repr, other.schema.names[len(first.schema) :]))}. {hint}"
    )


def image_ids(source: Source, column: str | None) -> str | None:
    """The column that names the pictures: `column`, `image_id` where there is one for None, None for "".

    Raises `InputError` for a column that was asked for and is not there or holds no ids.
    """
    if column is None:
        found = source.schema.get_all_field_indices(_IMAGE_ID)
        return _IMAGE_ID if len(found) == 1 and is_id(source.schema.field(found[0]).type) else None
    if column:
        check_id_column(source.schema, column, str(source), option="--image-id-column")
    return column or None


class RowStream:
    """Rows of a source by number. Cheap as long as they are asked for in rising order.

    Going forward inside one file continues where the last read ended; anything else opens the file again.
    Each process keeps one stream, so that even one row group of millions of rows is decoded once.
    """

    def __init__(self, source: Source, columns: Sequence[str] | None = None, batch_rows: int = 2048) -> None:
        self._source = source
        # In the file's order: readers give columns in the order in which they are asked for.
        self._columns = None if columns is None else [name for name in source.schema.names if name in columns]
        self._batch_rows = batch_rows
        self._ends = list(accumulate(file.rows for file in source.files))
        self._schema = (
            source.schema if columns is None else pa.schema([field for field in source.schema if field.name in columns])
        )
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._rest: pa.RecordBatch | None = None
        self._row = -1

    def read(self, start: int, stop: int) -> pa.Table:
        """The rows `[start, stop)`."""
        if start != self._row:
            self._seek(start)
        taken: list[pa.RecordBatch] = []
        while self._row < stop:
            batch = self._next()
            wanted = min(batch.num_rows, stop - self._row)
            taken.append(batch.slice(0, wanted))
            self._rest = batch.slice(wanted) if wanted < batch.num_rows else None
            self._row += wanted
        return pa.Table.from_batches(taken, schema=self._schema)

    def _seek(self, row: int) -> None:
        if 0 <= self._row < row and self._block(self._row) == self._block(row):
            while self._row < row:
                batch = self._next()
                wanted = min(batch.num_rows, row - self._row)
                self._rest = batch.slice(wanted) if wanted < batch.num_rows else None
                self._row += wanted
            return
        self._rest = None
        self._row = row
        self._batches = self._from(row)

    def _block(self, row: int) -> tuple[int, int]:
        """File and row group of `row` (a text file is one): within it, reading on beats opening again."""
        file = bisect_right(self._ends, row)
        if file == len(self._ends) or not self._source.files[file].groups:
            return file, 0
        groups = list(accumulate(self._source.files[file].groups))
        return file, bisect_right(groups, row - (self._ends[file - 1] if file else 0))

    def _from(self, row: int) -> Iterator[pa.RecordBatch]:
        first = bisect_right(self._ends, row)
        for index in range(first, len(self._ends)):
            file = self._source.files[index]
            inside = row - (self._ends[index] - file.rows) if index == first else 0
            for batch in batches(file, inside, self._columns, self._batch_rows):
                # Files may differ in the metadata of their schemas: the first one's holds for all.
                yield pa.RecordBatch.from_arrays(batch.columns, schema=self._schema)

    def _next(self) -> pa.RecordBatch:
        if self._rest is not None:
            return self._rest
        batch = next(self._batches, None)
        if batch is None:
            raise InputError(f"{self._source}: fewer rows than at first. Did it change while it was read?")
        return batch
