"""The candidates of a batch of captions as arrays, with all that the selection weighs: one text in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from negagen.balance.features import CONTEXT, Key, Texts, flatten, grams, mixed, slots
from negagen.balance.ngrams import SCALE, NgramCounts
from negagen.balance.words import Words

FEATURES: Final = 9
MODELS: Final = 4
"""Gaps a pair has: by word frequency, by the word model, by the class model, by both models' least likely place."""


class Passage(NamedTuple):
    """What a candidate has in the place of a caption's words `[start, stop)`, with the context on either side.

    `keys` are two of context, the new words, and up to two more that follow them: beyond those, every n-gram of the
    candidate is one of its caption's.
    """

    keys: list[Key]
    start: int
    stop: int


class Pool(NamedTuple):
    """A batch's candidates, flat: C captions, N candidates.

    `owner` int64 [N] indexes the captions, `category` int64 [N] names the kind of edit. `slots` int64 [P, FEATURES] are
    of all places: first those of whole captions, then those of the candidates' passages; `starts`, `lengths` int64
    [C + N] part them. The places `[begin, end)` of its caption, both int64 [N], are not in the candidate. `gaps` int64
    [N, MODELS] are scores of the candidate minus those of its caption, in nats / SCALE.
    """

    owner: NDArray[np.int64]
    category: NDArray[np.int64]
    slots: NDArray[np.int64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    gaps: NDArray[np.int64]

    @property
    def captions(self) -> int:
        """How many captions the batch has."""
        return len(self.starts) - len(self.owner)


def sequence(words: Words, text: Sequence[Key]) -> list[Key]:
    """The keys of a whole text as `measure` wants them: two start marks, the text, an end mark."""
    return [words.start, words.start, *text, words.end]


def passage(caption: Sequence[Key], start: int, stop: int, new: Sequence[Key]) -> Passage:
    """The passage that puts `new` in the place of words `[start, stop)` of a caption, given as from `sequence`."""
    after = stop + CONTEXT
    return Passage([*caption[start:after][:CONTEXT], *new, *caption[after : after + CONTEXT]], start, stop)


def measure(
    counts: NgramCounts,
    classes: NgramCounts,
    bits: int,
    captions: Sequence[Sequence[Key]],
    passages: Sequence[Passage],
    owner: Sequence[int],
    category: Sequence[int],
    folds: NDArray[np.int64],
) -> Pool:
    """Score candidates of the captions `owner`; `captions` as from `sequence`, `folds` int64 [C] are their folds."""
    texts = flatten([*captions, *[each.keys for each in passages]])
    owners = np.asarray(owner, np.int64)
    fold = np.concatenate((folds, folds[owners]))
    first, size = texts.starts[owners], texts.lengths[owners]
    begin = first + np.fromiter((each.start for each in passages), np.int64, len(passages))
    end = first + np.fromiter((each.stop for each in passages), np.int64, len(passages)) + CONTEXT
    end = np.minimum(end, first + size)
    frequency, likely = counts.score(texts.keys, texts, fold)
    _, likely_class = classes.score(texts.classes, texts, fold)
    length = size - (end - begin) + texts.lengths[len(captions) :]
    pool = Pool(
        owners,
        np.asarray(category, np.int64),
        _slots(texts, bits),
        texts.starts,
        texts.lengths,
        begin,
        end,
        np.zeros((len(owners), MODELS), np.int64),
    )
    for model, values in enumerate((frequency, likely, likely_class)):
        running = _running(values)
        whole = running[first + size] - running[first]
        pool.gaps[:, model] = (whole + _changed(pool, running)) // length - whole // size
    pool.gaps[:, MODELS - 1] = _least_gap(pool, likely)
    return pool


def _running(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Exact sums of all values before each index: int64 [len(values) + 1]."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(values)))


def _changed(pool: Pool, running: NDArray[np.int64]) -> NDArray[np.int64]:
    """What each candidate's places sum to, minus what its caption's do: int64 [N]."""
    at, size = pool.starts[pool.captions :], pool.lengths[pool.captions :]
    out: NDArray[np.int64] = running[at + size] - running[at] - (running[pool.end] - running[pool.begin])
    return out


def _least_gap(pool: Pool, values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The lowest value among each candidate's places, minus that of its caption: int64 [N]."""
    if not len(pool.owner):
        return np.zeros(0, np.int64)
    captions = pool.captions
    starts, lengths = pool.starts[:captions], pool.lengths[:captions]
    column = np.arange(int(lengths.max()) + 2) - 1  # a column of nothing before and after
    place = np.minimum(starts[:, None] + np.maximum(column, 0), len(values) - 1)
    known = (column >= 0) & (column < lengths[:, None])
    table = np.where(known, values[place], np.iinfo(np.int64).max)
    before = np.minimum.accumulate(table, axis=1)
    after = np.minimum.accumulate(table[:, ::-1], axis=1)[:, ::-1]
    own = starts[pool.owner]
    inside = np.minimum.reduceat(values, pool.starts)[captions:]
    rest = np.minimum(before[pool.owner, pool.begin - own], after[pool.owner, pool.end - own + 1])
    out: NDArray[np.int64] = np.minimum(inside, rest) - before[pool.owner, -1]
    return out


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


def energies(pool: Pool, tables: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Exact sums of a table over each candidate's slots minus over its caption's: int64 [N].

    `tables` is int64 [groups, 2**bits], `group` int64 [C] says which of them is for which caption.
    """
    of_text = np.concatenate((group, group[pool.owner])) * tables.shape[1]
    slots = pool.slots + np.repeat(of_text, pool.lengths)[:, None] if len(tables) > 1 else pool.slots
    return _changed(pool, _running(tables.ravel()[slots].sum(axis=1)))


__all__ = ["FEATURES", "MODELS", "SCALE", "Passage", "Pool", "energies", "measure", "passage", "sequence"]
