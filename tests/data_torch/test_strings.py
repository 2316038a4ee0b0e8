from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from negagen.data.strings import Strings

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=12)


@given(TEXTS, st.data())
@settings(max_examples=60, deadline=None)
def test_texts_come_back(texts: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(texts)))
    arrow = pa.array(["before", *texts], pa.string()).slice(1 + start)
    for column, expected in ((Strings.of(texts), texts), (Strings.of_arrow(arrow), texts[start:])):
        assert len(column) == len(expected)
        assert list(column) == expected
        assert column.lengths().tolist() == [len(text.encode()) for text in expected]
        if expected:
            chosen = data.draw(st.lists(st.integers(0, len(expected) - 1), max_size=20))
            assert column.take(np.array(chosen, np.int64)) == [expected[index] for index in chosen]
            assert column[-1] == expected[-1]
        with pytest.raises(IndexError):
            column[len(expected)]
