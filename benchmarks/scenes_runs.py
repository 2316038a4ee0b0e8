"""One fine-tuning of the experiment on scenes, in a process that keeps what all of its runs have in common."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

__all__ = ["ALPHAS", "Place", "Run", "before", "begin", "chosen_alpha", "fine_tune", "overrides_of", "warm"]

ALPHAS: Final = (0.2, 0.4, 0.6, 0.8, 1.0)
# LoRA's adapters learn at ten times the rate of whole matrices: the ratio of FSC-CLIP's two recipes.
LORA: Final = ("tsvlc",)


@dataclass(frozen=True, slots=True)
class Run:
    """One fine-tuning: a shipped recipe with these overrides, on `data`: a file of negatives by its stem. `base`: the
    name of the model's folder."""

    name: str
    recipe: str
    data: str
    seed: int
    overrides: Mapping[str, str] = field(default_factory=dict)
    base: str = "base"


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything lies."""

    data: Path
    work: Path
    device: str
    alphas: tuple[float, ...] = ALPHAS
    parts: tuple[str, ...] = ("test", "tune")  # of the world, that models are asked about
    loaders: int = 2  # threads that make a run's batches

    def base(self, name: str) -> Path:
        return self.work / "bases" / name

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


def _questions(tokenizer: Any) -> dict[str, Any]:
    """The exams on the device; all bases have one tokenizer."""
    if "exams" not in _STATE:
        from examples.scenes.encode import Questions
        from examples.scenes.exam import Exam

        place: Place = _STATE["place"]
        _STATE["exams"] = {
            part: Questions.of(Exam.load(place.data / f"{part}.npz"), tokenizer, place.device) for part in place.parts
        }
    exams: dict[str, Any] = _STATE["exams"]
    return exams


def before(base: str) -> dict[str, Any]:
    """The base's scores."""
    from examples.scenes.encode import load

    model, tokenizer = load(_STATE["place"].base(base), _STATE["place"].device)
    return {part: questions.ask(model) for part, questions in _questions(tokenizer).items()}


def warm(data: str, base: str, workers: int) -> float:
    """Reads, decodes and tokenises once what all runs on these negatives use; gives the seconds it took."""
    from negagen.data import HuggingFaceTokenizer, Inputs, prepare
    from negagen.train.models import load

    place: Place = _STATE["place"]
    began = time.monotonic()
    model = load(str(place.base(base)), device="cpu")
    inputs = Inputs([place.data / f"{data}.parquet"], images=place.pictures)
    tokenizer = HuggingFaceTokenizer(model.tokenizer, model.context_length)
    prepare(inputs, tokenizer, model.view, cache=place.work / "cache", workers=workers)
    return time.monotonic() - began


def fine_tune(run: Run) -> dict[str, Any]:
    """Trains, exports, loads what was exported, and asks it and what lies between it and the base."""
    from examples.scenes.encode import load
    from negagen.data import Inputs
    from negagen.train.loop import Job, finetune
    from negagen.train.metrics import read_metrics
    from negagen.train.patching import interpolate
    from negagen.train.recipe import load_recipe

    place: Place = _STATE["place"]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=place.work) as folder:
        output = Path(folder) / "run"
        job = Job(
            inputs=Inputs([place.data / f"{run.data}.parquet"], images=place.pictures),
            model=str(place.base(run.base)), output=output, recipe=load_recipe(run.recipe, run.overrides),
            cache=place.work / "cache", held_out=0.0, seed=run.seed, workers=place.loaders, device=place.device,
            save_every=10**9, keep=1,
        )  # fmt: skip
        report = finetune(job)
        model, tokenizer = load(output / "model", place.device)
        own = [step["own_accuracy"] for step in read_metrics(output, "step")]
    trained = time.monotonic()
    exams = _questions(tokenizer)
    base = load(place.base(run.base), place.device)[0].state_dict()
    tuned = {name: value.clone() for name, value in model.state_dict().items()}
    curve = {}
    for alpha in place.alphas:
        model.load_state_dict(interpolate(base, tuned, alpha))
        curve[str(alpha)] = {part: questions.ask(model) for part, questions in exams.items()}
    return {
        **asdict(run), "curve": curve, "steps": report["steps"], "training_seconds": report["seconds"],
        "own_accuracy": _tenths(own), "seconds": round(trained - began, 1),
        "asking_seconds": round(time.monotonic() - trained, 1),
    }  # fmt: skip


def _tenths(values: Sequence[float | None]) -> list[float | None]:
    """Means of ten equal stretches, None where there are no negatives."""
    means: list[float | None] = []
    for start in range(10):
        part = [
            value for value in values[start * len(values) // 10 : (start + 1) * len(values) // 10] if value is not None
        ]
        means.append(round(sum(part) / len(part), 4) if part else None)
    return means


def chosen_alpha(base: Mapping[str, Any], curve: Mapping[str, Any]) -> str:
    """The alpha that composes best on the tuning part and retrieves there at most a point worse than the base."""
    kept = [alpha for alpha, scores in curve.items() if scores["tune"]["retrieval"] >= base["tune"]["retrieval"] - 0.01]
    return max(kept or [min(curve)], key=lambda alpha: curve[alpha]["tune"]["mean"])
