"""One picture: from the bytes of a file to the pixels that a model takes."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from negagen.errors import DataError

Crop = Literal["centre", "squash"]
Resample = Literal["bicubic", "bilinear"]

# A picture longer than this many times its width is cut before it is enlarged: a strip of 1 x 5,000 pixels would
# fill a gigabyte, of which the crop keeps one part in 5,000.
_LONGEST = 8


class BadImageError(Exception):
    """Bytes that are no picture; the text says why. Counted by whoever reads many, never shown alone."""


@dataclass(frozen=True, slots=True)
class View:
    """How a picture becomes `size` x `size` pixels.

    `crop` "centre" scales the shorter side to `size` and cuts the middle out (CLIP), "squash" scales both sides
    (SigLIP). `resample` is Pillow's filter of that name.

    Raises:
        DataError: a size below 1, an unknown crop or filter.
    """

    size: int = 224
    crop: Crop = "centre"
    resample: Resample = "bicubic"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise DataError(f"pictures of {self.size} pixels: the size must be 1 or more.")
        for name, value, known in (("crop", self.crop, Crop), ("resample", self.resample, Resample)):
            if value not in get_args(known):
                from negagen.ruleset import nearest

                raise DataError(f"{name} {value!r} is not known{nearest(str(value), get_args(known))}")

    def __str__(self) -> str:
        return f"{self.size} x {self.size}, {self.crop}, {self.resample}"


def decode(data: bytes, view: View) -> NDArray[np.uint8]:
    """The picture in `data` as uint8 [3, S, S], red, green, blue; as CLIP's own processor scales and cuts it.

    The orientation that a camera recorded is applied: captions speak of the picture as people see it.

    Raises:
        BadImageError: `data` is no picture, is cut off, or of a kind that Pillow cannot read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                return pixels(_upright_rgb(image), view)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise a dozen types on damaged files
        # Pillow's text on unknown bytes names a memory address.
        text = "not a picture of a known kind" if isinstance(error, UnidentifiedImageError) else str(error)
        raise BadImageError(text or type(error).__name__) from error


def pixels(image: Image.Image, view: View) -> NDArray[np.uint8]:
    """An RGB image as uint8 [3, S, S]."""
    size, resample = view.size, _FILTERS[view.resample]
    if view.crop == "squash":
        image = image.resize((size, size), resample)
    else:
        image = _without_far_ends(image)
        width, height = image.size
        short = min(width, height)
        # Rounded down, and the crop's corner too, as in transformers' CLIPImageProcessor.
        width, height = (size if side == short else int(size * side / short) for side in (width, height))
        left, top = (width - size) // 2, (height - size) // 2
        image = image.resize((width, height), resample).crop((left, top, left + size, top + size))
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def _upright_rgb(image: Image.Image) -> Image.Image:
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits of grey, of which Pillow's conversion would keep the lowest 8
        levels = np.asarray(image).astype(np.int64)
        image = Image.fromarray((levels >> 8).clip(0, 255).astype(np.uint8))
    return image if image.mode == "RGB" else image.convert("RGB")


def _without_far_ends(image: Image.Image) -> Image.Image:
    width, height = image.size
    most = _LONGEST * min(width, height)
    across, down = min(width, most), min(height, most)
    if (across, down) == (width, height):
        return image
    left, top = (width - across) // 2, (height - down) // 2
    return image.crop((left, top, left + across, top + down))
