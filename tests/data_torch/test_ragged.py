from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from negagen.batch.schema import NEGATIVE
from negagen.data import ragged
from negagen.errors import DataError
from negagen.types import CATEGORIES

EDITS = st.lists(
    st.fixed_dictionaries(
        {"start": st.integers(0, 9), "end": st.integers(9, 20), "old": st.just("a"), "new": st.just("b")}
    ),
    max_size=2,
)
NEGATIVES = st.fixed_dictionaries(
    {
        "text": st.one_of(st.none(), st.sampled_from(["", " ", "a dog", "ein Hund", "собака"])),
        "category": st.one_of(st.none(), st.sampled_from([*CATEGORIES, "other"])),
        "weight": st.one_of(st.none(), st.sampled_from([0.0, 0.25, 1.0])),
        "edits": st.one_of(st.none(), EDITS),
    }
)
Row = list[dict[str, Any] | None] | None
ROWS = st.lists(st.one_of(st.none(), st.lists(st.one_of(st.none(), NEGATIVES), max_size=4)), max_size=8)


@given(ROWS, st.data())
@settings(max_examples=100, deadline=None)
def test_lists_are_taken_apart_as_a_loop_would(
    rows: list[list[dict[str, Any] | None] | None], data: st.DataObject
) -> None:
    kind = pa.list_(NEGATIVE)
    column = pa.array([None, *rows], kind).slice(1)
    found = ragged.of_lists(column)
    expected = [[one for one in row or [] if one and (one["text"] or "").strip()] for row in rows]
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))), bool)
    for made, wanted in (
        (found, expected),
        (found.keep(mask), [row for row, kept in zip(expected, mask, strict=True) if kept]),
    ):
        flat = [one for row in wanted for one in row]
        assert made.counts.tolist() == [len(row) for row in wanted]
        assert made.texts.to_pylist() == [one["text"] for one in flat]
        assert made.weights.tolist() == [1.0 if one["weight"] is None else one["weight"] for one in flat]
        names = [one["category"] for one in flat]
        assert made.kinds.tolist() == [CATEGORIES.index(name) if name in CATEGORIES else -1 for name in names]
        for field, spans in (("start", made.starts), ("end", made.ends)):
            assert spans.tolist() == [
                one["edits"][0][field] if one["edits"] and len(one["edits"]) == 1 else -1 for one in flat
            ]


def test_what_is_a_list_of_negatives() -> None:
    for kind in (pa.list_(pa.string()), pa.large_list(pa.string()), pa.list_(NEGATIVE), pa.list_(pa.null())):
        assert ragged.is_lists(kind)
    for kind in (pa.string(), pa.list_(pa.int64()), pa.list_(pa.struct([("caption", pa.string())]))):
        assert not ragged.is_lists(kind)
    assert ragged.of_lists(pa.array([[], []], pa.list_(pa.null()))).counts.tolist() == [0, 0]


def test_fields_of_another_program() -> None:
    odd = pa.array([[{"text": "a dog", "edits": "dog -> cat", "category": 3, "note": 1}]])
    made = ragged.of_lists(odd)
    assert (made.kinds.tolist(), made.starts.tolist()) == ([-1], [-1])
    with pytest.raises(DataError, match="string"):
        ragged.of_lists(pa.array([[{"text": "a dog", "weight": "high"}]]))


def test_fields_that_are_all_null_are_absent() -> None:
    own = {"text": "a dog", "category": None, "weight": None, "edits": None, "scores": {"draw": None, "nli": None}}
    rewritten = pa.array([[own], [], [own, own]])
    assert pa.types.is_null(rewritten.type.value_type.field("weight").type)
    found = ragged.of_lists(rewritten)
    absent = ragged.of_lists(pa.array([["a dog"], [], ["a dog", "a dog"]]))
    for field in ("counts", "weights", "kinds", "starts", "ends", "draws"):
        np.testing.assert_array_equal(getattr(found, field), getattr(absent, field), field)
    assert found.texts.to_pylist() == absent.texts.to_pylist()
