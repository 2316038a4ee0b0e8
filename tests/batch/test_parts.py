from __future__ import annotations

import errno
from pathlib import Path

import pyarrow as pa
import pytest

from negagen.atomic import written_aside
from negagen.batch import TableNegator
from negagen.batch.parts import Parts
from negagen.errors import OutputError
from tests.batch.files import captions
from tests.batch.standin import SwapNegator

TABLE, COUNTS = TableNegator(SwapNegator()).columns(pa.table({"caption": captions(50)}))


def test_a_part_comes_back(tmp_path: Path) -> None:
    parts = Parts(tmp_path, "plan")
    parts.write(3, TABLE, COUNTS)
    assert parts.read(3).equals(TABLE, check_metadata=True)
    assert parts.counts(3, 50) == COUNTS
    assert [path.name for path in tmp_path.iterdir()] == ["part-000003.arrow"]


def test_a_part_counts_only_if_it_is_whole_and_ours(tmp_path: Path) -> None:
    parts = Parts(tmp_path, "plan")
    parts.write(0, TABLE, COUNTS)
    assert parts.counts(0, 49) is None
    assert parts.counts(1, 50) is None
    assert Parts(tmp_path, "another").counts(0, 50) is None
    path = parts.path(0)
    path.write_bytes(path.read_bytes()[:500])
    assert parts.counts(0, 50) is None
    with pytest.raises(OutputError, match=r"part-000000\.arrow cannot be read .* Delete it"):
        parts.read(0)
    path.write_bytes(b"")
    assert parts.counts(0, 50) is None


def replace_by(path: Path, text: str, error: BaseException | None = None) -> None:
    before = path.read_text()
    with written_aside(path) as aside:
        aside.write_text(text)
        assert path.read_text() == before
        if error:
            raise error


def test_written_aside_is_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        replace_by(path, "half", KeyboardInterrupt())
    with pytest.raises(OutputError, match=r"no space left .*: free some space and run the same command again"):
        replace_by(path, "half", OSError(errno.ENOSPC, "No space left on device"))
    assert path.read_text() == "old"
    replace_by(path, "new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
