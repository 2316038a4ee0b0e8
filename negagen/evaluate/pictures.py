"""Finding and opening the pictures that benchmarks name."""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from negagen.data.images import BadImageError, View, decode, pixels
from negagen.errors import DataError
from negagen.evaluate.benchmarks.zeroshot import ENDINGS
from negagen.evaluate.items import Picture

MOST_DECODED: Final = 2 << 30
"""Bytes of decoded pictures that are kept for the next model: some 14,000 pictures of 224 pixels."""

_COCO_2014: Final = re.compile(r"^COCO_(?:train|val|test)2014_(?=\d{12}\.)")


class Folders:
    """Finds pictures by name in some folders and all below them.

    A name is looked up as a path from each folder first, then as a file name anywhere below, with and without an
    ending; COCO's pictures by their names of 2014 and of 2017.
    """

    def __init__(self, folders: Sequence[Path | str]) -> None:
        self.folders = tuple(dict.fromkeys(Path(folder) for folder in folders))
        self._index: dict[str, list[Path]] | None = None
        self._known: dict[str, Path | None] = {}

    def find(self, name: str) -> Path | None:
        """The file of that name; None if there is none.

        Raises:
            DataError: several files below the folders could be meant.
        """
        if name not in self._known:
            self._known[name] = self._direct(name) or self._below(name)
        return self._known[name]

    def read(self, picture: Picture) -> bytes:
        """The bytes of a picture. Raises `BadImageError` if there is no such file, or it cannot be read."""
        if picture.data is not None:
            return picture.data
        path = self.find(picture.name)
        if path is None:
            raise BadImageError("no such picture")
        try:
            return path.read_bytes()
        except OSError as error:
            raise BadImageError(error.strerror or str(error)) from error

    def stamp(self, picture: Picture) -> int | None:
        """A 64-bit hash that changes with the picture, without decoding it; None if there is no such file."""
        if picture.data is not None:
            source = blake2b(picture.data, digest_size=16).hexdigest()
        else:
            path = self.find(picture.name)
            if path is None:
                return None
            stat = path.stat()
            source = f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}"
        key = blake2b(f"{source} {picture.box}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(key, "little")

    def _direct(self, name: str) -> Path | None:
        for spelling in _spellings(name):
            for folder in (Path(), *self.folders) if Path(spelling).is_absolute() else self.folders:
                for place in (folder / spelling, folder / "images" / spelling):
                    if place.is_file():
                        return place
        return None

    def _below(self, name: str) -> Path | None:
        if self._index is None:
            index: dict[str, list[Path]] = defaultdict(list)
            for path in _pictures_below(self.folders):
                index[path.name].append(path)
                index[path.stem].append(path)
            self._index = index
        for spelling in _spellings(name):
            if found := self._index.get(Path(spelling).name):
                return _nearest(found, spelling, self.folders)
        return None


class Decoded:
    """Decoded pictures, kept up to `most` bytes, so that models of one view need not decode each again."""

    def __init__(self, most: int = MOST_DECODED) -> None:
        self._left = most
        self._known: dict[tuple[int, str], NDArray[np.uint8]] = {}

    def get(self, stamp: int, view: View) -> NDArray[np.uint8] | None:
        """The picture of that stamp as `view` sees it, if it is kept."""
        return self._known.get((stamp, str(view)))

    def add(self, stamp: int, view: View, pixels: NDArray[np.uint8]) -> None:
        """Keep it, if there is room."""
        if pixels.nbytes <= self._left and (stamp, str(view)) not in self._known:
            self._left -= pixels.nbytes
            self._known[stamp, str(view)] = pixels


def opened(picture: Picture, folders: Folders, view: View) -> NDArray[np.uint8]:
    """A picture, or the part of it that its box names, as uint8 [3, S, S]. Raises `BadImageError`."""
    data = folders.read(picture)
    return decode(data, view) if picture.box is None else pixels(part_of(data, picture.box), view)


def part_of(data: bytes, box: tuple[int, int, int, int]) -> Image.Image:
    """The part of a picture within `box` (left, top, right, bottom), cut to the picture. Raises `BadImageError`."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            whole = image.convert("RGB")
    except Exception as error:  # Pillow's decoders raise a dozen types on damaged files
        raise BadImageError(str(error) or type(error).__name__) from error
    left, top = max(0, box[0]), max(0, box[1])
    right, bottom = min(whole.width, box[2]), min(whole.height, box[3])
    if right <= left or bottom <= top:
        raise BadImageError("its box lies outside it")
    return whole.crop((left, top, right, bottom))


def _spellings(name: str) -> list[str]:
    path = Path(name)
    names = [name]
    if bare := _COCO_2014.sub("", path.name):
        names.append(bare)
    if path.suffix.lower() not in ENDINGS:
        names += [f"{one}{ending}" for one in list(names) for ending in (".jpg", ".png", ".jpeg")]
    return list(dict.fromkeys(names))


def _pictures_below(folders: Sequence[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for folder in folders:
        if not folder.is_dir():
            continue
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in ENDINGS and path not in seen:
                seen.add(path)
                yield path


def _nearest(found: Sequence[Path], name: str, folders: Sequence[Path]) -> Path:
    """The file whose last folders agree with those of the name."""
    wanted = Path(name).with_suffix("").parts[::-1]

    def agreeing(path: Path) -> int:
        return next(
            (n for n, (a, b) in enumerate(zip(wanted, path.with_suffix("").parts[::-1], strict=False)) if a != b),
            len(wanted),
        )

    best = max(map(agreeing, found))
    # One file may be reached by two names: of folders that overlap, or through a link.
    chosen = list({path.resolve(): path for path in found if agreeing(path) == best}.values())
    if len(chosen) > 1:
        raise DataError(
            f"several pictures could be {name!r}: {chosen[0]}, {chosen[1]}. Give the folder of the right ones alone"
            f" with --images (of finetune and patch: --eval-images; now {', '.join(map(str, folders))})."
        )
    return chosen[0]
