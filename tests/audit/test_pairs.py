from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negagen.audit import Columns, Pairs, load
from negagen.batch import Job, generate
from negagen.errors import InputError
from tests.batch.files import write_parquet
from tests.batch.standin import spec

NESTED = pa.list_(pa.struct([("text", pa.string()), ("rule", pa.string()), ("category", pa.string())]))


@pytest.mark.parametrize("flat", [False, True])
def test_what_generate_wrote(tmp_path: Path, flat: bool) -> None:
    job = Job([write_parquet(tmp_path / "in.parquet")], tmp_path / "out.parquet", spec(seed=7), flat=flat)
    report = generate(job)
    pairs = load(job.output)
    assert len(pairs) == report.counts.negatives
    assert set(pairs.rules) == {"swap"}
    assert pairs.layout == ("flat" if flat else "rows")
    assert pairs.complete is not flat
    table = pq.read_table(job.output).to_pylist()
    if flat:
        assert pairs.own_captions()[0] == table[0]["caption"]
        assert pairs.negatives[0] == table[0]["negative"]


def test_captions_without_negatives_stay_and_nulls_are_counted(tmp_path: Path) -> None:
    made = [{"text": "a cat", "rule": "r", "category": "replace_obj"}, {"text": None, "rule": "r", "category": "x"}]
    table = pa.table(
        {
            "image_id": [1, 1, 2, 3],
            "caption": ["a dog", "a puppy", None, "a bus"],
            "negatives": pa.array([made, [], made, None], NESTED),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    pairs = load(tmp_path / "x.parquet")
    assert list(pairs.captions) == ["a dog", "a puppy", "a bus"]
    assert pairs.groups.tolist() == [0, 0, 1]
    assert list(pairs.negatives) == ["a cat"]
    assert list(pairs.categories) == ["replace_obj"]
    assert pairs.omitted == {"rows without a caption": 1, "empty negatives": 1}
    assert pairs.rows == 4


def test_negclip(tmp_path: Path) -> None:
    path = tmp_path / "negclip.tsv"
    path.write_text(
        "title\tfilepath\tneg_caption\n"
        'a dog on a cat\t1.jpg\t"[\'a cat on a dog\', ""a dog\'s cat""]"\n'
        "a red bus\t2.jpg\t[]\n"
        'a man\t1.jpg\t"[""a woman""]"\n'
    )
    pairs = load(path)
    assert pairs.layout == "negclip"
    assert list(pairs.negatives) == ["a cat on a dog", "a dog's cat", "a woman"]
    assert pairs.groups.tolist() == [0, 1, 0]
    assert pairs.caption_of.tolist() == [0, 0, 2]


def test_negclip_with_a_broken_list_names_the_row(tmp_path: Path) -> None:
    path = tmp_path / "negclip.tsv"
    path.write_text("title\tneg_caption\na dog\t['a cat']\na bus\t['a tram'\n")
    with pytest.raises(InputError, match="row 1: `neg_caption`"):
        load(path)


def test_sugarcrepe_takes_its_category_from_the_name(tmp_path: Path) -> None:
    path = tmp_path / "swap_att.json"
    rows = {
        "0": {"filename": "1.jpg", "caption": "a red bus", "negative_caption": "a blue bus"},
        "1": {"filename": "1.jpg", "caption": "a red bus", "negative_caption": "a green bus"},
    }
    path.write_text(json.dumps(rows))
    pairs = load(path)
    assert pairs.categories == ["swap_att", "swap_att"]
    assert pairs.captions == ["a red bus"]
    assert pairs.caption_of.tolist() == [0, 0]


def test_sugarcrepes_files_are_one_set(tmp_path: Path) -> None:
    swapped, replaced = tmp_path / "swap_att.json", tmp_path / "replace_att.json"
    bus = {"filename": "1.jpg", "caption": "a red bus", "negative_caption": "a blue bus"}
    other = {"filename": "2.jpg", "caption": "a red bus", "negative_caption": "a green bus"}
    swapped.write_text(json.dumps({"0": bus}))
    replaced.write_text(json.dumps({"0": {**bus, "negative_caption": "a pink bus"}, "1": other}))
    pairs = load([swapped, replaced, swapped])
    assert pairs.negatives == ["a blue bus", "a pink bus", "a green bus"]
    assert pairs.categories == ["swap_att", "replace_att", "replace_att"]
    assert pairs.caption_of.tolist() == [0, 0, 1]
    assert pairs.groups.tolist() == [0, 1]
    assert (pairs.rows, Path(pairs.source).name) == (3, "swap_att.json and 1 more")
    with pytest.raises(InputError, match=r"x\.csv is not"):
        load([swapped, tmp_path / "x.csv"])
    with pytest.raises(InputError, match="at least one"):
        load([])


def test_two_columns_of_any_file(tmp_path: Path) -> None:
    text = 'good,bad,kind,picture\na dog,a cat,animal,1\n"a bus, parked",,vehicle,2\na dog,a cow,animal,1\n'
    (tmp_path / "x.csv").write_text(text)
    columns = Columns("good", "bad", "kind", "picture")
    pairs = load(tmp_path / "x.csv", columns)
    assert pairs.captions == ["a dog", "a bus, parked"]
    assert pairs.negatives == ["a cat", "a cow"]
    assert pairs.categories == ["animal", "animal"]
    assert pairs.omitted == {"empty negatives": 1}
    lines = [{"good": "a dog", "bad": ["a cat", "a cow"], "kind": "animal", "picture": 1}]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert load(tmp_path / "x.jsonl", columns).negatives == ["a cat", "a cow"]
    (tmp_path / "x.json").write_text(json.dumps(lines))
    assert load(tmp_path / "x.json", columns).negatives == ["a cat", "a cow"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (None, "no known layout"),
        (Columns("good", "worse"), "no column 'worse'; it has 'good', 'number'"),
        (Columns("good", "number"), "is int64, but should hold text"),
        (Columns("good"), "name both"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, columns: Columns | None, message: str) -> None:
    pq.write_table(pa.table({"good": ["a"], "number": [1]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=message):
        load(tmp_path / "x.parquet", columns)


@pytest.mark.parametrize(("text", "message"), [("{", "is not JSON"), ("[1]", "expected"), ("[{}]", "no field")])
def test_broken_json(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match=message):
        load(tmp_path / "x.json")


def test_a_sample_does_not_depend_on_order(tmp_path: Path) -> None:
    rows = [{"caption": f"caption {n}", "negative": f"negative {n} {k}"} for n in range(300) for k in range(2)]
    for name, some in (("a", rows), ("b", rows[::-1])):
        pq.write_table(pa.Table.from_pylist(some), tmp_path / f"{name}.parquet")
    a, b = (load(tmp_path / f"{name}.parquet", limit=20, seed=3) for name in "ab")
    assert len(a.captions) == 20
    assert set(a.captions) == set(b.captions)
    assert sorted(a.negatives) == sorted(b.negatives)
    assert len(a) == 40
    assert a.sampled
    assert set(load(tmp_path / "a.parquet", limit=20, seed=4).captions) != set(a.captions)
    assert not load(tmp_path / "a.parquet", limit=300).sampled


def test_pairs_from_columns() -> None:
    pairs = Pairs.of(["a", "a", "b"], ["x", "y", "z"], groups=[1, 2, 2])
    assert list(pairs.captions) == ["a", "a", "b"]
    assert pairs.groups.tolist() == [0, 1, 1]
    with pytest.raises(InputError, match="pair 0: the negative is ''"):
        Pairs.of(["a"], [""])
    with pytest.raises(InputError, match="1 captions, but 2 negatives"):
        Pairs.of(["a"], ["x", "y"])
