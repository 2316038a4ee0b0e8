from __future__ import annotations

from pathlib import Path

import pytest

from negagen.errors import DataError
from negagen.train.measured import Benchmarks
from tests.train import small


def test_benchmarks_are_checked_before_anything_is_done(tmp_path: Path) -> None:
    file = tmp_path / "held_out.parquet"
    small.write(file)
    Benchmarks((f"generic:one={file}", f"retrieval:two={file}")).check()
    with pytest.raises(DataError, match="two benchmarks are named 'one'"):
        Benchmarks((f"generic:one={file}", f"retrieval:one={file}")).check()
    with pytest.raises(DataError, match="there-is-none"):
        Benchmarks(("there-is-none",)).check()
