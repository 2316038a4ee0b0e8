"""A recipe's losses as one function: the weighted sum, its parts for the log, and the state that is handed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from negagen.errors import TrainingError
from negagen.train.losses.features import Features, wide
from negagen.train.losses.registry import LOSSES, Need

State = Mapping[str, Tensor]
"""What losses hand on from step to step, by the loss's name; most have none. It belongs into checkpoints."""


@dataclass(frozen=True, slots=True)
class Term:
    """One loss of a recipe: see `negagen.train.recipe.LossTerm`."""

    name: str
    weight: float = 1.0
    weighted: bool = False
    categories: Mapping[str, float] = field(default_factory=dict)
    keywords: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObjectiveResult:
    """The total loss [], each term's own value (detached, not multiplied by its weight), and the next state."""

    loss: Tensor
    parts: Mapping[str, Tensor]
    state: State


@dataclass(frozen=True, slots=True)
class Objective:
    """The sum of weight x loss over the terms; pure: what is handed on stands in the result."""

    terms: tuple[Term, ...]

    @property
    def needs(self) -> frozenset[Need]:
        """What the features must hold beside image, text, scale."""
        return frozenset[Need]().union(*(LOSSES[term.name].needs for term in self.terms))

    def possible(self, features: Features) -> Objective:
        """Those of its terms that have all they need in `features`; there may be none."""
        held = _held(features)
        return Objective(tuple(term for term in self.terms if LOSSES[term.name].needs <= held))

    def start(self) -> dict[str, Tensor]:
        """The state at the beginning of every epoch, on the CPU; empty for most recipes."""
        starts = {term.name: LOSSES[term.name].start for term in self.terms}
        return {name: start() for name, start in starts.items() if start is not None}

    def __call__(self, features: Features, state: State) -> ObjectiveResult:
        """The loss of a batch. Raises `TrainingError` if the features lack what a term needs.

        `state` is `start()` or the state of the step before; terms that this objective does not have are handed on as
        they are, so that the objectives of plain and other steps can share one state.
        """
        self._check(features)
        total = wide(features.image).new_zeros(())
        parts: dict[str, Tensor] = {}
        after = dict(state)
        for term in self.terms:
            loss = LOSSES[term.name]
            seen = features.reweighted(weighted=term.weighted, categories=term.categories)
            if loss.start is None:
                value = loss.function(seen, **term.keywords)
            else:
                if term.name not in state:
                    raise TrainingError(f"loss {term.name!r} has a state, and none was handed in; begin with start()")
                value, after[term.name] = loss.function(seen, state[term.name], **term.keywords)
            total = total + term.weight * value
            parts[term.name] = value.detach()
        return ObjectiveResult(total, parts, after)

    def _check(self, features: Features) -> None:
        held = _held(features)
        for term in self.terms:
            for need in sorted(LOSSES[term.name].needs - held):
                raise TrainingError(f"loss {term.name!r} needs {need}, and this run's features have none")


def _held(features: Features) -> frozenset[Need]:
    """What of the needs of losses is there; an empty column of negatives is."""
    fields: dict[Need, object] = {
        "negatives": features.negatives,
        "positives": features.positives,
        "anchors": features.anchor_image,
        "local": features.local,
        "bias": features.bias,
    }
    return frozenset(need for need, value in fields.items() if value is not None)
