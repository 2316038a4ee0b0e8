"""Texts as arrays of word numbers, so that counting and scoring need no loop over words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
# A mark that is set off by a space, or stands at the start, is another mark: " ." gives many generators away.
_SPACED = re.compile(r"\w+(?:['’]\w+)*|(?:\s|^)?[^\w\s]")


@dataclass(frozen=True, slots=True)
class Encoded:
    """N texts: the words of text i are `words[offsets[i]:offsets[i + 1]]` (int64 numbers of a `Vocabulary`)."""

    words: NDArray[np.int64]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Words of each text, int64 [N]."""
        return np.diff(self.offsets)

    @property
    def text_of(self) -> NDArray[np.int64]:
        """The text each word is of, int64 like `words`."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def take(self, chosen: NDArray[np.int64]) -> Encoded:
        """The chosen texts, in that order."""
        lengths = self.lengths[chosen]
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        inside = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return Encoded(self.words[np.repeat(self.offsets[:-1][chosen], lengths) + inside], offsets)


@dataclass(slots=True)
class Vocabulary:
    """Numbers lower-case words and marks in the order in which they are met.

    With `spaced`, a mark after white space is not the mark that follows a word directly.
    """

    spaced: bool = False
    numbers: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)

    def encode(self, texts: Iterable[str]) -> Encoded:
        """The texts as numbers; new words get the next ones."""
        numbers, find = self.numbers, (_SPACED if self.spaced else _WORD).findall
        words: list[int] = []
        ends = [0]
        for text in texts:
            words += [numbers.setdefault(word, len(numbers)) for word in find(text.lower())]
            ends.append(len(words))
        return Encoded(np.array(words, np.int64), np.array(ends, np.int64))


def folded(texts: Iterable[str]) -> list[str]:
    """The texts without case, punctuation and spacing: what two texts share that say the same in the same words."""
    return [" ".join(_LETTERS.findall(text.casefold())) for text in texts]


_LETTERS = re.compile(r"\w+(?:['’]\w+)*")


def as_symbols(encoded: Encoded) -> Sequence[str]:
    """Each text as a string with one character a word, for edit distances in words."""
    # Surrogates are no characters; past the last code point numbers begin anew, which needs a million words.
    codes = encoded.words % 0x10F000 + 0x80
    codes = np.where(codes >= 0xD800, codes + 0x800, codes).astype("<u4")
    text = codes.tobytes().decode("utf-32-le")
    return [text[start:stop] for start, stop in zip(encoded.offsets[:-1], encoded.offsets[1:], strict=True)]
