"""The third attack: a classifier of n-grams, trained to tell captions from negatives.

Words one to three in a row, those at the start and the end of the text, and parts of words are hashed into 2**20
features; a pair is the difference of its texts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from negagen.audit.linear import crossfit
from negagen.audit.pairs import Pairs
from negagen.audit.tokens import Encoded, Vocabulary
from negagen.errors import ResourceError
from negagen.seeding import key_of

_FEATURES = 1 << 20
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_PART_WEIGHT = 0.5


def gaps(pairs: Pairs, folds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Score gaps, float64 [N], each by a classifier trained on the other folds.

    Raises `ResourceError` if scikit-learn is not installed.
    """
    vocabulary = Vocabulary(spaced=True)
    captions, negatives = vocabulary.encode(pairs.captions), vocabulary.encode(pairs.negatives)
    keys = np.array([key_of(word) for word in vocabulary.numbers], np.uint64)
    parts = _parts(list(vocabulary.numbers))
    difference = _features(captions, keys, parts)[pairs.caption_of] - _features(negatives, keys, parts)
    difference.eliminate_zeros()
    # What is told by a single pair cannot be learnt from the others.
    common = np.flatnonzero(np.bincount(difference.indices, minlength=difference.shape[1]) > 1)
    return crossfit(difference[:, common], folds)


def _features(texts: Encoded, keys: NDArray[np.uint64], parts: Any) -> Any:
    sparse = _sparse()
    words = keys[texts.words]
    owner = texts.text_of
    hashed, owners = [words], [owner]
    gram = words
    for length in (2, 3):
        if len(words) < length:
            break
        gram = _mix(gram[:-1], words[length - 1 :])
        inside = owner[: len(gram)] == owner[length - 1 :]
        hashed.append(gram[inside] + np.uint64(length))
        owners.append(owner[: len(gram)][inside])
    filled = np.flatnonzero(texts.lengths > 0)
    for place, at in ((11, texts.offsets[:-1][filled]), (13, texts.offsets[1:][filled] - 1)):
        hashed.append(_mix(words[at], np.full(len(filled), place, np.uint64)))
        owners.append(filled)
    columns = (_scrambled(np.concatenate(hashed)) % np.uint64(_FEATURES)).astype(np.int64)
    shape = (len(texts), _FEATURES)
    grams = sparse.csr_matrix((np.ones(len(columns)), (np.concatenate(owners), columns)), shape=shape)
    counts = sparse.csr_matrix((np.ones(len(words)), (owner, texts.words)), shape=(len(texts), len(keys)))
    return sparse.hstack([grams, counts @ parts], format="csr")


def _parts(words: list[str]) -> Any:
    """Each word's runs of two to four characters, "<" and ">" marking its ends: CSR [words, features].

    Taken once a word, not once a text: a text's parts are its words' parts.
    """
    sparse = _sparse()
    rows: list[int] = []
    columns: list[int] = []
    known: dict[str, int] = {}
    for row, word in enumerate(words):
        marked = f"<{word}>"
        for length in (2, 3, 4):
            for start in range(len(marked) - length + 1):
                part = marked[start : start + length]
                rows.append(row)
                columns.append(known.setdefault(part, len(known)))
    weights = np.full(len(rows), _PART_WEIGHT)
    return sparse.csr_matrix((weights, (rows, columns)), shape=(len(words), max(1, len(known))))


def _mix(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return _scrambled(left * _MULTIPLIER + right)


def _scrambled(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = (values ^ (values >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return values ^ (values >> np.uint64(32))


def _sparse() -> Any:
    try:
        from scipy import sparse  # type: ignore[import-untyped]
    except ImportError as error:
        raise ResourceError(
            "the n-gram classifier needs scikit-learn and SciPy: pip install 'negagen[audit]'."
        ) from error
    return sparse
