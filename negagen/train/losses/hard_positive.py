"""What else is true of a picture must be nearer than what is false: SugarCrepe++'s three-way demand as a loss."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from negagen.errors import TrainingError
from negagen.train.losses.features import (
    Features,
    has_negative,
    log_weights,
    mean_over,
    present,
    rowwise,
)

Weight = Annotated[float, Field(ge=0)]


def hard_positive(features: Features, *, image: Weight = 1.0, text: Weight = 1.0, align: Weight = 1.0) -> Tensor:
    """image · L_itt + text · L_tot + align · L_align, over existing hard positives p of caption t.

    SugarCrepe++ (Dumpala et al., arXiv 2406.11171) asks that an image be nearer to both of two equivalent captions than
    to a negative (ITT), and these nearer to each other than each to the negative (TOT). As softmaxes over the row's own
    negatives n_k, each term being -log [e^{right} / (e^{right} + Σ_k w_k e^{wrong_k})]:
    L_itt: right s⟨i,p⟩, wrong s⟨i,n_k⟩ (the caption itself is the business of other losses);
    L_tot: half with right s⟨t,p⟩, wrong s⟨t,n_k⟩, half with right s⟨t,p⟩, wrong s⟨p,n_k⟩;
    means over positives of rows with a negative. L_align is the mean over all positives of 1 - ⟨t,p⟩.
    """
    if features.positives is None or features.positive_mask is None:
        raise TrainingError("loss 'hard-positive' needs positives, and these features have none")
    valid = features.positive_mask
    positives = present(features.positives, valid)
    negatives = present(features.negatives, features.mask)
    offset = log_weights(features).unsqueeze(1)
    scale, anchor = features.scale, features.text.unsqueeze(1)

    def against(right: Tensor, wrong: Tensor) -> Tensor:
        """[B, P] of right [B, P] against wrong [B, P or 1, K]."""
        wrong = (wrong + offset).expand(-1, right.shape[1], -1)
        return torch.cat([right.unsqueeze(2), wrong], dim=2).logsumexp(2) - right

    near = rowwise(anchor, positives)
    of_image = against(
        scale * rowwise(features.image.unsqueeze(1), positives),
        scale * rowwise(features.image.unsqueeze(1), negatives).unsqueeze(1),
    )
    of_text = against(scale * near, scale * rowwise(anchor, negatives).unsqueeze(1))
    of_positive = against(scale * near, scale * rowwise(positives.unsqueeze(2), negatives.unsqueeze(1)))
    counted = (valid & has_negative(features).unsqueeze(1)).to(near.dtype)
    itt = mean_over(of_image, counted)
    tot = 0.5 * (mean_over(of_text, counted) + mean_over(of_positive, counted))
    return image * itt + text * tot + align * mean_over(1 - near, valid.to(near.dtype))
