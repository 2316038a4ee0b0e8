"""Features of pictures and texts by a CLIPModel of transformers, as it is loaded: without negagen's own code for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoTokenizer, CLIPModel

from examples.scenes.exam import Exam, score
from examples.scenes.model import MEAN, STD

__all__ = ["Questions", "image_features", "load", "normalised", "text_features", "tokens"]

_BLOCK = 512


def load(folder: Path, device: str = "cpu") -> tuple[Any, Any]:
    """(model, tokenizer) of a directory."""
    model: Any = CLIPModel.from_pretrained(folder, dtype=torch.float32)
    model.to(device).eval()
    return model, AutoTokenizer.from_pretrained(folder)


def normalised(pixels: Tensor) -> Tensor:
    """uint8 [B, 3, H, W] -> float32 as the model expects it."""
    mean, std = (torch.tensor(values, device=pixels.device).view(1, 3, 1, 1) for values in (MEAN, STD))
    return (pixels.float() / 255 - mean) / std


def tokens(tokenizer: Any, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """int64 [T, L] ids padded with the end mark, and the mask of what is real; what the tokenizer itself would give.

    No token reaches over a space and there are few words, so each is tokenised once: a tenth of the time.
    """
    start, end = int(tokenizer.bos_token_id), int(tokenizer.eos_token_id)
    known: dict[str, list[int]] = {}
    for word in {word for text in texts for word in text.split()}:
        known[word] = tokenizer(word, add_special_tokens=False)["input_ids"]
    most = int(tokenizer.model_max_length) - 1
    rows = [[start, *(part for word in text.split() for part in known[word])][:most] for text in texts]
    lengths = np.array([len(row) + 1 for row in rows], np.int64)
    ids = np.full((len(rows), int(lengths.max(initial=0))), end, np.int64)
    mask = np.arange(ids.shape[1])[None] < lengths[:, None]
    ids[np.arange(ids.shape[1])[None] < lengths[:, None] - 1] = np.fromiter(chain.from_iterable(rows), np.int64)
    return torch.from_numpy(ids), torch.from_numpy(mask.astype(np.int64))


def image_features(model: Any, pixels: Tensor) -> Tensor:
    """[B, D], L2-normalised."""
    pooled = model.vision_model(pixel_values=normalised(pixels)).pooler_output
    return torch.nn.functional.normalize(model.visual_projection(pooled).float(), dim=-1)


def text_features(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """[T, D], L2-normalised."""
    pooled = model.text_model(input_ids=ids, attention_mask=mask).pooler_output
    return torch.nn.functional.normalize(model.text_projection(pooled).float(), dim=-1)


@dataclass(frozen=True, slots=True)
class Questions:
    """An exam on a device, its texts tokenised, to be asked of several models."""

    exam: Exam
    pixels: Tensor
    texts: tuple[tuple[NDArray[np.int64], Tensor, Tensor], ...]

    @classmethod
    def of(cls, exam: Exam, tokenizer: Any, device: str = "cpu") -> Questions:
        """Texts of like length go together."""
        order = np.array(sorted(range(len(exam.texts)), key=lambda row: len(exam.texts[row])), np.int64)
        blocks = [order[start : start + _BLOCK] for start in range(0, len(order), _BLOCK)]
        texts = []
        for rows in blocks:
            ids, mask = tokens(tokenizer, [exam.texts[row] for row in rows])
            texts.append((rows, ids.to(device), mask.to(device)))
        return cls(exam, torch.from_numpy(exam.pixels).to(device), tuple(texts))

    @torch.inference_mode()
    def ask(self, model: Any) -> dict[str, Any]:
        """`score` of this model, in float32."""
        image = torch.cat([image_features(model, block) for block in torch.split(self.pixels, _BLOCK)])
        text = torch.empty((len(self.exam.texts), image.shape[1]), device=image.device)
        for rows, ids, mask in self.texts:
            text[torch.from_numpy(rows).to(text.device)] = text_features(model, ids, mask)
        return score(self.exam, image.cpu().numpy(), text.cpu().numpy())
