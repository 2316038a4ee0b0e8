from __future__ import annotations

import pickle

import pyarrow as pa
import pytest

from negagen.batch import Counts, TableNegator
from negagen.batch.schema import COLUMNS, FLAT_COLUMNS, SCORES
from negagen.errors import InputError
from tests.batch.standin import SwapNegator, swap

CAPTIONS = ["a dog runs", "dog", None, "", "two cats sit"]


def negate(table: pa.Table, **options: object) -> pa.Table:
    return TableNegator(SwapNegator(), **options)(table)  # type: ignore[arg-type]


def test_a_row_per_row_with_the_columns_after_the_inputs() -> None:
    table = pa.table({"caption": CAPTIONS, "n": range(5)})
    out = negate(table)
    assert out.schema.equals(pa.schema([*table.schema, *COLUMNS]))
    assert out.select(["caption", "n"]).equals(table)
    assert out["status"].to_pylist() == ["ok", "none", "error", "error", "ok"]
    assert out["reason"].to_pylist() == [None, "too few words", "null caption", "empty caption", None]


def test_negatives_hold_what_the_negator_made() -> None:
    row = negate(pa.table({"caption": CAPTIONS})).to_pylist()[0]
    made = swap("a dog runs").negatives[0]
    assert row["negatives"] == [
        {
            "text": made.text,
            "rule": made.rule,
            "category": made.category,
            "generator": "rules",
            "weight": 1.0,
            "edits": [{"start": e.start, "end": e.end, "old": e.old, "new": e.new} for e in made.edits],
            "scores": {field.name: None for field in SCORES} | {"similarity": 10.0},
        }
    ]
    assert row["positives"] == row["negatives"]


def test_flat_gives_a_row_per_negative() -> None:
    out = negate(pa.table({"caption": CAPTIONS, "n": range(5)}), flat=True)
    assert out.schema.names == ["caption", "n", *FLAT_COLUMNS.names]
    assert out["n"].to_pylist() == [0, 4]
    assert out["negative"].to_pylist() == ["dog a runs", "cats two sit"]
    assert out["negative_rule"].to_pylist() == ["swap", "swap"]


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.dictionary(pa.int32(), pa.large_string()),
    ],
    ids=str,
)
def test_captions_of_every_string_type(kind: pa.DataType) -> None:
    plain = pa.array(CAPTIONS)
    column = plain.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else plain.cast(kind)
    out = negate(pa.table({"caption": column}))
    assert out["status"].to_pylist() == ["ok", "none", "error", "error", "ok"]
    assert out["caption"].type == kind


@pytest.mark.parametrize("ids", [pa.array([7, 8]), pa.array(["7", "8"]), pa.array(["7", "8"]).dictionary_encode()])
def test_ids_are_the_keys(ids: pa.Array) -> None:
    out = negate(pa.table({"id": ids, "caption": ["a b", "c d"]}), id_column="id")
    assert [row[0]["generator"] for row in out["negatives"].to_pylist()] == ["7", "8"]


def test_bytes_that_are_no_utf8_become_a_status() -> None:
    broken = pa.array([b"a dog", b"a \xff dog", b"two cats"]).view(pa.string())
    out = negate(pa.table({"caption": broken}))
    assert out["status"].to_pylist() == ["ok", "error", "ok"]
    assert out["reason"].to_pylist() == [None, "the caption is not valid UTF-8", None]


def test_no_rows() -> None:
    out = negate(pa.table({"caption": pa.array([], pa.string())}))
    assert out.num_rows == 0
    assert out.schema.names == ["caption", *COLUMNS.names]
    flat = negate(pa.table({"caption": pa.array([], pa.string())}), flat=True)
    assert flat.schema.names == ["caption", *FLAT_COLUMNS.names]


def test_many_chunks_and_slices_give_the_same() -> None:
    whole = pa.table({"caption": CAPTIONS * 1000})
    pieces = pa.concat_tables([whole.slice(0, 3), whole.slice(3, 2500), whole.slice(2503)])
    assert negate(pieces).equals(negate(whole))
    assert negate(whole.slice(1, 3)).equals(negate(whole).slice(1, 3))


def test_counts() -> None:
    _, counts = TableNegator(SwapNegator()).columns(pa.table({"caption": CAPTIONS}))
    assert counts.rows == 5
    assert counts.status == {"ok": 2, "none": 1, "error": 2}
    assert counts.rejected == {"one word": 1}
    assert Counts.from_json(counts.to_json()) == counts


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"text": ["a b"], "n": [1]}), "no column 'caption'.*'text'; choose one with --column"),
        (pa.table({"n": [1]}), "no column 'caption'.*no column of text"),
        (pa.table({"caption": [1], "text": ["a"]}), "'caption' of the table is int64.*'text'"),
        (pa.table({"caption": [["a"]]}), "is list"),
        (pa.table([["a"], ["b"]], names=["caption", "caption"]), "2 columns named"),
        (pa.table({"caption": ["a b"], "status": [1]}), "already has a column 'status'.*drop_columns"),
        (negate(pa.table({"caption": ["a b"]})), "output of negagen"),
    ],
)
def test_unusable_tables(table: pa.Table, message: str) -> None:
    with pytest.raises(InputError, match=f"(?s){message}"):
        negate(table)


def test_pickles_with_its_negator() -> None:
    copy = pickle.loads(pickle.dumps(TableNegator(SwapNegator(), "text")))
    assert copy.column == "text"
