"""Each reader on a small file of its official format."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from negagen.errors import DataError
from negagen.evaluate.benchmarks import KNOWN, captions, open_benchmark, several
from negagen.evaluate.benchmarks.files import rows_of
from negagen.evaluate.controls import counted
from negagen.evaluate.items import Choices, Classification, Retrieval, sampled
from negagen.seeding import Stream
from tests.evaluate.oracle import picture, save_pictures, save_rows


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def sugarcrepe(root: Path) -> None:
    row = {"filename": "1.jpg", "caption": "a red cat", "negative_caption": "a blue cat"}
    for name in captions.SUGARCREPE:
        write_json(root / "sugarcrepe" / f"{name}.json", {"0": row, "1": row | {"negative_caption": "A  RED cat"}})


def sugarcrepe_pp(root: Path) -> None:
    row = {"id": 0, "filename": "1.jpg", "caption": "a", "caption2": "b", "negative_caption": "c"}
    for name in captions.SUGARCREPE_PP:
        write_json(root / "sugarcrepe_pp" / f"{name}.json", [row, row])


def valse(root: Path) -> None:
    row = {"image_file": "1.jpg", "caption": "a cat", "foil": "a dog", "mturk": {"caption": 2, "foil": 1, "other": 0}}
    for name in captions.VALSE:
        rows = {"a": row, "b": row | {"mturk": {"caption": 1, "foil": 2, "other": 0}}, "c": row | {"foil": None}}
        write_json(root / "valse" / f"{name}.json", rows)


def aro_relation(root: Path) -> None:
    box = {"bbox_x": 1, "bbox_y": 2, "bbox_w": 10, "bbox_h": 20}
    row = {"image_path": "7.jpg", "true_caption": "the cat is on the mat", "false_caption": "the mat is on the cat"}
    write_json(
        root / "aro" / "visual_genome_relation.json",
        [row | box | {"relation_name": "on"}, row | box | {"relation_name": "near"}, row | {"relation_name": "on"}],
    )


def aro_attribution(root: Path) -> None:
    row = {"image_path": "7.jpg", "true_caption": "the red cat", "false_caption": "the blue cat",
           "attributes": ["red", "blue"], "bbox_x": 0, "bbox_y": 0, "bbox_w": 9, "bbox_h": 9}  # fmt: skip
    rare = row | {"attributes": ["big", "small"]}
    write_json(root / "aro" / "visual_genome_attribution.json", [row] * 25 + [rare] * 24)


def order(root: Path) -> None:
    rows = [{"image": "val2014/1.jpg", "caption": ["A small dog chases two white cats on the wet grass.", "Cats"]}]
    write_json(root / "coco" / "coco_karpathy_test.json", rows)


def winoground(root: Path) -> None:
    row = {"id": 0, "image_0": "ex_0_img_0", "image_1": "ex_0_img_1", "caption_0": "some plants surrounding a bulb",
           "caption_1": "a bulb surrounding some plants", "collapsed_tag": "Object"}  # fmt: skip
    path = root / "winoground" / "examples.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(row) + "\n" + json.dumps(row | {"id": 1, "collapsed_tag": "Relation"}) + "\n")


def bivlc(root: Path) -> None:
    (root / "bivlc").mkdir(parents=True)
    row = {"image": {"bytes": picture("red"), "path": None}, "negative_image": {"bytes": picture("blue"), "path": None},
           "caption": "red", "negative_caption": "blue", "type": "replace", "subtype": "attribute"}  # fmt: skip
    same = row | {"negative_image": row["image"]}
    save_rows(root / "bivlc" / "test-00000.parquet", [row, same])


def cola(root: Path) -> None:
    link = "https://cs-people.bu.edu/array/data/vg_gqa_images/{}.jpg"
    rows = [[link.format(1), "big cat", link.format(2), "small cat"], [link.format(1), "x"]]
    write_json(root / "cola" / "data" / "COLA_multiobjects_matching_benchmark.json", rows)


def svo(root: Path) -> None:
    row = {"sentence": "a man sits", "pos_triplet": "man,sit,chair", "neg_triplet": "dog,sit,chair", "pos_url": "",
           "neg_url": "", "pos_image_id": 5, "neg_image_id": 6, "subj_neg": True, "verb_neg": False,
           "obj_neg": False}  # fmt: skip
    write_csv(root / "svo_probes" / "svo_probes.csv", [row, row | {"subj_neg": False}, row | {"neg_image_id": 5}])


def comvg(root: Path) -> None:
    row = {"id": 1, "sentence": "a man sits", "pos_triplet": "", "neg_triplet": "", "pos_image_id": 1,
           "neg_image_id": 2, "neg_value": "verb", "sentence_id": 3}  # fmt: skip
    write_csv(root / "comvg" / "ComVG.csv", [row, row])


def vl_checklist(root: Path) -> None:
    row = ["VG_100K/1.jpg", {"POS": ["a red cat"], "NEG": ["a blue cat"]}]
    for name in ("Attribute/color/vg", "Object/Size/small/hake", "Relation/spatial"):
        write_json(root / "vl_checklist" / f"{name}.json", [row, ["VG_100K/2.jpg", {"POS": ["a"]}]])


def crepe(root: Path) -> None:
    row = {"image_id": 1, "x": 1, "y": 2, "width": 3, "height": 4, "caption": "a cat on a mat",
           "hard_negs": "['a mat on a cat', 'a dog on a mat']"}  # fmt: skip
    write_csv(root / "crepe" / "swap" / "prod_vg_hard_negs_swap_complexity_4.csv", [row, row | {"hard_negs": "[]"}])
    row = {"image_id": 1, "caption": "a", "valid_hard_negs_atom": "['b']", "valid_hard_negs_comp": '["c", "d"]'}
    write_csv(root / "crepe" / "syst_vg_hard_negs_seen_compounds_in_cc12m.csv", [row])


def whatsup(root: Path) -> None:
    rows = []
    for place in ("left_of", "right_of", "on", "under"):
        options = [f"a mug {one} a plate" for one in ("left_of", "right_of", "on", "under") if one != place]
        image = f"data/controlled_images/mug_{place}_plate.jpeg"
        rows.append({"image_path": image, "caption_options": [f"a mug {place} a plate", *options]})
    write_json(root / "whatsup" / "controlled_images_dataset.json", rows)
    write_json(root / "whatsup" / "coco_qa_one_obj.json", [[397133, "a cat on the left", "a cat on the right"]])


def negbench_mcq(root: Path) -> None:
    row = {f"caption_{number}": f"text {number}" for number in range(4)}
    row |= {"image_path": "/home/x/val2017/1.jpg", "correct_answer": "2", "correct_answer_template": "hybrid"}
    write_csv(root / "negbench" / "images" / "COCO_val_mcq.csv", [row, row | {"correct_answer": "7"}])


def negbench_retrieval(root: Path) -> None:
    row = {"filepath": "val2017/1.jpg", "image_id": 1, "captions": "['no dog, a cat', 'a cat without a dog']"}
    rows = [row, row | {"filepath": "val2017/2.jpg", "image_id": 2}]
    write_csv(root / "negbench" / "images" / "COCO_val_negated_retrieval_llama3.1.csv", rows)


MADE: dict[str, Callable[[Path], None]] = {
    "sugarcrepe": sugarcrepe, "sugarcrepe++": sugarcrepe_pp, "valse": valse, "aro-relation": aro_relation,
    "aro-attribution": aro_attribution, "coco-order": order, "winoground": winoground, "bivlc": bivlc, "cola": cola,
    "svo-probes": svo, "comvg": comvg, "vl-checklist": vl_checklist, "crepe": crepe, "whatsup": whatsup,
    "negbench-coco": negbench_mcq, "negbench-retrieval": negbench_retrieval, "coco-retrieval": order,
}  # fmt: skip

EXPECTED = {
    "sugarcrepe": (7, {"caption and negative are the same text": 7}),
    "sugarcrepe++": (5, {"its id came before": 5}),
    "valse": (11, {"people did not confirm it": 11, "a text is missing": 11}),
    "aro-relation": (2, {"its box is missing": 1}),
    "aro-attribution": (49, {}),
    "coco-order": (1, {"caption and negative are the same text": 1}),
    "winoground": (2, {}),
    "bivlc": (1, {"both pictures are the same": 1}),
    "cola": (1, {"not two pictures with a caption each": 1}),
    "svo-probes": (
        1,
        {"it does not say whether subject, verb or object differs": 1, "both pictures are the same": 1},
    ),
    "comvg": (1, {"its id came before": 1}),
    "vl-checklist": (3, {"a text is missing": 3}),
    "crepe": (3, {"it has no negatives": 1}),
    "whatsup": (5, {}),
    "negbench-coco": (1, {"its answer is none of its captions": 1}),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_items_and_what_is_skipped(name: str, tmp_path: Path) -> None:
    MADE[name](tmp_path)
    assert KNOWN[name].missing(tmp_path) == []
    found = open_benchmark(name, tmp_path)
    assert isinstance(found, Choices)
    items, skipped = EXPECTED[name]
    assert len(found.items) == items
    assert found.skipped == skipped
    assert found.found == items + sum(skipped.values())
    assert found.name == name
    assert len({item.id for item in found.items}) == items


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_missing_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lacks .*nothing is downloaded"):
        open_benchmark(name, tmp_path)


@pytest.mark.parametrize("name", sorted(set(EXPECTED) - {"bivlc"}))
def test_a_file_of_something_else_is_an_error(name: str, tmp_path: Path) -> None:
    MADE[name](tmp_path)
    for path in tmp_path.rglob("*.*"):
        if path.suffix == ".json":
            path.write_text('[{"something": 1}]')
        elif path.suffix == ".jsonl":
            path.write_text('{"something": 1}\n')
        elif path.suffix == ".csv":
            path.write_text("something\n1\n")
    with pytest.raises(DataError):
        open_benchmark(name, tmp_path)


def test_aro_asks_within_the_box_and_leaves_symmetric_relations_out_of_the_mean(tmp_path: Path) -> None:
    aro_relation(tmp_path)
    found = open_benchmark("aro-relation", tmp_path)
    assert isinstance(found, Choices)
    assert found.items[0].pictures[0].box == (1, 2, 11, 22)
    assert counted([item.category for item in found.items], found).tolist() == [True, False]
    aro_attribution(tmp_path)
    found = open_benchmark("aro-attribution", tmp_path)
    assert isinstance(found, Choices)
    assert counted([item.category for item in found.items], found).tolist() == [True] * 25 + [False] * 24


def test_word_order_leaves_out_shuffles_that_change_nothing(tmp_path: Path) -> None:
    order(tmp_path)
    found = open_benchmark("coco-order", tmp_path)
    assert isinstance(found, Choices)
    (first,) = found.items
    caption = "a small dog chases two white cats on the wet grass"
    assert first.texts[0] == caption
    for text in first.texts[1:]:
        assert sorted(text.split()) == sorted(caption.split())
        assert text != caption
    # "Cats" has no other order, which is not an item that any model gets right.
    assert found.skipped == {"caption and negative are the same text": 1}


def test_shuffles_by_kind() -> None:
    words, kinds = ["red", "dog", "eats", "old", "cat"], ["adjective", "noun", "other", "adjective", "noun"]
    seen: list[set[str]] = [set(), set(), set(), set()]
    for key in range(50):
        for place, text in enumerate(several.shuffles(" ".join(words), words, kinds, Stream(key))):
            seen[place].add(text)
    assert seen[0] == {f"{a} {b} eats {c} {d}" for a, c in (("red", "old"), ("old", "red"))
                       for b, d in (("dog", "cat"), ("cat", "dog"))}  # fmt: skip
    assert seen[1] == {"red dog eats old cat"}
    assert seen[3] == {"red dog eats old cat", "old cat red dog eats"}
    assert all(set(text.split()[:3]) == {"red", "dog", "eats"} for text in seen[2])


def test_whats_up_has_pairs_and_sets(tmp_path: Path) -> None:
    whatsup(tmp_path)
    found = open_benchmark("whatsup", tmp_path)
    assert isinstance(found, Choices)
    kinds = {(kind, name) for item in found.items for kind, name in item.sets}
    assert kinds == {
        ("pair", "A mug plate horizontal"),
        ("pair", "A mug plate other"),
        ("set", "A mug plate"),
    }
    assert found.items[-1].pictures[0].name == "000000397133"


def test_retrieval_files(tmp_path: Path) -> None:
    negbench_retrieval(tmp_path)
    found = open_benchmark("negbench-retrieval", tmp_path)
    assert isinstance(found, Retrieval)
    assert (len(found.images), len(found.captions), found.role) == (2, 4, "composition")
    order(tmp_path)
    found = open_benchmark("coco-retrieval", tmp_path)
    assert isinstance(found, Retrieval)
    assert found.owners.tolist() == [0, 0]
    said = [{"raw": "one"}, {"raw": "two"}, {"raw": "one"}]
    row = {"filename": "a.jpg", "filepath": "val2014", "sentences": said}
    images = [row | {"split": split} for split in ("test", "train")]
    write_json(tmp_path / "flickr30k" / "dataset_flickr30k.json", {"images": images})
    found = open_benchmark("flickr30k-retrieval", tmp_path)
    assert isinstance(found, Retrieval)
    assert found.captions == ("one", "two")
    assert found.images[0].name == "val2014/a.jpg"
    assert found.notes == {"captions that their picture has already, left out": 1}


def test_any_table_of_captions(tmp_path: Path) -> None:
    cell = {"bytes": picture("red"), "path": "r.png"}
    rows: list[Any] = [{"image": cell, "image_id": 1, "caption": "a"}, {"image": cell, "image_id": 1, "caption": "b"},
            {"image": cell, "image_id": 2, "caption": "c"}, {"image": None, "image_id": 3, "caption": "d"}]  # fmt: skip
    found = open_benchmark(f"retrieval:mine={save_rows(tmp_path / 'r.parquet', rows)}")
    assert isinstance(found, Retrieval)
    assert found.name == "mine"
    assert found.owners.tolist() == [0, 0, 1]
    assert found.skipped == {"no picture is named": 1}
    listed = [{"image": cell, "captions": ["a", "b"]}]
    found = open_benchmark(f"retrieval:{save_rows(tmp_path / 'lists.parquet', listed)}")
    assert isinstance(found, Retrieval)
    assert (found.name, found.captions) == ("lists", ("a", "b"))


def test_the_generic_format_and_what_generate_writes(tmp_path: Path) -> None:
    cell = {"bytes": picture("red"), "path": "r.png"}
    negative = {"text": "a blue cat", "category": "replace_att"}
    rows: list[Any] = [
        {"image": cell, "caption": "a red cat", "positives": [{"text": "the cat is red"}], "negatives": [negative]},
        {"image": cell, "caption": "a red dog", "positives": None, "negatives": []},
        {"image": cell, "caption": "", "positives": [], "negatives": [negative]},
    ]
    found = open_benchmark(f"generic:{save_rows(tmp_path / 'g.parquet', rows)}")
    assert isinstance(found, Choices)
    assert [(item.category, item.texts, item.true) for item in found.items] == [
        ("replace_att", ("a red cat", "the cat is red", "a blue cat"), 2)
    ]
    assert found.skipped == {"it has no negatives": 1, "a text is missing": 1}
    plain = [{"image": "r.png", "positives": ["a red cat", "red cat"], "negatives": ["x", "y"], "category": "c"}]
    found = open_benchmark(f"generic:{save_rows(tmp_path / 'p.parquet', plain)}")
    assert isinstance(found, Choices)
    assert [item.texts for item in found.items] == [("a red cat", "red cat", "x"), ("a red cat", "red cat", "y")]
    assert {item.category for item in found.items} == {"c"}
    assert {item.sets for item in found.items} == {(("row", "0"),)}


def test_pairs_in_winogrounds_format(tmp_path: Path) -> None:
    row = {"image_0": "a.png", "image_1": "b.png", "caption_0": "a red b",
           "caption_1": "b red a", "category": "swap"}  # fmt: skip
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps(row | {"image_1": "a.png"}) + "\n")
    found = open_benchmark(f"pairs:mine={path}")
    assert isinstance(found, Choices)
    assert (found.name, found.task, found.headline) == ("mine", "match", "group")
    assert [(item.category, item.texts) for item in found.items] == [("swap", ("a red b", "b red a"))]
    assert found.skipped == {"both pictures are the same": 1}


def test_json_lines_end_where_a_line_ends_and_a_bad_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('\ufeff{"caption": "a\u2028dog"}\r\n\n{"caption": "b"}\n', encoding="utf-8", newline="")
    assert rows_of(path) == [{"caption": "a\u2028dog"}, {"caption": "b"}]
    for line, said in (("[1]", "expected a JSON object"), ('{"caption":', "not JSON")):
        path.write_text(f'{{"caption": "a"}}\n\n{line}\n')
        with pytest.raises(DataError, match=rf"rows\.jsonl, line 3: {said}"):
            rows_of(path)


def test_zero_shot_folders(tmp_path: Path) -> None:
    save_pictures(tmp_path / "n01", a="red", b="red")
    save_pictures(tmp_path / "n02", c="blue")
    found = open_benchmark(f"zeroshot:{tmp_path}")
    assert isinstance(found, Classification)
    assert (found.classes, found.templates, found.labels.tolist()) == (
        ("n01", "n02"), ("a photo of a {}.",), [0, 0, 1],
    )  # fmt: skip
    (tmp_path / "classnames.txt").write_text("n01 red thing\nn02 blue\n")
    (tmp_path / "templates.txt").write_text("a {}\n{} here\n")
    found = open_benchmark(f"zeroshot:{tmp_path}")
    assert isinstance(found, Classification)
    assert (found.classes, found.templates) == (("red thing", "blue"), ("a {}", "{} here"))
    (tmp_path / "classnames.txt").write_text("n01 red thing\n")
    with pytest.raises(DataError, match="n02"):
        open_benchmark(f"zeroshot:{tmp_path}")
    (tmp_path / "classnames.txt").unlink()
    (tmp_path / "templates.txt").write_text("a photo\n")
    with pytest.raises(DataError, match="a photo"):
        open_benchmark(f"zeroshot:{tmp_path}")


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(DataError, match="did you mean 'winoground'"):
        open_benchmark("winogrund", ".")
    with pytest.raises(DataError, match=r"--root.*--eval-root"):
        open_benchmark("winoground")


def test_a_file_without_the_columns(tmp_path: Path) -> None:
    path = save_rows(tmp_path / "x.parquet", [{"image": "a.png", "text": "b"}])
    with pytest.raises(DataError, match="negatives"):
        open_benchmark(f"generic:{path}")
    with pytest.raises(DataError, match="no such file"):
        open_benchmark(f"generic:{tmp_path / 'none.parquet'}")
    path = save_rows(tmp_path / "e.parquet", [{"image": None, "caption": "a", "negatives": ["b"]}])
    with pytest.raises(DataError, match="1 no picture is named"):
        open_benchmark(f"generic:{path}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,sentence\n1,a,b,c\n", "no field 'pos_image_id'"),
        ("", "holds no items"),
        ("\xff\xfe", "not UTF-8"),
    ],
)
def test_ragged_and_damaged_files(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "comvg" / "ComVG.csv"
    path.parent.mkdir()
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=said):
        open_benchmark("comvg", tmp_path)


def test_samples_are_seeded_and_say_so(tmp_path: Path) -> None:
    rows = [{"image": "a.png", "caption": f"a {number}", "negatives": ["b"]} for number in range(30)]
    whole = open_benchmark(f"generic:{save_rows(tmp_path / 'g.parquet', rows)}")
    one, again, other = (sampled(whole, 10, seed) for seed in (0, 0, 1))
    assert isinstance(one, Choices)
    assert isinstance(again, Choices)
    assert isinstance(other, Choices)
    assert one.limited
    assert len(one.items) == 10
    assert one.items == again.items
    assert one.items != other.items
    assert sampled(whole, 30) is whole
    captions_of = open_benchmark(f"retrieval:{tmp_path / 'g.parquet'}")
    some = sampled(captions_of, 1)
    assert isinstance(some, Retrieval)
    assert np.all(some.owners < len(some.images))
