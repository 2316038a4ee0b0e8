from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from negagen.train.run import begin
from tests.cli.conftest import Ran
from tests.train import small, tiny

Run = Callable[..., Ran]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("patch")
    tiny.clip(path / "base")
    tiny.clip(path / "tuned", seed=1)
    rows = small.rows(pictures=12)
    pairs = [
        {"image": row["image"], "positives": [row["caption"]], "negatives": [row["negatives"][0]["text"]]}
        for row in rows
        if row["negatives"]
    ]
    pq.write_table(pa.Table.from_pylist(pairs), path / "pairs.parquet")
    captions = [
        {"image": one["image"], "captions": [one["caption"], other["caption"]]}
        for one, other in zip(rows[::2], rows[1::2], strict=True)
    ]
    pq.write_table(pa.Table.from_pylist(captions), path / "captions.parquet")
    return path


def test_every_point_is_measured_and_one_chosen(run: Run, folder: Path) -> None:
    benchmarks = f"generic:{folder / 'pairs.parquet'},retrieval:{folder / 'captions.parquet'}"
    ran = run(
        "patch", folder / "base", folder / "tuned", "-o", folder / "out", "--alpha", "0:1:0.5", "--eval", benchmarks,
        "--tolerance", "0.3", "--device", "cpu",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    curve = json.loads((folder / "out" / "patching.json").read_text())
    assert [point["alpha"] for point in curve["points"]] == [0, 0.5, 1]
    kept = [one for one in curve["points"] if retained(one) >= retained(curve["points"][0]) - 0.3]
    best = max(one["benchmarks"]["composition"] for one in kept)
    assert next(one for one in kept if one["alpha"] == curve["alpha"])["benchmarks"]["composition"] == best
    assert "largest compositional score" in ran.out
    assert "of the very data that it was chosen on" in " ".join(ran.out.split())
    assert "of the very data that it was chosen on" in (folder / "out" / "README.md").read_text()
    with Image.open(folder / "out" / "patching.png") as picture:
        assert min(picture.size) > 300
    assert (folder / "out" / "model.safetensors").exists()


def retained(point: dict[str, dict[str, float]]) -> float:
    return point["benchmarks"]["retention"]


def test_one_alpha_needs_no_benchmark(run: Run, folder: Path) -> None:
    ran = run("patch", folder / "base", folder / "tuned", "--alpha", 0.6, "-o", folder / "one", "--json", "-q")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["alpha"] == 0.6
    assert not (folder / "one" / "patching.png").exists()


def test_no_input_and_no_export_is_lost(run: Run, folder: Path) -> None:
    (folder / "base" / "README.md").write_text("a card, as an export has")
    before = sorted((one.name, one.read_bytes()) for one in (folder / "base").iterdir())
    (folder / "link").symlink_to(folder / "base")
    models = (folder / "base", folder / "tuned")
    for output in (folder / "base", folder / "tuned", folder / "link", folder / "tuned" / ".." / "base", folder):
        ran = run("patch", *models, "-o", output, "--alpha", 0.5, "--overwrite", "-q")
        assert ran.code == 2, output
        assert "is or holds the" in ran.err
    assert sorted((one.name, one.read_bytes()) for one in (folder / "base").iterdir()) == before

    out = folder / "twice"
    assert run("patch", *models, "-o", out, "--alpha", 0.5, "-q").code == 0
    first = (out / "model.safetensors").read_bytes()
    ran = run("patch", *models, "-o", out, "--alpha", 0.2, "-q")
    assert (ran.code, "--overwrite" in ran.err) == (2, True)
    assert (out / "model.safetensors").read_bytes() == first
    assert run("patch", *models, "-o", out, "--alpha", 0.2, "--overwrite", "-q").code == 0
    assert (out / "model.safetensors").read_bytes() != first


def test_a_runs_models_are_left_alone(run: Run, folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "run1"
    home.mkdir()
    begin(home, {}, "")
    models = (folder / "base", folder / "tuned")
    assert run("patch", *models, "-o", tmp_path / "tuned", "--alpha", 1, "-q").code == 0
    kept = (tmp_path / "tuned").rename(home / "tuned")
    before = (kept / "model.safetensors").read_bytes()
    (tmp_path / "link").symlink_to(home)
    for output in (kept, tmp_path / "link" / "tuned", home / "checkpoints" / "new", home):
        ran = run("patch", *models, "-o", output, "--alpha", 0.5, "--overwrite", "-q")
        assert ran.code == 2
        assert f"error: {output} is part of the run in {home.resolve()}, whose models belong to its report" in ran.err
    assert (kept / "model.safetensors").read_bytes() == before
    assert not (home / "checkpoints").exists()


def test_what_cannot_be_patched(run: Run, folder: Path) -> None:
    out = folder / "wrong"
    ran = run("patch", folder / "base", folder / "tuned", "-o", out)
    assert (ran.code, "--eval" in ran.err) == (2, True)
    ran = run("patch", folder / "base", folder / "tuned", "-o", out, "--eval", f"generic:{folder / 'pairs.parquet'}")
    assert ran.code == 2
    assert "retained skill is not measured" in " ".join(ran.err.split())
    tiny.clip(folder / "wide", width=64)
    ran = run("patch", folder / "base", folder / "wide", "-o", out, "--alpha", 0.5)
    assert ran.code == 2
    assert "shapes differ" in ran.err
    tiny.clip(folder / "deep", layers=3)
    ran = run("patch", folder / "base", folder / "deep", "-o", out, "--alpha", 0.5)
    assert ran.code == 2
    assert "only in the tuned model" in ran.err
    assert not out.exists()
