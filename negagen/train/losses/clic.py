"""CLIC's loss of two pictures side by side, with four captions of both and a negative that mixes them."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from negagen.errors import TrainingError
from negagen.train.losses.contrastive import clip_where
from negagen.train.losses.features import Features, has_negative, mean_over, own_negative, present, rowwise
from negagen.train.losses.own import own_softmax

Weight = Annotated[float, Field(ge=0)]


def clic(features: Features, *, contrast: Weight = 0.5, negative: Weight = 0.5, uniform: Weight = 1.0) -> Tensor:
    """contrast · mean_p CLIP(image, p) + negative · L_neg + uniform · L_uni (Peleg et al., arXiv 2505.24424).

    Over `positives` p, of which the first two are the pictures' captions in the one order and in the other; `text` is
    not looked at. L_neg is the mean over p of -log [e^{s⟨i,p⟩} / (e^{s⟨i,p⟩} + Σ_k w_k e^{s⟨i,n_k⟩})] with the row's
    own negatives, over rows with a negative; L_uni the mean over rows of ‖p_1 - p_2‖². Positives that are missing are
    left out of every mean. Raises `TrainingError` for features with fewer than two positives a row.
    """
    if features.positives is None or features.positive_mask is None or features.positives.shape[1] < 2:
        raise TrainingError("loss 'clic' needs two positives or more; use it with batch.layout 'clic'")
    valid = features.positive_mask
    positives = present(features.positives, valid)
    right = features.scale * rowwise(features.image.unsqueeze(1), positives)
    wrong = own_negative(features)
    over = range(positives.shape[1])
    contrasts = torch.stack([clip_where(features, positives[:, p], valid[:, p]) for p in over])
    negatives = torch.stack([own_softmax(right[:, p], wrong, features, valid[:, p]) for p in over])
    exists = valid.any(0).to(right.dtype)
    both = (valid[:, 0] & valid[:, 1]).to(right.dtype)
    apart = mean_over((positives[:, 0] - positives[:, 1]).square().sum(-1), both)
    held = (valid & has_negative(features).unsqueeze(1)).any(0).to(right.dtype)
    return contrast * mean_over(contrasts, exists) + negative * mean_over(negatives, held) + uniform * apart
