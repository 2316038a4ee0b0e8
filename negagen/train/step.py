"""One step's features: a rank's pictures and texts through the model, whole or in chunks, gathered over all ranks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from negagen.data.batch import Texts
from negagen.data.cache import ImageCache
from negagen.errors import TrainingError
from negagen.train.distributed import gather_features
from negagen.train.gradcache import Cached
from negagen.train.losses import Features
from negagen.train.losses.features import rowwise
from negagen.train.losses.fsc_clip import local_scores
from negagen.train.models import ContrastiveModel
from negagen.train.staging import Staged, Words
from negagen.train.text import PackedTexts
from negagen.train.towers import Side

DTYPES: Final = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": None}
Encoded = tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Encoder:
    """How batches become features.

    `precision` "bf16" or "fp16" computes the towers under autocast; weights and losses stay float32. `chunk` rows are
    encoded at a time (see `gradcache`), 0 for all at once; batches must be staged with the same. `local` adds
    FSC-CLIP's local scores. `teacher` gives the anchors of retention losses. `alone` leaves out the other ranks.
    `pictures` are the features [I, D] of all pictures (`encode_all`), for batches without pixels: the vision tower of
    the model, and so that of its teacher, is frozen.
    """

    model: ContrastiveModel
    device: torch.device
    precision: str = "fp32"
    chunk: int = 0
    local: bool = False
    teacher: ContrastiveModel | None = None
    alone: bool = False
    pictures: Tensor | None = None

    def __call__(self, staged: Staged) -> tuple[Features, Callable[[], None]]:
        """Features of the batches of all ranks, and what must be called after the loss's backward pass.

        Unless `alone`, every rank must call it, with as many rows, negatives and positives each.
        """
        pictures = self._pictures(staged)
        if not self.chunk or not torch.is_grad_enabled():
            image = _joined([self._image(part) for part in pictures])
            texts = _joined([self._text(part) for part in staged.words.parts])
            return self._gathered(staged, image, texts), _nothing
        images = Cached([partial(self._image, part) for part in pictures], self.device, trained(self.model, "vision"))
        words = Cached(
            [partial(self._text, part) for part in staged.words.parts], self.device, trained(self.model, "text")
        )

        def backward() -> None:
            images.backward()
            words.backward()

        return self._gathered(staged, _joined(images.features()), _joined(words.features())), backward

    def autocast(self) -> AbstractContextManager[Any]:
        """What the towers run under."""
        dtype = DTYPES[self.precision]
        return torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None)

    @torch.no_grad()
    def encode_all(self, pixels: ImageCache, rows: int) -> Tensor:
        """Features [I, D] of all pictures, `rows` at a time."""
        self.model.eval()
        parts = (np.arange(start, min(start + rows, len(pixels))) for start in range(0, len(pixels), rows))
        return torch.cat([self._image(torch.from_numpy(pixels.take(part)).to(self.device))[0] for part in parts])

    def _pictures(self, staged: Staged) -> tuple[Tensor, ...]:
        """Pixels in chunks, or numbers of pictures whose features are known."""
        given = staged.batch.pixels if staged.batch.pixels is not None else staged.images
        if given is None:
            raise TrainingError("this batch has neither pixels nor the numbers of its pictures")
        return torch.split(given, self.chunk or len(given))

    def _image(self, pixels: Tensor) -> Encoded:
        if pixels.ndim == 1:
            if self.pictures is None:
                raise TrainingError("this batch has no pixels, and the features of its pictures are not known")
            return (self.pictures[pixels],)
        with self.autocast():
            return self.model.image_parts(pixels) if self.local else (self.model.encode_images(pixels),)

    def _text(self, texts: Texts | PackedTexts) -> Encoded:
        with self.autocast():
            if not self.local:
                return (self.model.encode_texts(texts),)
            if isinstance(texts, PackedTexts):
                raise TrainingError("local scores need texts that are staged whole")
            return self.model.text_parts(texts)

    def _gathered(self, staged: Staged, image: Encoded, texts: Encoded) -> Features:
        """Pick each row's texts, then join the rows of all ranks."""
        batch = staged.batch
        text = texts[0][staged.words.places]
        scale = self.model.logit_scale
        own: dict[str, Tensor] = {}
        if batch.positives.shape[1]:
            own["positives"] = text[batch.positives.clamp(min=0)]
            own["positive_mask"] = batch.positives >= 0
        if self.local:
            candidates = torch.cat([batch.captions.unsqueeze(1), batch.negatives], dim=1)
            mask = batch.texts.mask
            tokens = texts[1][staged.words.places, : mask.shape[1]]
            own["local"] = local_scores(image[1], tokens, mask, candidates, scale)
        if self.teacher is not None and staged.anchors is not None:
            own["anchor_image"], own["anchor_text"] = self._anchors(self.teacher, staged, staged.anchors)
        features = Features(
            image=image[0],
            text=text[batch.captions],
            negatives=text[batch.negatives.clamp(min=0)],
            mask=batch.mask,
            scale=scale,
            bias=self.model.logit_bias,
            groups=batch.groups,
            weights=batch.weights,
            kinds=batch.kinds,
            candidates=batch.candidates,
            **own,
        )
        return features if self.alone else gather_features(features)

    @torch.no_grad()
    def _anchors(self, teacher: ContrastiveModel, staged: Staged, words: Words) -> tuple[Tensor, Tensor]:
        taught = replace(self, model=teacher, local=False)
        image = torch.cat([taught._image(part)[0] for part in self._pictures(staged)])
        with self.autocast():
            text = torch.cat([teacher.encode_texts(part) for part in words.parts])
        return image, text[words.places]


def trained(model: ContrastiveModel, side: Side) -> bool:
    """Whether any parameter of that tower is trained."""
    parts = [part for stage in model.towers.stages(side) for part in stage]
    return any(
        parameter.requires_grad
        for part in parts
        for parameter in ([part] if isinstance(part, nn.Parameter) else part.parameters())
    )


def _joined(parts: list[Encoded]) -> Encoded:
    """Outputs of all chunks, one after another; token features are filled up to the longest chunk's length."""
    if len(parts) == 1:
        return parts[0]
    joined = []
    for outputs in zip(*parts, strict=True):
        longest = max(output.shape[1] for output in outputs)
        joined.append(
            torch.cat(
                [
                    functional.pad(output, (0, 0, 0, longest - output.shape[1])) if output.ndim == 3 else output
                    for output in outputs
                ]
            )
        )
    return tuple(joined)


def _nothing() -> None:
    pass


@torch.no_grad()
def own_similarities(features: Features) -> tuple[Tensor, Tensor]:
    """Cosines of each picture with its caption [B] and with its negatives [B, K], float32; any in masked slots."""
    right = rowwise(features.image, features.text)
    return right, rowwise(features.image.unsqueeze(1), features.negatives)


def own_accuracy(right: Tensor, wrong: Tensor, mask: Tensor) -> Tensor:
    """Share of the existing negatives that score below their own caption, a scalar; ties are wrong, none is NaN.

    `right`, `wrong` as `own_similarities` gives them, `mask` bool [B, K].
    """
    return ((wrong < right.unsqueeze(1)) & mask).sum() / mask.sum()
