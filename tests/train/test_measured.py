from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from negagen.data.images import View
from negagen.errors import DataError
from negagen.evaluate.items import Picture
from negagen.evaluate.pictures import Folders, opened
from negagen.train import models
from negagen.train.measured import Benchmarks
from tests.train import small, tiny


def test_benchmarks_are_checked_before_anything_is_done(tmp_path: Path) -> None:
    file = tmp_path / "held_out.parquet"
    small.write(file)
    Benchmarks((f"generic:one={file}", f"retrieval:two={file}")).check()
    with pytest.raises(DataError, match="two benchmarks are named 'one'"):
        Benchmarks((f"generic:one={file}", f"retrieval:one={file}")).check()
    with pytest.raises(DataError, match="there-is-none"):
        Benchmarks(("there-is-none",)).check()


def test_pictures_are_decoded_once_for_all_measurements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "captions.parquet"
    small.write(file, pictures=6)
    decoded: list[str] = []

    def counted(picture: Picture, folders: Folders, view: View) -> Any:
        decoded.append(picture.key)
        return opened(picture, folders, view)

    monkeypatch.setattr("negagen.evaluate.encode.opened", counted)
    benchmarks = Benchmarks((f"retrieval:{file}",))
    one, other = (models.load(tiny.clip(tmp_path / name, seed=seed)) for seed, name in enumerate(("one", "other")))
    first, second = benchmarks.measure(one), benchmarks.measure(other)
    assert first == benchmarks.measure(one) != second
    assert len(decoded) == len(set(decoded)) > 1
