"""How near a model finds each text to its picture: each picture and each distinct text encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from negagen.data.batch import Texts
from negagen.data.loader import ahead
from negagen.data.prepared import Prepared, Tell
from negagen.data.store import digest
from negagen.errors import ResourceError
from negagen.evaluate.cache import fingerprint
from negagen.mining.filled import filled
from negagen.train.models import ContrastiveModel
from negagen.train.text import PackedTexts

VERSION: Final = 1
"""Of how similarities are computed; part of their folders' names."""

_USES: Final = 1 << 14


@dataclass(frozen=True, slots=True)
class Similarities:
    """Cosines of texts and the picture of their row, float32, NaN where there is no picture or the model's are.

    captions [N], negatives [E] and positives [F] are those of a training set, in its order; `weights` is the model's
    fingerprint.
    """

    captions: NDArray[np.float32]
    negatives: NDArray[np.float32]
    positives: NDArray[np.float32]
    weights: str


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores prepared data with a model, on its device.

    `batch_size` pictures go through it at a time, and four times as many texts. `half` computes the towers in bfloat16.
    `workers` threads read pictures and lay out texts.
    """

    model: ContrastiveModel
    batch_size: int = 256
    half: bool = False
    workers: int = 2

    def __call__(self, prepared: Prepared, cache: Path, tell: Tell | None = None) -> Similarities:
        """The similarities of `prepared`, from `cache` if they are there.

        Each text is encoded once and compared with the pictures of all rows that have it, so that no more than a
        block of text features is ever in memory; features of pictures lie in `cache`, mapped. A run that was killed
        goes on with the blocks that are missing. Raises `OutputError`.
        """
        weights = fingerprint(self.model)
        key = f"{VERSION} {weights} {'bf16' if self.half else 'fp32'}"
        images = self._images(prepared, cache / "features" / digest(f"{key}\0{prepared.pixels.fingerprint}"), tell)
        data = prepared.data
        sizes = (len(data), len(data.negatives), len(data.positives))

        def fill(values: NDArray[np.float32]) -> None:
            self._fill(values, prepared, images, tell)

        found = filled(cache / "similarities" / digest(f"{key}\0{prepared.fingerprint}"), (sum(sizes),), fill)
        captions, negatives, positives = np.split(found, np.cumsum(sizes)[:-1])
        return Similarities(captions, negatives, positives, weights)

    def _images(self, prepared: Prepared, folder: Path, tell: Tell | None) -> NDArray[np.float32]:
        """Features of all pictures, float32 [I, D], NaN for those that could not be decoded."""
        cache = prepared.pixels
        good = np.flatnonzero(cache.good)
        width = self._forward(torch.from_numpy(cache.take(good[:1]))).shape[1]

        def fill(values: NDArray[np.float32]) -> None:
            missing = [part for part in _blocks(good, self.batch_size) if np.isnan(values[part]).any()]
            done = len(good) - sum(map(len, missing))
            for part, pixels in zip(missing, ahead(cache.take, missing, self.workers), strict=True):
                values[part] = self._forward(torch.from_numpy(pixels))
                done += len(part)
                if tell is not None:
                    tell("pictures encoded", done, len(good))

        return filled(folder, (len(cache), width), fill)

    def _fill(
        self, values: NDArray[np.float32], prepared: Prepared, images: NDArray[np.float32], tell: Tell | None
    ) -> None:
        places, texts, pictures = _uses(prepared)
        lengths = np.diff(prepared.tokens.offsets)
        # Texts of like length together, for no more padding than must be; the blocks are the same in every run.
        order = np.lexsort((texts, lengths[texts]))
        places, texts, pictures = places[order], texts[order], pictures[order]
        starts = np.flatnonzero(np.append(True, texts[1:] != texts[:-1]))
        ends = np.append(starts[1:], len(texts))
        size = 4 * self.batch_size
        blocks = [
            slice(int(starts[first]), int(ends[min(first + size, len(starts)) - 1]))
            for first in range(0, len(starts), size)
        ]
        missing = [block for block in blocks if np.isnan(values[places[block]]).any()]
        done = len(texts) - sum(block.stop - block.start for block in missing)

        def staged(block: slice) -> tuple[Texts | PackedTexts, NDArray[np.int64]]:
            distinct, which = np.unique(texts[block], return_inverse=True)
            taken = prepared.tokens.take(distinct)
            return (self.model.pack(taken) if self._device.type == "cuda" else taken), which

        for block, (batch, which) in zip(missing, ahead(staged, missing, self.workers), strict=True):
            features = self._forward(batch)
            # A text may stand in any number of rows.
            for start in range(0, len(which), _USES):
                some = slice(block.start + start, min(block.start + start + _USES, block.stop))
                own = features[which[start : start + _USES]]
                values[places[some]] = np.einsum("nd,nd->n", own, images[pictures[some]])
            done += block.stop - block.start
            if tell is not None:
                tell("texts scored", done, len(texts))

    @property
    def _device(self) -> torch.device:
        device: torch.device = next(self.model.network.parameters()).device
        return device

    def _forward(self, batch: Any) -> NDArray[np.float32]:
        self.model.eval()
        try:
            with torch.inference_mode(), self._autocast():
                moved = batch.to(self._device)
                encode = self.model.encode_images if isinstance(batch, torch.Tensor) else self.model.encode_texts
                features: NDArray[np.float32] = encode(moved).float().cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise ResourceError(
                f"the GPU's memory does not hold a batch of {self.batch_size} pictures: give a smaller --batch-size."
            ) from error
        return features

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self.half)


def _uses(prepared: Prepared) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    """Every use of a text in a row with a picture: its place among all scores, the text, and the picture."""
    data = prepared.data
    usable = np.zeros(len(data), bool)
    usable[prepared.rows] = True
    parts = [(np.arange(len(data)), data.captions)]
    parts += [(choices.owners(), choices.texts) for choices in (data.negatives, data.positives)]
    owners = np.concatenate([owner for owner, _ in parts])
    texts = np.concatenate([text for _, text in parts])
    places = np.flatnonzero(usable[owners])
    return places, texts[places], data.images[owners[places]]


def _blocks(values: NDArray[np.int64], size: int) -> Sequence[NDArray[np.int64]]:
    return [values[start : start + size] for start in range(0, len(values), size)]
