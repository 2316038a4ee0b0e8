"""What was mined, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from negagen.mining.keeping import Judged
from negagen.types import CATEGORIES

OTHER = "other"
"""Stands for categories that are not negagen's."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts over candidates: those with a score, those that fool the model, those suspected to be true, those kept."""

    scored: int
    fools: int
    suspected: int
    kept: int


@dataclass(frozen=True, slots=True)
class Mined:
    """What `mine` found.

    Attributes:
        rows: of the pool, as many as were written; `unscored` of them have no caption, or no picture that can be read.
        fooled: rows with a candidate that fools the model.
        full: rows with status "ok".
        candidates: of all rows, those without a score among them.
        negatives, positives: counts over the candidates; of the pool's positives none is kept or dropped.
        categories: counts by category of negatives.
        notes: sentences on what could not be used.
    """

    rows: int
    unscored: int
    fooled: int
    full: int
    candidates: int
    negatives: Tally
    positives: Tally
    categories: Mapping[str, Tally]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "rows": self.rows,
            "unscored": self.unscored,
            "fooled": self.fooled,
            "full": self.full,
            "candidates": self.candidates,
            "negatives": _json(self.negatives),
            "positives": _json(self.positives),
            "categories": {name: _json(one) for name, one in self.categories.items()},
            "notes": list(self.notes),
        }


def tally(judged: Judged, chosen: NDArray[np.bool_] | None = None) -> Tally:
    """Counts over all that was judged, or those where `chosen` is true."""
    masks = (judged.scored, judged.fools, judged.suspected, judged.kept)
    return Tally(*(int(mask.sum() if chosen is None else (mask & chosen).sum()) for mask in masks))


def by_category(judged: Judged, kinds: NDArray[np.int8]) -> dict[str, Tally]:
    """Counts by category, in the order of `CATEGORIES`, of those that there are."""
    names = [*CATEGORIES, OTHER]
    return {
        names[kind]: tally(judged, kinds == kind) for kind in (*range(len(CATEGORIES)), -1) if (kinds == kind).any()
    }


def _json(one: Tally) -> dict[str, int]:
    return {"scored": one.scored, "fools": one.fools, "suspected": one.suspected, "kept": one.kept}
