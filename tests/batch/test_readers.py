from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negagen.batch import jsonl
from negagen.batch.opening import format_of
from negagen.batch.readers import batches, survey
from negagen.errors import InputError
from tests.batch.files import captions, write_jsonl, write_parquet


def rows(path: Path, row: int = 0, **options: object) -> list[dict[str, object]]:
    found = batches(survey(path), row, **options)  # type: ignore[arg-type]
    return [one for batch in found for one in batch.to_pylist()]


def test_formats_by_name() -> None:
    assert format_of(Path("a.parquet")) == "parquet"
    assert format_of(Path("a.b.CSV.gz")) == "csv"
    assert format_of(Path("a.ndjson")) == "jsonl"
    assert format_of(Path("a.parquet.gz")) is None
    assert format_of(Path("a")) is None


@pytest.mark.parametrize("start", [0, 1, 63, 64, 65, 128, 199, 200])
def test_parquet_from_any_row(tmp_path: Path, start: int) -> None:
    path = write_parquet(tmp_path / "c.parquet", 200)
    assert [row["id"] for row in rows(path, start, batch_rows=10)] == list(range(start, 200))


def test_parquet_survey(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "c.parquet", 200)
    found = survey(path)
    assert (found.rows, found.groups) == (200, (64, 64, 64, 8))
    write_parquet(path, 200)
    assert survey(path).digest == found.digest
    write_parquet(path, 200, group=100)
    assert survey(path).digest != found.digest


def test_csv_values_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text('\ufeffid,caption\n007,"a ""red"" dog, two\nlines"\n1e3,\nNA,null\n', encoding="utf-8")
    assert rows(path) == [
        {"id": "007", "caption": 'a "red" dog, two\nlines'},
        {"id": "1e3", "caption": ""},
        {"id": "NA", "caption": "null"},
    ]


def test_tsv_and_compressed_text(tmp_path: Path) -> None:
    path = tmp_path / "c.tsv.gz"
    path.write_bytes(gzip.compress(b"caption\turl\na dog, red\tx\n"))
    assert rows(path) == [{"caption": "a dog, red", "url": "x"}]


def test_jsonl_blocks_agree_on_one_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "BLOCK", 64)
    given: list[dict[str, object]] = [
        {"caption": "a dog", "day": "2020-01-01"},
        {"caption": None, "n": 1},
        {"caption": "two cats", "n": 1.5, "box": {"x": 1}},
        {"caption": "three", "box": {"y": [1, 2]}},
    ] * 5
    path = write_jsonl(tmp_path / "c.jsonl", given)
    read = rows(path)
    assert [row["caption"] for row in read] == [row["caption"] for row in given]
    assert read[0]["day"] == "2020-01-01"
    assert read[3]["box"] == {"x": None, "y": [1, 2]}
    assert [row["caption"] for row in rows(path, 7)] == [row["caption"] for row in given[7:]]
    assert rows(path, 18, columns=["caption"]) == [{"caption": "two cats"}, {"caption": "three"}]


def test_long_text_crosses_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "BLOCK", 100)
    long = "a dog " * 100
    assert rows(write_jsonl(tmp_path / "c.jsonl", [{"caption": long}, {"caption": "b"}]))[0]["caption"] == long
    path = tmp_path / "last.jsonl"
    path.write_text('{"caption": "a"}\n\n{"caption": "b"}', encoding="utf-8")
    assert [row["caption"] for row in rows(path)] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.parquet", b"", "cannot be read as Parquet.*Is it cut off"),
        ("c.parquet", b"PAR1 nothing", "cannot be read as Parquet"),
        ("c.csv", b"", "c.csv is empty"),
        ("c.csv", b"caption,n\na dog\n", "cannot be read.*Expected 2 columns, got 1"),
        ("c.csv", b"caption\n\xff\xfe\n", "c.csv"),
        ("c.csv", b"\xff\xfec\x00a\x00", "not UTF-8"),
        ("c.jsonl", b'{"caption": "a"}\n{"caption": \n', "line 2: not JSON"),
        ("c.jsonl", b'{"caption": "a"}\n["b"]\n', "line 2: expected a JSON object"),
        ("c.jsonl", b'{"caption": "a"}\n{"caption": 3}\n', "one type of value"),
        ("c.jsonl", b"", "is empty"),
        ("c.txt", b"a dog", "unknown kind of file"),
    ],
)
def test_broken_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"(?s){message}") as caught:
        rows(path)
    assert str(path) in str(caught.value)


def test_types_that_differ_between_jsonl_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "BLOCK", 20)
    path = write_jsonl(tmp_path / "c.jsonl", [{"caption": "a red dog"}, {"caption": 33333}])
    with pytest.raises(InputError, match="line 2 on: field 'caption' holds int64, but string before"):
        survey(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        survey(tmp_path / "c.parquet")


def test_truncated_parquet(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "c.parquet", 5000)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="cut off"):
        survey(path)


def test_damaged_page(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    pq.write_table(pa.table({"caption": captions(5000)}), path, compression="zstd")
    found = survey(path)
    data = bytearray(path.read_bytes())
    data[200:5000] = bytes(4800)
    path.write_bytes(data)
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        list(batches(found))
