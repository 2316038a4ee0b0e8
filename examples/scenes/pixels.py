"""Many pictures at once, as one array, drawn by several processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from examples.scenes.captions import captions
from examples.scenes.graph import Scene
from examples.scenes.render import draw
from examples.scenes.sample import sample
from negagen.atomic import written_aside

__all__ = ["drawn", "in_blocks", "pixels_of"]

_BLOCK = 250
_T = TypeVar("_T")


def pixels_of(scenes: Sequence[Scene], side: int) -> NDArray[np.uint8]:
    """uint8 [N, 3, side, side]."""
    return np.stack([np.asarray(draw(scene, side)).transpose(2, 0, 1) for scene in scenes])


def in_blocks(work: Callable[[range], _T], images: range, workers: int) -> Iterable[_T]:
    """What `work` makes of `images`, block by block, in order, by so many processes."""
    blocks = [images[start : start + _BLOCK] for start in range(0, len(images), _BLOCK)]
    if workers < 2:
        yield from map(work, blocks)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, blocks)


def drawn(
    images: int, side: int, *, siblings: int, cache: Path, seed: int = 0, workers: int = 1
) -> tuple[NDArray[np.uint8], list[str]]:
    """Pictures of the first training scenes, uint8 [images, 3, side, side], and their captions, `siblings` each.

    They lie in files under `cache`, whole or not there; the same for any number of workers.
    """
    cache.mkdir(parents=True, exist_ok=True)
    pictures, texts = (cache / f"train-{seed}-{images}-{part}" for part in (f"{side}.npy", f"{siblings}.json"))
    if not pictures.exists() or not texts.exists():
        with written_aside(pictures) as aside:
            open_memmap(aside, "w+", np.uint8, (images, 3, side, side)).flush()
            work = partial(_block, file=str(aside), side=side, siblings=siblings, seed=seed)
            said = [text for block in in_blocks(work, range(images), workers) for text in block]
        with written_aside(texts) as aside:
            aside.write_text(json.dumps(said), encoding="utf-8")
    return np.load(pictures), json.loads(texts.read_text(encoding="utf-8"))


def _block(images: range, *, file: str, side: int, siblings: int, seed: int) -> list[str]:
    """Draws these scenes into their places of the file; gives their captions."""
    scenes = [sample(index, seed=seed) for index in images]
    open_memmap(file, "r+")[images.start : images.stop] = pixels_of(scenes, side)
    said: list[str] = []
    for scene in scenes:
        told = captions(scene, siblings, seed=seed)
        said.extend(told[number % len(told)] for number in range(siblings))
    return said
