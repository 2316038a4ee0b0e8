"""The losses by name: what each is called in a recipe, what it needs, and what keywords it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model
from torch import Tensor

from negagen.train.losses import ce_clip, clic, contrastive, fsc_clip, hard_positive, own, retention, siglip

Need = Literal["negatives", "positives", "anchors", "local", "bias"]
"""What a loss cannot do without, beside image, text and scale."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss of the registry.

    `function(features, **keywords)` gives a scalar. One with a state is `function(features, state, **keywords)` and
    gives the scalar and the next state; `start()` is its state before the first step of each epoch.
    """

    function: Callable[..., Any]
    needs: frozenset[Need] = frozenset()
    start: Callable[[], Tensor] | None = None

    @property
    def about(self) -> str:
        """The first line of the function's docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]


def _of(function: Callable[..., Any], *needs: Need, start: Callable[[], Tensor] | None = None) -> Loss:
    return Loss(function, frozenset(needs), start)


LOSSES: Final[Mapping[str, Loss]] = {
    "clip": _of(contrastive.clip),
    "negclip": _of(contrastive.negclip, "negatives"),
    "own": _of(own.own, "negatives"),
    "margin": _of(own.margin, "negatives"),
    "rank": _of(ce_clip.rank, "negatives", start=ce_clip.no_thresholds),
    "intra-modal": _of(ce_clip.intra_modal, "negatives"),
    "clic": _of(clic.clic, "negatives", "positives"),
    "focal": _of(fsc_clip.focal, "negatives"),
    "local-focal": _of(fsc_clip.local_focal, "negatives", "local"),
    "siglip": _of(siglip.siglip, "bias"),
    "hard-positive": _of(hard_positive.hard_positive, "negatives", "positives"),
    "retention": _of(retention.retention, "anchors"),
    "retention-features": _of(retention.retention_features, "anchors"),
}


@cache
def keywords(name: str) -> type[BaseModel]:
    """The keyword arguments of the loss of that name, as a model that refuses all others; KeyError if there is none."""
    function = LOSSES[name].function
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        parameter.name: (hints[parameter.name], parameter.default)
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    model: type[BaseModel] = create_model(f"{name} keywords", __config__=ConfigDict(extra="forbid"), **fields)
    return model
