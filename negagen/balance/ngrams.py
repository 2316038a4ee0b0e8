"""An n-gram language model over hashed counts that never knows the text it judges.

Captions fall into folds by a hash of their picture (or text); a text is scored with the counts of all folds but its
own, so that neither it nor a sibling caption has been seen. Smoothing is by a Dirichlet prior of the next lower order
(MacKay and Peto, "A hierarchical Dirichlet language model", 1995), which needs counts alone and so can leave a fold
out by subtraction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from negagen.balance.features import ORDER, Texts, grams, mixed, slots

SCALE: Final = 1 << 16
_PRIOR: Final = (1.0, 8.0, 4.0)
_VOCABULARY: Final = 20_000.0


@dataclass(slots=True)
class NgramCounts:
    """Counts of uni-, bi- and trigrams, and of what precedes them, by fold: int32 [folds, 2**bits]."""

    table: NDArray[np.int32]
    _total: NDArray[np.int32] | None = None

    @property
    def folds(self) -> int:
        """How many folds there are."""
        return len(self.table)

    @property
    def bits(self) -> int:
        """The table has 2**bits slots a fold."""
        return int(self.table.shape[1]).bit_length() - 1

    def add(self, keys: NDArray[np.uint64], texts: Texts, folds: NDArray[np.int64]) -> None:
        """Count `texts`; `folds` int64 [N] says where each belongs. `keys` are `texts.keys` or `texts.classes`."""
        self._total = None
        fold = np.repeat(folds, texts.lengths)
        for hashes in (*grams(keys, texts.places), *_contexts(keys, texts.places)):
            np.add.at(self.table, (fold, slots(hashes, self.bits)), 1)

    def score(
        self, keys: NDArray[np.uint64], texts: Texts, folds: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Log probabilities in nats / `SCALE` at each place, by the unigrams alone and by all orders: two int64 [P].

        Counts of the text's own fold (`folds` int64 [N]) are left out; a fold of -1 leaves nothing out.
        """
        if self._total is None:
            self._total = self.table.sum(axis=0, dtype=np.int32)
        total = self._total
        fold = np.repeat(folds, texts.lengths)
        known = fold >= 0

        def count(hashes: NDArray[np.uint64]) -> NDArray[np.float64]:
            at = slots(hashes, self.bits)
            own = np.where(known, self.table[np.maximum(fold, 0), at], 0)
            left: NDArray[np.float64] = (total[at] - own).astype(np.float64)
            return left

        seen = [count(hashes) for hashes in grams(keys, texts.places)]
        before = [count(hashes) for hashes in _contexts(keys, texts.places)]
        by_order = [np.full(len(texts.places), 1.0 / _VOCABULARY)]
        for order in range(ORDER):
            by_order.append((seen[order] + _PRIOR[order] * by_order[-1]) / (before[order] + _PRIOR[order]))
        return _fixed(by_order[1]), _fixed(by_order[-1])


def _contexts(keys: NDArray[np.uint64], places: NDArray[np.int64]) -> list[NDArray[np.uint64]]:
    """Hashes of what precedes each place: nothing, one word, two words. Three arrays uint64 [P]."""
    before, first = keys[places - 1], keys[places - 2]
    return [mixed(np.zeros_like(before), 11), mixed(before, 12), mixed(before, 13, first)]


def _fixed(p: NDArray[np.float64]) -> NDArray[np.int64]:
    whole: NDArray[np.int64] = np.rint(np.log(p) * SCALE).astype(np.int64)
    return whole
