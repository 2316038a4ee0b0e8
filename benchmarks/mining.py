"""What fools a model, how fast that is found, and whether a curriculum of it helps: on the small world, on a CPU.

    python -m benchmarks.mining --work out/mining
    python -m benchmarks.mining --speed --device cuda

The first form takes `examples/scenes/tiny`, pools of captions that it was not trained on, and recipe `negagen` with and
without `curriculum.difficulty`, of several seeds; the share of candidates that fool the model is of pictures held out
from all. Truth is computed, so that the share at which candidates are suspected can be held against it. The second form
times `negagen mine` with CLIP ViT-B/32 (random weights) on pictures and texts of COCO's sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from transformers.utils import logging

from benchmarks.evaluate_speed import WORDS, save_model
from examples.scenes.asking import make_exam, training_captions
from examples.scenes.encode import Questions
from examples.scenes.encode import load as load_scenes
from examples.scenes.graph import Scene
from examples.scenes.make import table
from examples.scenes.parse import parse_caption
from examples.scenes.truth import holds
from negagen.data import Inputs
from negagen.mining import Keep, Mined, mine
from negagen.mining.similarities import Scorer
from negagen.train.loop import Job, finetune
from negagen.train.models import load
from negagen.train.recipe import load_recipe

TINY: Final = Path("examples/scenes/tiny")
RESULTS: Final = Path(__file__).parent / "results" / "mining.json"
SIDE: Final = 80
EVERY: Final = Keep(fools=False, below=0)
SHARES: Final = (1.05, 1.1, 1.2, 1.5)
ARMS: Final[dict[str, dict[str, str]]] = {
    "negatives": {},
    "curriculum": {"curriculum.difficulty": "1"},
    "steeper curriculum": {"curriculum.difficulty": "3"},
}


def make_pool(folder: Path, name: str, images: int, start: int, blindness: str) -> Path:
    """Pictures with three captions each, and up to 32 candidates a caption."""
    scenes, pool = folder / f"{name}.parquet", folder / f"{name}.pool.parquet"
    if not pool.exists():
        pq.write_table(table(images, start=start, siblings=3, side=SIDE), scenes, compression="zstd")
        command = [sys.executable, "-m", "negagen", "generate", str(scenes), "-o", str(pool), "--pool", "32"]
        subprocess.run([*command, "--quiet", "--blindness", blindness], check=True)
    return pool


def fooled(model: Path, pool: Path, folder: Path) -> tuple[Mined, Path]:
    """All candidates scored, and the file of them."""
    output = folder / f"{model.parent.name}-{model.name}.scored.parquet"
    scorer = Scorer(load(model), 64, workers=1)
    return mine(scorer, Inputs([pool]), output, EVERY, cache=folder / "cache"), output


def cold(pool: Path) -> dict[str, float]:
    """What mining with the tiny model takes when nothing is cached, of all threads' time together."""
    scorer = Scorer(load(TINY), 64, workers=1)
    with tempfile.TemporaryDirectory() as place:
        began = time.process_time()
        found = mine(scorer, Inputs([pool]), Path(place) / "out.parquet", EVERY, cache=Path(place))
        seconds = time.process_time() - began
    return {
        "candidates": found.candidates,
        "cpu_seconds": round(seconds, 1),
        "candidates_per_second": round(found.candidates / seconds),
    }


def shares(found: Mined) -> dict[str, float]:
    """The share of candidates that fools the model, in all and by category."""
    parts = {"all": found.negatives, **found.categories}
    return {name: round(one.fools / max(1, one.scored), 4) for name, one in parts.items()}


def truth(scored: Path) -> dict[str, Any]:
    """Of candidates that fool the model, those that are true in fact; and what shares of suspicion take of both."""
    counts = {"fool": 0, "of these true": 0}
    taken = {share: {"true": 0, "false": 0} for share in SHARES}
    rewordings = dict.fromkeys(SHARES, 0)
    positives = 0
    for row in pq.read_table(scored, columns=["graph", "negatives", "positives"]).to_pylist():
        scene = Scene.from_json(row["graph"])
        for one in row["negatives"]:
            if one["scores"]["margin"] >= -1e-6 or (meaning := parse_caption(one["text"])) is None:
                continue
            true = holds(meaning, scene)
            counts["fool"] += 1
            counts["of these true"] += true
            for share in SHARES:
                taken[share]["true" if true else "false"] += above(one["scores"], share)
        for one in row["positives"]:
            positives += 1
            for share in SHARES:
                rewordings[share] += above(one["scores"], share)
    return {
        **counts,
        "suspected": {str(share): found for share, found in taken.items()},
        "rewordings": positives,
        "rewordings suspected": {str(share): found for share, found in rewordings.items()},
    }


def above(scores: dict[str, float], share: float) -> bool:
    """Whether a candidate is suspected."""
    own = scores["margin"] + scores["image_similarity"]
    return -scores["margin"] > (share - 1) * abs(own)


def tuned(pool: Path, folder: Path, arm: str, seed: int, epochs: int) -> tuple[Path, float]:
    """A model tuned on the pool, and the seconds that took."""
    settings = {
        "optimizer.epochs": str(epochs), "optimizer.lr": "2e-4", "optimizer.warmup": "20", "batch.size": "64",
        "model.precision": "fp32", "patching.alpha": "none", "loss.own.weight": "0.5", "loss.retention.weight": "0.5",
        **ARMS[arm],
    }  # fmt: skip
    output = folder / f"{arm.replace(' ', '-')}-{seed}"
    began = time.process_time()
    if not (output / "report.json").exists():
        finetune(
            Job(
                inputs=Inputs([pool]), model=str(TINY), output=output, recipe=load_recipe("negagen", settings),
                cache=folder / "cache", held_out=0.0, workers=1, device="cpu", save_every=10**9, keep=1, seed=seed,
            )
        )  # fmt: skip
    return output / "model", time.process_time() - began


def scenes(
    folder: Path, images: int, seeds: int, epochs: int, blindness: str, arms: list[str]
) -> dict[str, Any]:  # fmt: skip
    """The experiment on the small world."""
    folder.mkdir(parents=True, exist_ok=True)
    train = make_pool(folder, "train", images, 2_000_000, blindness)
    held = make_pool(folder, "held", 300, 3_000_000, blindness)
    exam = make_exam(training_captions(1500), each=120, retrieval=200, portraits=1, side=SIDE)
    found: dict[str, Any] = {"pictures": images, "epochs": epochs, "seeds": seeds, "blindness": blindness, "arms": {}}
    before, scored = fooled(TINY, held, folder)
    found["candidates"] = {"all": before.negatives.scored} | {
        name: one.scored for name, one in before.categories.items()
    }
    found["truth"] = truth(scored)
    found["mining"] = cold(held)
    found["arms"]["before"] = [{"fools": shares(before), **asked(exam, TINY)}]
    for arm in arms:
        found["arms"][arm] = []
        for seed in range(seeds):
            model, seconds = tuned(train, folder, arm, seed, epochs)
            after, _ = fooled(model, held, folder)
            found["arms"][arm].append({"fools": shares(after), **asked(exam, model), "cpu_seconds": round(seconds, 1)})
            print(arm, seed, found["arms"][arm][-1], flush=True)
    return found


def asked(exam: Any, folder: Path) -> dict[str, float]:
    """The mean over the exam's kinds of probes, and R@1."""
    model, tokenizer = load_scenes(folder)
    scores = Questions.of(exam, tokenizer).ask(model)
    return {
        "exam": round(float(np.mean(list(scores["accuracy"].values()))), 4),
        "retrieval": round(float(scores["retrieval"]), 4),
    }


def speed(device: str, pictures: int, precision: str) -> dict[str, Any]:
    """`negagen mine` on pictures of 640 x 480 with five captions of nine candidates each: whole, and once more."""
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model = load(save_model(folder / "clip", 0), device=device)
        pool = _random_pool(folder, pictures, generator)
        scorer = Scorer(model, 256, precision == "bf16", workers=min(16, os.cpu_count() or 1))
        figures: dict[str, Any] = {}
        for name in ("all", "other rules, from the cache"):
            marks: dict[str, float] = {}

            def tell(what: str, *_: int, marks: dict[str, float] = marks) -> None:
                marks[what] = time.perf_counter()

            began = time.perf_counter()
            keep = EVERY if name == "all" else Keep(hardest=4)
            found = mine(
                scorer, Inputs([pool], folder), folder / "out.parquet", keep, cache=folder / "cache", tell=tell
            )
            ended = time.perf_counter()
            figures[name] = {
                "seconds": round(ended - began, 2),
                "candidates_per_second": round(found.candidates / (ended - began)),
            }
            if "texts scored" in marks:
                encoded = marks["texts scored"] - marks["pictures encoded"]
                figures["texts a second while they are encoded"] = round((found.candidates + found.rows) / encoded)
                figures["seconds until pictures are encoded"] = round(marks["pictures encoded"] - began, 2)
    return {
        "device": torch.cuda.get_device_name() if device != "cpu" else platform.processor() or platform.machine(),
        "cores": os.cpu_count(), "threads": torch.get_num_threads(), "precision": precision, "pictures": pictures,
        "candidates": found.candidates, **figures,
    }  # fmt: skip


def _random_pool(folder: Path, pictures: int, generator: np.random.Generator) -> Path:
    from PIL import Image

    rows = []
    for number in range(pictures):
        coarse = generator.integers(0, 255, (24, 32, 3), dtype=np.uint8)
        name = f"{number:012d}.jpg"
        Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC).save(folder / name, quality=90)
        for _ in range(5):
            words = [str(word) for word in generator.choice(WORDS, int(generator.integers(8, 15)))]
            negatives = []
            for _ in range(9):
                other = list(words)
                other[int(generator.integers(len(words)))] = str(generator.choice(WORDS))
                negatives.append({"text": " ".join(other), "category": "replace_obj", "weight": 1.0})
            rows.append({"image": name, "image_id": number, "caption": " ".join(words), "negatives": negatives})
    pq.write_table(pa.Table.from_pylist(rows), folder / "pool.parquet")
    return folder / "pool.parquet"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("out/mining"))
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--blindness", choices=("balanced", "off"), default="balanced", help="of the pools")
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--speed", action="store_true", help="time mining instead")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--pictures", type=int, default=40, help="for --speed")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    results = json.loads(given.results.read_text(encoding="utf-8")) if given.results.exists() else {}
    if given.speed:
        found = speed(given.device, given.pictures, given.precision)
        kept = [
            one
            for one in results.get("speed", [])
            if (one["device"], one["precision"]) != (found["device"], found["precision"])
        ]
        results["speed"] = [*kept, found]
        print(json.dumps(found, indent=1))
    else:
        arms = given.arms.split(",")
        results[f"scenes, blindness {given.blindness}"] = scenes(
            given.work / given.blindness, given.images, given.seeds, given.epochs, given.blindness, arms
        )
    given.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
