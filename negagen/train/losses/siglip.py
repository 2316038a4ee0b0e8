"""SigLIP's pairwise loss, with hard negatives as further pairs that do not belong together."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from negagen.errors import TrainingError
from negagen.train.losses.features import (
    Features,
    negative_weights,
    own_negative,
    present,
    products,
    siblings,
    wide,
)


def siglip(features: Features, *, columns: Literal["none", "own", "batch"] = "own") -> Tensor:
    """-1/B Σ over pairs of log sigmoid(z (s⟨i,t⟩ + b)), z = 1 for an image with its caption, else -1.

    After Zhai et al. (arXiv 2303.15343). Pairs are each image with each caption of the batch, siblings' excepted, and
    by `columns` none, its own caption's, or all of the batch's hard negatives, all of them z = -1 and counted by their
    weights. Missing negatives are no pairs; a pair is not a mean, so fewer of them weigh less. Raises `TrainingError`
    for features without a bias.
    """
    if features.bias is None:
        raise TrainingError("loss 'siglip' needs a model with a logit bias, such as SigLIP; this one has none")
    image = features.scale * wide(features.image)
    logits = products(image, features.text) + features.bias
    # -log sigmoid(z x) = softplus(-z x); on the diagonal z is 1.
    pairs = softplus(torch.diagonal_scatter(logits, -logits.diagonal()))
    kin = siblings(features)
    if kin is not None:
        pairs = pairs.masked_fill(kin, 0.0)
    total = pairs.sum()
    weights = negative_weights(features)
    if columns == "own":
        total = total + (weights * softplus(own_negative(features) + features.bias)).sum()
    elif columns == "batch":
        flat = present(features.negatives, features.mask).flatten(0, 1)
        further = products(image, flat) + features.bias
        total = total + torch.mv(softplus(further), weights.flatten()).sum()
    return total / features.rows
