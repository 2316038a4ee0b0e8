from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from negagen.data.images import BadImageError, View
from negagen.errors import DataError
from negagen.evaluate.items import Picture
from negagen.evaluate.pictures import Folders, opened
from tests.evaluate.oracle import picture, save_pictures


def test_names_are_found_as_benchmarks_write_them(tmp_path: Path) -> None:
    save_pictures(tmp_path / "coco" / "val2017")
    for name in ("coco/val2017/000000000139.jpg", "vg/VG_100K/2358258.jpg", "wino/images/ex_0_img_0.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(picture("red"))
    folders = Folders([tmp_path])
    assert folders.find("COCO_val2014_000000000139.jpg") == tmp_path / "coco/val2017/000000000139.jpg"
    assert folders.find("000000000139") == tmp_path / "coco/val2017/000000000139.jpg"
    assert folders.find("somewhere/else/000000000139.jpg") == tmp_path / "coco/val2017/000000000139.jpg"
    assert folders.find("2358258") == tmp_path / "vg/VG_100K/2358258.jpg"
    assert folders.find("ex_0_img_0") == tmp_path / "wino/images/ex_0_img_0.png"
    assert folders.find("2358259") is None


def test_of_two_of_one_name_the_one_in_the_named_folder(tmp_path: Path) -> None:
    for name in ("a/1.png", "b/1.png"):
        save_pictures(tmp_path / name.split("/")[0], **{"1": "red"})
    folders = Folders([tmp_path])
    assert folders.find("somewhere/b/1.png") == tmp_path / "b/1.png"
    with pytest.raises(DataError, match="several pictures"):
        folders.find("c/1.png")


def test_a_box_is_cut_out_and_lies_within(tmp_path: Path) -> None:
    save_pictures(tmp_path, two=("red", "blue"))
    folders, view = Folders([tmp_path]), View(4, "squash")
    right = opened(Picture("two.png", None, (8, 0, 16, 16)), folders, view)
    assert np.array_equal(right, np.broadcast_to(np.array([0, 0, 255], np.uint8)[:, None, None], (3, 4, 4)))
    beyond = opened(Picture("two.png", None, (-5, -5, 8, 99)), folders, view)
    assert beyond[0].min() == 255
    with pytest.raises(BadImageError):
        opened(Picture("two.png", None, (20, 20, 30, 30)), folders, view)


def test_stamps_tell_pictures_and_parts_apart(tmp_path: Path) -> None:
    save_pictures(tmp_path, a="red", b="red")
    folders = Folders([tmp_path])
    whole, part, other = (Picture("a.png"), Picture("a.png", None, (0, 0, 2, 2)), Picture("b.png"))
    stamps = {folders.stamp(one) for one in (whole, part, other, Picture("", picture("red")))}
    assert len(stamps) == 4
    assert folders.stamp(Picture("gone.png")) is None
