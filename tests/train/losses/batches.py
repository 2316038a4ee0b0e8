"""Small batches of random features, with everything in them that a loss may meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from negagen.train.losses import Features

LEAVES = ("image", "text", "negatives", "scale", "bias", "positives", "local")
"""The features that may get a gradient."""


def batch(
    rows: int = 5,
    slots: int = 3,
    positives: int = 4,
    *,
    seed: int = 0,
    missing: float = 0.4,
    width: int = 4,
    dtype: torch.dtype = torch.float64,
    weights: bool = True,
) -> Features:
    """Features whose negatives lie near the captions; some are missing, row 1 has none, rows 0 and 3 are siblings."""
    draws = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draws, dtype=torch.float64)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=draws, dtype=torch.float64)

    image, text = normal(rows, width), normal(rows, width)
    mask = uniform(rows, slots) >= missing
    positive_mask = uniform(rows, positives) >= missing
    if missing and rows > 1:
        mask[1] = False
    groups = torch.arange(rows)
    if rows > 3:
        groups[3] = groups[0]
    features = Features(
        image=normalize(image, dim=-1),
        text=normalize(text, dim=-1),
        negatives=normalize(text.unsqueeze(1) + 0.7 * normal(rows, slots, width), dim=-1),
        mask=mask,
        scale=torch.tensor(6.0, dtype=torch.float64),
        bias=torch.tensor(-2.5, dtype=torch.float64),
        groups=groups * 7919,
        weights=0.2 + uniform(rows, slots) if weights else None,
        kinds=torch.randint(-1, 11, (rows, slots), generator=draws),
        positives=normalize(text.unsqueeze(1) + 0.5 * normal(rows, positives, width), dim=-1),
        positive_mask=positive_mask,
        anchor_image=normalize(image + 0.5 * normal(rows, width), dim=-1),
        anchor_text=normalize(text + 0.5 * normal(rows, width), dim=-1),
        local=3 * normal(rows, 1 + slots),
    )
    return mapped(features, lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)


def mapped(features: Features, function: Callable[[Tensor], Tensor]) -> Features:
    """The features with `function` applied to each tensor."""
    values: dict[str, Any] = {field.name: getattr(features, field.name) for field in fields(features)}
    return replace(features, **{name: function(value) for name, value in values.items() if value is not None})


def leaves(features: Features) -> tuple[Features, dict[str, Tensor]]:
    """The same features as leaves that collect gradients, and these leaves."""
    found = {name: getattr(features, name).detach().clone().requires_grad_() for name in LEAVES}
    return replace(features, **found), found


def gradients(loss: Tensor, found: dict[str, Tensor]) -> dict[str, Tensor]:
    """The gradient of each leaf, zeros where the loss does not depend on it."""
    if not loss.requires_grad:
        return {name: torch.zeros_like(leaf) for name, leaf in found.items()}
    grads = torch.autograd.grad(loss, list(found.values()), allow_unused=True)
    return {
        name: torch.zeros_like(leaf) if grad is None else grad
        for (name, leaf), grad in zip(found.items(), grads, strict=True)
    }


def rows_of(features: Features, order: Tensor) -> Features:
    """The same rows in another order."""
    return mapped(features, lambda tensor: tensor[order] if tensor.ndim else tensor)
