"""The one finished file, assembled from parts row group by row group."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from negagen.batch import schema as schemas
from negagen.batch.atomic import explained, flush
from negagen.batch.table import attach


class Output:
    """The finished file, written row group by row group under another name; a context manager.

    On leaving without an error the file gets its name, in one step and replacing what was there; on
    leaving with one, nothing of it remains. `finish` must have been called with the footer's values.
    """

    def __init__(self, path: Path, aside: Path, source: pa.Schema, flat: bool) -> None:
        self._path = path
        self._flat = flat
        self._aside = aside
        self._schema = schemas.output_schema(source, flat)
        with explained(aside):
            self._writer = pq.ParquetWriter(
                str(aside),
                self._schema,
                compression="zstd",
                write_page_index=True,
                use_dictionary=_dictionary_columns(self._schema),
            )

    def __enter__(self) -> Self:
        return self

    def write_group(self, rows: pa.Table, added: pa.Table) -> None:
        """Append one row group (several if flat rows are many): input rows and their added columns."""
        table = attach(rows, added, self._flat)
        with explained(self._aside):
            self._writer.write_table(table, row_group_size=max(1, rows.num_rows))

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


def _dictionary_columns(schema: pa.Schema) -> list[str]:
    buffer = BytesIO()
    pq.write_table(schema.empty_table(), buffer)
    leaves = pq.ParquetFile(buffer).schema
    paths = [leaves.column(index).path for index in range(len(leaves))]
    return [path for path in paths if path not in schemas.SENTENCES]
