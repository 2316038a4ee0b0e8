from __future__ import annotations

import csv
import datetime
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from negagen.audit.formats import load
from negagen.batch import Job, generate
from negagen.batch.schema import read_footer
from negagen.errors import InputError, OutputError
from negagen.exchange import FORMATS, export_file, huggingface, import_file, tars
from tests.batch.files import captions, write_parquet
from tests.batch.standin import spec
from tests.cli.conftest import Ran
from tests.cli.conftest import run as run

ROWS = 130


def jpeg(number: int) -> bytes:
    """What begins as a JPEG file does: nobody decodes it here."""
    return b"\xff\xd8\xff" + bytes([number] * 50)


@pytest.fixture(scope="module")
def negatives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows 7, 57 and 107 have no negative."""
    folder = tmp_path_factory.mktemp("negatives")
    source = write_parquet(
        folder / "in.parquet",
        ROWS,
        filepath=[f'a "b", \t{row}.jpg' for row in range(ROWS)],
        seen=[
            None if row % 3 else datetime.datetime(2024, 1, 1, 0, row % 60, tzinfo=datetime.UTC) for row in range(ROWS)
        ],
        sizes=[[row, row + 1] if row % 4 else None for row in range(ROWS)],
    )
    generate(Job([source], folder / "negatives.parquet", spec()))
    return folder / "negatives.parquet"


def rows_of(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


@pytest.mark.parametrize("name", ["hf-dataset", "webdataset"])
def test_nothing_is_lost(negatives: Path, tmp_path: Path, name: str) -> None:
    export_file(negatives, tmp_path / "out", name)
    done = import_file(tmp_path / "out", tmp_path / "back.parquet", name)
    table, back = pq.read_table(negatives), pq.read_table(tmp_path / "back.parquet")
    assert back.equals(table)
    assert back.schema == table.schema
    assert read_footer(back.schema.metadata) == read_footer(table.schema.metadata)
    assert done.rows == ROWS


def test_csv_keeps_all_but_types_and_positives(negatives: Path, tmp_path: Path) -> None:
    done = export_file(negatives, tmp_path / "out.csv", "csv")
    import_file(tmp_path / "out.csv", tmp_path / "back.parquet", "csv")
    assert "positives" in done.lost
    for before, after in zip(rows_of(negatives), rows_of(tmp_path / "back.parquet"), strict=True):
        for kept in ("caption", "filepath", "negatives", "status", "reason"):
            assert after[kept] == before[kept]
        assert after["id"] == str(before["id"])
        assert json.loads(after["sizes"] or "null") == before["sizes"]
        assert after["positives"] == []


def test_negclip_keeps_captions_paths_and_texts(negatives: Path, tmp_path: Path) -> None:
    done = export_file(negatives, tmp_path / "out.tsv", "negclip-tsv")
    assert (done.rows, done.left_out) == (ROWS - 3, 3)
    with (tmp_path / "out.tsv").open(newline="") as file:
        assert next(csv.reader(file, delimiter="\t")) == ["title", "filepath", "neg_caption"]
    import_file(tmp_path / "out.tsv", tmp_path / "back.parquet", "negclip-tsv")
    kept = [row for row in rows_of(negatives) if row["negatives"]]
    for before, after in zip(kept, rows_of(tmp_path / "back.parquet"), strict=True):
        assert (after["caption"], after["filepath"]) == (before["caption"], before["filepath"])
        assert [one["text"] for one in after["negatives"]] == [one["text"] for one in before["negatives"]]
        assert after["negatives"][0]["edits"] == []
    assert len(load(tmp_path / "out.tsv")) == len(load(tmp_path / "back.parquet")) == ROWS - 3


def test_sugarcrepe_keeps_categories(negatives: Path, tmp_path: Path) -> None:
    done = export_file(negatives, tmp_path / "exam", "sugarcrepe-json")
    assert [path.name for path in (tmp_path / "exam").iterdir()] == ["shuffle.json"]
    items = json.loads((tmp_path / "exam" / "shuffle.json").read_text())
    assert list(items) == [str(number) for number in range(ROWS - 3)]
    assert items["0"].keys() == {"filename", "caption", "negative_caption"}
    import_file(tmp_path / "exam", tmp_path / "back.parquet", "sugarcrepe-json")
    back = rows_of(tmp_path / "back.parquet")
    assert [(row["caption"], row["negatives"][0]["category"]) for row in back] == [
        (row["caption"], "shuffle") for row in rows_of(negatives) if row["negatives"]
    ]
    assert done.left_out == 3


def test_shards(negatives: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from negagen.exchange.rows import open_negatives

    for module, pattern in ((huggingface, "data/*.parquet"), (tars, "*.tar")):
        folder = tmp_path / module.__name__
        folder.mkdir()
        module.write(open_negatives(negatives), folder, shard_rows=50)
        assert len(list(folder.glob(pattern))) == 3
        module.read(folder, tmp_path / "back.parquet")
        assert pq.read_table(tmp_path / "back.parquet").equals(pq.read_table(negatives))


def test_the_dataset_loads(negatives: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    export_file(negatives, tmp_path / "out", "hf-dataset")
    dataset = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert dataset[8]["negatives"] == rows_of(negatives)[8]["negatives"]
    assert len(dataset) == ROWS
    card = (tmp_path / "out" / "README.md").read_text()
    assert "n<1K" in card
    assert f"{ROWS:,} captions" in card


@pytest.mark.parametrize("struct", [False, True])
def test_pictures_go_into_tars(tmp_path: Path, struct: bool) -> None:
    pictures = [jpeg(row) if row % 5 else None for row in range(20)]
    image = [{"bytes": one, "path": f"{row}.jpg"} for row, one in enumerate(pictures)] if struct else pictures
    source = write_parquet(tmp_path / "in.parquet", 20, image=image)
    generate(Job([source], tmp_path / "negatives.parquet", spec()))
    export_file(tmp_path / "negatives.parquet", tmp_path / "out", "webdataset")
    with tarfile.open(tmp_path / "out" / "shard-000000.tar") as tar:
        assert tar.getnames()[:3] == ["000000000.json", "000000000.txt", "000000001.jpg"]
    import_file(tmp_path / "out", tmp_path / "back.parquet", "webdataset")
    assert pq.read_table(tmp_path / "back.parquet").equals(pq.read_table(tmp_path / "negatives.parquet"))


def test_tars_of_other_programs(tmp_path: Path) -> None:
    tars_of = tmp_path / "other.tar"
    with tarfile.open(tars_of, "w") as tar:
        for name, data in (
            ("x/1.jpg", jpeg(1)),
            ("x/1.json", b'{"caption": "a dog", "negatives": ["a cat", {"text": "a cow", "category": "replace_obj"}]}'),
            ("x/2.txt", b"a bird\n"),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    import_file(tars_of, tmp_path / "back.parquet", "webdataset")
    one, two = rows_of(tmp_path / "back.parquet")
    assert (one["key"], one["caption"], one["image"]) == ("x/1", "a dog", jpeg(1))
    assert [(made["text"], made["category"]) for made in one["negatives"]] == [("a cat", ""), ("a cow", "replace_obj")]
    assert (two["caption"], two["negatives"], two["status"]) == ("a bird", [], "none")


@pytest.mark.parametrize(("text", "said"), [(b"[1]", "expected a JSON object"), (b"{", "not JSON")])
def test_a_member_that_is_no_object_is_named(tmp_path: Path, text: bytes, said: str) -> None:
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        member = tarfile.TarInfo("x/1.json")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    with pytest.raises(InputError, match=rf"other\.tar, member x/1\.json: {said}"):
        import_file(tmp_path / "other.tar", tmp_path / "back.parquet", "webdataset")


# webdataset leaves the shard to the collector to close.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_webdataset_reads_it(negatives: Path, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    export_file(negatives, tmp_path / "out", "webdataset")
    shard = str(tmp_path / "out" / "shard-000000.tar")
    samples = list(webdataset.WebDataset(shard, shardshuffle=False).decode())
    assert [sample["txt"] for sample in samples] == captions(ROWS)
    assert samples[0]["json"]["negatives"] == rows_of(negatives)[0]["negatives"]


@pytest.mark.parametrize("name", FORMATS)
def test_a_failure_leaves_nothing(negatives: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from negagen.exchange.rows import Opened

    whole = Opened.rows

    def cut(self: Opened) -> Any:
        for number, row in enumerate(whole(self)):
            if number == 100:
                raise KeyboardInterrupt
            yield row

    monkeypatch.setattr(Opened, "rows", cut)
    # The card's example comes from `rows` too, where a row is looked for that has negatives: none is found here.
    monkeypatch.setattr(huggingface, "_example", lambda *_: next(iter(())))
    with pytest.raises((KeyboardInterrupt, StopIteration)):
        export_file(negatives, tmp_path / "out", name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("negclip-tsv", "title\tneg_caption\na\tb c\n", r"row 0: `neg_caption` is 'b c'"),
        ("negclip-tsv", "title\tx\na\tb\n", "no column 'neg_caption'"),
        ("csv", "caption\na\n", "no column 'row'"),
        ("sugarcrepe-json", '{"0": {"caption": "a"}}', "record 0: 'negative_caption' is None"),
        ("webdataset", "no tar", "cannot be read as a tar"),
        ("hf-dataset", "no folder", "is no folder"),
    ],
)
def test_what_is_not_of_the_format(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / {"negclip-tsv": "a.tsv", "csv": "a.csv", "sugarcrepe-json": "a.json"}.get(name, "a.tar")
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        import_file(path, tmp_path / "back.parquet", name)
    assert not (tmp_path / "back.parquet").exists()


def test_what_cannot_be_exported(negatives: Path, tmp_path: Path) -> None:
    plain = write_parquet(tmp_path / "in.parquet", 20)
    with pytest.raises(InputError, match="no Parquet file with a column 'negatives'"):
        export_file(plain, tmp_path / "out.csv", "csv")
    generate(Job([plain], tmp_path / "flat.parquet", spec(), flat=True))
    with pytest.raises(InputError, match="without --flat"):
        export_file(tmp_path / "flat.parquet", tmp_path / "out.csv", "csv")
    generate(Job([plain], tmp_path / "out.parquet", spec()))
    with pytest.raises(InputError, match=r"no column of paths.*--image-column"):
        export_file(tmp_path / "out.parquet", tmp_path / "out.tsv", "negclip-tsv")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(OutputError, match="never replaced"):
        export_file(negatives, tmp_path / "taken", "webdataset")
    with pytest.raises(OutputError, match="--overwrite"):
        export_file(negatives, tmp_path / "taken" / "file", "csv")


def test_commands(run: Callable[..., Ran], negatives: Path, tmp_path: Path) -> None:
    ran = run("export", negatives, "--to", "negclip-tsv", "-o", tmp_path / "out.tsv")
    assert ran.code == 0
    assert "127 captions, 127 negatives. 3 captions without negatives are left out." in ran.out
    assert "Not in it: rules, categories" in ran.out
    ran = run("import", tmp_path / "out.tsv", "--from", "negclip-tsv", "-o", tmp_path / "back.parquet")
    assert ran.code == 0
    assert "127 captions" in ran.out
