"""CE-CLIP's losses beside NegCLIP's: a rank loss with thresholds that follow the model, and an intra-modal contrast."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from negagen.train.losses.features import (
    Features,
    all_negatives,
    mean_over,
    negative_weights,
    own_negative,
    own_positive,
)
from negagen.types import CATEGORIES


def no_thresholds() -> Tensor:
    """The thresholds at the start of an epoch: 0 for each category, and, last, for negatives of none."""
    return torch.zeros(len(CATEGORIES) + 1)


def rank(
    features: Features, thresholds: Tensor, *, limit: Annotated[float, Field(ge=0)] = 10.0
) -> tuple[Tensor, Tensor]:
    """Mean over negatives of max(0, τ_c + s⟨i,n⟩ - s⟨i,t⟩), and the next thresholds (Zhang et al., arXiv 2306.08832).

    `thresholds` τ is float32 [C + 1], one for each of `CATEGORIES` and one for negatives whose category is not known
    (all, if the features hold no kinds). The next is clip(mean of s⟨i,t⟩ over all rows - mean of s⟨i,n⟩ over the
    category's negatives, 0, limit); a category that this batch lacks keeps its threshold. No gradient flows into or
    through thresholds.
    """
    right, wrong = own_positive(features), own_negative(features)
    weights = negative_weights(features)
    kinds = torch.full_like(features.mask, -1, dtype=torch.int64) if features.kinds is None else features.kinds
    kinds = kinds % (len(CATEGORIES) + 1)  # the unknown, -1, is the last
    thresholds = thresholds.detach().to(right.device)
    hinges = (thresholds.to(right.dtype)[kinds] + wrong - right.unsqueeze(1)).relu()
    with torch.no_grad():
        # Sums by comparison: an indexed add on a GPU has no fixed order, and resumed runs would not be the same.
        of_kind = kinds.unsqueeze(-1) == torch.arange(len(thresholds), device=kinds.device)
        count = (of_kind * weights.unsqueeze(-1)).sum((0, 1))
        total = (of_kind * (wrong * weights).unsqueeze(-1)).sum((0, 1))
        fresh = (right.mean() - total / count.clamp(min=1e-12)).clamp(0.0, limit)
        after = torch.where(count > 0, fresh.to(thresholds.dtype), thresholds)
    return mean_over(hinges, weights), after


def intra_modal(features: Features) -> Tensor:
    """-mean_b log [e^{s⟨i_b,t_b⟩} / (e^{s⟨i_b,t_b⟩} + Σ_{c,k} w_ck e^{s⟨t_b,n_ck⟩})] (Zhang et al., arXiv 2306.08832).

    The formula as printed; the published code labels another column as the right one. A sibling's negatives count: they
    are false of the picture that the caption is true of.
    """
    right = own_positive(features)
    wrong = all_negatives(features, features.text).logsumexp(1)
    return (torch.logaddexp(right, wrong) - right).mean()
