"""Losses over the whole batch: CLIP's, and NegCLIP's with hard negatives as further columns."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from negagen.train.losses.features import (
    Features,
    all_negatives,
    caption_logits,
    log_weights,
    own_negative,
)


def clip(features: Features) -> Tensor:
    """CLIP's loss, 1/2 [CE(s i tᵀ) + CE(s t iᵀ)]; negatives are not looked at (Radford et al., arXiv 2103.00020)."""
    logits = caption_logits(features)
    right = logits.diagonal()
    return 0.5 * ((logits.logsumexp(1) - right).mean() + (logits.logsumexp(0) - right).mean())


def negclip(features: Features, *, columns: Literal["batch", "own"] = "batch") -> Tensor:
    """NegCLIP's loss, 1/2 [CE(s I [T; N]ᵀ) + CE(s T Iᵀ)] (Yuksekgonul et al., arXiv 2210.01936).

    `columns` says which negatives an image is held against beside the batch's captions: those of the whole batch, as
    published, or its own caption's only. Texts see images alone. A sibling caption is no column; a sibling's hard
    negatives are, since what is false of the one picture stays false beside another caption of it.
    """
    logits = caption_logits(features)
    right = logits.diagonal()
    if columns == "batch":
        further = all_negatives(features, features.image)
    else:
        further = own_negative(features) + log_weights(features)
    to_text = torch.cat([logits, further], dim=1).logsumexp(1) - right
    return 0.5 * (to_text.mean() + (logits.logsumexp(0) - right).mean())
