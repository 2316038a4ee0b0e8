from __future__ import annotations

import json
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from negagen.errors import OutputError, TrainingError
from negagen.train import run
from negagen.train.checkpoint import Checkpoint, latest, load, look_at, save
from negagen.train.metrics import FILE, Jsonl, Readings, forget_after, open_sinks, read_metrics


def checkpoint(step: int) -> Checkpoint:
    weights: dict[str, Tensor] = {"w": torch.full((2, 3), float(step)), "ids": torch.arange(4)}
    weights["tied"] = weights["w"]
    return Checkpoint(step, weights, {"optimizer": {"lr": 0.5, "m": torch.ones(3)}}, {"seed": 7})


def test_comes_back_as_it_was(tmp_path: Path) -> None:
    path = save(tmp_path, checkpoint(12), keep=2)
    back = load(path)
    assert (back.step, back.meta["seed"]) == (12, 7)
    assert torch.equal(back.model["w"], torch.full((2, 3), 12.0))
    assert torch.equal(back.model["tied"], back.model["w"])
    assert back.model["ids"].dtype == torch.int64
    assert back.state["optimizer"]["lr"] == 0.5
    assert latest(tmp_path) == path


def test_keeps_the_newest(tmp_path: Path) -> None:
    for step in (5, 10, 100, 20):
        save(tmp_path, checkpoint(step), keep=2)
    kept = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert kept == ["step-00000020", "step-00000100"]


def test_half_a_checkpoint_is_none(tmp_path: Path) -> None:
    whole = save(tmp_path, checkpoint(5), keep=3)
    left = tmp_path / "checkpoints" / "step-00000006.123.tmp"
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    assert latest(tmp_path) == whole
    save(tmp_path, checkpoint(7), keep=3)
    assert not left.exists()


@pytest.mark.parametrize("name", ["model.safetensors", "state.pt", "meta.json"])
def test_damage_is_told(tmp_path: Path, name: str) -> None:
    path = save(tmp_path, checkpoint(5), keep=1)
    whole = (path / name).read_bytes()
    for damaged in (b"{", whole[:-8]):  # of files that end in tensors, a cut one begins well
        (path / name).write_bytes(damaged)
        for reading in (load, look_at):
            with pytest.raises(TrainingError, match="damaged"):
                reading(path)
    (path / name).unlink()
    for reading in (load, look_at):
        with pytest.raises(TrainingError, match=f"{name} is missing"):
            reading(path)


def test_a_run_is_not_run_over(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    config = {"seed": 1, "recipe": {"optimizer": {"lr": 1e-6, "betas": [0.9, 0.98]}}}
    with run.held(folder):
        run.begin(folder, config, "name = 'x'\n")
    save(folder, checkpoint(1), keep=1)
    assert json.loads((folder / "config.json").read_text())["versions"]["torch"]
    with pytest.raises(OutputError, match="--resume latest"):
        run.begin(folder, config, "")
    run.check_same(folder, config)


def test_another_configuration_names_its_keys(tmp_path: Path) -> None:
    before = {"seed": 1, "recipe": {"optimizer": {"lr": 1e-6, "betas": [0.9, 0.98]}, "loss": [{"name": "clip"}]}}
    with run.held(tmp_path / "run"):
        run.begin(tmp_path / "run", before, "")
    now = {"seed": 1, "recipe": {"optimizer": {"lr": 1e-5, "betas": [0.9, 0.99]}, "loss": [{"name": "clip", "w": 1}]}}
    with pytest.raises(TrainingError) as error:
        run.check_same(tmp_path / "run", now)
    for text in ("recipe.optimizer.lr: 1e-06 in the run, 1e-05 now", "recipe.optimizer.betas[1]", "recipe.loss[0].w"):
        assert text in str(error.value)
    assert "seed" not in str(error.value)
    with pytest.raises(TrainingError, match="no run to resume"):
        run.check_same(tmp_path / "nowhere", now)


def test_fingerprints_follow_the_weights() -> None:
    weights = {"a": torch.ones(2), "ids": torch.arange(3), "none": torch.zeros(0), "one": torch.tensor(1.0)}
    before = run.weights_fingerprint(weights)
    assert run.weights_fingerprint(dict(reversed(weights.items()))) == before
    for changed in ({"a": torch.tensor([1.0, 1.0001])}, {"ids": torch.arange(1, 4)}, {"a": torch.ones(1, 2)}):
        assert run.weights_fingerprint(weights | changed) != before


def test_metrics_of_steps_to_come_are_forgotten(tmp_path: Path) -> None:
    sink = Jsonl(tmp_path)
    for step in range(1, 6):
        sink.write({"kind": "step", "step": step, "loss": step / 2})
    for step, name in ((0, "before"), (3, "tuned")):
        sink.write({"kind": "evaluation", "step": step, "name": name})
    sink.close()
    with (tmp_path / FILE).open("a") as file:
        file.write('{"kind": "step", "st')
    forget_after(tmp_path, 3)
    assert [record["step"] for record in read_metrics(tmp_path)] == [1, 2, 3]
    assert [record["name"] for record in read_metrics(tmp_path, "evaluation")] == ["before"]


def test_a_line_that_a_crash_left_half_written_is_none(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"kind": "step", "step": 1}\n{"kind": "step", "st')
    assert read_metrics(tmp_path) == [{"kind": "step", "step": 1}]


def test_an_unknown_sink_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="did you mean 'tensorboard'"):
        open_sinks(tmp_path, ["tensorbord"], {})


def test_wandb_gets_every_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a stand-in: wandb itself wants an account or a folder of its own."""
    logged: list[tuple[dict[str, float], int]] = []

    class Run:
        def log(self, figures: dict[str, float], step: int) -> None:
            logged.append((figures, step))

        def finish(self) -> None:
            logged.append(({}, -1))

    stand_in = ModuleType("wandb")
    stand_in.__spec__ = ModuleSpec("wandb", None)
    begun: dict[str, object] = {}
    monkeypatch.setattr(stand_in, "init", lambda **given: begun.update(given) or Run(), raising=False)
    monkeypatch.setitem(sys.modules, "wandb", stand_in)
    for sink in open_sinks(tmp_path, ["wandb"], {"seed": 3}):
        sink.write({"kind": "step", "step": 2, "loss": 0.5, "losses": {"clip": 0.25}, "own_accuracy": None})
        sink.close()
    assert logged == [({"step/loss": 0.5, "step/losses/clip": 0.25}, 2), ({}, -1)]
    assert begun["config"] == {"seed": 3}
    assert read_metrics(tmp_path)[0]["losses"] == {"clip": 0.25}


def test_a_sink_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(TrainingError, match=r"negagen\[wandb\]"):
        open_sinks(tmp_path, ["wandb"], {})


def test_readings_keep_their_order() -> None:
    readings: Readings[int] = Readings(torch.device("cpu"))
    values = torch.zeros(2)
    for n in range(3):
        values += 1
        readings.push(n, values)
    assert list(readings.ready()) == [(0, [1.0, 1.0]), (1, [2.0, 2.0]), (2, [3.0, 3.0])]
