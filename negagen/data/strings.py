"""A column of texts in two arrays, which may lie in mapped files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Strings(Sequence[str]):
    """N texts: text i is the UTF-8 bytes `[offsets[i], offsets[i + 1])` of `data`.

    `offsets` is int64 [N + 1], `data` uint8. Workers share the pages of arrays that are mapped from files, where a
    list of `str` would be copied into each.
    """

    offsets: NDArray[np.int64]
    data: NDArray[np.uint8]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Strings:
        """From Python strings."""
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        offsets = np.fromiter(chain([0], map(len, encoded)), np.int64, len(encoded) + 1)
        return cls(np.cumsum(offsets), np.frombuffer(b"".join(encoded), np.uint8))

    @classmethod
    def of_arrow(cls, column: pa.Array) -> Strings:
        """From an Arrow array of strings without nulls; its bytes are shared, not copied."""
        import pyarrow as pa

        column = column.cast(pa.large_string())
        _, offsets, data = column.buffers()
        ends = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
        raw = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
        if not len(column):
            return cls(np.zeros(1, np.int64), raw[:0])
        return cls(ends - ends[0], raw[ends[0] : ends[-1]])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> str:  # type: ignore[override]  # slices: see `take`
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self.take(np.array([index % len(self)]))[0]

    def take(self, indices: NDArray[np.integer]) -> list[str]:
        """The texts of `indices`, in their order."""
        data: memoryview = self.data.data
        starts, ends = self.offsets[indices].tolist(), self.offsets[np.asarray(indices) + 1].tolist()
        return [str(data[start:end], "utf-8", "surrogatepass") for start, end in zip(starts, ends, strict=True)]

    def lengths(self) -> NDArray[np.int64]:
        """Bytes of each text, int64 [N]."""
        return np.diff(self.offsets)
