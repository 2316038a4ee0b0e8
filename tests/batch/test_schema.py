from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from negagen.batch import schema


def test_the_columns_are_those_of_the_design() -> None:
    negative = schema.COLUMNS.field("negatives").type.value_type
    assert [field.name for field in negative] == ["text", "rule", "category", "generator", "weight", "edits", "scores"]
    assert [field.name for field in negative.field("edits").type.value_type] == ["start", "end", "old", "new"]
    assert schema.COLUMNS.field("positives").type == schema.COLUMNS.field("negatives").type
    assert schema.COLUMNS.names == ["negatives", "positives", "status", "reason"]


def test_what_counts_as_text() -> None:
    assert schema.is_text(pa.dictionary(pa.int8(), pa.large_string()))
    assert not schema.is_text(pa.dictionary(pa.int8(), pa.int32()))
    assert not schema.is_text(pa.binary())
    assert not schema.is_text(pa.null())


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text("abc_"), st.dictionaries(st.text(), _json) | st.lists(_json)))
def test_the_footer_comes_back(values: dict[str, object]) -> None:
    others = {b"pandas": b"{}", b"negagen": b"no prefix"}
    assert schema.read_footer({**others, **schema.footer(values)}) == values


def test_a_damaged_footer_stays_text() -> None:
    assert schema.read_footer({b"negagen.config": b"{broken", b"negagen.seed": b"0"}) == {
        "config": "{broken",
        "seed": "0",
    }
    assert schema.load(b"[1]") == schema.load(b"{") == {}
