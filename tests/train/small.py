"""A small set to train on: two coloured halves a picture, two captions each, whose negatives exchange the colours."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from negagen.data import Inputs
from negagen.train import metrics
from negagen.train.loop import Job
from negagen.train.recipe import load_recipe

COLOURS = {
    "red": (255, 0, 0),
    "blue": (0, 0, 255),
    "green": (0, 255, 0),
    "yellow": (255, 255, 0),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
}


@contextmanager
def one_thread() -> Iterator[None]:
    """Models as small as these are computed fastest by one thread, and always alike."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def losses(run: Path) -> list[float]:
    """Of each step that a run has made."""
    return [record["loss"] for record in metrics.read_metrics(run)]


def rows(pictures: int = 60, seed: int = 0) -> list[dict[str, Any]]:
    """Rows as `negagen generate` writes them; every seventh caption has no negative."""
    rng = np.random.default_rng(seed)
    made: list[dict[str, Any]] = []
    for number in range(pictures):
        left, right = rng.choice(list(COLOURS), 2, replace=False)
        picture = {"bytes": png(left, right), "path": f"{number}.png"}
        for first, second, sentence in (
            (left, right, "a {} box left a {} box"),
            (right, left, "the {} cube right the {} cube in the picture"),
        ):
            caption = sentence.format(first, second)
            start = caption.index(first)
            edit = {"start": start, "end": start + len(first), "old": first, "new": second}
            negative = {
                "text": sentence.format(second, first), "category": "swap_att", "weight": 0.9,
                "edits": [edit],
            }  # fmt: skip
            positive = {"text": f"{caption} .", "category": "rephrase", "weight": 1.0}
            made.append(
                {
                    "image": picture,
                    "image_id": str(number),
                    "caption": caption,
                    "negatives": [] if len(made) % 7 == 3 else [negative],
                    "positives": [positive],
                }
            )
    return made


def png(left: str, right: str, size: int = 32) -> bytes:
    """A picture of two colours."""
    pixels = np.zeros((size, size, 3), np.uint8)
    pixels[:, : size // 2], pixels[:, size // 2 :] = COLOURS[left], COLOURS[right]
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def write(path: Path, **options: Any) -> Path:
    """The rows as a Parquet file."""
    pq.write_table(pa.Table.from_pylist(rows(**options)), path)
    return path


QUICK = {
    "batch.size": "16",
    "batch.negatives": "1",
    "optimizer.steps": "6",
    "optimizer.lr": "1e-3",
    "optimizer.warmup": "2",
    "model.precision": "fp32",
}


def job(folder: Path, name: str = "run", recipe: str = "negclip", *, settings: Any = None, **options: Any) -> Job:
    """A short run on the CPU of `folder/clip` and `folder/negatives.parquet`."""
    values = {
        "workers": 0,
        "held_out": 0.2,
        "save_every": 3,
        "keep": 9,
        "device": "cpu",
        "cache": folder / "cache",
        "model": str(folder / "clip"),
        **options,
    }
    return Job(
        inputs=Inputs([folder / "negatives.parquet"]),
        output=folder / name,
        recipe=load_recipe(recipe, QUICK | (settings or {})),
        **values,
    )
