from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negagen.data.images import BadImageError
from negagen.data.layouts import Inputs
from negagen.data.reading import Read, fingerprint_of, read
from negagen.errors import DataError, InputError
from negagen.types import CATEGORIES
from tests.data_torch.files import (
    caption,
    dataset,
    folder_of_pictures,
    generated,
    negative,
    negatives_of,
    picture,
    rows,
    write,
    write_tar,
)


def texts_of(found: Read, row: int, part: str = "negatives") -> list[str]:
    """The negatives of a row as texts."""
    choices = getattr(found.data, part)
    return found.data.texts.take(choices.texts[choices.offsets[row] : choices.offsets[row + 1]])


def captions_of(found: Read) -> list[str]:
    return found.data.caption_texts(np.arange(len(found.data)))


def test_rows_with_negatives_and_a_folder_of_pictures(tmp_path: Path) -> None:
    path, images = dataset(tmp_path, 20, per_picture=2)
    found = read(Inputs([path], images))
    data = found.data
    assert captions_of(found) == [caption(number) for number in range(20)]
    for row in range(20):
        made = negatives_of(row, 1 + row % 3)
        assert texts_of(found, row) == [one["text"] for one in made]
        span = slice(*data.negatives.offsets[row : row + 2])
        assert data.negatives.weights[span].tolist() == [one["weight"] for one in made]
        assert [CATEGORIES[kind] for kind in data.negatives.kinds[span]] == [one["category"] for one in made]
        assert data.negatives.starts[span].tolist() == [one["edits"][0]["start"] for one in made]
        assert texts_of(found, row, "positives") == [caption(row).replace("beside", "next to")]
    assert data.images.tolist() == [row // 2 for row in range(20)]
    assert len(np.unique(data.groups)) == 10
    assert (data.groups[::2] == data.groups[1::2]).all()
    assert next(found.pictures.read(3, 4)) == picture(3)


def test_bytes_in_the_file_by_id_and_without_one(tmp_path: Path) -> None:
    table = rows(12, per_picture=3)
    for row, one in enumerate(table):
        one["image"] = {"bytes": picture(row // 3), "path": None}
    with_id = read(Inputs([write(tmp_path / "a.parquet", table)]))
    without = read(Inputs([write(tmp_path / "b.parquet", table, ["image", "caption", "negatives"])]))
    for found in (with_id, without):
        assert found.data.images.tolist() == [row // 3 for row in range(12)]
        assert len(np.unique(found.data.groups)) == 4
        assert list(found.pictures.read(0, 4)) == [picture(number) for number in range(4)]
    assert without.pictures.names[2] == "row 6"
    plain = [{**one, "image": one["image"]["bytes"]} for one in table]
    assert list(read(Inputs([write(tmp_path / "c.parquet", plain)])).pictures.read(1, 3)) == [picture(1), picture(2)]


def test_a_struct_with_paths_alone_names_files(tmp_path: Path) -> None:
    images = folder_of_pictures(tmp_path / "images", 5)
    table = [{**one, "image": {"bytes": None, "path": one["image"]}} for one in rows(5)]
    schema = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    path = tmp_path / "a.parquet"
    columns = {"caption": [one["caption"] for one in table]}
    pq.write_table(pa.table({**columns, "image": pa.array([one["image"] for one in table], schema)}), path)
    found = read(Inputs([path], images))
    assert found.pictures.kind == "files"
    assert next(found.pictures.read(4, 5)) == picture(4)


def test_pictures_of_another_file_are_joined_by_id(tmp_path: Path) -> None:
    path = write(tmp_path / "n.parquet", rows(9), ["image_id", "caption", "negatives"])
    order = [8, 1, 5, 3, 0, 2]  # three are not there, and none in the order of the rows
    pictures = [{"image_id": str(n), "image": {"bytes": picture(n), "path": f"{n}.jpg"}} for n in order]
    found = read(Inputs([path], write(tmp_path / "p.parquet", pictures, group=2)))
    data = found.data
    read_ = list(found.pictures.read(0, len(found.pictures)))
    for row in range(9):
        image = int(data.images[row])
        assert (image < 0) == (row not in order)
        if image >= 0:
            assert read_[image] == picture(row)
            assert found.pictures.names[image] == str(row)


def test_integers_are_ids_too(tmp_path: Path) -> None:
    table = [{**one, "image_id": int(one["image_id"])} for one in rows(6, 2)]
    path = write(tmp_path / "n.parquet", table, ["image_id", "caption", "negatives"])
    pictures = [{"image_id": n, "image": picture(n)} for n in range(3)]
    found = read(Inputs([path], write(tmp_path / "p.parquet", pictures)))
    assert found.data.images.tolist() == [0, 0, 1, 1, 2, 2]


def test_a_list_of_captions_a_picture(tmp_path: Path) -> None:
    table = [
        {"image_id": str(n), "image": picture(n), "captions": [caption(2 * n), caption(2 * n + 1)]} for n in range(4)
    ]
    found = read(Inputs([write(tmp_path / "p.parquet", table)]))
    assert captions_of(found) == [caption(number) for number in range(8)]
    assert found.data.images.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert found.data.numbers.tolist() == found.data.images.tolist()


def test_flat_files_become_a_row_a_caption(tmp_path: Path) -> None:
    texts = [caption(number) for number in range(300)]
    names = [f"{number % 7}.jpg" for number in range(300)]
    images = folder_of_pictures(tmp_path / "images", 7)
    nested, flat = tmp_path / "nested.parquet", tmp_path / "flat.parquet"
    pq.write_table(generated(texts, image=names), nested)
    table = generated(texts, flat=True, image=names)
    pq.write_table(pa.concat_tables([table.slice(0, 10), table]), flat)
    one, two = read(Inputs([nested], images)), read(Inputs([flat], images))
    assert captions_of(two)[10:] == captions_of(one)
    assert [texts_of(two, row) for row in range(10, 310)] == [texts_of(one, row) for row in range(300)]
    repeated = pa.concat_tables([table.slice(row, 1) for row in (0, 0, 1, 1, 1)])
    pq.write_table(repeated, tmp_path / "r.parquet")
    assert np.diff(read(Inputs([tmp_path / "r.parquet"], images)).data.negatives.offsets).tolist() == [2, 3]


def test_negclips_tsv(tmp_path: Path) -> None:
    images = folder_of_pictures(tmp_path / "images", 2)
    path = tmp_path / "train.tsv"
    path.write_text(
        "filepath\ttitle\tneg_caption\tneg_image\n"
        "0.jpg\ta dog's cup\t\"['a cup\\'s dog', 'a cat\"\"s cup']\"\t[1]\n"
        "1.jpg\ta tree\t[]\t[0]\n",
        encoding="utf-8",
    )
    found = read(Inputs([path], images))
    assert captions_of(found) == ["a dog's cup", "a tree"]
    assert texts_of(found, 0) == ["a cup's dog", 'a cat"s cup']
    assert texts_of(found, 1) == []
    assert next(found.pictures.read(1, 2)) == picture(1)


def test_negatives_as_plain_lists_of_texts(tmp_path: Path) -> None:
    images = folder_of_pictures(tmp_path / "images", 3)
    path = tmp_path / "n.parquet"
    lists = [["a cow", " ", None], None, []]
    pq.write_table(
        pa.table({"caption": ["a", "b", "c"], "image": ["0.jpg", "1.jpg", "2.jpg"], "negatives": lists}), path
    )
    found = read(Inputs([path], images))
    assert [texts_of(found, row) for row in range(3)] == [["a cow"], [], []]
    assert found.data.negatives.kinds.tolist() == [-1]


def test_many_chunks_are_numbered_as_one(tmp_path: Path) -> None:
    images = folder_of_pictures(tmp_path / "images", 3)
    texts = [f"a dog {number % 5003}" for number in range(9000)]
    path = tmp_path / "n.parquet"
    pq.write_table(pa.table({"caption": texts, "image": [f"{n % 3}.jpg" for n in range(9000)]}), path)
    found = read(Inputs([path], images))
    assert captions_of(found) == texts
    assert len(found.data.texts) == 5003


def test_unusable_rows_are_counted(tmp_path: Path) -> None:
    images = folder_of_pictures(tmp_path / "images", 6)
    table = rows(6)
    table[1]["caption"], table[2]["caption"], table[4]["image"] = None, "  ", None
    found = read(Inputs([write(tmp_path / "n.parquet", table)], images))
    assert found.data.numbers.tolist() == [0, 3, 5]
    assert found.data.omitted == {"rows without a caption": 2, "rows without a picture": 1}
    assert [texts_of(found, row) for row in range(3)] == [
        [one["text"] for one in table[number]["negatives"]] for number in (0, 3, 5)
    ]


def test_a_missing_file_is_a_bad_picture(tmp_path: Path) -> None:
    path, images = dataset(tmp_path, 4)
    (images / "2.jpg").unlink()
    found = list(read(Inputs([path], images)).pictures.read(0, 4))
    assert isinstance(found[2], BadImageError)
    assert str(found[2]) == "no such file"


def test_the_fingerprint_changes_with_what_is_read(tmp_path: Path) -> None:
    path, images = dataset(tmp_path, 6)
    first = fingerprint_of(Inputs([path], images))
    assert first == fingerprint_of(Inputs([path], images))
    assert first != fingerprint_of(Inputs([path], images, caption_column="caption"))
    before = read(Inputs([path], images)).pictures.fingerprint
    os.utime(images / "3.jpg", ns=(1, 1))
    assert before != read(Inputs([path], images)).pictures.fingerprint
    write(path, rows(7))
    assert first != fingerprint_of(Inputs([path], images))


def test_what_was_read_goes_by_its_contents(tmp_path: Path) -> None:
    path, images = dataset(tmp_path / "one", 6)
    first = read(Inputs([path], images)).data
    other = shutil.copytree(tmp_path / "one", tmp_path / "other")
    (other / path.name).rename(other / "renamed.parquet")
    moved = read(Inputs([other / "renamed.parquet"], other / "images")).data
    assert moved.fingerprint == first.fingerprint
    assert list(moved.files) == [str(other / "renamed.parquet")]
    assert list(moved.files.values()) == list(first.files.values())
    for column, value in (("caption", "a dog"), ("negatives", []), ("image_id", "4")):
        table = rows(6)
        table[3][column] = value
        assert read(Inputs([write(path, table)], images)).data.fingerprint != first.fingerprint
    tar = write_tar(tmp_path / "k.tar", {f"{n}": {"jpg": picture(n), "txt": caption(n)} for n in range(3)})
    (tmp_path / "there").mkdir()
    copy = Path(shutil.copyfile(tar, tmp_path / "there" / "k.tar"))
    os.utime(copy, ns=(1, 1))
    shards = [read(Inputs([one])).data for one in (tar, copy)]
    assert shards[0].fingerprint == shards[1].fingerprint
    assert [list(one.files.values()) for one in shards] == [[f"{tar.stat().st_size}"]] * 2


# What cannot be trained on.


def refused(error: type[Exception], *words: str, inputs: Inputs) -> None:
    with pytest.raises(error) as caught:
        read(inputs)
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_captions_of_another_file(tmp_path: Path) -> None:
    path = write(tmp_path / "n.parquet", rows(9), ["image_id", "caption", "negatives"])
    other = [{"image_id": f"x{n}", "image": picture(n)} for n in range(3)]
    refused(DataError, "other captions", "'x0'", "'0'", inputs=Inputs([path], write(tmp_path / "p.parquet", other)))
    said = [{"image_id": str(n), "image": picture(n), "captions": [f"something else {n}"]} for n in range(9)]
    refused(DataError, "other captions", "something else", inputs=Inputs([path], write(tmp_path / "q.parquet", said)))
    same = [{"image_id": str(n), "image": picture(n), "captions": [caption(n) + " ", "more"]} for n in range(9)]
    assert len(read(Inputs([path], write(tmp_path / "r.parquet", same))).data) == 9


def test_negatives_beside_other_captions(tmp_path: Path) -> None:
    images = folder_of_pictures(tmp_path / "images", 9)
    table = rows(9)
    for row, one in enumerate(table):
        one["caption"] = "an entirely different text about nothing " * (1 + row % 2)
    path = write(tmp_path / "n.parquet", table)
    refused(DataError, "made of other captions", "different text", "--caption-column", inputs=Inputs([path], images))


def test_no_images(tmp_path: Path) -> None:
    path, _ = dataset(tmp_path, 4)
    (tmp_path / "empty").mkdir()
    refused(DataError, "no images found", "0.jpg", "--images", inputs=Inputs([path], tmp_path / "empty"))
    refused(DataError, "no such folder", inputs=Inputs([path], tmp_path / "nowhere"))
    table = [{**one, "image": "https://example.org/1.jpg"} for one in rows(3)]
    refused(
        DataError, "https://", "Download", inputs=Inputs([write(tmp_path / "u.parquet", table)], tmp_path / "empty")
    )


@pytest.mark.parametrize(
    ("columns", "options", "words"),
    [
        (["image", "negatives"], {}, ["'caption'", "'image', 'negatives'", "--caption-column"]),
        (["caption", "negatives"], {}, ["'image'", "'caption', 'negatives'", "--image-column"]),
        (["caption", "image"], {"caption_column": "text"}, ["'text'", "'caption', 'image'"]),
        (["caption", "image"], {"image_column": "photo"}, ["'photo'", "'caption', 'image'"]),
        (["caption", "image"], {"image_id_column": "photo"}, ["'photo'"]),
    ],
)
def test_missing_columns(tmp_path: Path, columns: list[str], options: dict[str, str], words: list[str]) -> None:
    path = write(tmp_path / "n.parquet", rows(3), columns)
    refused((DataError, InputError), *words, inputs=Inputs([path], tmp_path, **options))  # type: ignore[arg-type]


def test_columns_of_the_wrong_type(tmp_path: Path) -> None:
    table = {"caption": ["a", "b"], "image": [1, 2], "negatives": ["x", "y"]}
    path = tmp_path / "n.parquet"
    pq.write_table(pa.table({"caption": table["caption"], "image": table["image"]}), path)
    refused(DataError, "'image'", "int64", inputs=Inputs([path]))
    pq.write_table(pa.table({"caption": table["image"], "image": table["caption"]}), path)
    refused(DataError, "'caption'", "int64", inputs=Inputs([path]))
    pq.write_table(
        pa.table({"caption": table["caption"], "image": table["caption"], "negatives": table["negatives"]}), path
    )
    refused(DataError, "'negatives'", "string", inputs=Inputs([path]))


def test_weights_that_are_none(tmp_path: Path) -> None:
    path, images = dataset(tmp_path, 3)
    table = rows(3)
    table[1]["negatives"] = [negative(caption(1), "a", "the", weight=3.0)]
    write(path, table)
    refused(DataError, "weight 3.0", "0 to 1", inputs=Inputs([path], images))


def test_nothing_usable(tmp_path: Path) -> None:
    path, images = dataset(tmp_path, 3)
    write(path, [{**one, "caption": " "} for one in rows(3)])
    refused(DataError, "no row can be trained on", "3 rows without a caption", inputs=Inputs([path], images))
    write(path, rows(3)[:1])
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    refused(DataError, "no rows", inputs=Inputs([path], images))
    refused(InputError, "no such file", inputs=Inputs([tmp_path / "none.parquet"], images))
