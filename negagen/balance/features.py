"""Texts as one flat array of word keys, and the n-grams in it as table indices: all of a batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

ORDER: Final = 3
CONTEXT: Final = ORDER - 1
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_FINAL: Final = np.uint64(0xD6E8FEB86659FD93)


Key = tuple[int, int]
"""The key of a word and that of its class."""


class Texts(NamedTuple):
    """N texts or stretches of texts, flat: each is preceded by two words or marks of context.

    `keys`, `classes` are uint64 [T]. `places` int64 [P] are the indices of all but the context, `starts` int64 [N]
    where each text's places begin in `places`, `lengths` int64 [N] their number, never 0.
    """

    keys: NDArray[np.uint64]
    classes: NDArray[np.uint64]
    places: NDArray[np.int64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


def flatten(texts: Sequence[Sequence[Key]]) -> Texts:
    """`texts`, each two keys of context and then its own, as arrays."""
    both = np.fromiter(chain.from_iterable(chain.from_iterable(texts)), np.uint64).reshape(-1, 2)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)) - CONTEXT
    inside = np.ones(len(both), bool)
    begins = np.concatenate(([0], np.cumsum(lengths + CONTEXT)[:-1])) if len(texts) else np.zeros(0, np.int64)
    inside[begins] = False
    inside[begins + 1] = False
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1])) if len(texts) else np.zeros(0, np.int64)
    return Texts(
        np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1]), np.flatnonzero(inside), starts, lengths
    )


def grams(keys: NDArray[np.uint64], places: NDArray[np.int64]) -> list[NDArray[np.uint64]]:
    """64-bit hashes of the unigram, bigram and trigram that end at each of `places`: three arrays uint64 [P]."""
    here, before, first = keys[places], keys[places - 1], keys[places - 2]
    return [mixed(here, 1), mixed(here, 2, before), mixed(here, 3, before, first)]


def mixed(here: NDArray[np.uint64], salt: int, *others: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One hash of several key arrays of equal length; `salt` keeps kinds of features apart."""
    out = here * _MIX + np.uint64(salt)
    for other in others:
        out = ((out ^ (out >> np.uint64(29))) + other) * _FINAL
    return out ^ (out >> np.uint64(32))


def slots(hashes: NDArray[np.uint64], bits: int) -> NDArray[np.int64]:
    """The index of each hash in a table of 2**bits."""
    return ((hashes * _MIX) >> np.uint64(64 - bits)).astype(np.int64)
