"""The one finished file, assembled from parts row group by row group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from negagen.atomic import explained, flush
from negagen.batch import schema as schemas
from negagen.batch.table import attach


class Output:
    """The finished file, written row group by row group under another name; a context manager.

    `finish` gives the file its name, in one step and replacing what was there. After an error nothing of it
    remains. `values` and those of `finish` go to the footer (see `schema.footer`), `values` to the Arrow
    schema too, where they survive a reader that writes the table anew.
    """

    def __init__(self, path: Path, aside: Path, source: pa.Schema, flat: bool, values: Mapping[str, object]) -> None:
        self._path = path
        self._flat = flat
        self._aside = aside
        schema = schemas.output_schema(source, flat)
        schema = schema.with_metadata({**(source.metadata or {}), **schemas.footer(values)})
        try:
            with explained(aside):
                self._writer = pq.ParquetWriter(
                    str(aside),
                    schema,
                    compression="zstd",
                    write_page_index=True,
                    use_dictionary=dictionary_columns(schema),
                )
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        self._schema = schema

    def __enter__(self) -> Self:
        return self

    def write_group(self, rows: pa.Table, added: pa.Table) -> None:
        """Append one row group: input rows and their added columns. With flat, as many as it takes for each
        to have no more rows than `rows` has (but all negatives of a caption)."""
        for start, stop in _flat_slices(added, rows.num_rows) if self._flat else [(0, rows.num_rows)]:
            table = attach(rows.slice(start, stop - start), added.slice(start, stop - start), self._flat)
            table = table.replace_schema_metadata(self._schema.metadata)
            with explained(self._aside):
                self._writer.write_table(table, row_group_size=max(1, table.num_rows))

    def finish(self, values: Mapping[str, object]) -> None:
        """Write the footer with `values` (see `schema.footer`) and give the file its name."""
        with explained(self._aside):
            self._writer.add_key_value_metadata(schemas.footer(values))
            self._writer.close()
            flush(self._aside)
            self._aside.replace(self._path)
            flush(self._path.parent)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            with suppress(OSError, pa.ArrowException):  # a full disk: the error on its way up says so
                self._writer.close()
            self._aside.unlink(missing_ok=True)


def _flat_slices(added: pa.Table, most: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows with at most `most` negatives each: flat rows repeat wide columns k times."""
    ends = np.cumsum(pc.list_value_length(added["negatives"]).to_numpy())
    start = taken = 0
    while start < len(ends):
        stop = max(start + 1, int(np.searchsorted(ends, taken + most, side="right")))
        yield start, stop
        start, taken = stop, int(ends[stop - 1])


def dictionary_columns(schema: pa.Schema) -> list[str]:
    """The columns of a file of negatives that repeat their values: all but sentences."""
    buffer = BytesIO()
    pq.write_table(schema.empty_table(), buffer)
    leaves = pq.ParquetFile(buffer).schema
    paths = [leaves.column(index).path for index in range(len(leaves))]
    return [path for path in paths if path not in schemas.SENTENCES]
