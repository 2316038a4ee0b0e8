"""Every recipe on the small world: what each teaches of composition, what it costs, and what leaky negatives do.

    python -m benchmarks.scenes prepare --data out/scenes       # captions, negatives, exams; needs no GPU
    python -m benchmarks.scenes run --data out/scenes --base out/base --output out/scenes/results
    python -m benchmarks.scenes_report out/scenes/results/scenes.json --plots docs/scenes

`run` takes a small CLIP that saw no negatives (`benchmarks.scenes_bases`), tunes learning rate and the recipe
`negagen` on another part of the world and another seed than those reported, and fine-tunes the model by every recipe
with negagen's own trainer: equal steps, batches, data and learning rate. Several runs share a GPU. Results are written
as they come. `try` makes the runs of a plan, a list of JSON objects as `Run`'s, and asks about the tuning part alone.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed, wait
from dataclasses import asdict, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from benchmarks.scenes_making import prepare, start
from benchmarks.scenes_runs import ALPHAS, Place, Run, before, begin, chosen_alpha, fine_tune, overrides_of, warm

RECIPES: Final = ("clip", "negclip", "tsvlc", "ce-clip", "clic", "fsc-clip", "negagen")
LEAKY: Final = ("negclip", "negagen")
VARIANTS: Final[tuple[dict[str, str], ...]] = (
    {},
    {"loss.own.weight": "2.0"},
    {"loss.own.weight": "4.0"},
    {"loss.retention.weight": "0.5"},
)
TUNING_SEED: Final = 100


class Results:
    """What has come so far, on disk after each run."""

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self.path = path
        self.value: dict[str, Any] = {"about": dict(about), "tuning": [], "runs": [], "failed": [], "bases": {}}

    def add(self, part: str, result: Mapping[str, Any]) -> None:
        self.value[part].append(result)
        self.write()

    def write(self) -> None:
        self.path.write_text(json.dumps(self.value, default=str) + "\n", encoding="utf-8")


class Runner:
    """Processes that fine-tune, several on each GPU, and the time that is left."""

    def __init__(self, given: argparse.Namespace, parts: tuple[str, ...]) -> None:
        self.given, self.began = given, time.monotonic()
        self.place = Place(given.data, given.work, given.device, tuple(given.alphas), parts, given.loaders)
        for folder in (given.output, self.place.work):
            folder.mkdir(parents=True, exist_ok=True)
        settings = {name: value for name, value in vars(given).items() if isinstance(value, int | float | str | list)}
        self.results = Results(given.output / "scenes.json", {**settings, **_versions()})
        gpus = get_context("spawn").Queue()
        workers = given.gpus * given.per_gpu
        for worker in range(workers):
            gpus.put(worker % given.gpus)
        self.pool = ProcessPoolExecutor(
            workers, get_context("spawn"), initializer=begin, initargs=(self.place, gpus)
        )  # fmt: skip
        waiting = [self.pool.submit(time.sleep, 1.0) for _ in range(workers)]  # they import meanwhile
        histories = start(given.base, self.place, world=given.world, workers=given.workers)
        self.results.value["pretraining"] = histories[given.base[0].name]
        self.tell("pictures are drawn")
        wait(waiting)
        for one in given.base:
            scores = self.pool.submit(before, one.name).result()
            self.results.value["bases"][one.name] = scores
            self.tell(f"{one.name}: {_line(scores[parts[0]])}")
        self.first = given.base[0].name
        self.base = self.results.value["base"] = self.results.value["bases"][self.first]

    def tell(self, text: str) -> None:
        """Says it with the time."""
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def warm(self, *data: str) -> None:
        """What is read of these negatives lies ready."""
        for name, future in [(name, self.pool.submit(warm, name, self.first, self.given.workers)) for name in data]:
            self.tell(f"{name}: read and decoded in {future.result():.0f} s")

    def all_of(self, runs: Sequence[Run], part: str, until: float) -> list[dict[str, Any]]:
        """What came of those that could begin before so many seconds; one that fails is kept with its error."""
        pending: dict[Future[dict[str, Any]], Run] = {self.pool.submit(fine_tune, one): one for one in runs}
        done = []
        for future in as_completed(pending):
            if future.cancelled():
                continue
            one = pending[future]
            if (error := future.exception()) is not None:
                self.tell(f"{one.name} seed {one.seed} failed: {type(error).__name__}: {error}")
                self.results.add("failed", {**asdict(one), "error": f"{type(error).__name__}: {error}"})
            else:
                found = future.result()
                self.results.add(part, found)
                done.append(found)
                took = f"{found['training_seconds']:.0f} of {found['seconds']:.0f}+{found['asking_seconds']:.0f} s"
                scores = found["curve"][max(found["curve"], key=float)][self.place.parts[0]]
                self.tell(f"{one.name} {one.data} seed {one.seed} {took}: {_line(scores)}")
            if time.monotonic() - self.began > until:
                for other in pending:
                    other.cancel()
        return done

    def close(self) -> None:
        """Writes what has come; processes end with their runs."""
        self.results.write()
        self.pool.shutdown(wait=False, cancel_futures=True)


def run(given: argparse.Namespace) -> None:
    """The experiment, within `--seconds`."""
    runner = Runner(given, ("test", "tune"))
    balanced, leaky = given.negatives
    runner.warm(balanced, leaky)
    more = _weights(given)
    equal = partial(overrides_of, steps=given.steps, batch=given.batch, precision=given.precision)
    rates = given.rates
    trial = [
        Run("negclip", "negclip", balanced, TUNING_SEED, equal("negclip", rate, more["negclip"]), runner.first)
        for rate in rates
    ]
    trial += [
        Run(
            "negagen", "negagen", balanced, TUNING_SEED, equal("negagen", rate, {**variant, **more["negagen"]}),
            runner.first,
        )
        for rate in rates for variant in VARIANTS
    ]  # fmt: skip
    tried = runner.all_of(trial[: given.trials], "tuning", given.seconds)
    rate, variant = _best(runner.base, tried, rates)
    runner.results.value["chosen"] = {"rate": rate, "negagen": variant}
    runner.tell(f"chosen: rate {rate}, negagen {variant}")
    runs = [
        Run(
            name + suffix, name, data, seed,
            equal(name, rate, {**(variant if name == "negagen" else {}), **more[name]}),
            runner.first,
        )
        for seed in range(given.seeds)
        for data, suffix, names in ((balanced, "", given.recipes), (leaky, ", leaky", LEAKY))
        for name in names
    ]  # fmt: skip
    runner.all_of(runs, "runs", given.seconds)
    runner.close()
    runner.tell(f"{len(runner.results.value['runs'])} of {len(runs)} runs")


def attempt(given: argparse.Namespace) -> None:
    """The runs of a plan, asked about the tuning part alone."""
    runner = Runner(given, ("tune",))
    plan = [Run(**{"base": runner.first, **entry}) for entry in json.loads(given.plan.read_text(encoding="utf-8"))]
    runner.warm(*dict.fromkeys(one.data for one in plan))
    equal = partial(overrides_of, steps=given.steps, batch=given.batch, precision=given.precision)
    runs = [replace(one, overrides={**equal(one.recipe, given.rates[0]), **one.overrides}) for one in plan]
    runner.all_of(runs, "runs", given.seconds)
    runner.close()
    runner.tell(f"{len(runner.results.value['runs'])} of {len(runs)} runs")


def _weights(given: argparse.Namespace) -> dict[str, dict[str, str]]:
    """The same drawing weights of categories for every recipe that draws negatives."""
    if not given.categories:
        return {name: {} for name in RECIPES}
    table = "{" + ", ".join(f"{name} = {weight}" for name, weight in (one.split("=") for one in given.categories)) + "}"
    return {name: {} if name == "clip" else {"batch.categories": table} for name in RECIPES}


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
    running = commands.add_parser("run", help="tune, fine-tune, measure")
    trying = commands.add_parser("try", help="a plan of runs, asked about the tuning part")
    for one in (making, running, trying):
        one.add_argument("--data", type=Path, default=Path("out/scenes"))
        one.add_argument("--world", type=int, default=0, help="seed of the world")
    making.add_argument("--images", type=int, default=24_000, help="pictures to fine-tune on")
    making.add_argument("--siblings", type=int, default=2, help="captions a picture")
    making.add_argument("--pool", type=int, default=8, help="candidates a caption")
    making.add_argument("--side", type=int, default=112, help="of the pictures, in pixels: as the model wants them")
    making.add_argument("--each", type=int, default=400, help="probes a category")
    making.add_argument("--retrieval", type=int, default=600, help="pictures to retrieve among")
    for one in (running, trying):
        one.add_argument("--base", type=Path, nargs="+", required=True, help="the model to fine-tune; the first counts")
        one.add_argument("--output", type=Path, default=Path("out/scenes/results"))
        one.add_argument("--work", type=Path, default=Path("out/scenes/work"), help="for what may be thrown away")
        one.add_argument("--device", default="cuda")
        one.add_argument("--gpus", type=int, default=1)
        one.add_argument("--per-gpu", type=int, default=6, help="runs at a time on one GPU")
        one.add_argument("--workers", type=int, default=16, help="processes that draw")
        one.add_argument("--loaders", type=int, default=2, help="threads of a run that make its batches")
        one.add_argument("--seconds", type=float, default=300, help="no run begins after so long")
        one.add_argument("--steps", type=int, default=500)
        one.add_argument("--batch", type=int, default=64)
        one.add_argument("--precision", default="bf16", help="fp32 on a CPU")
        one.add_argument("--rates", nargs="+", default=["1e-4", "3e-4"], help="learning rates to choose from")
    trying.add_argument("--alphas", type=float, nargs="+", default=[1.0])
    trying.add_argument("--plan", type=Path, required=True)
    running.add_argument("--alphas", type=float, nargs="+", default=ALPHAS)
    running.add_argument("--recipes", nargs="+", default=RECIPES)
    running.add_argument("--negatives", nargs=2, default=["balanced", "off"], help="balanced and leaky, by stem")
    running.add_argument("--categories", nargs="+", default=[], help="drawing weights, as swap_att=3")
    running.add_argument("--seeds", type=int, default=3)
    running.add_argument("--trials", type=int, default=10, help="how many of the tuning runs")
    given = parser.parse_args()
    match given.command:
        case "prepare":
            prepare(
                given.data, images=given.images, siblings=given.siblings, seed=given.world, each=given.each,
                retrieval=given.retrieval, side=given.side, pool=given.pool,
            )  # fmt: skip
        case "run":
            run(given)
        case _:
            attempt(given)


if __name__ == "__main__":
    main()
