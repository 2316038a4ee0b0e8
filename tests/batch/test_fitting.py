from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negagen.batch import Job, NegatorSpec, generate
from negagen.batch.fitting import Captions, with_model
from negagen.batch.source import open_source

SPEC = NegatorSpec({"k": 2, "blindness": "balanced"})


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("captions") / "captions.parquet"
    animals = ["dog", "cat", "horse", "cow", "sheep", "goat", "bird"]
    places = ["on a bench", "in a field", "near a barn", "by a fence", "on the grass"]
    texts = [f"A {animals[n * n % 7]} number {n} stands {places[n % 5]}" for n in range(2100)]
    pq.write_table(pa.table({"caption": texts, "image_id": [n // 5 for n in range(2100)]}), path)
    return path


def test_a_run_fits_its_own_model(captions: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one.parquet", tmp_path / "two.parquet"
    report = generate(Job([captions], one, SPEC))
    bundled = generate(Job([captions], two, SPEC, limit=100)).config["model"]
    assert report.config["model"] != bundled
    generate(Job([captions], two, SPEC, workers=2, overwrite=True))
    assert one.read_bytes() == two.read_bytes()


def test_the_model_is_kept_for_a_resumed_run(captions: Path, tmp_path: Path) -> None:
    source = open_source([captions])
    first = with_model(SPEC, Captions(source, "caption", "image_id", source.rows), tmp_path)
    path = Path(str(first.options["model"]))
    before = path.stat().st_mtime_ns
    again = with_model(SPEC, Captions(source, "caption", "image_id", source.rows), tmp_path)
    assert again == first
    assert path.stat().st_mtime_ns == before
    other = with_model(SPEC, Captions(source, "caption", None, source.rows), tmp_path)
    assert other != first


def test_few_captions_are_served_by_the_bundled_model(captions: Path, tmp_path: Path) -> None:
    source = open_source([captions])
    spec = with_model(SPEC, Captions(source, "caption", None, 500), tmp_path)
    assert spec == SPEC
    assert not list(tmp_path.iterdir())
