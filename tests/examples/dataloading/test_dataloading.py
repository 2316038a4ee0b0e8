"""The examples of dataloaders run, and what they give changes with the epoch."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from negagen import Negator
from negagen.data import NegativeAugmentation
from tests.train import tiny


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.clip(tmp_path_factory.mktemp("model") / "clip")


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_torch(tokenizer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from examples.dataloading import torch_loader

    torch_loader.main(["--tokenizer", str(tokenizer)])
    found = lines(capsys)
    assert [line.split(":")[0] for line in found] == [
        f"{what}, epoch {epoch}" for what in ("pool", "workers") for epoch in (0, 1)
    ]
    assert all(": 6 batches (64, 5, " in line for line in found)
    counts = [int(line.split()[-2]) for line in found]
    assert min(counts) > 360
    assert len(set(counts)) > 1


# The library leaves the tar to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed file:ResourceWarning")
def test_webdataset(tokenizer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("webdataset")
    from examples.dataloading import webdataset_tars

    webdataset_tars.main(["--tokenizer", str(tokenizer)])
    first, second = lines(capsys)
    assert first.startswith("epoch 0: 6 batches (64, 5, ")
    assert first.split()[-2] != second.split()[-2]


def test_hugging_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    from datasets import Dataset

    from examples.dataloading import hugging_face

    captions = pq.read_table(hugging_face.CAPTIONS).slice(0, 40)
    dataset = Dataset(captions)
    mapped = hugging_face.mapped(dataset)
    expected = [[one.text for one in each.negatives] for each in Negator(k=4).pipe(captions["caption"].to_pylist())]
    assert [[one["text"] for one in each] for each in mapped["negatives"]] == expected
    augment = NegativeAugmentation(Negator(k=2, seed=0))
    lazy = hugging_face.transformed(dataset, augment)
    first = lazy[:40]["negatives"]
    assert lazy[3:5]["negatives"] == first[3:5]
    augment.epoch = 1
    assert lazy[:40]["negatives"] != first


def test_a_torchvision_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from examples.dataloading import torchvision_for_open_clip as example

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(example, "BESIDE", tmp_path / "nowhere")
    with pytest.raises(SystemExit, match=r"needs torchvision, built for the torch at hand(.|\n)*-c constraints\.txt"):
        example.load_torchvision()


def test_open_clip(tmp_path: Path) -> None:
    missing = [name for name in ("open_clip", "pandas", "webdataset") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    installed, beside = importlib.util.find_spec("torchvision") is not None, Path(sys.prefix) / "torchvision"
    if not installed and not beside.exists():
        pytest.skip(f"no torchvision, neither installed nor in {beside}, where `make test` puts it")
    script = Path(__file__).with_name("with_open_clip.py")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "62 of 62 tensors changed\n"
    said = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert said.pop("captions with other negatives in the second epoch") > 40
    assert said.pop("torchvision")
    assert said == {
        "shape": [2, 5, 77],
        "tokens are those of open_clip": True,
        "places of no negative": 0,
        "mask": [[True] * 4, [False] * 4],
        "features are those of open_clip": True,
        "batches": [[16, 5, 77]] * 8,
    }
    assert done.stderr.count("Negclip_loss") == 12
