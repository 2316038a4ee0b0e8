"""Everything that a run trains on, read, decoded and tokenised."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from negagen.atomic import written_aside
from negagen.data.cache import ImageCache
from negagen.data.store import digest
from negagen.data.tokens import TokenTable
from negagen.data.trainingset import TrainingSet
from negagen.errors import DataError
from negagen.seeding import key_of, uniforms


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a run trains on; every array of it lies in a mapped file.

    Attributes:
        data: captions, negatives, positives, pictures' numbers.
        pixels: of the pictures.
        tokens: of the texts.
        rows: int64 [M], the rows whose picture is there.
        notes: sentences for the user: what was left out, and why.
    """

    data: TrainingSet
    pixels: ImageCache
    tokens: TokenTable
    rows: NDArray[np.int64]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def fingerprint(self) -> str:
        """Changes with the rows, their pixels and their tokens."""
        return digest(self.data.fingerprint, self.pixels.fingerprint, self.tokens.fingerprint, self.rows)

    def split(self, share: float, seed: int = 0) -> tuple[Prepared, Prepared]:
        """Two parts without a picture in common; the second has about `share` of the pictures.

        Which part a picture is in depends on its id and `seed` alone. Raises `DataError` if a part would be empty.
        """
        groups = self.data.groups[self.rows].view(np.uint64)
        key = np.full(len(groups), key_of("split", seed), np.uint64)
        held = uniforms(key ^ groups, np.zeros(len(groups), np.uint64)) < share
        if held.all() or not held.any():
            raise DataError(
                f"holding out {share:g} of {len(np.unique(groups)):,} pictures leaves"
                f" {'none to train on' if held.all() else 'none to measure on'}: give more pictures, another share with"
                " --held-out, or --held-out 0 to train on all and measure on none."
            )
        return replace(self, rows=self.rows[~held]), replace(self, rows=self.rows[held])

    def save(self, path: Path) -> None:
        """Write a small JSON file that names the folders of all parts, for `Prepared.open`. Raises `OutputError`."""
        folders = {"data": self.data.folder, "pixels": self.pixels.folder, "tokens": self.tokens.folder}
        names = {name: _seen_from(path.parent, folder) for name, folder in folders.items() if folder}
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(path) as aside:
            aside.write_text(json.dumps({**names, "notes": self.notes}), encoding="utf-8")

    @classmethod
    def open(cls, path: Path) -> Prepared:
        """What `save` wrote, with all rows; needs neither the sources nor pyarrow. Raises `DataError`."""
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            places = [path.parent / about[name] for name in ("data", "pixels", "tokens")]
            notes = tuple(about["notes"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} cannot be read as prepared data ({error}).") from error
        data, pixels, tokens = TrainingSet.open(places[0]), ImageCache.open(places[1]), TokenTable.open(places[2])
        return cls(data, pixels, tokens, rows_with_pictures(data, pixels), notes)


def _seen_from(parent: Path, folder: Path) -> str:
    """The way to `folder`: relative, so that a cache may be moved, where it lies within `parent`."""
    try:
        return str(folder.relative_to(parent))
    except ValueError:
        return str(folder.absolute())


Tell = Callable[[str, int, int], None]
"""Hears of progress: what is being done, how much of it is done, of how much."""


def rows_with_pictures(data: TrainingSet, pixels: ImageCache) -> NDArray[np.int64]:
    """The rows whose picture is there and could be decoded, int64 [M]."""
    return np.flatnonzero((data.images >= 0) & np.append(pixels.good, False)[data.images])
