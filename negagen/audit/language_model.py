"""The second attack: a trigram model of captions, which finds what nobody would have written.

Interpolated modified Kneser-Ney smoothing (Chen and Goodman, "An Empirical Study of Smoothing Techniques for Language
Modeling", 1999). Counting and scoring are array operations; an n-gram is one 64-bit key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from negagen.audit.pairs import Pairs
from negagen.audit.tokens import Encoded, Vocabulary
from negagen.errors import InputError

_MAX_WORDS = 1 << 21


@dataclass(frozen=True, slots=True)
class _Order:
    """Discounted probabilities of the n-grams seen, and what their contexts leave to the lower order; keys sorted."""

    grams: NDArray[np.int64]
    discounted: NDArray[np.float64]
    contexts: NDArray[np.int64]
    backoff: NDArray[np.float64]

    def mix(
        self, grams: NDArray[np.int64], contexts: NDArray[np.int64], lower: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """P(word | context): a context that was never seen leaves all to `lower`."""
        return (
            _look_up(self.grams, self.discounted, grams, 0.0)
            + _look_up(self.contexts, self.backoff, contexts, 1.0) * lower
        )


class TrigramModel:
    """P(word | two words before), fitted on `captions`, whose words are numbers below `words`."""

    def __init__(self, captions: Encoded, words: int) -> None:
        if words + 2 > _MAX_WORDS:
            raise InputError(
                f"{words:,} different words are too many for the n-gram model: take a sample with --limit."
            )
        self._base = words + 2
        base = self._base
        before, previous, word, real = _windows(captions, words)
        trigrams, counts = np.unique(_join(base, before, previous, word)[real], return_counts=True)
        # Below the highest order an n-gram counts once for each word that it was seen after; at the start of a caption
        # no other word can stand before it, so there occurrences count.
        bigrams = trigrams % (base * base)
        opening = bigrams // base == words
        keys, inverse = np.unique(bigrams, return_inverse=True)
        bigram_counts = np.bincount(inverse, np.where(opening, counts, 1)).astype(np.int64)
        unigrams, inverse = np.unique(keys % base, return_inverse=True)
        unigram_counts = np.bincount(inverse).astype(np.int64)
        self._orders = [
            _smooth(unigrams, np.zeros_like(unigrams), unigram_counts),
            _smooth(keys, keys // base, bigram_counts),
            _smooth(trigrams, trigrams // base, counts),
        ]
        self._words = words

    def score(self, texts: Encoded) -> NDArray[np.float64]:
        """Mean natural logarithm of the probability of each word and of the end, float64 [N]."""
        before, previous, word, real = _windows(texts, self._words)
        before, previous, word = before[real], previous[real], word[real]
        base = self._base
        probability = np.full(len(word), 1.0 / base)
        contexts = [np.zeros_like(word), previous, _join(base, before, previous)]
        grams = [word, _join(base, previous, word), _join(base, before, previous, word)]
        for order, gram, context in zip(self._orders, grams, contexts, strict=True):
            probability = order.mix(gram, context, probability)
        lengths = texts.lengths + 1
        starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
        return np.asarray(np.add.reduceat(np.log(probability), starts) / lengths, np.float64)


def gaps(
    pairs: Pairs, folds: NDArray[np.int64], caption_folds: NDArray[np.int64], reference: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """Score gaps, float64 [N]: a pair is scored by a model of the captions of the other folds, or of `reference`.

    `folds` (int64 [N]) and `caption_folds` (int64 [M]) are those of the pairs and of the captions.
    """
    vocabulary = Vocabulary()
    captions, negatives = vocabulary.encode(pairs.captions), vocabulary.encode(pairs.negatives)
    known = vocabulary.encode(reference) if reference is not None else None
    if known is not None:
        model = TrigramModel(known, len(vocabulary))
        return model.score(captions)[pairs.caption_of] - model.score(negatives)
    of_captions, of_negatives = np.zeros(len(captions)), np.zeros(len(negatives))
    for fold in np.unique(folds):
        model = TrigramModel(captions.take(np.flatnonzero(caption_folds != fold)), len(vocabulary))
        for encoded, where, into in ((captions, caption_folds, of_captions), (negatives, folds, of_negatives)):
            held = np.flatnonzero(where == fold)
            into[held] = model.score(encoded.take(held))
    return of_captions[pairs.caption_of] - of_negatives


def _windows(texts: Encoded, words: int) -> tuple[NDArray[np.int64], ...]:
    """Two words before, one before, the word, and whether it is one to predict: a text is padded to "S S w ... w E"."""
    start, end = words, words + 1
    lengths = texts.lengths
    offsets = np.concatenate(([0], np.cumsum(lengths + 3)))
    padded = np.full(offsets[-1], start, np.int64)
    inside = np.arange(len(texts.words)) - np.repeat(texts.offsets[:-1], lengths)
    padded[np.repeat(offsets[:-1] + 2, lengths) + inside] = texts.words
    padded[offsets[1:] - 1] = end
    real = padded != start
    return np.roll(padded, 2), np.roll(padded, 1), padded, real


def _join(base: int, *words: NDArray[np.int64]) -> NDArray[np.int64]:
    key = words[0]
    for word in words[1:]:
        key = key * base + word
    return key


def _smooth(grams: NDArray[np.int64], contexts: NDArray[np.int64], counts: NDArray[np.int64]) -> _Order:
    """One order from its n-grams (sorted, so that those of a context lie together) and their counts."""
    frequencies = np.bincount(np.minimum(counts, 5), minlength=5).astype(np.float64)
    n1, n2, n3, n4 = np.maximum(frequencies[1:5], 1.0)
    y = n1 / (n1 + 2 * n2)
    # Odd counts of counts (a small or doubled corpus) can leave the formula's range.
    discounts = np.clip([0.0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3], 0.1, [1, 0.95, 1.9, 2.9])
    discounts[0] = 0
    taken = discounts[np.minimum(counts, 3)]
    found, starts = np.unique(contexts, return_index=True)
    totals = np.add.reduceat(counts, starts).astype(np.float64)
    sizes = np.diff(np.append(starts, len(grams)))
    return _Order(grams, (counts - taken) / np.repeat(totals, sizes), found, np.add.reduceat(taken, starts) / totals)


def _look_up(
    keys: NDArray[np.int64], values: NDArray[np.float64], wanted: NDArray[np.int64], default: float
) -> NDArray[np.float64]:
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], default)
