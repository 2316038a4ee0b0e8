from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from negagen.data import Inputs, Prepared, View, prepare
from negagen.errors import DataError
from tests.data_torch.files import WordTokenizer, dataset, folder_of_pictures, generated, picture, rows, write

TOKENIZER, VIEW = WordTokenizer(), View(16)


def made(folder: Path, count: int = 20, **options: float) -> Prepared:
    path, images = dataset(folder, count, per_picture=2)
    return prepare(Inputs([path], images), TOKENIZER, VIEW, cache=folder / "cache", **options)  # type: ignore[arg-type]


def test_what_negagen_generate_writes_is_read_and_kept(tmp_path: Path) -> None:
    images = folder_of_pictures(tmp_path / "images", 30)
    path = tmp_path / "negatives.parquet"
    pq.write_table(generated([f"a dog {n} times" for n in range(30)], image=[f"{n}.jpg" for n in range(30)]), path)
    told: list[tuple[str, int, int]] = []
    first = prepare(
        Inputs([path], images), TOKENIZER, VIEW, cache=tmp_path / "cache", tell=lambda *one: told.append(one)
    )
    assert {what for what, _, _ in told} == {"reading", "pictures", "texts"}
    assert told[-1][1] == told[-1][2]
    assert first.data.negatives.counts.tolist() == [1] * 30
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*") if file.suffix == ".npy"}
    second = prepare(Inputs([path], images), TOKENIZER, VIEW, cache=tmp_path / "cache")
    assert second.fingerprint == first.fingerprint
    assert files == {file: file.stat().st_mtime_ns for file in files}
    assert (
        prepare(Inputs([path], images), TOKENIZER, View(17), cache=tmp_path / "cache").fingerprint != first.fingerprint
    )


def test_bad_pictures_cost_their_captions_and_are_told(tmp_path: Path) -> None:
    path, images = dataset(tmp_path, 20, per_picture=2)
    (images / "4.jpg").write_bytes(b"nothing")
    table = rows(20, 2)
    table[0]["caption"] = ""
    write(path, table)
    prepared = prepare(Inputs([path], images), TOKENIZER, VIEW, cache=tmp_path / "cache", max_bad=0.2)
    assert prepared.data.numbers[prepared.rows].tolist() == [n for n in range(1, 20) if n not in (8, 9)]
    assert len(prepared) == 17
    assert any("1 rows without a caption" in note for note in prepared.notes)
    assert any("1 of 10 pictures" in note and "2 captions" in note and "4.jpg" in note for note in prepared.notes)


def test_cut_negatives_are_told(tmp_path: Path) -> None:
    path, images = dataset(tmp_path, 6)
    short = prepare(Inputs([path], images), WordTokenizer(6), VIEW, cache=tmp_path / "cache")
    assert any("of 12 negatives are not used: cut to 6 tokens" in note for note in short.notes)


def test_pictures_that_are_not_in_the_file_of_pictures(tmp_path: Path) -> None:
    path = write(tmp_path / "n.parquet", rows(6), ["image_id", "caption", "negatives"])
    pictures = write(tmp_path / "p.parquet", [{"image_id": str(n), "image": picture(n)} for n in (4, 1, 0)])
    with pytest.raises(DataError, match=r"3 of 6 pictures are not in .*p\.parquet, more than --max-bad 0\.4.*row 2"):
        prepare(Inputs([path], pictures), TOKENIZER, VIEW, cache=tmp_path / "cache", max_bad=0.4)
    prepared = prepare(Inputs([path], pictures), TOKENIZER, VIEW, cache=tmp_path / "cache", max_bad=0.5)
    assert prepared.rows.tolist() == [0, 1, 4]
    assert any("3 captions whose picture is not" in note for note in prepared.notes)
    from negagen.data.images import decode

    for row in prepared.rows:
        expected = decode(picture(int(row)), VIEW)
        np.testing.assert_array_equal(prepared.pixels.pixels[prepared.data.images[row]], expected)


def test_no_row_with_a_good_picture(tmp_path: Path) -> None:
    path, images = dataset(tmp_path, 3)
    for file in images.iterdir():
        file.write_bytes(b"nothing")
    with pytest.raises(DataError, match="none of its 3 captions has a picture"):
        prepare(Inputs([path], images), TOKENIZER, VIEW, cache=tmp_path / "cache", max_bad=1)


def test_a_split_is_by_picture_and_by_seed_alone(tmp_path: Path) -> None:
    prepared = made(tmp_path, 80)
    one, two = prepared.split(0.3, seed=1)
    assert sorted([*one.rows.tolist(), *two.rows.tolist()]) == prepared.rows.tolist()
    assert not set(prepared.data.images[one.rows]) & set(prepared.data.images[two.rows])
    assert 0.1 < len(two) / len(prepared) < 0.5
    assert prepared.split(0.3, seed=1)[1].rows.tolist() == two.rows.tolist()
    assert prepared.split(0.3, seed=2)[1].rows.tolist() != two.rows.tolist()
    larger = prepared.split(0.5, seed=1)[1]
    assert set(two.rows) <= set(larger.rows)
    assert one.fingerprint != prepared.fingerprint
    for share in (0.0, 1.0):
        with pytest.raises(DataError, match=r"40 pictures leaves none to (train|measure) on.*--held-out 0 "):
            prepared.split(share)


def test_pictures_of_several_ids_are_warned_of(tmp_path: Path) -> None:
    table = rows(8, 2)
    for number in (4, 5):
        table[number]["image_id"] = f"row {number}"
    images = folder_of_pictures(tmp_path / "images", 4)
    path = write(tmp_path / "negatives.parquet", table)
    with pytest.warns(UserWarning, match=r"1 of 4 pictures have more than one image id .*row 4.*held out"):
        prepared = prepare(Inputs([path], images), TOKENIZER, VIEW, cache=tmp_path / "cache")
    assert "more than one image id" in prepared.notes[0]
    assert len(np.unique(prepared.data.groups)) == 5


def test_prepared_data_opens_without_its_sources_or_pyarrow(tmp_path: Path) -> None:
    prepared = made(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    script = f"""
import sys
sys.modules["pyarrow"] = None
from pathlib import Path
from negagen.data import Batches, Order, Prepared
prepared = Prepared.open(Path({str(tmp_path / "b" / "cache" / f"{prepared.fingerprint}.json")!r}))
assert prepared.fingerprint == {prepared.fingerprint!r}
batch = Batches(prepared, 2)(next(Order(prepared.rows, 8).steps()))
print(batch.negatives.shape, "spacy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "torch.Size([8, 2]) False\n"


def test_parts_of_a_cache_may_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "large disk").mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "images").symlink_to(tmp_path / "large disk")
    prepared = made(tmp_path)
    assert list((tmp_path / "large disk").iterdir())
    for place in (tmp_path / "cache" / "again.json", tmp_path / "elsewhere" / "again.json"):
        prepared.save(place)
        assert Prepared.open(place).fingerprint == prepared.fingerprint


def test_reading_needs_little_more_than_numpy_torch_pyarrow_and_pillow(tmp_path: Path) -> None:
    path, images = dataset(tmp_path, 6)
    script = f"""
import sys
for name in ("spacy", "thinc", "lemminflect", "pydantic", "rapidfuzz", "sklearn", "transformers"):
    sys.modules[name] = None
from pathlib import Path
from negagen.data import Batches, Inputs, View, ahead
from negagen.data.preparing import reading, building
found = reading.read(Inputs([Path({str(path)!r})], Path({str(images)!r})))
print(building.build(found.pictures, View(8), Path({str(tmp_path / "cache")!r})).good.all(), Batches)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("True")


def _prepare(folder: Path) -> str:
    inputs = Inputs([folder / "negatives.parquet"], folder / "images")
    return prepare(inputs, TOKENIZER, VIEW, cache=folder / "cache").fingerprint


def test_ranks_may_all_prepare_at_once(tmp_path: Path) -> None:
    dataset(tmp_path, 30)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.map(_prepare, [tmp_path] * 4)
    assert len(set(found)) == 1
    assert found[0] == _prepare(tmp_path)
    assert not list((tmp_path / "cache").rglob("*.tmp"))
