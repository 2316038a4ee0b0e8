"""A model that sees nothing but colours, so that what it scores can be worked out by hand, and pictures for it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor, nn

from negagen.data.batch import Texts
from negagen.data.images import View

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "grey": (128, 128, 128)}


class Oracle(nn.Module):
    """Pictures become their mean colour, texts the sum of the colours that they name; both of length 1.

    `constant`: every feature is the same. `broken`: every feature is NaN. `blue_is_red`: it sees blue as red.
    """

    source = "oracle"
    image_mean = (0.0, 0.0, 0.0)
    image_std = (1.0, 1.0, 1.0)
    context_length = 12
    pad_id = 0
    view = View(8, "squash")
    logit_scale = torch.tensor(10.0, requires_grad=True)

    def __init__(self, *, constant: bool = False, broken: bool = False, blue_is_red: bool = False) -> None:
        super().__init__()
        self.network = nn.Linear(1, 1)
        with torch.no_grad():
            self.network.weight.fill_(constant + 2 * broken + 4 * blue_is_red)
            self.network.bias.fill_(0)
        self.constant, self.broken, self.blue_is_red = constant, broken, blue_is_red
        self.words: dict[str, int] = {}
        self.pictures_seen = self.texts_seen = 0

    def tokenize(self, texts: Sequence[str]) -> Texts:
        rows = []
        for text in texts:
            own = [self.words.setdefault(word, len(self.words) + 3) for word in text.lower().split()]
            rows.append([1, *own[: self.context_length - 2], 2])
        ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = torch.tensor(row)
        return Texts(ids, torch.tensor([len(row) for row in rows]))

    def pack(self, texts: Texts) -> Texts:
        return texts

    def encode_images(self, pixels: Tensor) -> Tensor:
        self.pictures_seen += len(pixels)
        return self._features(pixels.float().mean((2, 3)))

    def encode_texts(self, texts: Texts) -> Tensor:
        self.texts_seen += len(texts)
        known = {number: word for word, number in self.words.items()}
        rows = []
        for row in texts.ids.tolist():
            named = [COLOURS[known[number]] for number in row if known.get(number) in COLOURS]
            rows.append([sum(part) for part in zip(*named, strict=True)] if named else [1, 1, 1])
        return self._features(torch.tensor(rows).float())

    def _features(self, colours: Tensor) -> Tensor:
        if self.blue_is_red:
            colours = torch.stack([colours[:, 0] + colours[:, 2], colours[:, 1], torch.zeros(len(colours))], dim=1)
        if self.constant:
            colours = torch.ones_like(colours)
        out = nn.functional.normalize(colours, dim=-1)
        return out * float("nan") if self.broken else out


def picture(*colours: str, size: int = 16) -> bytes:
    """A PNG of vertical stripes of the colours."""
    array = np.zeros((size, size, 3), np.uint8)
    for number, colour in enumerate(colours):
        start, stop = (size * place // len(colours) for place in (number, number + 1))
        array[:, start:stop] = COLOURS[colour]
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def save_pictures(folder: Path, **named: tuple[str, ...] | str) -> Path:
    """Files in `folder`, NAME.png of the given colours."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, colours in named.items():
        (folder / f"{name}.png").write_bytes(picture(*((colours,) if isinstance(colours, str) else colours)))
    return folder


def save_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A Parquet file of `rows`."""
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path
