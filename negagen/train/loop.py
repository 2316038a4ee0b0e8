"""Fine-tuning from the first check to the exported model, to be read from top to bottom.

    negagen finetune negatives.parquet --model DIR --images DIR --recipe negclip -o RUN
    torchrun --nproc-per-node 2 -m negagen finetune negatives.parquet --model DIR ...

The batch of a step, and every random draw within it, follow from the seed and the number of the step: a run that was
killed goes on as if it had not been. A recipe's batch is that of all ranks, so one process and two train alike.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, NoReturn

import torch
from torch import Tensor

from negagen.data import HuggingFaceTokenizer, Inputs, Prepared, default_cache, prepare
from negagen.errors import ModelError, OutputError, RecipeError, TrainingError
from negagen.seeding import key_of
from negagen.train import checkpoint, distributed, memory, metrics, models, run
from negagen.train.curriculum import Recorder, check_start, conclude_curriculum, start_of
from negagen.train.ending import Tuned, conclude
from negagen.train.export import data_table
from negagen.train.feed import Exam, Feed, length
from negagen.train.heldout import measure, objective_of
from negagen.train.losses import Objective
from negagen.train.measured import Benchmarks, Measured
from negagen.train.optim import learning_rate
from negagen.train.recipe import Recipe
from negagen.train.staging import Staged, Stager
from negagen.train.step import Encoder, own_accuracy, own_similarities
from negagen.train.training import Training, freeze
from negagen.train.writing import libraries_explained, save_tensors

FAILED = "failed-batch.pt"


@dataclass(frozen=True, slots=True)
class Job:
    """What to do.

    `inputs` are negatives and pictures, `cache` the folder where what was read of them is kept. `held_out` is the
    share of pictures that are measured on and not trained on. `lock_image` freezes the vision tower, whatever the
    recipe says, and encodes every picture once, before the first step. `feedback` is a file of what a model said of the
    negatives, with which a recipe's curriculum begins. `resume` is "latest" or a checkpoint's folder.
    What comes of a run does not depend on `workers`, `device`, `log`, `save_every`, `keep` and the recipe's
    `batch.chunk`, `model.compile` and `model.gradient_checkpointing` but for rounding; it may be resumed with others.
    """

    inputs: Inputs
    model: str
    output: Path
    recipe: Recipe
    cache: Path | None = None
    max_bad: float = 0.01
    held_out: float = 0.05
    lock_image: bool = False
    feedback: Path | None = None
    seed: int = 0
    workers: int = 4
    device: str = "auto"
    benchmarks: Benchmarks = field(default_factory=Benchmarks)
    log: tuple[str, ...] = ()
    save_every: int = 500
    keep: int = 2
    resume: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands; figures are those of the last step that was read. `detail` says what is being done."""

    phase: Literal["preparing", "measuring", "training"]
    step: int = 0
    steps: int = 0
    loss: float = math.nan
    own_accuracy: float | None = None
    images_per_second: float = 0.0
    seconds_left: float = 0.0
    detail: str = ""


Watch = Callable[[Progress], None]


def finetune(job: Job, watch: Watch = lambda _: None) -> dict[str, Any]:
    """Do the job; gives what `report.json` holds, and nothing to processes that do not lead.

    Raises `DataError`, `InputError`, `ModelError`, `OutputError` before the first step for what cannot be trained;
    `TrainingError` for a device that is missing, a run that does not match the one resumed, a loss that is no number,
    or memory that does not suffice; of several processes one raises these, the others `PeerError`.
    """
    with distributed.process_group(job.device) as device, ExitStack() as ends:
        if job.lock_image:
            job = replace(job, recipe=locked(job.recipe))
        return _finetune(job, device, watch if distributed.is_main() else lambda _: None, ends)


def _finetune(job: Job, device: torch.device, watch: Watch, ends: ExitStack) -> dict[str, Any]:
    recipe, settings, leads = job.recipe, job.recipe.model, distributed.is_main()
    metrics.check_sinks(job.log)
    job.benchmarks.check()
    check_start(recipe, job.feedback)
    # TF32 for the batch-wide products of the losses, where the towers are in half precision anyway.
    ends.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
    torch.set_float32_matmul_precision("highest" if settings.precision == "fp32" else "high")

    # The model, as it comes; its weights are what patching goes back to.
    watch(Progress("preparing", detail=f"model {job.model}"))
    model = models.load(job.model, device=device)
    base = {name: value.cpu().clone() for name, value in model.network.state_dict().items()}
    needs = recipe.objective().needs
    if "bias" in needs and model.logit_bias is None:
        raise ModelError(f"{job.model} has no logit bias, which recipe {recipe.name!r} needs: give a SigLIP.")
    freeze(model, settings, job.seed)

    # The data: split by picture, so that no sibling of a held-out caption is trained on.
    tokenizer = HuggingFaceTokenizer(model.tokenizer, model.context_length)
    data = prepare(
        job.inputs, tokenizer, model.view,
        cache=job.cache or default_cache(), workers=job.workers, max_bad=job.max_bad,
        tell=lambda what, done, total: watch(Progress("preparing", done, total, detail=what)),
    )  # fmt: skip
    train, held = data.split(job.held_out, job.seed) if job.held_out else (data, None)
    stager = Stager(
        model, recipe.batch.chunk, whole="local" in needs, anchors=recipe.retention.teacher != "none",
        pin=device.type == "cuda",
    )  # fmt: skip
    feedback = start_of(recipe, train.data, job.feedback)
    feed = Feed.open(
        train, recipe, stager, device, seed=job.seed, workers=job.workers, pixels=not job.lock_image,
        feedback=feedback,
    )  # fmt: skip
    exam = None if held is None else Exam.open(
        held, recipe, stager, device, seed=job.seed, pixels=not job.lock_image
    )  # fmt: skip
    steps, warmup = length(recipe, feed.steps_per_epoch)
    several = isinstance(recipe.patching.alpha, tuple) and len(recipe.patching.alpha) > 1
    if several and exam is None and not job.benchmarks.names:
        Measured().point(0.0)  # which says what is wrong

    # The run's folder: a new one, or that of the same configuration.
    config = _configuration(job, data, len(train))
    config["model"] = {
        "weights": run.weights_fingerprint(base), "tokenizer": tokenizer.fingerprint, "view": asdict(model.view)
    }  # fmt: skip
    config["feedback"] = None if job.feedback is None or feedback is None else feedback.fingerprint
    start, abandoned = _where_to_start(job, config, recipe, ends) if leads else (None, "")
    start = distributed.from_main(start)
    if abandoned:
        watch(Progress("preparing", detail=f"to go on {abandoned}"))
    training = Training.begin(model, recipe, device, feedback)
    sinks = metrics.open_sinks(job.output, job.log, config) if leads else []
    for sink in sinks:
        ends.callback(sink.close)
    encoder = Encoder(model, device, settings.precision, recipe.batch.chunk, "local" in needs, training.teacher)
    if job.lock_image:
        watch(Progress("preparing", detail="features of all pictures"))
        encoder = replace(encoder, pictures=encoder.encode_all(data.pixels, recipe.batch.chunk or recipe.batch.size))

    def measured(name: str) -> Measured:
        """The model as it stands, by the process that leads."""
        watch(Progress("measuring", detail=name))
        model.eval()
        alone = replace(encoder, teacher=None, alone=True)
        scores = None if exam is None else measure(alone, exam, objective_of(recipe)).to_json()
        found = Measured(scores, job.benchmarks.measure(model))
        for sink in sinks:
            sink.write({
                "kind": "evaluation", "step": training.step, "name": name, "asked": list(job.benchmarks.names),
                **found.to_json(),
            })  # fmt: skip
        return found

    before = (_earlier(job) or measured("before")) if leads else None
    if several and before is not None:
        before.point(0.0)  # now rather than when all is trained
    if start is not None:  # not sooner: what was before may have to be measured by other benchmarks
        training.restore(checkpoint.load(start))
    distributed.barrier()

    # The steps. Figures are read one step late, so that the device never waits for this process.
    objectives = {plain: recipe.objective(plain=plain) for plain in (False, True)}
    names = sorted({term.name for objective in objectives.values() for term in objective.terms})
    readings: metrics.Readings[tuple[int, float, Staged]] = metrics.Readings(device)
    clock = _Clock(training.step, recipe.batch.size)
    recorder = None if feedback is None else Recorder(feedback, device, feed.steps_per_epoch)

    def read(leave: int) -> None:
        """Take in the figures that have come, all but the last `leave`."""
        if recorder is not None:
            recorder.read(leave)
        for (step, rate, staged), values in readings.ready(leave=leave):
            loss, norm, accuracy, scale, *parts = values
            losses = {name: part for name, part in zip(names, parts, strict=True) if not math.isnan(part)}
            if not math.isfinite(loss) or not (math.isfinite(norm) or settings.precision == "fp16"):
                _stop(job.output, step, staged, loss, norm, losses)
            speed = clock.tick(step)
            correct = None if math.isnan(accuracy) else accuracy
            record = {
                "kind": "step", "step": step, "epoch": (step - 1) // feed.steps_per_epoch, "loss": loss,
                "losses": losses, "own_accuracy": correct, "grad_norm": norm, "logit_scale": scale, "lr": rate,
                "images_per_second": speed, "skipped": not math.isfinite(norm),
            }  # fmt: skip
            for sink in sinks:
                sink.write(record)
            left = (steps - step) * recipe.batch.size / speed
            watch(Progress("training", step, steps, loss, correct, speed, left))

    def begin(epoch: int) -> None:
        """Have all of the epochs before this one in the table that its draws go by."""
        read(leave=0)
        if feedback is not None and epoch and training.step % feed.steps_per_epoch == 0:
            record = {"kind": "curriculum", "step": training.step, "epoch": epoch - 1}
            for sink in sinks:
                sink.write(record | feedback.figures(recipe.curriculum.below))

    began = time.monotonic()
    training.set_mode()
    for staged in feed.steps(training.step, steps, begin if recorder else None):
        if staged.step % feed.steps_per_epoch == 0:
            training.losses = {name: value.to(device) for name, value in objectives[False].start().items()}
        torch.manual_seed(key_of("step", job.seed, staged.step, distributed.rank()) >> 1)
        rate = learning_rate(
            staged.step, steps=steps, peak=recipe.optimizer.lr, warmup=warmup, floor=recipe.optimizer.min_lr,
            schedule=recipe.optimizer.schedule,
        )  # fmt: skip
        try:
            values = _step(training, encoder, staged, objectives[feed.is_plain(staged.step)], names, rate, recorder)
        except torch.OutOfMemoryError as error:
            raise memory.explained(error, recipe, len(staged.batch), training.step > 0) from None
        readings.push((training.step, rate, staged), values)
        read(leave=1)
        if training.step % job.save_every == 0 or training.step == steps:
            read(leave=0)  # nothing is saved that a loss which is no number has spoilt
            if leads:
                meta = {"configuration": config, "versions": run.versions()}
                checkpoint.save(job.output, training.checkpoint(meta), keep=job.keep)

    # After: averaged weights, adapters merged, patching, export.
    training.finish()
    report: dict[str, Any] = {}
    if leads and before is not None:
        told = {
            "steps": steps, "batch": recipe.batch.size, "processes": distributed.world_size(), "seed": job.seed,
            "device": _described(device), "seconds": round(time.monotonic() - began, 1),
            "captions": len(train), "held_out": len(data) - len(train),
        }  # fmt: skip
        if feedback is not None:
            told["curriculum"] = conclude_curriculum(job.output, train.data, recipe, feedback)
        facts = data_table([str(path) for path in job.inputs.files], {"captions": f"{len(train):,}"})
        notes = (*data.notes, *([f"went on {abandoned}"] if abandoned else ()))
        tuned = Tuned(job.output, job.model, base, before, recipe, facts, told, notes)
        report = conclude(model, tuned, measured)
    distributed.barrier()
    return report


def _step(
    training: Training, encoder: Encoder, staged: Staged, objective: Objective, names: list[str], rate: float,
    recorder: Recorder | None,
) -> Tensor:  # fmt: skip
    """One step: features, loss, gradients, update. Gives loss, norm, own accuracy, scale, each loss; on the device."""
    training.gradients.zero(once=not encoder.chunk)
    features, backward = encoder(staged)
    result = objective(features, training.losses)
    training.scaler.scale(result.loss).backward()
    backward()
    norm = training.update(rate)
    training.losses = dict(result.state)
    missing = torch.full_like(result.loss, math.nan)
    right, wrong = own_similarities(features)
    if recorder is not None:
        recorder.push(staged.step, features, right, wrong)
    figures = [result.loss, norm, own_accuracy(right, wrong, features.mask), features.scale]
    return torch.stack([*figures, *(result.parts.get(name, missing) for name in names)]).detach().float()


def locked(recipe: Recipe) -> Recipe:
    """The recipe with a frozen vision tower. Raises `RecipeError` if it looks at more of a picture than its feature."""
    if recipe.batch.layout == "clic" or "local" in recipe.objective().needs:
        raise RecipeError(f"--lock-image: recipe {recipe.name!r} needs pixels at every step; leave it out.")
    if recipe.model.text == "frozen":
        raise RecipeError("--lock-image freezes the vision tower, and the recipe model.text: nothing is left to train.")
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"vision": "frozen"})})


def _configuration(job: Job, data: Prepared, trained_on: int) -> dict[str, Any]:
    """What a run that is resumed must have in common with this one; `given` is written down only."""
    free = {"batch": {"chunk"}, "model": {"compile", "gradient_checkpointing"}}
    inputs = job.inputs
    return {
        "recipe": job.recipe.model_dump(mode="json", exclude=free),
        "data": {
            "texts": data.data.fingerprint, "pictures": data.pixels.contents, "captions": len(data),
            "trained on": trained_on, "held_out": job.held_out,
        },
        "seed": job.seed,
        "given": {
            "files": dict(data.data.files),
            "images": None if inputs.images is None else str(inputs.images),
            "columns": [inputs.caption_column, inputs.image_column, inputs.image_id_column],
            "model": job.model,
            "chunk": job.recipe.batch.chunk,
            "compile": job.recipe.model.compile,
            "gradient_checkpointing": job.recipe.model.gradient_checkpointing,
            "benchmarks": list(job.benchmarks.names),
        },
    }  # fmt: skip


def _where_to_start(job: Job, config: Mapping[str, Any], recipe: Recipe, ends: ExitStack) -> tuple[Path | None, str]:
    """The checkpoint to go on from, None for the beginning; the run's folder is made, or trimmed to that checkpoint.

    The folder is this process's alone until `ends`. Gives with it a phrase on checkpoints that were removed, or "".
    """
    if job.resume is not None and not (job.output / run.CONFIG).exists():
        run.check_same(job.output, config)  # which says so; no folder is made
    ends.enter_context(run.held(job.output))
    if job.resume is None:
        run.begin(job.output, config, recipe.to_toml())
    else:
        run.check_same(job.output, config)
    ends.enter_context(run.resumable(job.output))
    if job.resume is None:
        return None, ""
    path = checkpoint.latest(job.output) if job.resume == "latest" else Path(job.resume)
    step = 0
    if path is not None:
        step, meta = checkpoint.look_at(path)
        run.check_checkpoint(path, meta, config)
    # First the checkpoints: were it the other way round, a kill in between would leave one without its metrics.
    gone = checkpoint.forget_after(job.output, step)
    metrics.forget_after(job.output, step)
    return path, f"from step {step:,}: removed the later checkpoints, up to step {gone[0]:,}" if gone else ""


def _earlier(job: Job) -> Measured | None:
    """What a run that is resumed measured before its first step by the same benchmarks, if it came so far."""
    if job.resume is None:
        return None
    for one in reversed(metrics.read_metrics(job.output, "evaluation")):
        if one["name"] == "before" and one["asked"] == list(job.benchmarks.names):
            return Measured(one["held_out"], one["benchmarks"])
    return None


def _stop(folder: Path, step: int, staged: Staged, loss: float, norm: float, losses: Mapping[str, float]) -> NoReturn:
    """A loss or gradient that is no number: keep the batch, and say so."""
    path = folder / (FAILED if distributed.world_size() == 1 else f"rank-{distributed.rank()}-{FAILED}")
    batch = staged.batch
    tensors = {field.name: getattr(batch, field.name) for field in fields(batch) if field.name != "texts"}
    tensors |= {"ids": batch.texts.ids, "lengths": batch.texts.lengths}
    kept = {name: value.cpu() for name, value in tensors.items() if value is not None}
    told = f"The batch is kept in {path}"
    try:
        with libraries_explained(path):
            save_tensors({"step": step, "loss": loss, "grad_norm": norm, "losses": dict(losses), **kept}, path)
    except OutputError as error:
        told = f"The batch could not be kept ({error})"
    last = checkpoint.latest(folder)
    raise TrainingError(
        f"step {step}: the loss is {loss:g} and the norm of its gradient {norm:g}. {told}; the"
        f" last checkpoint is {'none yet' if last is None else last}. A lower optimizer.lr, optimizer.clip_norm=1 or"
        " model.precision=fp32 are the usual remedies; at step 1, look for weights that are no numbers in the model."
    )


def _described(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


class _Clock:
    """Rows a second, over the last twenty steps."""

    def __init__(self, step: int, rows: int) -> None:
        self._rows = rows
        self._marks: deque[tuple[int, float]] = deque([(step, time.perf_counter())], maxlen=20)

    def tick(self, step: int) -> float:
        first, began = self._marks[0]
        now = time.perf_counter()
        self._marks.append((step, now))
        return (step - first) * self._rows / max(1e-9, now - began)
