from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from negagen.batch.source import RowStream, open_source
from negagen.errors import InputError
from tests.batch.files import write_jsonl, write_parquet


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files of 30 rows in row groups of 8, one of them empty."""
    folder = tmp_path_factory.mktemp("many")
    for name, ids in (("a", range(17)), ("b", range(0)), ("c/d", range(17, 30))):
        path = folder / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        table = pa.table({"id": pa.array(ids, pa.int64()), "caption": pa.array([f"a {i}" for i in ids], pa.string())})
        pq.write_table(table, path, row_group_size=8)
    (folder / "notes.txt").touch()
    (folder / ".hidden.parquet").touch()
    return folder


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6), st.integers(1, 9))
def test_any_rows_in_any_order(folder: Path, ranges: list[tuple[int, int]], batch_rows: int) -> None:
    stream = RowStream(open_source([folder]), ["id"], batch_rows)
    for start, stop in ranges:
        table = stream.read(start, max(start, stop))
        assert table.column_names == ["id"]
        assert table["id"].to_pylist() == list(range(start, max(start, stop)))


def test_columns_come_in_the_files_order(folder: Path) -> None:
    assert RowStream(open_source([folder]), ["caption", "id"]).read(0, 1).to_pylist() == [{"id": 0, "caption": "a 0"}]


def test_globs_and_folders(folder: Path) -> None:
    assert open_source([str(folder / "*.parquet")]).rows == 17
    assert open_source([str(folder / "**" / "*.parquet")]).rows == 30
    assert [Path(file.path).name for file in open_source([folder]).files] == [
        "a.parquet",
        "b.parquet",
        "d.parquet",
    ]


def test_text_forward_and_back(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "c.jsonl", [{"caption": f"a {i}"} for i in range(20)])
    stream = RowStream(open_source([path]))
    for row in (3, 4, 11, 2, 19):
        assert stream.read(row, row + 1).to_pylist() == [{"caption": f"a {row}"}]


def test_files_must_agree(tmp_path: Path) -> None:
    first = write_parquet(tmp_path / "a.parquet")
    other = write_parquet(tmp_path / "b.parquet", 2, extra=["x", "y"])
    with pytest.raises(InputError, match=r"b.parquet has columns that .*a.parquet lacks: 'extra'"):
        open_source([first, other])
    with pytest.raises(InputError, match=r"a.parquet has nothing where .*b.parquet has 'extra' \(string\)"):
        open_source([other, first])


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no Parquet files in the folder"):
        open_source([tmp_path])
    with pytest.raises(InputError, match="no file matches"):
        open_source([str(tmp_path / "*.parquet")])
    path = write_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="given twice"):
        open_source([path, tmp_path])


def test_a_file_that_shrinks_meanwhile(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", 50)
    source = open_source([path])
    write_parquet(path, 10)
    with pytest.raises(InputError, match="changed while it was being read"):
        RowStream(source).read(0, 50)
