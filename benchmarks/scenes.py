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
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed, wait
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from benchmarks.scenes_making import prepare, start
from benchmarks.scenes_runs import ALPHAS, Place, Run, before, begin, chosen_alpha, fine_tune, overrides_of

RECIPES: Final = ("clip", "negclip", "tsvlc", "ce-clip", "clic", "fsc-clip", "negagen")
LEAKY: Final = ("negclip", "negagen")
VARIANTS: Final[tuple[dict[str, str], ...]] = (
    {},
    {"loss.own.weight": "1.0"},
    {"loss.own.weight": "1.0", "loss.retention.weight": "0.2"},
    {"loss.own.weight": "1.0", "loss.hard-positive.weight": "0.5", "loss.retention.weight": "0.2"},
)
TUNING_SEED: Final = 100


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
        given.gpus * given.per_gpu, get_context("spawn"), initializer=begin, initargs=(place, gpus)
    )
    # The processes begin now: what they import is there when the base is.
    waiting = [pool.submit(time.sleep, 1.0) for _ in range(given.gpus * given.per_gpu)]
    results.value["pretraining"] = start(given, place, tell)
    for record in results.value["pretraining"]:
        tell(f"pre-training, step {record['step']}: {_line(record['scores'])}")
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
