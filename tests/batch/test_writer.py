from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negagen.batch import TableNegator
from negagen.batch.schema import COLUMNS, read_footer
from negagen.batch.writer import Output
from negagen.errors import OutputError
from tests.batch.files import captions
from tests.batch.standin import SwapNegator

TABLE = pa.table({"caption": captions(100)})
ADDED = TableNegator(SwapNegator()).columns(TABLE)[0]


def write(folder: Path, times: int = 1, stop: bool = False, added: pa.Table = ADDED, flat: bool = False) -> Path:
    path = folder / "out.parquet"
    with Output(path, folder / "aside", TABLE.schema, flat, {"seed": "0"}) as output:
        for _ in range(times):
            output.write_group(TABLE, added)
        assert not path.exists()
        if stop:
            raise KeyboardInterrupt
        output.finish({"counts": {"rows": 100}})
    return path


def test_nothing_has_the_name_before_the_end(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert pq.read_table(path).num_rows == 100
    assert list(tmp_path.iterdir()) == [path]


def test_the_footer_and_the_schema_say_how_it_was_made(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert read_footer(pq.read_metadata(path).metadata) == {"seed": "0", "counts": {"rows": 100}}
    assert pq.read_schema(path).metadata[b"negagen.seed"] == b"0"


def test_nothing_remains_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, stop=True)
    assert list(tmp_path.iterdir()) == []


def test_a_full_device(tmp_path: Path) -> None:
    # A link, so that what is removed after the error is the link and not the device.
    (tmp_path / "aside").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="no space left on the device"):
        write(tmp_path, 200)
    assert list(tmp_path.iterdir()) == []


def test_flat_row_groups_are_no_larger_than_the_input_s(tmp_path: Path) -> None:
    lists = ADDED["negatives"].combine_chunks()
    tripled = pa.ListArray.from_arrays(
        pa.array([3 * int(n) for n in lists.offsets.to_pylist()], pa.int32()),
        lists.flatten().take([n for n in range(len(lists.flatten())) for _ in range(3)]),
        type=COLUMNS.field("negatives").type,
    )
    path = write(tmp_path, added=ADDED.set_column(0, COLUMNS.field("negatives"), tripled), flat=True)
    metadata = pq.read_metadata(path)
    assert metadata.num_rows == 3 * 98
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [99, 99, 96]
