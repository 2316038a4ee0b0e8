"""What is said of a batch beside its losses."""

from __future__ import annotations

import torch
from torch import Tensor

from negagen.train.losses.features import Features, own_negative, own_positive


@torch.no_grad()
def own_accuracy(features: Features) -> tuple[Tensor, Tensor]:
    """How many negatives lie below their own caption for the image, and how many there are, both []; ties are wrong."""
    below = (own_negative(features) < own_positive(features).unsqueeze(1)) & features.mask
    return below.sum(), features.mask.sum()
