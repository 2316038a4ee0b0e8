"""The words that tell: which ones edits bring far more often than they take away, and the other way round."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from negagen.audit.pairs import Pairs
from negagen.audit.tokens import Encoded, Vocabulary

TOP: Final = 20


@dataclass(frozen=True, slots=True)
class Word:
    """`negatives` pairs hold the word more often in the negative than in the caption, `captions` less often.

    `log_odds` is log((negatives + 1/2) / (captions + 1/2)): above 0 the word speaks for a negative. `z`, the sign
    test's (negatives - captions) / sqrt(negatives + captions), ranks words; it is no test here, since pairs of one
    caption are not independent.
    """

    word: str
    negatives: int
    captions: int
    log_odds: float
    z: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def telling_words(pairs: Pairs) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
    """The words that speak most for a negative, and those that speak most for a caption; `TOP` of each at most."""
    vocabulary = Vocabulary(spaced=True)
    captions, negatives = vocabulary.encode(pairs.captions), vocabulary.encode(pairs.negatives)
    came, left = _exchanged(captions.take(pairs.caption_of), negatives, len(vocabulary))
    odds = np.log((came + 0.5) / (left + 0.5))
    z = (came - left) / np.sqrt(np.maximum(came + left, 1))
    names = list(vocabulary.numbers)
    order = np.argsort(z, kind="stable")

    def word(index: int) -> Word:
        return Word(
            names[index], int(came[index]), int(left[index]), round(float(odds[index]), 3), round(float(z[index]), 2)
        )

    of_negatives = tuple(word(index) for index in order[::-1][:TOP] if z[index] > 0)
    of_captions = tuple(word(index) for index in order[:TOP] if z[index] < 0)
    return of_negatives, of_captions


def _exchanged(before: Encoded, after: Encoded, words: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """In how many pairs each word is there more often after than before, and less often: int64 [words] each."""
    keys = np.concatenate([before.text_of * words + before.words, after.text_of * words + after.words])
    found, inverse = np.unique(keys, return_inverse=True)
    signs = np.concatenate([np.full(len(before.words), -1.0), np.ones(len(after.words))])
    change = np.bincount(inverse, signs, minlength=len(found))
    word = found % words
    return np.bincount(word[change > 0], minlength=words), np.bincount(word[change < 0], minlength=words)
