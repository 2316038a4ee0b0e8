"""The part-of-speech network of the bundled pipeline: integer arithmetic on windows of word types.

A word type (a spelling with its capitals) is the sum of the embeddings of its features; two windowed layers
and a softmax layer follow. What the first layer makes of a word at a given distance depends on nothing else,
so it is computed once per word type and then only looked up and added. All weights and activations are small
integers held in floats, so every sum is exact: a caption gets the same tags in any batch, on any machine,
with any BLAS. The training counterpart is scripts/pipeline/train.py.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from lemminflect import getAllLemmas

from negagen.errors import ResourceError

PAD: Final = 0
"""The word type that stands before and after every text."""

ACTIVATION: Final = 127
TABLE_STEPS: Final = 16
"""First-layer sums are kept 16 times finer than the activations they are cut down to."""

_DIGIT = re.compile(r"\d")
_RUN = re.compile(r"(.)\1{2,}")


def features(word: str) -> list[str]:
    """Return the names of a word's features; the weights depend on them.

    Form, affixes, shape, capitals, and the parts of speech that lemminflect's dictionary has for the form, each
    marked with a plus where the form is inflected.
    """
    lower = _DIGIT.sub("0", word.lower())
    kinds = ("d" if c.isdigit() else "X" if c.isupper() else "x" if c.isalpha() else c for c in word[:12])
    shape = _RUN.sub(r"\1\1", "".join(kinds))
    if not any(c.isalpha() for c in word):
        case = "none"
    elif word.islower():
        case = "lower"
    elif word.isupper():
        case = "upper" if len(word) > 1 else "initial"
    else:
        case = "title" if word[0].isupper() and word[1:].islower() else "mixed"
    found = [f"w={lower}", f"shape={shape}", f"case={case}"]
    found += [f"s{n}={lower[-n:]}" for n in (1, 2, 3, 4) if len(lower) > n]
    found += [f"p{n}={lower[:n]}" for n in (1, 2, 3) if len(lower) > n]
    if "-" in word[1:-1]:
        found += ["hyphen", f"last={lower.rsplit('-', 1)[1]}"]
    lemmas: dict[str, tuple[str, ...]] = getAllLemmas(lower) if lower.isalpha() else {}
    parts = sorted(upos if lower in forms else f"{upos}+" for upos, forms in lemmas.items())
    return [*found, "parts=" + " ".join(parts), *(f"part={part}" for part in parts)]


@dataclass(frozen=True, slots=True)
class Weights:
    """The trained numbers.

    embedding int8[features, D]; first int8[2r+1, D, H]; second int8[(2q+1)*H, G]; third int8[G, tags]. Each
    layer has float32 scales and biases per output channel; those of the first layer are in table steps.
    """

    tags: tuple[str, ...]
    features: tuple[str, ...]
    embedding: npt.NDArray[np.int8]
    first: npt.NDArray[np.int8]
    first_scale: npt.NDArray[np.float32]
    first_bias: npt.NDArray[np.float32]
    second: npt.NDArray[np.int8]
    second_scale: npt.NDArray[np.float32]
    second_bias: npt.NDArray[np.float32]
    third: npt.NDArray[np.int8]
    third_scale: npt.NDArray[np.float32]
    third_bias: npt.NDArray[np.float32]

    def to_bytes(self) -> bytes:
        """Return a compressed npz archive."""
        arrays = {name: getattr(self, name) for name in self.__slots__ if name not in ("tags", "features")}
        names = json.dumps({"tags": self.tags, "features": self.features}, ensure_ascii=False).encode()
        file = io.BytesIO()
        np.savez_compressed(file, names=np.frombuffer(names, np.uint8), **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Weights:
        """Read what `to_bytes` wrote. Raises ResourceError when the archive is damaged."""
        try:
            with np.load(io.BytesIO(data)) as archive:
                arrays: dict[str, Any] = {name: archive[name] for name in archive.files}
            names = json.loads(arrays.pop("names").tobytes())
            return cls(tags=tuple(names["tags"]), features=tuple(names["features"]), **arrays)
        except Exception as error:
            raise ResourceError(
                "the weights of the bundled tagger cannot be read: expected the npz archive that negagen "
                "ships; reinstall negagen"
            ) from error


class Network:
    """Tags sequences of word types.

    Word types are numbered as they come (`type_id`); their first-layer tables are kept until `forget`. Not
    for use from several threads at once.
    """

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.tags = weights.tags
        self._rows = {name: row for row, name in enumerate(weights.features)}
        self._radius = weights.first.shape[0] // 2
        self._hidden = weights.first.shape[2]
        self._reach = weights.second.shape[0] // self._hidden // 2
        self._first = weights.first.astype(np.float64).transpose(1, 0, 2).reshape(weights.first.shape[1], -1)
        self._first_scale = np.tile(weights.first_scale.astype(np.float64), weights.first.shape[0])
        # side by side, what each word gives to its neighbours: one product serves all distances
        second = weights.second.astype(np.float32).reshape(2 * self._reach + 1, self._hidden, -1)
        self._second = np.ascontiguousarray(second.transpose(1, 0, 2).reshape(self._hidden, -1))
        self._third = weights.third.astype(np.float32)
        # half a step more turns the flooring shift after the sum into rounding
        self._bias = np.rint(weights.first_bias + TABLE_STEPS // 2).astype(np.int16)
        self.forget()

    def forget(self) -> None:
        """Drop all word types; ids given out before are void."""
        self._ids: dict[str, int] = {}
        self._words = [""]
        self._pending: list[list[str]] = [["<pad>"]]
        self._table = np.zeros((2 * self._radius + 1, 0, self._hidden), np.int16)
        self._filled = 0

    def __len__(self) -> int:
        return len(self._ids) + 1

    def type_id(self, word: str) -> int:
        """Return the id of a word type, a new one if it has not been seen since `forget`."""
        known = self._ids.get(word)
        if known is None:
            known = self._ids[word] = len(self._ids) + 1
            self._words.append(word)
            self._pending.append(features(word))
        return known

    def word(self, type_id: int) -> str:
        """Return the spelling of a word type."""
        return self._words[type_id]

    def _fill(self) -> None:
        """Compute the first-layer tables of the word types that came since the last call."""
        rows = self._rows
        embedding = self.weights.embedding
        bags = [[rows[name] for name in names if name in rows] or [PAD] for names in self._pending]
        firsts = np.cumsum([0, *map(len, bags[:-1])])
        vectors = np.add.reduceat(embedding[np.concatenate(bags)], firsts, axis=0, dtype=np.float64)
        steps = np.clip(np.rint(vectors @ self._first * self._first_scale), -4095, 4095).astype(np.int16)
        fresh = steps.reshape(len(vectors), -1, self._hidden).transpose(1, 0, 2)
        needed = self._filled + len(vectors)
        if needed > self._table.shape[1]:
            grown = np.zeros((self._table.shape[0], max(4096, needed * 3 // 2), self._hidden), np.int16)
            grown[:, : self._filled] = self._table[:, : self._filled]
            self._table = grown
        self._table[:, self._filled : needed] = fresh
        self._filled = needed
        self._pending.clear()

    def predict(self, ids: npt.NDArray[np.intp], lengths: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return the tag index of every token.

        `ids` intp[tokens] are the word types of all texts one after the other, `lengths` intp[texts] how many
        tokens each text has. Texts do not see each other.
        """
        if self._pending:
            self._fill()
        tokens = len(ids)
        if not tokens:
            return np.zeros(0, np.intp)
        radius, hidden, reach = self._radius, self._hidden, self._reach
        lengths = lengths[lengths > 0]
        ends = np.cumsum(lengths)
        starts = ends - lengths
        places = np.arange(tokens) + np.repeat(radius * np.arange(1, len(lengths) + 1), lengths)
        padded = np.full(tokens + radius * (len(lengths) + 1), PAD, np.intp)
        padded[places] = ids
        total = np.empty((tokens, hidden), np.int16)
        total[:] = self._bias
        row = np.empty((tokens, hidden), np.int16)
        for offset in range(-radius, radius + 1):
            np.take(self._table[radius + offset], padded[places + offset], axis=0, out=row, mode="clip")
            total += row
        np.clip(total, 0, ACTIVATION * TABLE_STEPS, out=total)
        total >>= 4
        parts = (total.astype(np.float32) @ self._second).reshape(tokens, 2 * reach + 1, -1)
        second = parts[:, reach]
        for step in range(1, reach + 1):
            before, after = parts[:, reach - step], parts[:, reach + step]
            for inner in range(step):  # what would reach into the next or the previous text
                before[(ends - 1 - inner)[inner < lengths]] = 0
                after[(starts + inner)[inner < lengths]] = 0
            second[step:] += before[:-step]
            second[:-step] += after[step:]
        second *= self.weights.second_scale
        second += self.weights.second_bias
        np.clip(second, 0, ACTIVATION, out=second)
        np.rint(second, out=second)
        third = second @ self._third
        third *= self.weights.third_scale
        third += self.weights.third_bias
        tags: npt.NDArray[np.intp] = third.argmax(1)
        return tags
