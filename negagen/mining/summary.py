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

EDGES = tuple(round(0.02 * step, 2) for step in range(25, 86))
"""Of the bins by the share of the caption's score, 0.5 to 1.7; what lies beyond is in the outermost."""


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
        negatives_at, positives_at: how many of either score which share of their caption's score, by `EDGES`.
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
    negatives_at: tuple[int, ...]
    positives_at: tuple[int, ...]
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
            "shares": {"edges": EDGES, "negatives": self.negatives_at, "positives": self.positives_at},
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


def by_share(judged: Judged, captions: NDArray[np.float32]) -> tuple[int, ...]:
    """How many score which share of their caption's score, by `EDGES`; `captions` are those of each, [E]."""
    own = captions[judged.scored].astype(np.float64)
    shares = 1 - judged.margins[judged.scored] / np.maximum(np.abs(own), 1e-9)
    return tuple(np.histogram(np.clip(shares, EDGES[0], EDGES[-1]), EDGES)[0].tolist())


def _json(one: Tally) -> dict[str, int]:
    return {"scored": one.scored, "fools": one.fools, "suspected": one.suspected, "kept": one.kept}
