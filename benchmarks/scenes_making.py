"""What the experiment on scenes starts from: captions, negatives, exams, pictures, and a CLIP that saw no negatives."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.scenes_runs import Place

__all__ = ["prepare", "start"]

FIRST: Final = 1_000_000  # scene number of the first picture to fine-tune on; those before are for pre-training


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


def _pretraining(place: Place, arguments: Sequence[str], gpu: int, log: Path) -> subprocess.Popen[bytes]:
    """Starts `examples.scenes.pretrain` on that GPU."""
    command = [sys.executable, "-m", "examples.scenes.pretrain", "--device", place.device, *arguments]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": str(gpu)}
    with log.open("wb") as file:
        return subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)


def start(given: Namespace, place: Place, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """The base and the pictures to fine-tune on, and on the last GPU the tiny model of the demonstration.

    Gives what was measured while the base was pre-trained.
    """
    from examples.scenes.model import PRESETS
    from examples.scenes.pixels import drawn
    from examples.scenes.pretrain import SIBLINGS

    pictures = partial(
        draw_pictures, place.pictures, place.data / "captions.parquet", seed=given.world, workers=given.workers
    )
    if given.base is not None:
        shutil.copytree(given.base, place.base, dirs_exist_ok=True)
        config = json.loads((given.base / "config.json").read_text(encoding="utf-8"))
        pictures(side=config["vision_config"]["image_size"])
        return _history(place.base)
    cache = place.work / "drawn"
    for preset in (given.preset, "tiny") if given.tiny else (given.preset,):
        side = PRESETS[preset].side
        drawn(given.images, side, siblings=SIBLINGS, cache=cache, seed=given.world, workers=given.workers)
    tell("pictures to pre-train on are drawn")
    common = ["--images", str(given.images), "--world", str(given.world), "--cache", str(cache)]
    common += ["--batch", str(given.pretrain_batch), "--every", str(given.every)]
    base = ["--preset", given.preset, "--steps", str(given.pretrain_steps), "--lr", "7e-4", "-o", str(place.base)]
    base += ["--exam", str(place.data / "tune.npz")]
    logs = [given.output / "pretrain.log"]
    started = [_pretraining(place, [*base, *common], 0, logs[0])]
    if given.tiny:
        tiny = ["--preset", "tiny", "--steps", str(given.tiny), "--lr", "1.5e-3", "--half"]
        tiny += ["-o", str(given.output / "tiny"), "--exam", str(place.data / "tiny.npz")]
        logs.append(given.output / "tiny.log")
        started.append(_pretraining(place, [*tiny, *common], given.gpus - 1, logs[1]))
    pictures(side=PRESETS[given.preset].side)
    tell("pictures to fine-tune on are drawn")
    for one, log in zip(started, logs, strict=True):
        if one.wait():
            raise SystemExit(log.read_text(encoding="utf-8")[-2000:])
    return _history(place.base)


def _history(base: Path) -> list[dict[str, Any]]:
    path = base / "pretraining.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
