"""One fine-tuning of the experiment on scenes, in a process that keeps what all of its runs have in common."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

__all__ = ["ALPHAS", "Place", "Run", "before", "begin", "chosen_alpha", "fine_tune", "overrides_of", "warm"]

ALPHAS: Final = (0.2, 0.4, 0.6, 0.8, 1.0)
# LoRA's adapters learn at ten times the rate of whole matrices: the ratio of FSC-CLIP's two recipes.
LORA: Final = ("tsvlc",)


@dataclass(frozen=True, slots=True)
class Run:
    """One fine-tuning: a shipped recipe with these overrides, on `data`: a file of negatives by its stem."""

    name: str
    recipe: str
    data: str
    seed: int
    overrides: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything lies."""

    data: Path
    work: Path
    device: str
    alphas: tuple[float, ...] = ALPHAS
    parts: tuple[str, ...] = ("test", "tune")  # of the world, that models are asked about
    loaders: int = 2  # threads that make a run's batches

    @property
    def base(self) -> Path:
        return self.work / "base"

    @property
    def pictures(self) -> Path:
        return self.work / "pictures.parquet"


def overrides_of(
    recipe: str, rate: str, more: Mapping[str, str] | None = None, *, steps: int, batch: int, precision: str
) -> dict[str, str]:
    """What is equal for all recipes; patching is done here, alike for all."""
    return {
        "optimizer.steps": str(steps), "optimizer.warmup": "50", "optimizer.weight_decay": "0.1",
        "optimizer.lr": str(10 * float(rate)) if recipe in LORA else rate, "optimizer.min_lr": "0.0",
        "batch.size": str(batch), "model.precision": precision, "patching.alpha": "none", **(more or {}),
    }  # fmt: skip


_STATE: dict[str, Any] = {}


def begin(place: Place, gpus: Any) -> None:
    """What a process keeps from run to run."""
    os.environ["CUDA_VISIBLE_DEVICES"] = str(gpus.get())
    import torch
    from transformers.utils import logging

    import negagen.train.loop  # noqa: F401  # the first import takes seconds, which the pre-training gives

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    _STATE["place"] = place


def _questions() -> tuple[Any, dict[str, Any]]:
    """The base's weights, and the exams on the device."""
    if "base" not in _STATE:
        from examples.scenes.encode import Questions, load
        from examples.scenes.exam import Exam

        place: Place = _STATE["place"]
        model, tokenizer = load(place.base, place.device)
        _STATE["base"] = {name: value.clone() for name, value in model.state_dict().items()}
        _STATE["exams"] = {
            part: Questions.of(Exam.load(place.data / f"{part}.npz"), tokenizer, place.device) for part in place.parts
        }
    return _STATE["base"], _STATE["exams"]


def before() -> dict[str, Any]:
    """The base's scores."""
    from examples.scenes.encode import load

    _, exams = _questions()
    model, _ = load(_STATE["place"].base, _STATE["place"].device)
    return {part: questions.ask(model) for part, questions in exams.items()}


def warm(data: str, workers: int) -> float:
    """Reads, decodes and tokenises once what all runs on these negatives use; gives the seconds it took."""
    from negagen.data import HuggingFaceTokenizer, Inputs, prepare
    from negagen.train.models import load

    place: Place = _STATE["place"]
    began = time.monotonic()
    model = load(str(place.base), device="cpu")
    inputs = Inputs([place.data / f"{data}.parquet"], images=place.pictures)
    tokenizer = HuggingFaceTokenizer(model.tokenizer, model.context_length)
    prepare(inputs, tokenizer, model.view, cache=place.work / "cache", workers=workers)
    return time.monotonic() - began


def fine_tune(run: Run) -> dict[str, Any]:
    """Trains, exports, loads what was exported, and asks it and what lies between it and the base."""
    from examples.scenes.encode import load
    from negagen.data import Inputs
    from negagen.train.loop import Job, finetune
    from negagen.train.patching import interpolate
    from negagen.train.recipe import load_recipe

    place: Place = _STATE["place"]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=place.work) as folder:
        output = Path(folder) / "run"
        job = Job(
            inputs=Inputs([place.data / f"{run.data}.parquet"], images=place.pictures),
            model=str(place.base), output=output, recipe=load_recipe(run.recipe, run.overrides),
            cache=place.work / "cache", held_out=0.0, seed=run.seed, workers=place.loaders, device=place.device,
            save_every=10**9, keep=1,
        )  # fmt: skip
        report = finetune(job)
        model, _ = load(output / "model", place.device)
    trained = time.monotonic()
    base, exams = _questions()
    tuned = {name: value.clone() for name, value in model.state_dict().items()}
    curve = {}
    for alpha in place.alphas:
        model.load_state_dict(interpolate(base, tuned, alpha))
        curve[str(alpha)] = {part: questions.ask(model) for part, questions in exams.items()}
    return {
        **asdict(run), "curve": curve, "steps": report["steps"], "training_seconds": report["seconds"],
        "seconds": round(trained - began, 1), "asking_seconds": round(time.monotonic() - trained, 1),
    }  # fmt: skip


def chosen_alpha(base: Mapping[str, Any], curve: Mapping[str, Any]) -> str:
    """The alpha that composes best on the tuning part and retrieves there at most a point worse than the base."""
    kept = [alpha for alpha, scores in curve.items() if scores["tune"]["retrieval"] >= base["tune"]["retrieval"] - 0.01]
    return max(kept or [min(curve)], key=lambda alpha: curve[alpha]["tune"]["mean"])
