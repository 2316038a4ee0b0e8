"""Parts beside the output while a run lasts.

A part is an Arrow file with the added columns of its rows. It is written under another name, flushed to
disk and renamed: a part that has its name is whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from negagen.atomic import written_aside
from negagen.batch import schema as schemas
from negagen.batch.stats import Counts
from negagen.errors import OutputError

_PLAN = b"negagen.plan"
_COUNTS = b"negagen.counts"


class Parts:
    """The parts of one run in the folder `folder`; `plan` is the fingerprint they must carry."""

    def __init__(self, folder: Path, plan: str) -> None:
        self.folder = folder
        self.plan = plan

    def path(self, index: int) -> Path:
        """Where part `index` lies once it is done."""
        return self.folder / f"part-{index:06d}.arrow"

    def write(self, index: int, table: pa.Table, counts: Counts) -> None:
        """Store part `index`, whole or not at all. Raises `OutputError`."""
        metadata = {_PLAN: self.plan.encode(), _COUNTS: schemas.dump(counts.to_json()).encode()}
        options = pa.ipc.IpcWriteOptions(compression="lz4" if pa.Codec.is_available("lz4") else None, use_threads=False)
        with written_aside(self.path(index)) as aside, pa.OSFile(str(aside), "wb") as sink:
            schema = table.schema.with_metadata(metadata)
            with pa.ipc.new_file(sink, schema, options=options) as writer:
                writer.write_table(table)

    def read(self, index: int) -> pa.Table:
        """Part `index`, in the schema `schema.COLUMNS`. Raises `OutputError` if it is damaged."""
        try:
            with pa.memory_map(str(self.path(index))) as file, self._reader(file) as reader:
                return reader.read_all().replace_schema_metadata(None)
        except (pa.ArrowException, OSError) as error:
            raise OutputError(
                f"{self.path(index)} cannot be read ({error}). Delete it and run the same command again."
            ) from error

    def counts(self, index: int, rows: int) -> Counts | None:
        """The counts of part `index` if it is whole, of this plan and of `rows` rows; else None."""
        try:
            with pa.memory_map(str(self.path(index))) as file, self._reader(file) as reader:
                metadata = reader.schema.metadata or {}
                found = sum(reader.get_batch(i).num_rows for i in range(reader.num_record_batches))
        except (pa.ArrowException, OSError):
            return None
        if metadata.get(_PLAN) != self.plan.encode() or found != rows:
            return None
        counts = schemas.load(metadata.get(_COUNTS, b"{}"))
        return Counts.from_json(counts)

    @staticmethod
    def _reader(file: Any) -> Any:
        return pa.ipc.open_file(file, options=pa.ipc.IpcReadOptions(use_threads=False))
