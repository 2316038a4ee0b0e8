"""An array on disk that is filled block by block: a run that was killed goes on with the blocks that are missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from negagen.atomic import explained, flush, written_aside
from negagen.data import store

_AT_ONCE = 1 << 22
_NAME = "values"


@contextmanager
def _building(folder: Path, shape: tuple[int, ...]) -> Iterator[NDArray[np.float32]]:
    aside = folder.with_name(f"{folder.name}.building")
    path = aside / f"{_NAME}.npy"
    with explained(folder):
        aside.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            with written_aside(path) as new, new.open("wb") as file:
                header = {"descr": "<f4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                # Written rather than mapped: on a full disk a mapping kills the process.
                for start in range(0, prod(shape), _AT_ONCE):
                    file.write(np.full(min(_AT_ONCE, prod(shape) - start), np.nan, np.float32).data)
    values = np.load(path, mmap_mode="r+")
    yield values
    values.flush()
    with explained(folder):
        (aside / store.ABOUT).write_text("{}", encoding="utf-8")
        for written in (*aside.iterdir(), aside):
            flush(written)
        store.give_name(aside, folder)


def filled(folder: Path, shape: tuple[int, ...], fill: Callable[[NDArray[np.float32]], None]) -> NDArray[np.float32]:
    """The float32 array of that shape in `folder`, mapped; made by `fill` unless it is there.

    `fill` gets an array of NaN, or what an earlier call of it had written when it was stopped, and fills what is NaN.
    One process at a time fills; the name of the folder must say all that the values depend on. Raises `OutputError`.
    """
    with explained(folder), store.locked(folder.with_name(f"{folder.name}.lock")):
        if not folder.exists():
            with _building(folder, shape) as values:
                if values.size:
                    fill(values)
        return store.mapped(folder / f"{_NAME}.npy").astype(np.float32, copy=False)
