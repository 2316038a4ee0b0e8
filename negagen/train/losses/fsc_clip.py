"""FSC-CLIP's losses: a caption against its own negatives, globally and token by token, calibrated.

Oh et al., "Preserving Multi-Modal Capabilities of Pre-trained VLMs for Improving Vision-Linguistic Compositionality"
(arXiv 2410.05210). Calibrated is a cross entropy with the focal factor (1 - p)^gamma, which lets go of what is learnt,
and with label smoothing, which grants a negative that it is nearly right.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import AfterValidator, Field
from torch import Tensor
from torch.nn.functional import normalize

from negagen.errors import TrainingError
from negagen.train.losses.features import (
    MASKED,
    Features,
    log_weights,
    mean_over,
    negative_weights,
    own_negative,
    own_positive,
    present,
    wide,
)


def _not_between(value: float) -> float:
    if 0 < value < 1:
        raise ValueError("between 0 and 1 the gradient is not finite at p = 1; give 0, or 1 or more")
    return value


Gamma = Annotated[float, Field(ge=0), AfterValidator(_not_between)]
Smoothing = Annotated[float, Field(ge=0, lt=1)]


def focal(features: Features, *, gamma: Gamma = 2.0, smoothing: Smoothing = 0.02) -> Tensor:
    """The calibrated softmax of s⟨i,t⟩ against s⟨i,n_k⟩: L_g of FSC-CLIP (arXiv 2410.05210)."""
    return calibrated(own_positive(features), own_negative(features), features, gamma, smoothing)


def local_focal(features: Features, *, gamma: Gamma = 2.0, smoothing: Smoothing = 0.02) -> Tensor:
    """The same of local scores, `features.local`: L_l of FSC-CLIP (arXiv 2410.05210); see `local_scores`."""
    if features.local is None:
        raise TrainingError("loss 'local-focal' needs local scores, and these features have none")
    local = wide(features.local)
    return calibrated(local[:, 0], local[:, 1:].masked_fill(~features.mask, 0.0), features, gamma, smoothing)


def calibrated(right: Tensor, wrong: Tensor, features: Features, gamma: float, smoothing: float) -> Tensor:
    """Mean over rows with a negative of -Σ_k y_k (1 - p_k)^gamma log p_k, for logits right [B] and wrong [B, K].

    y_0 = 1 - smoothing + smoothing / (K + 1) and y_k = smoothing / (K + 1), with K the row's existing negatives. With
    weights, p is the softmax of logits to which log w_k is added, K their sum, and y_k = w_k smoothing / (K + 1).
    """
    weights = negative_weights(features)
    count = weights.sum(1)
    wrong = wrong + log_weights(features)
    total = torch.cat([right.unsqueeze(1), wrong], dim=1).logsumexp(1)
    share = smoothing / (count + 1)
    terms = (1 - smoothing + share) * _focal_entropy(right - total, gamma)
    terms = terms + share * (weights * _focal_entropy(wrong - total.unsqueeze(1), gamma)).sum(1)
    return mean_over(terms, (count > 0).to(terms.dtype))


def _focal_entropy(log_p: Tensor, gamma: float) -> Tensor:
    log_p = log_p.clamp(max=0.0)  # rounding may leave it above
    return -(-torch.expm1(log_p)).pow(gamma) * log_p


def local_scores(patches: Tensor, tokens: Tensor, token_mask: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    """logsumexp over tokens of s⟨v_t, w_t⟩, [B, S]: how well a text's tokens are found among a picture's patches.

    patches [B, N, D] and tokens [T, L, D] (projected into the common space, of any norm), token_mask bool [T, L] (false
    for padding; marks of start and end count), texts int64 [B, S] (index into T, -1 for none: its score is 0),
    scale []. w_t is the token's normalised feature; v_t the normalised sum of the picture's normalised patches, each by
    the token's cosine with it, min-max normalised over patches and detached (arXiv 2410.05210, after SPARC,
    arXiv 2401.09865). Rows see their own texts only, so that ranks can compute this before they gather.
    """
    exists = texts >= 0
    chosen = texts.clamp(min=0)
    mask = token_mask[chosen] & exists.unsqueeze(-1)
    with torch.autocast(patches.device.type, enabled=False):
        patches = normalize(wide(patches), dim=-1)
        tokens = normalize(present(tokens, token_mask), dim=-1)[chosen]
        with torch.no_grad():
            found = torch.einsum("bstd,bnd->bstn", tokens, patches)
            low, high = found.aminmax(dim=-1, keepdim=True)
            even = high <= low
            found = torch.where(even, 1.0, (found - low) / (high - low).masked_fill(even, 1.0))
        pooled = normalize(torch.einsum("bstn,bnd->bstd", found, patches), dim=-1)
        logits = (scale * (pooled * tokens).sum(-1)).masked_fill(~mask, MASKED)
    return logits.logsumexp(-1).masked_fill(~exists, 0.0)
