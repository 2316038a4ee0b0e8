"""Small files of pictures, captions and negatives, and a tokenizer of words."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from negagen.batch.table import TableNegator
from negagen.seeding import key_of
from tests.batch.standin import SwapNegator

Members = Mapping[str, Mapping[str, Any]]
"""Of a tar: for each key what it has by ending."""

COLOURS = ("red", "blue", "green", "white", "black", "yellow", "grey")
THINGS = ("dog", "cat", "cup", "tree", "car", "boat")


class WordTokenizer:
    """A token a word: 1 begins a text, 2 ends it, 0 fills up; words are numbered by a hash."""

    def __init__(self, context_length: int = 12) -> None:
        self._length = context_length

    @property
    def fingerprint(self) -> str:
        return f"words {self._length}"

    @property
    def pad_id(self) -> int:
        return 0

    @property
    def context_length(self) -> int:
        return self._length

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        words = [text.split()[: self._length - 2] for text in texts]
        return [[1, *(3 + key_of(word) % 65521 for word in some), 2] for some in words]


def picture(number: int, size: tuple[int, int] = (48, 40), kind: str = "JPEG") -> bytes:
    """The bytes of a picture that no other number has."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 255, (4, 4, 3), np.uint8))
    buffer = io.BytesIO()
    coarse.resize(size, Image.Resampling.BILINEAR).save(buffer, kind)
    return buffer.getvalue()


def caption(number: int) -> str:
    """A caption, different for the first 42 numbers."""
    colours, things = (COLOURS[number % 7], COLOURS[(number + 3) % 7]), (THINGS[number % 6], THINGS[(number + 1) % 6])
    return f"a {colours[0]} {things[0]} beside a {colours[1]} {things[1]}"


def negative(text: str, old: str, new: str, category: str = "replace_att", weight: float = 1.0) -> dict[str, Any]:
    """A negative as `negagen generate` writes it: `text` with its first `old` replaced."""
    start = text.index(old)
    return {
        "text": text.replace(old, new, 1),
        "rule": "test",
        "category": category,
        "generator": "rules",
        "weight": weight,
        "edits": [{"start": start, "end": start + len(old), "old": old, "new": new}],
        "scores": None,
    }


def negatives_of(number: int, count: int = 3) -> list[dict[str, Any]]:
    """Negatives of `caption(number)`: another colour, another thing, another colour of the other thing."""
    text = caption(number)
    words = text.split()
    made = [
        negative(text, words[1], "purple"),
        negative(text, words[2], "cow", "replace_obj", 0.5),
        negative(text, words[6], "goat", "replace_obj"),
    ]
    return made[:count]


def rows(count: int, per_picture: int = 1) -> list[dict[str, Any]]:
    """Rows with all that a file of negatives has, `per_picture` captions a picture named NUMBER.jpg."""
    return [
        {
            "image_id": f"{number // per_picture}",
            "image": f"{number // per_picture}.jpg",
            "caption": caption(number),
            "negatives": negatives_of(number, 1 + number % 3),
            "positives": [negative(caption(number), "beside", "next to", "paraphrase")],
        }
        for number in range(count)
    ]


def write(path: Path, table: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None, group: int = 7) -> Path:
    """A Parquet file of `columns` of the rows."""
    from negagen.batch import schema

    names = list(columns or table[0])
    types = {"negatives": pa.list_(schema.NEGATIVE), "positives": pa.list_(schema.NEGATIVE)}
    arrays = [pa.array([row[name] for row in table], types.get(name)) for name in names]
    pq.write_table(pa.Table.from_arrays(arrays, names), path, row_group_size=group)
    return path


def folder_of_pictures(folder: Path, count: int) -> Path:
    """Files 0.jpg, 1.jpg, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number}.jpg").write_bytes(picture(number))
    return folder


def dataset(folder: Path, count: int = 24, per_picture: int = 1) -> tuple[Path, Path]:
    """A file of negatives, and the folder of its pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    images = folder_of_pictures(folder / "images", -(-count // per_picture))
    return write(folder / "negatives.parquet", rows(count, per_picture)), images


def generated(texts: Sequence[str], flat: bool = False, **columns: Sequence[Any]) -> pa.Table:
    """What `negagen generate` writes for `texts`, with the stand-in negator."""
    table = pa.table({**columns, "caption": pa.array(texts, pa.string())})
    return TableNegator(SwapNegator(), flat=flat)(table)


def write_tar(path: Path, samples: Members) -> Path:
    """A WebDataset shard: for each key its members by ending."""
    with tarfile.open(path, "w") as tar:
        for key, members in samples.items():
            for ending, content in members.items():
                data = content if isinstance(content, bytes) else content.encode() if isinstance(content, str) else b""
                if isinstance(content, Mapping):
                    data = json.dumps(content).encode()
                info = tarfile.TarInfo(f"{key}.{ending}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return path
