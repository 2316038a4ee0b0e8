from __future__ import annotations

import multiprocessing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negagen.batch import Job, NegatorSpec, generate
from negagen.batch.drawing import PooledDrawer
from negagen.batch.fitting import Captions, fit_captions, with_model
from negagen.batch.source import open_source
from negagen.errors import InputError
from negagen.negator import Negator

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
    first, _ = with_model(SPEC, Captions(source, "caption", "image_id", source.rows), tmp_path)
    path = Path(str(first.options["model"]))
    before = path.stat().st_mtime_ns
    again, _ = with_model(SPEC, Captions(source, "caption", "image_id", source.rows), tmp_path)
    assert again == first
    assert path.stat().st_mtime_ns == before
    other, _ = with_model(SPEC, Captions(source, "caption", None, source.rows), tmp_path)
    assert other != first


def test_few_captions_are_served_by_the_bundled_model(captions: Path, tmp_path: Path) -> None:
    source = open_source([captions])
    spec, _ = with_model(SPEC, Captions(source, "caption", None, 500), tmp_path)
    assert spec == SPEC
    assert not list(tmp_path.iterdir())


def test_a_reference_is_fitted_on_instead(captions: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.parquet"
    pq.write_table(pq.read_table(captions).slice(0, 30).select(["caption"]), small)
    told: list[tuple[str, int, int]] = []
    out = tmp_path / "out.parquet"
    report = generate(
        Job([small], out, SPEC, reference=captions), lambda now: told.append((now.step, now.done, now.rows))
    )
    assert report.config["model"] != generate(Job([small], tmp_path / "bundled.parquet", SPEC)).config["model"]
    assert {step for step, _, _ in told} == {"", "drawing samples", "fitting weights"}
    assert all(done <= of for _, done, of in told)
    fitted = [step for step, _, _ in told if step]
    assert [step for step, _, _ in told][: len(fitted)] == fitted


def test_references_that_will_not_do(captions: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.parquet"
    pq.write_table(pq.read_table(captions).slice(0, 30), small)
    for spec, reference, wrong in (
        (SPEC, small, "30 captions"),
        (NegatorSpec({"k": 2, "blindness": "off"}), captions, "--blindness off"),
        (NegatorSpec({**SPEC.options, "model": "m.npz"}), captions, "give one of them"),
    ):
        with pytest.raises(InputError, match=wrong):
            generate(Job([small], tmp_path / "out.parquet", spec, reference=reference))
    off = NegatorSpec({"k": 2, "blindness": "off", "model": "missing.npz"})
    with pytest.raises(InputError, match="--model is what"):
        generate(Job([small], tmp_path / "out.parquet", off))
    other = tmp_path / "other.parquet"
    pq.write_table(pq.read_table(captions).rename_columns(["text", "image_id"]), other)
    with pytest.raises(InputError, match=r"reference.*--column"):
        generate(Job([small], tmp_path / "out.parquet", SPEC, reference=other))


def test_no_process_outlives_a_fit_that_is_broken_off(captions: Path, tmp_path: Path) -> None:
    before = set(multiprocessing.active_children())  # another test's may still be ending

    def tell(step: str, done: int, of: int) -> None:
        if step == "drawing samples":
            assert len(set(multiprocessing.active_children()) - before) == 2
            raise KeyboardInterrupt

    own = Captions(open_source([captions]), "caption", None, 2_000)
    negator = SPEC.build()
    assert isinstance(negator, Negator)
    with pytest.raises(KeyboardInterrupt) as broken:
        fit_captions(negator, own, tmp_path / "model.npz", tell, drawer=PooledDrawer(SPEC, 2))
    assert broken.tb is not None  # the frames of the fit are still there, and what they opened is closed
    assert set(multiprocessing.active_children()) <= before
