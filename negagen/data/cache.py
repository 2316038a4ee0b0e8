"""All pictures as pixels in one mapped file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from negagen.data import store
from negagen.data.images import View
from negagen.errors import DataError

PIXELS = "pixels.u8"


@dataclass(frozen=True, slots=True)
class ImageCache:
    """The pixels of I pictures.

    `pixels` is uint8 [I, 3, S, S], mapped; `good` bool [I] says which pictures could be decoded, the others are black.
    `problems` are (name, reason) of the first of those that could not. `fingerprint` is what the folder is called by,
    `contents` a digest of the pictures' own bytes, wherever they lie.
    """

    folder: Path
    pixels: NDArray[np.uint8]
    good: NDArray[np.bool_]
    problems: tuple[tuple[str, str], ...]
    view: View
    fingerprint: str
    contents: str

    def __len__(self) -> int:
        return len(self.good)

    def __reduce__(self) -> tuple[Any, ...]:
        """A process that is started maps the file anew."""
        return ImageCache.open, (self.folder,)

    def take(self, images: NDArray[np.integer], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """The pixels of `images`, uint8 [B, 3, S, S]; written to `out`, if given."""
        if len(images) and not 0 <= images.min() <= images.max() < len(self):
            raise IndexError(f"pictures {images.min()} to {images.max()} of {len(self)}")
        # Unlike "raise", which is checked above, "clip" writes straight to `out`.
        taken: NDArray[np.uint8] = np.take(self.pixels, images, axis=0, out=out, mode="clip")
        return taken

    @classmethod
    def open(cls, folder: Path) -> ImageCache:
        """A finished cache. Raises `DataError`."""
        arrays, about = store.load(folder)
        view = View(**about["view"])
        shape = (len(arrays["good"]), 3, view.size, view.size)
        path = folder / PIXELS
        if not path.exists() or path.stat().st_size != np.prod(shape, dtype=np.int64):
            raise DataError(f"{path} is damaged. Delete the folder {folder} and run the same command again.")
        problems = tuple((name, reason) for name, reason in about["problems"])
        pixels = np.asarray(np.memmap(path, np.uint8, "r", shape=shape)) if shape[0] else np.empty(shape, np.uint8)
        return cls(folder, pixels, arrays["good"], problems, view, about["fingerprint"], about["contents"])
