"""Every recipe on the small world: what each teaches of composition, what it costs, and what leaky negatives do.

    python -m benchmarks.scenes prepare --data out/scenes          # captions, negatives, exams; needs no GPU
    python -m benchmarks.scenes run --data out/scenes --output out/scenes/results    # a few minutes on one GPU or more
    python -m benchmarks.scenes_report out/scenes/results/scenes.json --docs docs

`run` draws the pictures, trains a small CLIP without negatives (`examples.scenes.pretrain`), tunes learning rate and
the recipe `negagen` on another part of the world and another seed than those reported, and fine-tunes the model by
every recipe with negagen's own trainer: equal steps, batches, data and learning rate. Several runs share a GPU. Results
are written as they come.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed, wait
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

FIRST: Final = 1_000_000  # scene number of the first picture to fine-tune on; those before are for pre-training
ALPHAS: Final = (0.2, 0.4, 0.6, 0.8, 1.0)
RECIPES: Final = ("clip", "negclip", "tsvlc", "ce-clip", "clic", "fsc-clip", "negagen")
LEAKY: Final = ("negclip", "negagen")
# LoRA's adapters learn at ten times the rate of whole matrices: the ratio of FSC-CLIP's two recipes.
LORA: Final = ("tsvlc",)
VARIANTS: Final[tuple[dict[str, str], ...]] = (
    {},
    {"loss.own.weight": "1.0"},
    {"loss.own.weight": "1.0", "loss.retention.weight": "0.2"},
    {"loss.own.weight": "1.0", "loss.hard-positive.weight": "0.5", "loss.retention.weight": "0.2"},
)
TUNING_SEED: Final = 100


@dataclass(frozen=True, slots=True)
class Run:
    """One fine-tuning: a shipped recipe with these overrides, on `data` ("balanced" or "off": its blindness)."""

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

    @property
    def base(self) -> Path:
        return self.work / "base"

    @property
    def pictures(self) -> Path:
        return self.work / "pictures.parquet"


# Preparation: captions and negatives, where spaCy is.


def prepare(data: Path, *, images: int, seed: int, each: int, retrieval: int, side: int) -> None:
    """Writes captions, their negatives with and without selection against blindness, and two exams."""
    from examples.scenes.asking import make_exam, training_captions
    from examples.scenes.make import table

    data.mkdir(parents=True, exist_ok=True)
    made = table(images, seed=seed, start=FIRST, pictures=False).select(["image_id", "caption"])
    pq.write_table(made, data / "captions.parquet", compression="zstd")
    for blindness in ("balanced", "off"):
        command = [sys.executable, "-m", "negagen", "generate", str(data / "captions.parquet")]
        command += ["-o", str(data / f"{blindness}.parquet"), "--blindness", blindness, "--overwrite", "--quiet"]
        subprocess.run(command, check=True)
    training = training_captions(20_000, seed=seed)
    make_exam(training, each=each, retrieval=retrieval, side=side, seed=seed, split="test").save(data / "test.npz")
    make_exam(training, each=each // 2, retrieval=retrieval // 2, side=side, seed=seed, split="tune").save(
        data / "tune.npz"
    )
    make_exam(training, each=100, retrieval=200, portraits=3, side=80, seed=seed).save(data / "tiny.npz")


# Pictures and the model before fine-tuning, where the GPU is.


def draw_pictures(path: Path, captions: Path, *, side: int, seed: int, workers: int) -> None:
    """The pictures of all captions to fine-tune on, with their ids."""
    from examples.scenes.pixels import in_blocks

    ids = pq.read_table(captions, columns=["image_id"]).column("image_id").unique()
    numbers = range(FIRST, FIRST + len(ids))
    rows = [row for block in in_blocks(partial(_png, side=side, seed=seed), numbers, workers) for row in block]
    pq.write_table(pa.Table.from_pylist(rows), path, compression="none", row_group_size=1000)


def _png(numbers: range, side: int, seed: int) -> list[dict[str, object]]:
    from examples.scenes.render import draw, to_png
    from examples.scenes.sample import sample

    return [
        {
            "image_id": f"train-{seed}-{number}",
            "image": {"bytes": to_png(draw(sample(number, seed=seed), side)), "path": f"{number}.png"},
        }
        for number in numbers
    ]


def pretraining(place: Place, arguments: Sequence[str], gpu: int, log: Path) -> subprocess.Popen[bytes]:
    """Starts `examples.scenes.pretrain` on that GPU."""
    command = [sys.executable, "-m", "examples.scenes.pretrain", "--device", place.device, *arguments]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": str(gpu)}
    with log.open("wb") as file:
        return subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)


# Fine-tuning, in processes of their own.

_STATE: dict[str, Any] = {}


def _begin(place: Place, gpus: Any) -> None:
    """What a process keeps from run to run."""
    os.environ["CUDA_VISIBLE_DEVICES"] = str(gpus.get())
    import torch
    from transformers.utils import logging

    import negagen.train.loop  # noqa: F401  # the first import takes seconds, which the pre-training gives

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    _STATE["place"] = place


def _questions() -> tuple[Any, Any, Any]:
    """The base's weights, and both exams on the device."""
    if "base" not in _STATE:
        from examples.scenes.encode import Questions, load
        from examples.scenes.exam import Exam

        place: Place = _STATE["place"]
        model, tokenizer = load(place.base, place.device)
        _STATE["base"] = {name: value.clone() for name, value in model.state_dict().items()}
        for name in ("test", "tune"):
            _STATE[name] = Questions.of(Exam.load(place.data / f"{name}.npz"), tokenizer, place.device)
    return _STATE["base"], _STATE["test"], _STATE["tune"]


def before() -> dict[str, Any]:
    """The base's scores."""
    from examples.scenes.encode import load

    _, test, tune = _questions()
    model, _ = load(_STATE["place"].base, _STATE["place"].device)
    return {"test": test.ask(model), "tune": tune.ask(model)}


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
            cache=place.work / "cache", held_out=0.0, seed=run.seed, workers=2, device=place.device,
            save_every=10**9, keep=1,
        )  # fmt: skip
        report = finetune(job)
        model, _ = load(output / "model", place.device)
    trained = time.monotonic()
    base, test, tune = _questions()
    tuned = {name: value.clone() for name, value in model.state_dict().items()}
    curve = {}
    for alpha in place.alphas:
        model.load_state_dict(interpolate(base, tuned, alpha))
        curve[str(alpha)] = {"test": test.ask(model), "tune": tune.ask(model)}
    return {
        **asdict(run), "curve": curve, "steps": report["steps"], "training_seconds": report["seconds"],
        "seconds": round(trained - began, 1), "asking_seconds": round(time.monotonic() - trained, 1),
    }  # fmt: skip


def chosen_alpha(base: Mapping[str, Any], curve: Mapping[str, Any]) -> str:
    """The alpha that composes best on the tuning part and retrieves there at most a point worse than the base."""
    kept = [alpha for alpha, scores in curve.items() if scores["tune"]["retrieval"] >= base["tune"]["retrieval"] - 0.01]
    return max(kept or [min(curve)], key=lambda alpha: curve[alpha]["tune"]["mean"])


# The whole.


class Results:
    """What has come so far, on disk after each run."""

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self.path = path
        self.value: dict[str, Any] = {"about": dict(about), "tuning": [], "runs": []}

    def add(self, part: str, result: Mapping[str, Any]) -> None:
        self.value[part].append(result)
        self.write()

    def write(self) -> None:
        self.path.write_text(json.dumps(self.value) + "\n", encoding="utf-8")


def overrides_of(
    recipe: str, rate: str, more: Mapping[str, str] | None = None, *, steps: int, batch: int, precision: str
) -> dict[str, str]:
    """What is equal for all recipes; patching is done here, alike for all."""
    return {
        "optimizer.steps": str(steps), "optimizer.warmup": "50", "optimizer.weight_decay": "0.1",
        "optimizer.lr": str(10 * float(rate)) if recipe in LORA else rate, "optimizer.min_lr": "0.0",
        "batch.size": str(batch), "model.precision": precision, "patching.alpha": "none", **(more or {}),
    }  # fmt: skip


def run(given: argparse.Namespace) -> None:
    """Everything, within `--seconds`."""
    began = time.monotonic()
    place = Place(given.data, given.work, given.device, tuple(given.alphas))
    for folder in (given.output, place.work):
        folder.mkdir(parents=True, exist_ok=True)
    settings = {
        name: value for name, value in vars(given).items() if isinstance(value, int | float | str) and name != "command"
    }
    results = Results(given.output / "scenes.json", {**settings, **_versions()})

    def tell(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)

    gpus = get_context("spawn").Queue()
    for worker in range(given.gpus * given.per_gpu):
        gpus.put(worker % given.gpus)
    pool = ProcessPoolExecutor(
        given.gpus * given.per_gpu, get_context("spawn"), initializer=_begin, initargs=(place, gpus)
    )
    # The processes begin now: what they import is there when the base is.
    waiting = [pool.submit(time.sleep, 1.0) for _ in range(given.gpus * given.per_gpu)]
    _pretrain(given, place, results, tell)
    wait(waiting)
    base = pool.submit(before).result()
    results.value["base"] = base
    tell("base: " + _line(base["test"]))

    def all_of(runs: Sequence[Run], part: str) -> list[dict[str, Any]]:
        pending: dict[Future[dict[str, Any]], Run] = {pool.submit(fine_tune, one): one for one in runs}
        done = []
        for future in as_completed(pending):
            if future.cancelled():
                continue
            one = pending[future]
            if (error := future.exception()) is not None:
                tell(f"{one.name} seed {one.seed} failed: {type(error).__name__}: {error}")
                results.add("failed", {**asdict(one), "error": str(error)})
            else:
                found = future.result()
                results.add(part, found)
                done.append(found)
                took = f"{found['seconds']:.0f}+{found['asking_seconds']:.0f} s"
                tell(f"{one.name} {one.data} seed {one.seed} {took}: {_line(found['curve']['1.0']['test'])}")
            if time.monotonic() - began > given.seconds:
                for other in pending:
                    other.cancel()
        return done

    results.value["failed"] = []
    equal = partial(overrides_of, steps=given.steps, batch=given.batch, precision=given.precision)
    trial = [Run("negclip", "negclip", "balanced", TUNING_SEED, equal("negclip", rate)) for rate in given.rates]
    trial += [
        Run("negagen", "negagen", "balanced", TUNING_SEED, equal("negagen", rate, variant))
        for rate in given.rates for variant in VARIANTS
    ]  # fmt: skip
    tried = all_of(trial[: given.trials], "tuning")
    rate, variant = _best(base, tried, given.rates)
    results.value["chosen"] = {"rate": rate, "negagen": variant}
    tell(f"chosen: rate {rate}, negagen {variant}")
    runs = [
        Run(name + suffix, name, data, seed, equal(name, rate, variant if name == "negagen" else None))
        for seed in range(given.seeds)
        for data, suffix, names in (("balanced", "", given.recipes), ("off", ", leaky", LEAKY))
        for name in names
    ]
    all_of(runs, "runs")
    results.write()
    pool.shutdown(wait=False, cancel_futures=True)
    tell(f"{len(results.value['runs'])} of {len(runs)} runs")


def _pretrain(given: argparse.Namespace, place: Place, results: Results, tell: Any) -> None:
    """The base, and on the last GPU the tiny model of the demonstration; and the pictures to fine-tune on."""
    from examples.scenes.model import PRESETS
    from examples.scenes.pixels import drawn
    from examples.scenes.pretrain import SIBLINGS

    if given.base is not None:
        shutil.copytree(given.base, place.base, dirs_exist_ok=True)
        side = json.loads((given.base / "config.json").read_text(encoding="utf-8"))["vision_config"]["image_size"]
        _draw(given, place, side, tell)
        return
    cache = place.work / "drawn"
    drawn(
        given.images,
        PRESETS[given.preset].side,
        siblings=SIBLINGS,
        cache=cache,
        seed=given.world,
        workers=given.workers,
    )
    if given.tiny:
        drawn(
            given.images, PRESETS["tiny"].side, siblings=SIBLINGS, cache=cache, seed=given.world, workers=given.workers
        )
    tell("pictures to pre-train on are drawn")
    common = ["--images", str(given.images), "--world", str(given.world), "--cache", str(cache)]
    common += ["--batch", str(given.pretrain_batch), "--every", str(given.every)]
    started = [
        pretraining(
            place,
            ["--preset", given.preset, "--steps", str(given.pretrain_steps), "--lr", "7e-4", "-o", str(place.base),
             "--exam", str(place.data / "tune.npz"), *common], 0, given.output / "pretrain.log",
        )
    ]  # fmt: skip
    if given.tiny:
        tiny = ["--preset", "tiny", "--steps", str(given.tiny), "--lr", "1.5e-3", "--half"]
        tiny += ["-o", str(given.output / "tiny"), "--exam", str(place.data / "tiny.npz"), *common]
        started.append(pretraining(place, tiny, given.gpus - 1, given.output / "tiny.log"))
    _draw(given, place, PRESETS[given.preset].side, tell)
    if started[0].wait():
        raise SystemExit((given.output / "pretrain.log").read_text(encoding="utf-8")[-2000:])
    results.value["pretraining"] = json.loads((place.base / "pretraining.json").read_text(encoding="utf-8"))
    last = results.value["pretraining"][-1]
    tell(f"pre-trained: step {last['step']}, {last['seconds']} s, {_line(last['scores'])}")
    if len(started) > 1 and started[1].wait():
        raise SystemExit((given.output / "tiny.log").read_text(encoding="utf-8")[-2000:])


def _draw(given: argparse.Namespace, place: Place, side: int, tell: Any) -> None:
    captions = place.data / "captions.parquet"
    draw_pictures(place.pictures, captions, side=side, seed=given.world, workers=given.workers)
    tell("pictures to fine-tune on are drawn")


def _best(
    base: Mapping[str, Any], tried: Sequence[Mapping[str, Any]], rates: Sequence[str]
) -> tuple[str, dict[str, str]]:
    """The rate at which the peers' recipe composes best, and negagen's variant that, patched, does so at that rate."""
    peers = [one for one in tried if one["recipe"] == "negclip"]
    if not peers:
        return rates[0], {}
    rate = max(peers, key=lambda one: one["curve"]["1.0"]["tune"]["mean"])["overrides"]["optimizer.lr"]
    ours = [one for one in tried if one["recipe"] == "negagen" and one["overrides"]["optimizer.lr"] == rate]
    if not ours:
        return rate, {}
    best = max(ours, key=lambda one: one["curve"][chosen_alpha(base, one["curve"])]["tune"]["mean"])
    return rate, {key: value for key, value in best["overrides"].items() if key.startswith("loss.")}


def _line(scores: Mapping[str, Any]) -> str:
    names = ("mean", "swap", "held_out", "consistent_mean", "implausible", "plausible", "retrieval", "nouns", "colours")
    return "  ".join(f"{name} {100 * scores[name]:.1f}" for name in names)


def _versions() -> dict[str, str]:
    import torch
    import transformers

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return {"torch": torch.__version__, "transformers": transformers.__version__, "machine": device}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("prepare", help="captions, negatives and exams")
    running = commands.add_parser("run", help="pre-train, tune, fine-tune, measure")
    for one in (making, running):
        one.add_argument("--data", type=Path, default=Path("out/scenes"))
    making.add_argument("--images", type=int, default=12_000, help="pictures to fine-tune on")
    making.add_argument("--world", type=int, default=0, help="seed of the world")
    making.add_argument("--side", type=int, default=112, help="of the pictures, in pixels: as the model wants them")
    making.add_argument("--each", type=int, default=400, help="probes a category")
    making.add_argument("--retrieval", type=int, default=600, help="pictures to retrieve among")
    running.add_argument("--output", type=Path, default=Path("out/scenes/results"))
    running.add_argument("--work", type=Path, default=Path("out/scenes/work"), help="for what may be thrown away")
    running.add_argument("--world", type=int, default=0)
    running.add_argument("--device", default="cuda")
    running.add_argument("--gpus", type=int, default=1)
    running.add_argument("--per-gpu", type=int, default=5, help="runs at a time on one GPU")
    running.add_argument("--workers", type=int, default=16, help="processes that draw")
    running.add_argument("--seconds", type=float, default=400, help="no run begins after so long")
    running.add_argument("--base", type=Path, help="a model to fine-tune, in place of one that is pre-trained here")
    running.add_argument("--alphas", type=float, nargs="+", default=ALPHAS)
    running.add_argument("--recipes", nargs="+", default=RECIPES)
    running.add_argument("--preset", default="coarse")
    running.add_argument("--images", type=int, default=60_000, help="pictures to pre-train on")
    running.add_argument("--pretrain-steps", type=int, default=2500)
    running.add_argument("--pretrain-batch", type=int, default=128)
    running.add_argument("--every", type=int, default=500)
    running.add_argument("--tiny", type=int, default=0, help="steps for the demonstration's model, too; 0: none")
    running.add_argument("--steps", type=int, default=500)
    running.add_argument("--batch", type=int, default=128)
    running.add_argument("--precision", default="bf16", help="fp32 on a CPU")
    running.add_argument("--seeds", type=int, default=3)
    running.add_argument("--rates", nargs="+", default=["1e-4", "3e-4"], help="learning rates to choose from")
    running.add_argument("--trials", type=int, default=10, help="how many of the tuning runs")
    given = parser.parse_args()
    if given.command == "prepare":
        prepare(
            given.data, images=given.images, seed=given.world, each=given.each, retrieval=given.retrieval,
            side=given.side,
        )  # fmt: skip
    else:
        run(given)


if __name__ == "__main__":
    main()
