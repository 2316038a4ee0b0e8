from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from tests.cli.conftest import Ran
from tests.evaluate.oracle import COLOURS, picture, save_rows
from tests.train import tiny


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models")
    tiny.clip(folder / "first", width=16, layers=1)
    tiny.clip(folder / "second", width=16, layers=1, seed=1)
    tiny.siglip(folder / "siglip", width=16, layers=1)
    return folder


@pytest.fixture
def held_out(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    rows = []
    for number in range(24):
        colours = tuple(generator.choice(["red", "green", "blue"], 2))
        negatives = [
            {"text": "a blue cat on a table", "category": "replace_att"},
            {"text": "a red dog on a table", "category": "replace_obj"},
        ]
        rows.append(
            {
                "image": {"bytes": picture(*colours, size=20 + number), "path": f"{number}.png"},
                "image_id": number,
                "caption": f"a red cat on a table {number}",
                "positives": [{"text": "on a table is a red cat"}],
                "negatives": negatives,
            }
        )
    return save_rows(tmp_path / "held-out.parquet", rows)


def test_models_side_by_side(run: Callable[..., Ran], models: Path, held_out: Path, tmp_path: Path) -> None:
    figures, page, items = tmp_path / "e.json", tmp_path / "e.html", tmp_path / "items.parquet"
    ran = run(
        "evaluate", models / "first", f"other={models / 'second'}", models / "siglip",
        "-b", f"generic:{held_out},retrieval:captions={held_out}", "--cache", tmp_path / "cache",
        "--json", figures, "--html", page, "--items", items,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    for said in ("held-out  48 items", "captions  24 items", "first", "other", "siglip", "replace_att", "blind"):
        assert said in ran.out
    found = json.loads(figures.read_text())
    assert list(found["models"]) == ["first", "other", "siglip"]
    first = found["models"]["first"]["benchmarks"]["held-out"]
    assert first["scores"]["accuracy"]["items"] == 48
    assert set(first["categories"]["accuracy"]) == {"replace_att", "replace_obj"}
    assert set(found["controls"]["held-out"]) == {"surface", "language-model"}
    assert len(found["comparisons"]) == 4
    table = pq.read_table(items)
    right = [row["right"] for row in table.to_pylist()
             if (row["model"], row["benchmark"], row["score"]) == ("first", "held-out", "accuracy")]  # fmt: skip
    assert np.mean(right) == pytest.approx(first["scores"]["accuracy"]["value"], abs=1e-5)
    assert "<html" in page.read_text()
    again = run(
        "evaluate", models / "first", "-b", f"generic:{held_out}", "--cache", tmp_path / "cache", "--json", "-",
        "--blind", "none",
    )  # fmt: skip
    second = json.loads(again.out)
    assert second["models"]["first"]["encoded"] == {}
    assert second["models"]["first"]["benchmarks"]["held-out"]["scores"]["accuracy"] == first["scores"]["accuracy"]
    assert second["controls"]["held-out"] == {}


def test_a_sample_says_that_it_is_one(run: Callable[..., Ran], models: Path, held_out: Path) -> None:
    ran = run("evaluate", models / "first", "-b", f"generic:{held_out}", "--limit", 7, "--no-cache")
    assert ran.code == 0, ran.err
    assert "7 of 48 items  SUBSET" in ran.out


def test_the_list_says_what_is_there(run: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "comvg").mkdir()
    (tmp_path / "comvg" / "ComVG.csv").write_text("id\n")
    ran = run("evaluate", "--list", "--root", tmp_path)
    assert ran.code == 0
    lines = {line.split()[0]: line for line in ran.out.splitlines() if line and line[0] != " "}
    assert "there" in lines["comvg"]
    assert "missing" in lines["sugarcrepe"]
    assert "sugarcrepe/add_att.json" in ran.out
    assert "generic:" in ran.out


def test_what_generate_writes_is_a_benchmark(run: Callable[..., Ran], models: Path, tmp_path: Path) -> None:
    said = ("A red cat sits on a wooden table", "Two men ride brown horses", "A small dog chases a white ball")
    rows = [
        {"image": {"bytes": picture("red", size=16 + number), "path": None}, "image_id": number, "caption": caption}
        for number, caption in enumerate(said)
    ]
    captions, negatives = save_rows(tmp_path / "c.parquet", rows), tmp_path / "n.parquet"
    assert run("generate", captions, "-o", negatives, "--blindness", "off").code == 0
    made = sum(len(row["negatives"]) for row in pq.read_table(negatives).to_pylist())
    for method in ("plain", "comclip"):
        ran = run(
            "evaluate", models / "first", "-b", f"generic:{negatives}", "--no-cache", "--method", method, "--json", "-"
        )
        assert ran.code == 0, ran.err
        found = json.loads(ran.out)["models"]["first"]["benchmarks"]["n"]
        assert found["asked"] == made > 6
        assert found["scores"]["all of a row"]["items"] == 3


def coloured(path: Path, number: int, seed: int) -> Path:
    """Pictures of one colour under noise, named by what they show."""
    generator = np.random.default_rng(seed)
    rows = []
    for place in range(number):
        colour = ("red", "green", "blue")[place % 3]
        noun = ("ball", "cube", "cone", "box", "cup")[place % 5]
        pixels = 0.7 * np.array(COLOURS[colour]) + 30 + generator.normal(0, 40, (32, 32, 3))
        buffer = io.BytesIO()
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
        others = [other for other in ("red", "green", "blue") if other != colour]
        rows.append(
            {
                "image": {"bytes": buffer.getvalue(), "path": None},
                "image_id": 1000 * seed + place,
                "caption": f"a {colour} {noun}",
                "negatives": [{"text": f"a {other} {noun}", "category": "replace_att"} for other in others],
            }
        )
    return save_rows(path, rows)


def test_a_model_is_seen_to_have_learnt(run: Callable[..., Ran], tmp_path: Path) -> None:
    clip, output = tiny.clip(tmp_path / "clip"), tmp_path / "run"
    train, test = coloured(tmp_path / "train.parquet", 90, 1), coloured(tmp_path / "test.parquet", 45, 2)
    settings = [("optimizer.lr", "2e-3"), ("optimizer.epochs", 10), ("batch.size", 18), ("optimizer.warmup", 2)]
    ran = run(
        "finetune", train, "-m", clip, "-o", output, "--held-out", 0, "--workers", 0, "--device", "cpu", "-q",
        "--cache", tmp_path / "cache", *(part for name, value in settings for part in ("--set", f"{name}={value}")),
    )  # fmt: skip
    assert ran.code == 0, ran.err
    ran = run(
        "evaluate", f"before={clip}", f"after={output / 'model'}", "-b", f"generic:colours={test}", "--no-cache",
        "--json", "-",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    before, after = (
        found["models"][name]["benchmarks"]["colours"]["scores"]["accuracy"] for name in ("before", "after")
    )
    assert before["value"] < 0.7
    assert after["value"] > 0.9
    (test_of,) = found["comparisons"]
    assert test_of["p_corrected"] < 0.001
    # The colour is in the picture alone.
    assert not test_of["shared_with_blind"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name a model"),
        (("MODEL",), "name benchmarks"),
        (("MODEL", "-b", "sugarcrape", "--root", "ROOT"), "did you mean 'sugarcrepe'"),
        (("MODEL", "-b", "sugarcrepe", "--root", "ROOT"), "lacks sugarcrepe/add_att.json"),
        (("MODEL", "-b", "generic:ROOT/none.parquet"), "no such file"),
        (("ROOT", "-b", "generic:FILE"), "no config.json"),
        (("MODEL", "MODEL", "-b", "generic:FILE"), "two models"),
        (("MODEL", "-b", "generic:FILE", "--blind", "surfaces"), "no attack is named 'surfaces'"),
    ],
)
def test_what_cannot_be_used(
    run: Callable[..., Ran], models: Path, held_out: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    names = {"MODEL": str(models / "first"), "ROOT": str(tmp_path), "FILE": str(held_out)}
    given = []
    for argument in arguments:
        for name, value in names.items():
            argument = argument.replace(name, value)
        given.append(argument)
    ran = run("evaluate", *given, "--no-cache")
    assert ran.code == 2
    assert said in ran.err
