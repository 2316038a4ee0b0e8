"""Two captions said one after the other, as tokens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from negagen.data.batch import Texts
from negagen.data.prepared import Prepared
from negagen.data.tokens import Tokenizer, padded

_SAMPLE = 64

Joined = tuple[int, int] | str
"""Two texts of the training set by number, the second after the first; or a new text."""


def spoken(one: str, two: str) -> str:
    """The two texts with a space between."""
    return f"{one.strip()} {two.strip()}"


class Joiner:
    """Tokens of joined texts.

    Those of two stored texts are those of the one after those of the other, without the marks between; a sample says
    whether this tokenizer is of that kind. If not, and for texts that are not stored, it is asked.
    """

    def __init__(self, prepared: Prepared, tokenizer: Tokenizer) -> None:
        self._data, self._table, self._tokenizer = prepared.data, prepared.tokens, tokenizer
        count = min(_SAMPLE, len(self._data))
        rows = np.linspace(0, len(self._data) - 1, count).astype(np.int64)
        pairs = list(zip(self._data.captions[rows].tolist(), self._data.captions[rows[::-1]].tolist(), strict=True))
        asked = tokenizer([self._text(pair) for pair in pairs])
        # A mark at the beginning, as CLIP has it, or none.
        fitting = (skip for skip in (1, 0) if [self._ids(pair, skip).tolist() for pair in pairs] == asked)
        self._skip = next(fitting, None)

    def __call__(self, texts: list[Joined]) -> Texts:
        """The tokens of `texts`, padded to the longest."""
        asked = [text for text in texts if self._skip is None or isinstance(text, str)]
        answers = iter(self._tokenizer([self._text(text) for text in asked]))
        ids = [
            np.array(next(answers), np.int64)
            if self._skip is None or isinstance(text, str)
            else self._ids(text, self._skip)
            for text in texts
        ]
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        return padded(np.concatenate(ids), np.cumsum(lengths) - lengths, lengths, self._table.pad_id)

    def _text(self, text: Joined) -> str:
        return text if isinstance(text, str) else spoken(*self._data.texts.take(np.array(text)))

    def _ids(self, pair: tuple[int, int], skip: int) -> NDArray[np.integer]:
        table, most = self._table, self._table.context_length
        (start, middle), (begin, end) = (table.offsets[one : one + 2].tolist() for one in pair)
        ids = np.concatenate([table.ids[start : middle - 1], table.ids[begin + skip : end]])
        return ids if len(ids) <= most else np.append(ids[: most - 1], ids[-1])
