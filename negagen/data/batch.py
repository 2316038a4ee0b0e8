"""What one step of training sees: texts as tokens, pictures as pixels, and which text is what to which picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TypeVar

import torch
from torch import Tensor

_T = TypeVar("_T", "Texts", "Batch")


@dataclass(frozen=True, slots=True)
class Texts:
    """T distinct texts, tokenised.

    `ids` is int64 [T, L], L the tokens of the longest, shorter ones filled up with the tokenizer's padding;
    `lengths` is int64 [T], tokens of each, its marks of start and end included.
    """

    ids: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return int(self.lengths.shape[0])

    @property
    def mask(self) -> Tensor:
        """bool [T, L]: which of `ids` are tokens and no padding."""
        return torch.arange(self.ids.shape[1], device=self.ids.device) < self.lengths[:, None]

    def to(self, device: torch.device | str, non_blocking: bool = True) -> Texts:
        """The same on `device`."""
        return _mapped(self, lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Texts:
        """The same in page-locked memory, from which a GPU copies while it computes."""
        return _mapped(self, lambda tensor: tensor.pin_memory())


@dataclass(frozen=True, slots=True)
class Batch:
    """B rows: a picture and its caption each, with up to K negatives and P positives.

    Texts are named by their index in `texts`, each of which stands there once, however many rows use it.

    Attributes:
        rows: int64 [B], numbers of the rows in the training set.
        groups: int64 [B], a hash of the picture's id: rows of one group are siblings, captions of one picture.
        pixels: uint8 [B, 3, H, W], not normalised; None where image features are cached.
        texts: the distinct texts of the batch.
        captions: int64 [B].
        negatives: int64 [B, K], -1 where there is none.
        positives: int64 [B, P], -1 where there is none.
        weights: float32 [B, K], confidence in [0, 1] that a negative is false of the picture, 0 where there is none.
        kinds: int64 [B, K], index into `negagen.types.CATEGORIES`; -1 where there is no negative, or none of a named
            category.
        candidates: int64 [B, K], the numbers of the negatives among all of the training set, for `Feedback`; -1 where
            there is none; None where they are made for the batch.
    """

    rows: Tensor
    groups: Tensor
    pixels: Tensor | None
    texts: Texts
    captions: Tensor
    negatives: Tensor
    positives: Tensor
    weights: Tensor
    kinds: Tensor
    candidates: Tensor | None = None

    def __len__(self) -> int:
        return int(self.rows.shape[0])

    @property
    def mask(self) -> Tensor:
        """bool [B, K]: which negatives exist."""
        return self.negatives >= 0

    def to(self, device: torch.device | str, non_blocking: bool = True) -> Batch:
        """The same on `device`."""
        return _mapped(self, lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """The same in page-locked memory; torch's `DataLoader(pin_memory=True)` calls this too."""
        return _mapped(self, lambda tensor: tensor.pin_memory())


def _mapped(value: _T, function: Callable[[Tensor], Tensor]) -> _T:
    changed: dict[str, Tensor | Texts | None] = {}
    for field in fields(value):
        old = getattr(value, field.name)
        if isinstance(old, Texts):
            changed[field.name] = _mapped(old, function)
        else:
            changed[field.name] = None if old is None else function(old)
    return type(value)(**changed)  # type: ignore[arg-type]
