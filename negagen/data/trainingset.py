"""All that is known of the rows to train on, as arrays that lie in mapped files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from negagen.data import store
from negagen.data.strings import Strings

VERSION = 3
"""Of the layout on disk; part of every fingerprint."""


@dataclass(frozen=True, slots=True)
class Choices:
    """The negatives (or positives) that each of N rows may be given: those of row i are `[offsets[i], offsets[i + 1])`.

    Attributes:
        offsets: int64 [N + 1].
        texts: int32 [E], index into `TrainingSet.texts`.
        weights: float32 [E], confidence in [0, 1].
        kinds: int8 [E], index into `negagen.types.CATEGORIES`, -1 for none of these.
        starts, ends: int32 [E], code points of the caption that the edit replaces; -1 where it is not one edit.
        draws: float32 [E], the log weight that `negagen generate --pool` gave for the draw; NaN where there is none.
    """

    offsets: NDArray[np.int64]
    texts: NDArray[np.int32]
    weights: NDArray[np.float32]
    kinds: NDArray[np.int8]
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    draws: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many each row has, int64 [N]."""
        return np.diff(self.offsets)

    def owners(self) -> NDArray[np.int64]:
        """The row of each, int64 [E]."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.counts)


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """N captions with their pictures, negatives and positives.

    Attributes:
        texts: the distinct texts of captions, negatives and positives.
        captions: int32 [N], index into `texts`.
        images: int32 [N], index into the pictures.
        groups: int64 [N], a hash of the picture's id: captions of one picture are siblings.
        numbers: int64 [N], the row of the input that each came from, counted through all files.
        negatives, positives: what each row may be given.
        source: what was read, in words.
        fingerprint: changes with what was read, not with where it lies.
        columns: names of the input's columns, for messages.
        files: what was read, by path, and a digest of each: of a text file's contents, of a Parquet file's footer, of
            a tar its size; equal for other contents, if seldom. `fingerprint` is not.
        omitted: rows that cannot be used, by reason.
        notes: sentences on what was found.
    """

    texts: Strings
    captions: NDArray[np.int32]
    images: NDArray[np.int32]
    groups: NDArray[np.int64]
    numbers: NDArray[np.int64]
    negatives: Choices
    positives: Choices
    source: str = "the training set"
    fingerprint: str = ""
    columns: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    omitted: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    folder: Path | None = None

    def __len__(self) -> int:
        return len(self.captions)

    def __reduce__(self) -> Any:
        """Where it lies in a folder, a process that is started maps it anew instead of getting a copy."""
        if self.folder is not None:
            return TrainingSet.open, (self.folder,)
        return TrainingSet, tuple(getattr(self, one.name) for one in fields(self))

    def caption_texts(self, rows: NDArray[np.integer]) -> list[str]:
        """The captions of `rows`."""
        return self.texts.take(self.captions[rows])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that it holds, by name."""
        arrays: dict[str, NDArray[Any]] = {"text_offsets": self.texts.offsets, "text_data": self.texts.data}
        arrays |= {name: getattr(self, name) for name in _ARRAYS}
        for part in ("negatives", "positives"):
            choices = getattr(self, part)
            arrays |= {f"{part}_{one.name}": getattr(choices, one.name) for one in fields(Choices)}
        return arrays

    def save(self, folder: Path) -> TrainingSet:
        """Write it as `folder`, unless it is there, and give it as mapped from there. Raises `OutputError`."""
        about = {"version": VERSION, **{name: getattr(self, name) for name in _ABOUT}}
        store.save(folder, self.arrays(), {**about, "files": dict(self.files), "omitted": dict(self.omitted)})
        return TrainingSet.open(folder)

    @classmethod
    def open(cls, folder: Path) -> TrainingSet:
        """What `save` wrote. Raises `DataError`."""
        arrays, about = store.load(folder)
        negatives, positives = (
            Choices(**{one.name: arrays[f"{part}_{one.name}"] for one in fields(Choices)})
            for part in ("negatives", "positives")
        )
        return cls(
            texts=Strings(arrays["text_offsets"], arrays["text_data"]),
            captions=arrays["captions"],
            images=arrays["images"],
            groups=arrays["groups"],
            numbers=arrays["numbers"],
            negatives=negatives,
            positives=positives,
            source=about["source"],
            fingerprint=about["fingerprint"],
            columns=tuple(about["columns"]),
            files=about["files"],
            omitted=about["omitted"],
            notes=tuple(about["notes"]),
            folder=folder,
        )


_ARRAYS = ("captions", "images", "groups", "numbers")
_ABOUT = ("source", "fingerprint", "columns", "notes")


def listed(names: Sequence[str]) -> str:
    """Names of columns for a message, at most twelve."""
    return ", ".join(map(repr, names[:12])) + (f" and {len(names) - 12} more" if len(names) > 12 else "") or "none"
