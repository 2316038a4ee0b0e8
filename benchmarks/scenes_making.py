"""What the experiment on scenes starts from: captions, negatives, exams, pictures, and a CLIP that saw no negatives."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.scenes_runs import Place

__all__ = ["prepare", "start"]

FIRST: Final = 1_000_000  # scene number of the first picture to fine-tune on; those before are for pre-training


def prepare(
    data: Path, *, images: int, siblings: int, seed: int, each: int, retrieval: int, side: int, pool: int
) -> None:  # fmt: skip
    """Writes captions, pools of negatives with and without selection against blindness, and two exams."""
    from examples.scenes.asking import make_exam, training_captions
    from examples.scenes.make import table

    data.mkdir(parents=True, exist_ok=True)
    made = table(images, seed=seed, siblings=siblings, start=FIRST, pictures=False).select(["image_id", "caption"])
    pq.write_table(made, data / "captions.parquet", compression="zstd")
    for blindness in ("balanced", "off"):
        command = [sys.executable, "-m", "negagen", "generate", str(data / "captions.parquet")]
        command += ["-o", str(data / f"{blindness}.parquet"), "--blindness", blindness, "--pool", str(pool)]
        subprocess.run([*command, "--overwrite", "--quiet"], check=True)
    training = training_captions(20_000, seed=seed)
    make_exam(training, each=each, retrieval=retrieval, side=side, seed=seed, split="test").save(data / "test.npz")
    make_exam(training, each=each // 2, retrieval=retrieval // 2, side=side, seed=seed, split="tune").save(
        data / "tune.npz"
    )


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


def start(bases: Sequence[Path], place: Place, *, world: int, workers: int) -> dict[str, list[dict[str, Any]]]:
    """Puts the bases where runs look for them and draws the pictures to fine-tune on; gives the bases' histories."""
    sides, histories = set(), {}
    for base in bases:
        shutil.copytree(base, place.base(base.name), dirs_exist_ok=True)
        sides.add(json.loads((base / "config.json").read_text(encoding="utf-8"))["vision_config"]["image_size"])
        histories[base.name] = json.loads((base / "pretraining.json").read_text(encoding="utf-8"))
    draw_pictures(place.pictures, place.data / "captions.parquet", side=max(sides), seed=world, workers=workers)
    return histories
