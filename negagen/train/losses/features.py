"""What a loss is a function of, and the products of features that losses are built from.

Products are taken in float32 (float64 where a feature is float64), also under autocast; the backward pass belongs
outside of autocast, which would reach into it. A bfloat16 product of 0.3 is known to 0.001, which at a logit scale of
100 is 0.1 of a logit: as much as a caption and its hard negative lie apart. Batch-wide products are matrix products, to
which the caller may allow TF32 (an error of about 0.002 of a logit at scale 100); a row's products with its own caption
and negatives are exact float32, since their difference is what is learnt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from negagen.errors import TrainingError
from negagen.types import CATEGORIES

MASKED: Final = -1e30
"""The logit of what is no candidate. Finite, for the gradient of a softmax over none but such must be 0, not NaN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """A batch as the losses see it: of all ranks already, so that no loss knows of ranks.

    Features are L2-normalised, float32 or float64 (others are widened). What stands in a masked slot does not matter,
    nor does it get a gradient. Raises `TrainingError` for shapes that do not go together.

    image [B, D], text [B, D]: row b's picture and its caption.
    negatives [B, K, D], mask bool [B, K]: row b's own negative captions, and which of them exist; K may be 0.
    scale []: exp(logit scale), clamped. bias []: SigLIP's logit bias.
    groups int64 [B]: rows of equal group are captions of one picture, never negatives of one another. None: all differ.
    weights [B, K], at least 0: a negative of weight w counts as w in denominators and means; None counts each as one.
    kinds int64 [B, K]: index into `negagen.types.CATEGORIES`, -1 where unknown.
    candidates int64 [B, K]: the negatives' numbers in the training set, -1 where there is none; not for losses.
    positives [B, P, D], positive_mask bool [B, P]: further captions that are true of row b's picture.
    anchor_image, anchor_text [B, D']: what a teacher makes of image and text; no gradient flows into them.
    local [B, 1 + K]: local scores, logit scale included, of row b's picture with its caption and with its negatives.
    """

    image: Tensor
    text: Tensor
    negatives: Tensor
    mask: Tensor
    scale: Tensor
    bias: Tensor | None = None
    groups: Tensor | None = None
    weights: Tensor | None = None
    kinds: Tensor | None = None
    candidates: Tensor | None = None
    positives: Tensor | None = None
    positive_mask: Tensor | None = None
    anchor_image: Tensor | None = None
    anchor_text: Tensor | None = None
    local: Tensor | None = None

    def __post_init__(self) -> None:
        rows, width = self.image.shape
        slots = self.mask.shape[-1]
        expected: dict[str, tuple[int, ...]] = {
            "text": (rows, width),
            "negatives": (rows, slots, width),
            "mask": (rows, slots),
            "scale": (),
            "bias": (),
            "groups": (rows,),
            "weights": (rows, slots),
            "kinds": (rows, slots),
            "candidates": (rows, slots),
            "local": (rows, 1 + slots),
        }
        if self.positives is not None:
            extra = self.positives.shape[1]
            expected |= {"positives": (rows, extra, width), "positive_mask": (rows, extra)}
        if self.anchor_image is not None:
            expected |= {"anchor_text": (rows, self.anchor_image.shape[-1])}
        for name, shape in expected.items():
            tensor: Tensor | None = getattr(self, name)
            if tensor is not None and tuple(tensor.shape) != shape:
                raise TrainingError(f"features: {name} has shape {list(tensor.shape)}, expected {list(shape)}")
        for one, other in (("positives", "positive_mask"), ("anchor_image", "anchor_text")):
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                raise TrainingError(f"features: {one} and {other} go together; one of them is missing")

    @property
    def rows(self) -> int:
        """B."""
        return len(self.image)

    def reweighted(self, *, weighted: bool, categories: Mapping[str, float]) -> Features:
        """The same with the weights that a loss is to use.

        `weighted` keeps the batch's own weights, otherwise each counts 1; `categories` multiplies those of a category,
        by name. Raises `TrainingError` if categories are wanted of a batch without kinds.
        """
        if not categories:
            return self if weighted or self.weights is None else replace(self, weights=None)
        if self.kinds is None:
            raise TrainingError("weights by category need the category of each negative; these negatives have none")
        factors = [categories.get(name, 1.0) for name in CATEGORIES] + [1.0]  # the last is found by -1, the unknown
        by_kind = torch.tensor(factors, dtype=torch.float32, device=self.kinds.device)[self.kinds]
        return replace(self, weights=by_kind * self.weights if weighted and self.weights is not None else by_kind)


def wide(tensor: Tensor) -> Tensor:
    """The tensor in float32, or float64 if it is that already."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def products(left: Tensor, right: Tensor, offset: Tensor | None = None) -> Tensor:
    """Scalar products of [M, D] with [N, D] as [M, N]; `offset` [N] is added to each row.

    Where logits are wanted, scale the features: a scaled [M, N] would be kept for the scale's gradient.
    """
    with torch.autocast(left.device.type, enabled=False):
        left, right = wide(left), wide(right).T
        return left @ right if offset is None else torch.addmm(offset, left, right)


def rowwise(left: Tensor, right: Tensor) -> Tensor:
    """Scalar products along the last axis of two tensors that broadcast."""
    return (wide(left) * wide(right)).sum(-1)


def present(values: Tensor, mask: Tensor) -> Tensor:
    """`values` [..., D] with zeros where `mask` [...] is false: whatever stood there is gone, and gets no gradient."""
    return wide(values).masked_fill(~mask.unsqueeze(-1), 0.0)


def negative_weights(features: Features) -> Tensor:
    """How many negatives each slot counts as, [B, K]: 0 where there is none."""
    mask = features.mask
    if features.weights is None:
        return mask.to(wide(features.image).dtype)
    return wide(features.weights).to(wide(features.image).dtype).masked_fill(~mask, 0.0)


def siblings(features: Features) -> Tensor | None:
    """bool [B, B]: which *other* rows show the same picture; None where groups are not known."""
    if features.groups is None:
        return None
    same = features.groups.unsqueeze(1) == features.groups.unsqueeze(0)
    return same.fill_diagonal_(False)


def caption_logits(features: Features) -> Tensor:
    """s⟨i_b, t_c⟩ as [B, B], masked where c is another caption of b's picture."""
    logits = products(features.scale * wide(features.image), features.text)
    kin = siblings(features)
    return logits if kin is None else logits.masked_fill(kin, MASKED)


def own_positive(features: Features) -> Tensor:
    """s⟨i_b, t_b⟩, [B]."""
    return features.scale * rowwise(features.image, features.text)


def own_negative(features: Features) -> Tensor:
    """s⟨i_b, n_bk⟩, [B, K]; 0 in masked slots."""
    return features.scale * rowwise(features.image.unsqueeze(1), present(features.negatives, features.mask))


def all_negatives(features: Features, anchors: Tensor) -> Tensor:
    """s⟨a_b, n_ck⟩ + log w_ck as [B, B K], for anchors a [B, D] and the negatives of all rows; masked where none is."""
    flat = present(features.negatives, features.mask).flatten(0, 1)
    return products(features.scale * wide(anchors), flat, log_weights(features).flatten())


def has_negative(features: Features) -> Tensor:
    """bool [B]: which rows have a negative that counts."""
    return (negative_weights(features) > 0).any(1)


def log_weights(features: Features) -> Tensor:
    """log of `negative_weights`, [B, K]; `MASKED` where it is 0."""
    weights = negative_weights(features)
    none = weights <= 0
    return weights.masked_fill(none, 1.0).log().masked_fill(none, MASKED)


def mean_over(values: Tensor, weights: Tensor) -> Tensor:
    """The mean of values by weights of the same shape, []; 0 if all weights are 0. Values of weight 0 do not matter."""
    none = weights <= 0
    total = weights.sum()
    summed = (values.masked_fill(none, 0.0) * weights).sum()
    return summed / total.masked_fill(total <= 0, 1.0)
