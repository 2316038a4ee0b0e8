"""The candidates of a batch of captions as arrays, with all that the selection weighs: one text in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from negagen.balance.features import Texts, flatten, grams, mixed, per_text, slots
from negagen.balance.ngrams import SCALE, NgramCounts
from negagen.balance.words import Words

FEATURES: Final = 9
MODELS: Final = 4
"""Gaps a pair has: by word frequency, by the word model, by the class model, by both models' least likely place."""


class Pool(NamedTuple):
    """A batch's candidates, flat: C captions, N candidates.

    `owner` int64 [N] indexes the captions, `category` int64 [N] names the kind of edit; `features` int32
    [texts, ...] are ragged: `slots` int64 [P, FEATURES] of all places, with `starts`, `lengths` int64 [C + N] (captions
    first). `gaps` int64 [N, MODELS] are scores of the candidate minus those of its caption, in nats / SCALE.
    """

    owner: NDArray[np.int64]
    category: NDArray[np.int64]
    slots: NDArray[np.int64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    gaps: NDArray[np.int64]

    @property
    def captions(self) -> int:
        """How many captions the batch has."""
        return len(self.starts) - len(self.owner)


def measure(
    words: Words,
    counts: NgramCounts,
    classes: NgramCounts,
    bits: int,
    captions: Sequence[Sequence[str]],
    candidates: Sequence[Sequence[str]],
    owner: Sequence[int],
    category: Sequence[int],
    folds: NDArray[np.int64],
) -> Pool:
    """Score `candidates`, which belong to the captions `owner`; `folds` int64 [C] are the captions' folds."""
    texts = flatten(words, [*captions, *candidates])
    owners = np.asarray(owner, np.int64)
    fold = np.concatenate((folds, folds[owners])) if len(owners) else folds
    frequency, likely = counts.score(texts.keys, texts, fold)
    _, likely_class = classes.score(texts.classes, texts, fold)
    by_text = np.stack(
        (
            per_text(frequency, texts) // texts.lengths,
            per_text(likely, texts) // texts.lengths,
            per_text(likely_class, texts) // texts.lengths,
            _least(likely, texts),
        ),
        axis=1,
    )
    gaps = by_text[len(captions) :] - by_text[owners]
    return Pool(owners, np.asarray(category, np.int64), _slots(texts, bits), texts.starts, texts.lengths, gaps)


def _least(values: NDArray[np.int64], texts: Texts) -> NDArray[np.int64]:
    return np.minimum.reduceat(values, texts.starts) if len(texts.starts) else np.zeros(0, np.int64)


def _slots(texts: Texts, bits: int) -> NDArray[np.int64]:
    """Table indices of what a text-only judge may notice at each place: int64 [P, FEATURES]."""
    keys, classes, places = texts.keys, texts.classes, texts.places
    skip = mixed(keys[places], 21, keys[places - 2])
    class_skip = mixed(classes[places], 22, classes[places - 2])
    left = mixed(keys[places - 1], 23, classes[places])
    hashes = [
        *grams(keys, places),
        *(value + np.uint64(7) for value in grams(classes, places)),
        skip,
        class_skip,
        left,
    ]
    return np.stack([slots(value, bits) for value in hashes], axis=1)


def energies(pool: Pool, table: NDArray[np.int64]) -> NDArray[np.int64]:
    """Exact sums of `table` int64 [2**bits] over each candidate's slots minus over its caption's: int64 [N]."""
    per_place = table[pool.slots].sum(axis=1)
    by_text = np.add.reduceat(per_place, pool.starts)
    return by_text[pool.captions :] - by_text[pool.owner]


__all__ = ["FEATURES", "MODELS", "SCALE", "Pool", "energies", "measure"]
