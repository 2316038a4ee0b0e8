"""Losses over the whole batch: CLIP's, and NegCLIP's with hard negatives as further columns."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from negagen.train.losses.features import (
    MASKED,
    Features,
    all_negatives,
    caption_logits,
    log_weights,
    mean_over,
    own_negative,
    present,
    products,
    siblings,
    wide,
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
    # Two sums and not one over both side by side: that copy would be the largest tensor of the step.
    to_text = torch.logaddexp(logits.logsumexp(1), further.logsumexp(1)) - right
    return 0.5 * (to_text.mean() + (logits.logsumexp(0) - right).mean())


def clip_where(features: Features, text: Tensor, valid: Tensor) -> Tensor:
    """`clip` of the images with texts [B, D] other than their captions, of which only some exist (bool [B]).

    An image without a text is no row, but a column for the other rows' texts; 0 if no text exists.
    """
    logits = products(features.scale * wide(features.image), present(text, valid))
    kin = siblings(features)
    if kin is not None:
        logits = logits.masked_fill(kin, MASKED)
    right = logits.diagonal()
    to_text = logits.masked_fill(~valid.unsqueeze(0), MASKED).logsumexp(1) - right
    counted = valid.to(logits.dtype)
    return 0.5 * (mean_over(to_text, counted) + mean_over(logits.logsumexp(0) - right, counted))
