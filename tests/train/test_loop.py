from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from negagen.data import HuggingFaceTokenizer, Inputs, prepare
from negagen.errors import DataError, ModelError, OutputError, RecipeError, TrainingError
from negagen.train import heldout, loop, metrics
from negagen.train.checkpoint import latest, load
from negagen.train.loop import Progress, finetune
from negagen.train.losses import LOSSES
from negagen.train.models import ContrastiveModel
from negagen.train.models import load as load_model
from negagen.train.training import Training
from tests.train import small, tiny
from tests.train.killed import killed_after
from tests.train.small import losses


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with small.one_thread():
        path = tmp_path_factory.mktemp("small")
        tiny.clip(path / "clip")
        small.write(path / "negatives.parquet")
        yield path


def overrides(settings: dict[str, str]) -> list[str]:
    return [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


def test_a_whole_run(folder: Path) -> None:
    seen: list[Progress] = []
    report = finetune(small.job(folder, "whole", settings={"optimizer.steps": "30"}), seen.append)
    run = folder / "whole"
    steps = metrics.read_metrics(run)
    assert [record["step"] for record in steps] == list(range(1, 31))
    assert losses(run)[-1] < losses(run)[0] - 0.5
    assert {"loss", "losses", "own_accuracy", "grad_norm", "lr", "images_per_second"} <= set(steps[0])
    before, tuned = report["measured"]["before"]["held_out"], report["measured"]["tuned"]["held_out"]
    assert tuned["loss"] < before["loss"]
    assert before["pictures"] == report["held_out"] / 2
    assert json.loads((run / "report.json").read_text()) == report
    assert [one.step for one in seen if one.phase == "training"] == list(range(1, 31))
    assert [one.detail for one in seen if one.phase == "measuring"] == ["before", "tuned"]
    assert "transformers" in (run / "model" / "README.md").read_text()


def test_no_picture_is_both_trained_on_and_measured_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, set[int]] = {"train": set(), "held": set()}
    step, measure = loop._step, heldout.measure

    def stepping(training: Any, encoder: Any, staged: Any, *rest: Any) -> Any:
        seen["train"] |= set(staged.batch.groups.tolist())
        return step(training, encoder, staged, *rest)

    def measuring(encoder: Any, exam: Any, objective: Any) -> Any:
        for staged in exam:
            seen["held"] |= set(staged.batch.groups.tolist())
        return measure(encoder, exam, objective)

    monkeypatch.setattr(loop, "_step", stepping)
    monkeypatch.setattr(loop, "measure", measuring)
    finetune(small.job(folder, "split", settings={"optimizer.steps": "10"}))
    assert len(seen["train"]) + len(seen["held"]) == 60
    assert not seen["train"] & seen["held"]


CHUNKED = {"batch.chunk": "5"}
RECIPES = ("clip", "negclip", "tsvlc", "clove", "ce-clip", "clic", "fsc-clip", "negagen")


@pytest.mark.parametrize("recipe", RECIPES)
def test_chunks_and_recomputing_train_alike(folder: Path, recipe: str) -> None:
    settings = {"optimizer.steps": "3"}
    if recipe == "clic":
        settings |= {"batch.positives": "4"}
    if recipe in ("negagen", "tsvlc"):
        settings |= {"patching.alpha": "0.5"}
    finetune(small.job(folder, f"{recipe}-plain", recipe, settings=settings))
    finetune(small.job(folder, f"{recipe}-chunks", recipe, settings=settings | CHUNKED))
    recomputing = settings | CHUNKED | {"model.gradient_checkpointing": "true"}
    finetune(small.job(folder, f"{recipe}-again", recipe, settings=recomputing))
    plain = losses(folder / f"{recipe}-plain")
    assert len(plain) == 3
    assert losses(folder / f"{recipe}-chunks") == pytest.approx(plain, rel=2e-5)
    assert losses(folder / f"{recipe}-again") == pytest.approx(plain, rel=2e-5)


def test_siglip_recipe_wants_a_siglip(folder: Path) -> None:
    with pytest.raises(ModelError, match="logit bias"):
        finetune(small.job(folder, "not-siglip", "siglip"))
    assert not (folder / "not-siglip").exists()
    tiny.siglip(folder / "siglip")
    finetune(small.job(folder, "siglip-run", "siglip", model=str(folder / "siglip"), settings={"optimizer.steps": "3"}))
    assert len(losses(folder / "siglip-run")) == 3


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision(folder: Path, precision: str) -> None:
    finetune(small.job(folder, precision, settings={"model.precision": precision, "optimizer.steps": "4"}))
    finetune(small.job(folder, f"{precision}-whole", settings={"optimizer.steps": "4"}))
    assert losses(folder / precision)[0] == pytest.approx(losses(folder / f"{precision}-whole")[0], rel=0.02)
    # fp16 begins by finding the scale of its gradients: steps are left out until it has.
    assert precision == "fp16" or losses(folder / precision)[3] < losses(folder / precision)[0]


def test_a_step_that_fp16_leaves_out_is_marked_and_its_line_is_json(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Training.begin

    def overflowing(*given: Any) -> Training:
        training = begin(*given)
        training.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
        return training

    monkeypatch.setattr(Training, "begin", overflowing)
    finetune(small.job(folder, "left-out", settings={"model.precision": "fp16", "optimizer.steps": "2"}))

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    lines = (folder / "left-out" / metrics.FILE).read_text().splitlines()
    steps = [one for line in lines if (one := json.loads(line, parse_constant=refuse))["kind"] == "step"]
    assert [(one["grad_norm"], one["skipped"]) for one in steps] == [(None, True), (None, True)]
    after, before = (load_file(folder / place / "model.safetensors") for place in ("left-out/model", "clip"))
    assert all(torch.equal(value, after[name]) for name, value in before.items())


STATEFUL = {"model.ema": "0.9", "retention.teacher": "ema", "optimizer.steps": "9", "patching.alpha": "none"}


@pytest.mark.parametrize(("recipe", "settings"), [("negagen", STATEFUL), ("ce-clip", {"optimizer.steps": "9"})])
def test_a_resumed_run_is_an_unbroken_one(folder: Path, recipe: str, settings: dict[str, str]) -> None:
    whole = small.job(folder, f"{recipe}-unbroken", recipe, settings=settings)
    report = finetune(whole)
    broken = folder / f"{recipe}-broken"
    shutil.copytree(whole.output, broken)
    for step in (6, 9):
        shutil.rmtree(broken / "checkpoints" / f"step-{step:08d}")
    resumed = small.job(folder, broken.name, recipe, settings=settings, resume="latest")
    again = finetune(resumed)
    assert losses(broken) == losses(whole.output)
    assert again["measured"] == report["measured"]
    one, other = (load(path) for run in (whole.output, broken) if (path := latest(run)))
    assert one.step == other.step == 9
    assert all(torch.equal(value, other.model[name]) for name, value in one.model.items())
    # An average that is kept is what is exported.
    assert (recipe == "negagen") == bool(one.state["average"])


def test_batch_norms_keep_their_statistics(folder: Path) -> None:
    model = load_model(folder / "clip")
    model.network.vision_model.post_layernorm = torch.nn.BatchNorm1d(32)
    training = Training.begin(model, small.job(folder).recipe, torch.device("cpu"))
    training.set_mode()
    assert model.training
    before = model.network.vision_model.post_layernorm.running_mean.clone()
    model.encode_images(torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8))
    assert torch.equal(model.network.vision_model.post_layernorm.running_mean, before)


def test_dropout_draws_the_same_again(folder: Path) -> None:
    path = tiny.dual_encoder(folder / "dual")
    config = json.loads((path / "config.json").read_text())
    config["text_config"]["hidden_dropout_prob"] = 0.3
    (path / "config.json").write_text(json.dumps(config))
    whole = small.job(folder, "dropout", model=str(path))
    finetune(whole)
    shutil.copytree(whole.output, folder / "dropout-broken")
    shutil.rmtree(folder / "dropout-broken" / "checkpoints" / "step-00000006")
    finetune(small.job(folder, "dropout-broken", model=str(path), resume="latest"))
    assert losses(folder / "dropout-broken") == losses(whole.output)
    # It is there, and off in a tower of which nothing is trained.
    finetune(small.job(folder, "no-dropout", model=str(path), settings={"model.text": "frozen"}))
    assert losses(folder / "no-dropout")[0] != pytest.approx(losses(whole.output)[0], rel=1e-5)


def test_killed_and_resumed(folder: Path) -> None:
    whole = small.job(folder, "not-killed", settings={"optimizer.steps": "40"})
    finetune(whole)
    command = [
        "finetune", str(folder / "negatives.parquet"), "--model", whole.model, "-o",
        str(folder / "killed"), "--cache", str(whole.cache), "--held-out", "0.2", "--save-every", "3", "--workers", "0",
        "--device", "cpu", "-q",
        *overrides({**small.QUICK, "optimizer.steps": "40"}),
    ]  # fmt: skip
    assert killed_after(7, command) == -signal.SIGKILL
    assert len(losses(folder / "killed")) == 7
    finetune(small.job(folder, "killed", settings={"optimizer.steps": "40"}, resume="latest"))
    assert losses(folder / "killed") == losses(whole.output)


def test_two_processes_train_as_one(folder: Path) -> None:
    settings = {**small.QUICK, "retention.teacher": "frozen", "patching.alpha": "0.5", "batch.positives": "1"}
    finetune(small.job(folder, "one", "negagen", settings=settings))
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "negagen",
        "finetune", str(folder / "negatives.parquet"), "--model", str(folder / "clip"), "-o", str(folder / "two"),
        "--cache", str(folder / "cache"), "--held-out", "0.2", "--workers", "0", "--device", "cpu", "-r", "negagen",
        *overrides(settings),
    ]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert ran.returncode == 0, ran.stderr
    assert losses(folder / "two") == pytest.approx(losses(folder / "one"), rel=2e-5)
    one, two = (json.loads((folder / name / "report.json").read_text()) for name in ("one", "two"))
    assert two["processes"] == 2
    assert two["measured"]["before"] == one["measured"]["before"]
    # One process speaks.
    assert ran.stdout.count("Written to") == 1


def test_another_configuration_is_not_resumed(folder: Path) -> None:
    finetune(small.job(folder, "first"))
    with pytest.raises(OutputError, match="--resume latest"):
        finetune(small.job(folder, "first"))
    with pytest.raises(TrainingError, match=r"optimizer\.lr: 0\.001 in the run, 0\.002 now"):
        finetune(small.job(folder, "first", settings={"optimizer.lr": "2e-3"}, resume="latest"))
    tiny.clip(folder / "other", seed=1)
    with pytest.raises(TrainingError, match=r"model\.weights"):
        finetune(small.job(folder, "first", model=str(folder / "other"), resume="latest"))
    with pytest.raises(TrainingError, match="no run to resume"):
        finetune(small.job(folder, "none", resume="latest"))
    # What does not change the result may differ.
    finetune(small.job(folder, "first", settings={"batch.chunk": "4"}, resume="latest"))


def test_a_loss_that_is_no_number_stops_the_run(folder: Path) -> None:
    settings = {"optimizer.lr": "1e30", "optimizer.warmup": "0", "optimizer.steps": "9"}
    with pytest.raises(TrainingError, match=r"step 2: the loss is nan.*failed-batch\.pt"):
        finetune(small.job(folder, "diverged", settings=settings, save_every=1))
    kept = torch.load(folder / "diverged" / loop.FAILED, weights_only=True)
    assert kept["step"] == 2
    assert kept["pixels"].shape == (16, 3, 32, 32)
    assert len(kept["ids"]) == len(kept["lengths"])


def test_what_needs_less_memory_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total ...")

    monkeypatch.setattr(loop, "_step", full)
    with pytest.raises(TrainingError) as error:
        finetune(small.job(folder, "full"))
    for wanted in ("16 rows", "--chunk 8", "model.gradient_checkpointing=true", "model.precision=bf16", "2.00 GiB"):
        assert wanted in str(error.value)


def test_frozen_parts_stay(folder: Path) -> None:
    settings = {"model.vision": "frozen", "model.text": "last:1", "model.logit_scale": "frozen"}
    finetune(small.job(folder, "frozen", settings=settings))
    before, after = (load_file(folder / name / "model.safetensors") for name in ("clip", "frozen/model"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith(("text_model.encoder.layers.1", "text_model.final", "text_proj")) for name in changed)


@pytest.mark.parametrize("chunk", ["0", "5"])
def test_locked_pictures_are_encoded_once(folder: Path, monkeypatch: pytest.MonkeyPatch, chunk: str) -> None:
    name = f"locked-{chunk}"
    settings = {"patching.alpha": "0.5", "batch.chunk": chunk}
    frozen = small.job(folder, f"not-{name}", "negagen", settings=settings | {"model.vision": "frozen"})
    finetune(frozen)
    encoded: list[int] = []
    encode = ContrastiveModel.encode_images

    def counting(model: ContrastiveModel, pixels: torch.Tensor) -> torch.Tensor:
        encoded.append(len(pixels))
        return encode(model, pixels)

    monkeypatch.setattr(ContrastiveModel, "encode_images", counting)
    finetune(small.job(folder, name, "negagen", settings=settings, lock_image=True))
    assert losses(folder / name) == pytest.approx(losses(frozen.output), rel=1e-5)
    assert sum(encoded) == 60
    mine, theirs = (json.loads((folder / run / "report.json").read_text())["measured"] for run in (name, f"not-{name}"))
    for point in ("before", "tuned", "patched"):
        assert mine[point]["held_out"]["loss"] == pytest.approx(theirs[point]["held_out"]["loss"], rel=1e-5)
    with pytest.raises(RecipeError, match="needs pixels"):
        finetune(small.job(folder, "locked-clic", "clic", settings={"batch.positives": "4"}, lock_image=True))


def test_too_little_data(folder: Path) -> None:
    with pytest.raises(DataError, match=r"batch\.size smaller"):
        finetune(small.job(folder, "little", settings={"batch.size": "1000"}))
    with pytest.raises(DataError, match=r"set batch\.negatives to 1"):
        finetune(small.job(folder, "little", settings={"batch.negatives": "4"}))
    assert not (folder / "little").exists()


def test_held_out_captions_without_positives_are_measured_by_the_other_losses(folder: Path) -> None:
    job = small.job(folder, "few-positives", "negagen", settings={"batch.positives": "1", "patching.alpha": "none"})
    model = load_model(folder / "clip")
    tokenizer = HuggingFaceTokenizer(model.tokenizer, model.context_length)
    held = prepare(job.inputs, tokenizer, model.view, cache=folder / "cache").split(job.held_out, job.seed)[1]
    rows = small.rows()
    for row in held.data.numbers[held.rows]:
        rows[row]["positives"] = []
    pq.write_table(pa.Table.from_pylist(rows), folder / "few-positives.parquet")
    report = finetune(replace(job, inputs=Inputs([folder / "few-positives.parquet"])))
    needs = {term.name: LOSSES[term.name].needs for term in job.recipe.objective().terms}
    assert any("positives" in one for one in needs.values())
    found = report["measured"]["tuned"]["held_out"]
    assert found["losses"] == [name for name, one in needs.items() if not one & {"positives", "anchors"}]
    assert found["loss"] > 0
    found = finetune(replace(job, output=folder / "all-positives"))["measured"]["tuned"]["held_out"]
    assert found["losses"] == [name for name, one in needs.items() if "anchors" not in one]


def test_a_run_that_fails_before_its_first_step_does_not_take_its_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> None:
        raise TrainingError("nothing can be measured")

    job = small.job(folder, "taken", settings={"optimizer.steps": "2"})
    with monkeypatch.context() as patched:
        patched.setattr(loop, "measure", failing)
        with pytest.raises(TrainingError, match="nothing can be measured"):
            finetune(job)
    # And killed while it wrote what it had measured.
    (job.output / metrics.FILE).write_text('{"kind": "evaluation", "step": 0, "name": "bef')
    finetune(replace(job, seed=1))
    assert [one["name"] for one in metrics.read_metrics(job.output, "evaluation")] == ["before", "tuned"]
    assert json.loads((job.output / "config.json").read_text())["seed"] == 1
    with pytest.raises(OutputError, match="holds a run already"):
        finetune(job)


def test_without_held_out_pictures(folder: Path) -> None:
    report = finetune(small.job(folder, "all", held_out=0.0))
    assert report["measured"]["before"] == {"held_out": None, "benchmarks": None}
    with pytest.raises(TrainingError, match="--eval"):
        finetune(small.job(folder, "no-choice", held_out=0.0, settings={"patching.alpha": "[0.0, 1.0]"}))
    assert not (folder / "no-choice").exists()
    settings = {"patching.alpha": "[0.0, 1.0]", "batch.negatives": "0"}
    with pytest.raises(TrainingError, match="composition is not measured"):
        finetune(small.job(folder, "no-negatives", "clip", settings=settings))
    assert not losses(folder / "no-negatives")


def test_pictures_in_a_folder(folder: Path) -> None:
    (folder / "pictures").mkdir()
    rows = small.rows(pictures=30)
    for row in rows:
        (folder / "pictures" / row["image"]["path"]).write_bytes(row["image"]["bytes"])
        row["image"] = row["image"]["path"]
    pq.write_table(pa.Table.from_pylist(rows), folder / "paths.parquet")
    one = small.job(folder, "paths", settings={"optimizer.steps": "2"})
    finetune(replace(one, inputs=Inputs([folder / "paths.parquet"], folder / "pictures")))
    assert len(losses(folder / "paths")) == 2


def test_each_point_of_the_curve_is_measured_once(folder: Path) -> None:
    seen: list[Progress] = []
    report = finetune(small.job(folder, "curve", settings={"patching.alpha": "[0.0, 0.5, 1.0]"}), seen.append)
    assert [one.detail for one in seen if one.phase == "measuring"] == ["before", "tuned", "alpha 0.5"]
    points = {point["alpha"]: point["held_out"] for point in report["patching"]["points"]}
    assert list(points) == [0.0, 0.5, 1.0]
    measured = report["measured"]
    assert (points[0.0], points[1.0]) == (measured["before"]["held_out"], measured["tuned"]["held_out"])
