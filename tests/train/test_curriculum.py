from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negagen.data import Inputs
from negagen.errors import DataError, InputError, RecipeError, TrainingError
from negagen.mining import Keep, mine
from negagen.mining.similarities import Scorer
from negagen.train import metrics
from negagen.train.loop import Job, finetune
from negagen.train.models import load
from negagen.train.recipe import load_recipe
from tests.train import small, tiny
from tests.train.killed import killed_after
from tests.train.small import losses

SETTINGS = {
    **small.QUICK, "optimizer.steps": "20", "curriculum.difficulty": "2", "curriculum.temperature": "0.02",
    "curriculum.below": "0",
}  # fmt: skip


def write(path: Path) -> Path:
    """The small set with up to six candidates a caption."""
    table = small.rows(60)
    for number, row in enumerate(table):
        words = row["caption"].split()
        for colour in ("red", "green", "black", "white", "yellow")[: number % 6]:
            text = " ".join(colour if word == words[1] else word for word in words)
            if text != row["caption"]:
                row["negatives"].append({"text": text, "category": "replace_att", "weight": 1.0, "edits": []})
    pq.write_table(pa.Table.from_pylist(table), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with small.one_thread():
        path = tmp_path_factory.mktemp("curriculum")
        tiny.clip(path / "clip")
        write(path / "negatives.parquet")
        yield path


def job(folder: Path, name: str, settings: dict[str, str] | None = None, **options: Any) -> Job:
    return small.job(folder, name, settings=SETTINGS | (settings or {}), **({"save_every": 4} | options))


def table(run: Path) -> dict[tuple[int, int], tuple[float, int]]:
    rows = pq.read_table(run / "feedback.parquet").to_pylist()
    return {(row["row"], row["candidate"]): (row["margin"], row["epoch"]) for row in rows}


@pytest.fixture(scope="module")
def whole(folder: Path) -> Path:
    finetune(job(folder, "whole"))
    return folder / "whole"


def test_later_epochs_prefer_what_was_hard(folder: Path, whole: Path) -> None:
    finetune(job(folder, "plain", {"curriculum.difficulty": "0"}))
    each = next(at for at, one in enumerate(metrics.read_metrics(whole)) if one["epoch"] == 1)
    # Epoch 0 is of warm-up; later ones differ.
    assert losses(whole)[:each] == losses(folder / "plain")[:each]
    assert losses(whole)[each:] != losses(folder / "plain")[each:]
    told = metrics.read_metrics(whole, "curriculum")
    assert [one["epoch"] for one in told] == list(range(19 // each))
    seen = [one["seen"] for one in told]
    assert seen == sorted(seen)
    assert 0 < seen[0] < 1
    report = json.loads((whole / "report.json").read_text())
    assert report["curriculum"]["seen"] >= seen[-1]
    assert len(table(whole)) == round(report["curriculum"]["seen"] * candidates(folder))
    assert not (folder / "plain" / "feedback.parquet").exists()


def candidates(folder: Path) -> int:
    return sum(map(len, pq.read_table(folder / "negatives.parquet")["negatives"].to_pylist()))


@pytest.mark.parametrize("step", [8, 12])
def test_a_resumed_run_is_an_unbroken_one(folder: Path, whole: Path, step: int) -> None:
    broken = folder / f"broken-{step}"
    shutil.copytree(whole, broken)
    for later in range(step + 4, 21, 4):
        shutil.rmtree(broken / "checkpoints" / f"step-{later:08d}")
    (broken / "feedback.parquet").unlink()
    finetune(job(folder, broken.name, resume="latest"))
    assert losses(broken) == losses(whole)
    assert table(broken) == table(whole)
    assert metrics.read_metrics(broken, "curriculum") == metrics.read_metrics(whole, "curriculum")


def test_batches_made_ahead_do_not_run_ahead_of_the_table(folder: Path, whole: Path) -> None:
    finetune(job(folder, "ahead", workers=3))
    assert losses(folder / "ahead") == losses(whole)
    assert table(folder / "ahead") == table(whole)
    finetune(job(folder, "chunks", {"batch.chunk": "5"}))
    assert losses(folder / "chunks") == pytest.approx(losses(whole), rel=1e-4)


def command(folder: Path, name: str, *more: str) -> list[str]:
    settings = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    return [
        "finetune", str(folder / "negatives.parquet"), "--model", str(folder / "clip"), "-o",
        str(folder / name), "--cache", str(folder / "cache"), "--held-out", "0.2", "--save-every", "4", "--workers",
        "2", "--device", "cpu", "-q", *settings, *more,
    ]  # fmt: skip


ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def test_killed_and_resumed(folder: Path, whole: Path) -> None:
    assert killed_after(10, command(folder, "killed")) == -signal.SIGKILL
    assert len(losses(folder / "killed")) == 10
    finetune(job(folder, "killed", resume="latest"))
    assert losses(folder / "killed") == losses(whole)
    assert table(folder / "killed") == table(whole)


def test_two_processes_draw_as_one(folder: Path, whole: Path) -> None:
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ran = subprocess.run(
        [sys.executable, *start, "-m", "negagen", *command(folder, "two")],
        capture_output=True,
        text=True,
        env=ONE_THREAD,
    )
    assert ran.returncode == 0, ran.stderr
    assert losses(folder / "two") == pytest.approx(losses(whole), rel=2e-5)
    one, two = table(whole), table(folder / "two")
    # The same candidates, last drawn in the same epochs.
    assert {key: epoch for key, (_, epoch) in two.items()} == {key: epoch for key, (_, epoch) in one.items()}
    margins = [[margin for margin, _ in found.values()] for found in (two, one)]
    assert margins[0] == pytest.approx(margins[1], abs=1e-5)


def test_the_table_is_what_mining_finds(folder: Path, tmp_path: Path) -> None:
    mine(
        Scorer(load(folder / "clip"), 16, workers=0), Inputs([folder / "negatives.parquet"]), tmp_path / "all.parquet",
        Keep(fools=False, below=0), cache=tmp_path, feedback=tmp_path / "said.parquet",
    )  # fmt: skip
    frozen = {"optimizer.lr": "1e-12", "curriculum.warmup_epochs": "0"}
    finetune(job(folder, "frozen", frozen, feedback=tmp_path / "said.parquet"))
    said = {
        (row["row"], row["candidate"]): row["margin"] for row in pq.read_table(tmp_path / "said.parquet").to_pylist()
    }
    found = table(folder / "frozen")
    assert len(found) == len(said) == candidates(folder)
    assert [margin for margin, _ in found.values()] == pytest.approx([said[key] for key in found], abs=2e-5)
    # From the first step on the hard ones are preferred.
    owners: dict[int, list[float]] = {}
    for (row, _), margin in said.items():
        owners.setdefault(row, []).append(margin)
    hard = [key for key, (_, epoch) in found.items() if epoch >= 0 and len(owners[key[0]]) > 1]
    places = [sum(one < said[key] for one in owners[key[0]]) / (len(owners[key[0]]) - 1) for key in hard]
    assert np.mean(places) < 0.45
    with pytest.raises(TrainingError, match="feedback"):
        finetune(job(folder, "frozen", frozen, resume="latest"))
    with pytest.raises(DataError, match="is no feedback"):
        finetune(job(folder, "useless", feedback=folder / "negatives.parquet"))
    with pytest.raises(InputError, match="no such file"):
        finetune(job(folder, "useless", feedback=tmp_path / "none.parquet"))
    with pytest.raises(RecipeError, match=r"--feedback .* does not go by it"):
        finetune(job(folder, "useless", {"curriculum.difficulty": "0"}, feedback=tmp_path / "said.parquet"))


def test_recipes_that_have_nothing_to_find_hard() -> None:
    for name, settings in (("clip", {}), ("clic", {"batch.positives": "4"})):
        with pytest.raises(RecipeError, match=r"curriculum\.difficulty needs negatives that are drawn"):
            load_recipe(name, {"curriculum.difficulty": "1", **settings})
    assert load_recipe("negagen").curriculum.difficulty == 0
