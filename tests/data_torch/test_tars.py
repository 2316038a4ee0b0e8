from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from negagen.data.layouts import Inputs
from negagen.data.reading import check, fingerprint_of, read
from negagen.errors import DataError, InputError
from tests.data_torch.files import Members, caption, negatives_of, picture, rows, write, write_tar


def shards(folder: Path) -> list[Path]:
    """Two tars: captions as text, and in JSON with negatives; a sample without a picture, and one with two captions."""
    first: Members = {f"a/{n:03d}": {"jpg": picture(n), "txt": caption(n)} for n in range(3)}
    two = {"captions": [caption(5), caption(6)], "image_id": 77, "negatives": ["a cow"]}
    second: Members = {
        "003": {"png": picture(3, kind="PNG"), "json": {"caption": caption(3), "negatives": negatives_of(3)}},
        "004": {"json": {"caption": caption(4)}},
        "005": {"jpg": picture(5), "json": two},
        "006": {"jpg": picture(6), "txt": caption(7), "json": {"image_id": "77", "positives": [{"text": "fine"}]}},
    }
    return [write_tar(folder / "0.tar", first), write_tar(folder / "1.tar", second)]


def test_samples_become_rows(tmp_path: Path) -> None:
    found = read(Inputs(shards(tmp_path)))
    data = found.data
    expected = [0, 1, 2, 3, 5, 6, 7]
    assert data.caption_texts(np.arange(len(data))) == [caption(number) for number in expected]
    assert data.omitted == {"rows without a picture": 1}
    bytes_ = list(found.pictures.read(0, len(found.pictures)))
    assert bytes_ == [picture(0), picture(1), picture(2), picture(3, kind="PNG"), picture(5), picture(6)]
    assert data.images.tolist() == [0, 1, 2, 3, 4, 4, 5]
    assert len(np.unique(data.groups[4:])) == 1
    assert data.negatives.counts.tolist() == [0, 0, 0, 3, 1, 1, 0]
    assert data.negatives.starts[:3].tolist() == [one["edits"][0]["start"] for one in negatives_of(3)]
    assert data.texts.take(data.positives.texts) == ["fine"]


def test_a_folder_stands_for_its_tars(tmp_path: Path) -> None:
    files = shards(tmp_path)
    (tmp_path / "schema.arrow").write_bytes(b"what `negagen export` lays beside them")
    one, other = read(Inputs([tmp_path])), read(Inputs(files))
    assert one.data.caption_texts(np.arange(len(one.data))) == other.data.caption_texts(np.arange(len(other.data)))
    assert one.data.fingerprint == other.data.fingerprint
    assert list(one.pictures.read(0, 6)) == list(other.pictures.read(0, 6))
    for aside in (".cache", "_old"):
        (tmp_path / aside).mkdir()
        write(tmp_path / aside / "n.parquet", rows(3))
        write_tar(tmp_path / aside / "2.tar", {"1": {"txt": "no picture"}})
    assert read(Inputs([tmp_path])).data.fingerprint == one.data.fingerprint


def test_a_folder_of_tars_and_tables_is_neither(tmp_path: Path) -> None:
    files = shards(tmp_path)
    (tmp_path / "tables").mkdir()
    table = write(tmp_path / "tables" / "n.parquet", rows(3))
    for reading in (read, check, fingerprint_of):
        with pytest.raises(InputError, match=r"tars \(0\.tar\) and Parquet files \(tables/n\.parquet\).*one kind"):
            reading(Inputs([tmp_path]))
    with pytest.raises(InputError, match=r"n\.parquet is none of tars"):
        read(Inputs([table, *files]))


def test_a_folder_of_compressed_tars_is_told(tmp_path: Path) -> None:
    for tar in shards(tmp_path):
        tar.with_suffix(".tar.gz").write_bytes(gzip.compress(tar.read_bytes()))
        tar.unlink()
    for reading in (read, fingerprint_of):
        with pytest.raises(InputError, match=r"0\.tar\.gz is compressed.*decompress"):
            reading(Inputs([tmp_path]))


def test_what_is_no_training_set(tmp_path: Path) -> None:
    tar = shards(tmp_path)[0]
    zipped = tmp_path / "0.tar.gz"
    zipped.write_bytes(gzip.compress(tar.read_bytes()))
    broken = tmp_path / "broken.tar"
    broken.write_bytes(b"no tar at all" * 100)
    for inputs, error, word in (
        (Inputs([zipped]), InputError, "decompress"),
        (Inputs([broken]), InputError, "tar"),
        (Inputs([tmp_path / "none.tar"]), InputError, "No such file"),
        (Inputs([tar, tmp_path / "x.parquet"]), InputError, "one kind"),
        (Inputs([tar], tmp_path), DataError, "--images"),
        (Inputs([write_tar(tmp_path / "t.tar", {"1": {"txt": "a dog"}})]), DataError, "no images found"),
        (Inputs([write_tar(tmp_path / "p.tar", {"1": {"jpg": picture(1)}})]), DataError, "no sample has a caption"),
        (Inputs([write_tar(tmp_path / "j.tar", {"1": {"jpg": picture(1), "json": "[1"}})]), InputError, "not JSON"),
        (
            Inputs([write_tar(tmp_path / "k.tar", {"1": {"jpg": picture(1), "txt": "a", "json": {"negatives": [1]}}})]),
            InputError,
            "list of texts",
        ),
    ):
        with pytest.raises(error, match=word):
            read(inputs)
