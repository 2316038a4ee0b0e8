"""What a run measures of itself on pictures that it does not train on: before the first step and after the last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from negagen.evaluate.metrics import ranks
from negagen.train.losses import Features, Objective
from negagen.train.recipe import Recipe
from negagen.train.staging import Staged
from negagen.train.step import Encoder
from negagen.types import CATEGORIES

_BLOCK: Final = 1024


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Figures of one model on the held-out pictures; shares in [0, 1]; a tie is wrong.

    `loss`: the recipe's, the mean over batches of its size; of those terms alone, named by `losses`, that have all they
    need in single pictures with what captions the held-out part has: none of a teacher's, and none of hard positives
    where no held-out caption has any. None if there are no such terms.
    `own_accuracy`: captions that score above their own negative, over all pairs; `by_category` likewise, with the
    number of pairs; None without negatives. `text_recall`: pictures whose nearest caption is one of theirs (R@1);
    `image_recall`: captions whose nearest picture is theirs; both among all that is held out.
    """

    rows: int
    pictures: int
    pairs: int
    loss: float | None
    own_accuracy: float | None
    text_recall: float
    image_recall: float
    by_category: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    losses: tuple[str, ...] = ()

    @property
    def retained(self) -> float:
        """The mean of both recalls."""
        return (self.text_recall + self.image_recall) / 2

    def to_json(self) -> dict[str, Any]:
        """As `report.json` and the metrics have it."""
        return {
            "rows": self.rows,
            "pictures": self.pictures,
            "pairs": self.pairs,
            "loss": self.loss,
            "losses": list(self.losses),
            "own_accuracy": self.own_accuracy,
            "text_recall": self.text_recall,
            "image_recall": self.image_recall,
            "by_category": {
                name: {"accuracy": accuracy, "pairs": pairs} for name, (accuracy, pairs) in self.by_category.items()
            },
        }


def objective_of(recipe: Recipe) -> Objective:
    """The recipe's losses on single pictures."""
    return recipe.objective(plain=recipe.batch.layout == "clic")


@torch.inference_mode()
def measure(encoder: Encoder, batches: Iterable[Staged], objective: Objective) -> HeldOut:
    """Encode all batches once and score them; `encoder` must be `alone`: no other rank takes part."""
    images: list[Tensor] = []
    texts: list[Tensor] = []
    groups: list[Tensor] = []
    margins: list[Tensor] = []
    kinds: list[Tensor] = []
    losses: list[Tensor] = []
    possible = Objective(())
    for staged in batches:
        batch = staged.batch
        features, _ = encoder(staged)
        images.append(features.image.float())
        texts.append(features.text.float())
        groups.append(batch.groups)
        margins.append(_margins(features)[features.mask])
        kinds.append(batch.kinds[features.mask])
        possible = objective.possible(features)
        if possible.terms:
            state = {name: start.to(encoder.device) for name, start in possible.start().items()}
            losses.append(possible(features, state).loss)
    group = torch.cat(groups).cpu().numpy()
    pictures, first = np.unique(group, return_index=True)
    image = torch.cat(images)[torch.from_numpy(first).to(encoder.device)]
    text = torch.cat(texts)
    right = (torch.cat(margins) > 0).cpu().numpy()
    kind = torch.cat(kinds).cpu().numpy()
    return HeldOut(
        rows=len(group),
        pictures=len(pictures),
        pairs=len(right),
        loss=float(torch.stack(losses).double().mean()) if losses else None,
        own_accuracy=float(right.mean()) if len(right) else None,
        text_recall=_recall(image, text, pictures, group),
        image_recall=_recall(text, image, group, pictures),
        by_category={
            name: (float(right[kind == n].mean()), int((kind == n).sum()))
            for n, name in enumerate(CATEGORIES)
            if (kind == n).any()
        },
        losses=tuple(term.name for term in possible.terms),
    )


def _margins(features: Features) -> Tensor:
    right = (features.image * features.text).sum(-1, keepdim=True)
    return right - (features.image.unsqueeze(1) * features.negatives).sum(-1)


def _recall(queries: Tensor, candidates: Tensor, own: NDArray[np.int64], theirs: NDArray[np.int64]) -> float:
    """R@1, block by block: the whole similarity matrix of many pictures does not fit anywhere."""
    right = 0
    for start in range(0, len(queries), _BLOCK):
        similarity = (queries[start : start + _BLOCK] @ candidates.T).cpu().numpy()
        right += int((ranks(similarity, own[start : start + _BLOCK, None] == theirs[None]) == 1).sum())
    return right / len(queries)
