"""Chunks of rows, whatever they were read from, brought together as one training set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from negagen.data.ragged import Ragged, plain
from negagen.data.strings import Strings
from negagen.data.trainingset import Choices, TrainingSet
from negagen.errors import DataError
from negagen.seeding import key_of


@dataclass(frozen=True, slots=True)
class Rows:
    """n rows as they stand in the input.

    `numbers` are int64 [n], counted through all files; `captions`, `pictures` (a name for each picture, equal for
    equal pictures) and `groups` (its id, or None for the pictures' names) are Arrow arrays of text, with nulls.
    """

    numbers: NDArray[np.int64]
    captions: pa.Array
    pictures: pa.Array
    groups: pa.Array | None
    negatives: Ragged
    positives: Ragged


@dataclass(frozen=True, slots=True)
class Gathered:
    """All usable rows, with pictures numbered in the order in which they first come.

    `names` (Arrow, I texts) are the pictures' names, `first` (int64 [I]) the input's row where each comes first.
    """

    data: TrainingSet
    names: pa.Array
    first: NDArray[np.int64]


def gather(chunks: Iterable[Rows], source: str, *, merge: bool, every: bool = False) -> Gathered:
    """Bring `chunks` together. With `merge`, rows that follow one another with the same caption and picture are one.

    With `every`, rows that cannot be used are kept too, a null caption as an empty one.

    Raises:
        DataError: not one row has a caption and a picture.
    """
    omitted: Counter[str] = Counter()
    kept = [_filled(chunk) if every else _usable(chunk, omitted) for chunk in chunks]
    kept = [chunk for chunk in kept if len(chunk.numbers)]
    if not kept:
        raise DataError(f"{source}: no row can be trained on ({counted(omitted) or 'it has no rows'}).")
    columns = [[chunk.captions for chunk in kept]]
    columns += [[getattr(chunk, part).texts for chunk in kept] for part in ("negatives", "positives")]
    texts, (captions, negatives, positives) = _numbered(columns)
    names, (images,) = _numbered([[chunk.pictures for chunk in kept]])
    numbers = np.concatenate([chunk.numbers for chunk in kept])
    data = TrainingSet(
        texts=Strings.of_arrow(texts),
        captions=captions,
        images=images,
        groups=_groups(kept, names, images),
        numbers=numbers,
        negatives=_choices([chunk.negatives for chunk in kept], negatives),
        positives=_choices([chunk.positives for chunk in kept], positives),
        source=source,
        omitted=dict(omitted),
    )
    first = numbers[np.unique(images, return_index=True)[1]]
    return Gathered(_merged(data) if merge else data, names, first)


def counted(omitted: Counter[str]) -> str:
    """The counts as a phrase: "3 rows without a caption, 1 row without a picture"."""
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(omitted.items()))


def _filled(chunk: Rows) -> Rows:
    captions, pictures = (plain(column).fill_null("") for column in (chunk.captions, chunk.pictures))
    groups = None if chunk.groups is None else plain(chunk.groups)
    return replace(chunk, captions=captions, pictures=pictures, groups=groups)


def _usable(chunk: Rows, omitted: Counter[str]) -> Rows:
    captions, pictures = plain(chunk.captions), plain(chunk.pictures)
    spoken, shown = (
        pc.not_equal(pc.utf8_trim_whitespace(column), "").fill_null(False).to_numpy(zero_copy_only=False)
        for column in (captions, pictures)
    )
    omitted["rows without a caption"] += int((~spoken).sum())
    omitted["rows without a picture"] += int((spoken & ~shown).sum())
    omitted += Counter()  # drops the zeros
    mask = spoken & shown
    chosen = pa.array(mask)
    return Rows(
        chunk.numbers[mask],
        captions.filter(chosen),
        pictures.filter(chosen),
        None if chunk.groups is None else plain(chunk.groups).filter(chosen),
        chunk.negatives.keep(mask),
        chunk.positives.keep(mask),
    )


def _numbered(columns: list[list[pa.Array]]) -> tuple[pa.Array, list[NDArray[np.int32]]]:
    """The distinct texts of all columns in the order of their first coming, and each column as indices into them."""
    coded = pa.chunked_array([chunk for column in columns for chunk in column], pa.large_string()).dictionary_encode()
    indices = np.concatenate([chunk.indices.to_numpy() for chunk in coded.chunks]).astype(np.int32, copy=False)
    sizes = [sum(map(len, column)) for column in columns]
    return coded.chunk(coded.num_chunks - 1).dictionary, np.split(indices, np.cumsum(sizes)[:-1])


def _groups(kept: list[Rows], names: pa.Array, images: NDArray[np.int32]) -> NDArray[np.int64]:
    """A 64-bit hash of each row's picture: of its id, where it has one, else of its name."""
    by_name = _hashed(names)[images]
    if kept[0].groups is None:
        return by_name
    ids = pa.chunked_array([chunk.groups for chunk in kept], pa.large_string())
    coded = ids.dictionary_encode()
    last = coded.chunk(coded.num_chunks - 1).dictionary
    codes = np.concatenate([chunk.indices.fill_null(-1).to_numpy() for chunk in coded.chunks])
    return np.where(codes < 0, by_name, np.append(_hashed(last), 0)[codes])


def _hashed(texts: pa.Array) -> NDArray[np.int64]:
    keys = np.fromiter((key_of("picture", text) for text in texts.to_pylist()), np.uint64, len(texts))
    return keys.view(np.int64)


def _choices(parts: list[Ragged], texts: NDArray[np.int32]) -> Choices:
    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    offsets = np.concatenate([[0], np.cumsum(joined("counts"))]).astype(np.int64)
    names = ("weights", "kinds", "starts", "ends", "draws")
    return Choices(offsets, texts, *(joined(name) for name in names))


def _merged(data: TrainingSet) -> TrainingSet:
    """Rows that repeat the caption and picture of the one before give it their negatives."""
    new = np.ones(len(data), bool)
    new[1:] = (data.captions[1:] != data.captions[:-1]) | (data.images[1:] != data.images[:-1])
    at = np.flatnonzero(new)

    def grown(choices: Choices) -> Choices:
        return replace(choices, offsets=np.concatenate([choices.offsets[at], choices.offsets[-1:]]))

    return TrainingSet(
        texts=data.texts,
        captions=data.captions[at],
        images=data.images[at],
        groups=data.groups[at],
        numbers=data.numbers[at],
        negatives=grown(data.negatives),
        positives=grown(data.positives),
        source=data.source,
        omitted=data.omitted,
    )
