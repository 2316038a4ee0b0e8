"""Many pictures at once, as one array, drawn by several processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.scenes.graph import Scene
from examples.scenes.render import draw
from examples.scenes.sample import Split, sample
from negagen.atomic import written_aside

__all__ = ["cached_pixels", "pixels_of", "scenes_of"]

_BLOCK = 256


def scenes_of(indices: Sequence[int], *, seed: int = 0, split: Split = "train") -> list[Scene]:
    """The scenes of these numbers."""
    return [sample(index, seed=seed, split=split) for index in indices]


def pixels_of(scenes: Sequence[Scene], side: int, *, workers: int = 1) -> NDArray[np.uint8]:
    """uint8 [N, 3, side, side]; the same for any number of workers."""
    blocks = [scenes[start : start + _BLOCK] for start in range(0, len(scenes), _BLOCK)]
    out = np.empty((len(scenes), 3, side, side), np.uint8)
    if workers < 2 or len(blocks) < 2:
        drawn = map(partial(_block, side=side), blocks)
        return _fill(out, drawn)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return _fill(out, pool.map(partial(_block, side=side), blocks))


def cached_pixels(
    images: int, side: int, *, seed: int = 0, cache: Path | None = None, workers: int = 1
) -> NDArray[np.uint8]:
    """The first `images` training scenes' pictures, drawn once into a file under `cache`."""
    if cache is None:
        return pixels_of(scenes_of(range(images), seed=seed), side, workers=workers)
    path = cache / f"train-{seed}-{images}-{side}.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with written_aside(path) as aside, aside.open("wb") as file:
            np.save(file, pixels_of(scenes_of(range(images), seed=seed), side, workers=workers))
    return np.asarray(np.load(path))


def _fill(out: NDArray[np.uint8], drawn: Iterable[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    for number, block in enumerate(drawn):
        out[number * _BLOCK : number * _BLOCK + len(block)] = block
    return out


def _block(scenes: Sequence[Scene], side: int) -> NDArray[np.uint8]:
    return np.stack([np.asarray(draw(scene, side)).transpose(2, 0, 1) for scene in scenes])
