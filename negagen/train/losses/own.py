"""Losses of a caption against its own negatives, and nothing else of the batch."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from negagen.train.losses.features import (
    Features,
    has_negative,
    log_weights,
    mean_over,
    negative_weights,
    own_negative,
    own_positive,
    present,
    rowwise,
)


def own(features: Features) -> Tensor:
    """Mean over rows with a negative of -log [e^{s⟨i,t⟩} / (e^{s⟨i,t⟩} + Σ_k w_k e^{s⟨i,n_k⟩})].

    The negatives' loss of TSVLC (Doveh et al., arXiv 2211.11733), with weights.
    """
    return own_softmax(own_positive(features), own_negative(features), features)


def margin(features: Features, *, margin: Annotated[float, Field(gt=0, le=2)] = 0.2) -> Tensor:
    """Mean over negatives of max(0, margin + ⟨i,n⟩ - ⟨i,t⟩), of cosines: the logit scale is not used.

    The hinge of VSE++ (Faghri et al., arXiv 1707.05612) on given negatives instead of mined ones.
    """
    right = rowwise(features.image, features.text)
    wrong = rowwise(features.image.unsqueeze(1), present(features.negatives, features.mask))
    return mean_over((margin + wrong - right.unsqueeze(1)).relu(), negative_weights(features))


def own_softmax(right: Tensor, wrong: Tensor, features: Features, also: Tensor | None = None) -> Tensor:
    """Mean of -log [e^right / (e^right + Σ_k w_k e^wrong_k)] for logits right [B] and wrong [B, K].

    Over rows with a negative, and, if `also` bool [B] is given, for which it is true.
    """
    logits = torch.cat([right.unsqueeze(1), wrong + log_weights(features)], dim=1)
    counted = has_negative(features)
    if also is not None:
        counted = counted & also
    return mean_over(logits.logsumexp(1) - right, counted.to(right.dtype))
