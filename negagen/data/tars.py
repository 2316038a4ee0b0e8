"""WebDataset tars: which member is the picture of a sample and where it lies, and the sample's texts.

Read with the standard library: the shards lie on disk, so that a picture is read at its offset when it is needed,
in any order and by any process, which the `webdataset` package's streams do not give.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from negagen.batch.jsonl import object_of
from negagen.batch.opening import format_of
from negagen.batch.schema import NEGATIVE
from negagen.batch.source import is_plain
from negagen.data import ragged
from negagen.data.gathering import Rows
from negagen.data.layouts import Inputs
from negagen.errors import DataError, InputError

_PICTURES = ("jpg", "jpeg", "png", "webp")
_TEXTS = ("txt", "json")
_RECORDED = ("text", "category", "weight", "edits", "scores")


@dataclass(slots=True)
class _Sample:
    picture: tuple[str, int, int] | None = None
    caption: str | None = None
    record: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shards:
    """What the tars hold. `members` are Arrow texts, a name a picture; `places` int64 [I, 3] as in `Pictures`."""

    source: str
    chunks: tuple[Rows, ...]
    members: pa.Array
    places: NDArray[np.int64]

    def rows(self) -> Iterator[Rows]:
        """The rows of one tar after another."""
        yield from self.chunks

    def where(self, names: pa.Array) -> NDArray[np.int64]:
        """Where each of the pictures `names` lies."""
        places: NDArray[np.int64] = self.places[pc.index_in(names, value_set=self.members).to_numpy()]
        return places


def tars_of(files: Sequence[str | Path]) -> list[Path]:
    """The tars that `files` are by their names, folders standing for the tars in them; empty if they are others.

    Raises `InputError` if only some of `files` are tars, or a folder has tars and Parquet files.
    """
    found = [(Path(path), _tars_in(Path(path))) for path in files]
    if any(tars for _, tars in found) and not all(tars for _, tars in found):
        other = next(path for path, tars in found if not tars)
        raise InputError(
            f"tars and other files cannot be read as one training set, and {other} is none of tars: give files of one"
            " kind."
        )
    return [tar for _, tars in found for tar in tars]


def _tars_in(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path] if _is_tar(path) else []
    tars: list[Path] = []
    tables: list[Path] = []
    for one in path.rglob("*"):
        kind = tars if _is_tar(one) else tables if format_of(one) == "parquet" else None
        if kind is not None and is_plain(one, path):
            kind.append(one)
    if tars and tables:
        raise InputError(
            f"{path} holds tars ({min(tars).relative_to(path)}) and Parquet files ({min(tables).relative_to(path)}),"
            " which cannot be read as one training set: give files of one kind, by their names or in a folder of"
            " their own."
        )
    return sorted(tars)


def _is_tar(path: Path) -> bool:
    return path.name.lower().endswith((".tar", ".tar.gz", ".tgz"))


def digests(files: Sequence[Path]) -> dict[str, str]:
    """Size and time of change of each tar. Raises `InputError` for one that is missing or compressed."""
    out = {}
    for path in files:
        if path.suffix.lower() != ".tar":
            raise InputError(f"{path} is compressed, so that no picture in it can be read alone: decompress it first.")
        try:
            found = path.stat()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}.") from error
        out[str(path)] = f"{found.st_size} {found.st_mtime_ns}"
    return out


def index(files: Sequence[Path], inputs: Inputs) -> Shards:
    """Look through the tars.

    The caption of a sample is in `KEY.txt`, or in `KEY.json` as `caption` (or `captions`, a list); negatives and
    positives are in `KEY.json`, as lists of texts or of objects as `negagen generate` writes them, and so is the
    picture's `image_id`, if it has one.

    Raises:
        InputError: a file is no tar, or a JSON member no object.
        DataError: no sample has a picture, or none a caption.
    """
    chunks, members = [], []
    places: list[tuple[int, int, int]] = []
    count = captions = 0
    for shard, path in enumerate(files):
        samples = list(_samples(path).items())
        rows, pictures = _chunk(samples, path, count, inputs)
        chunks.append(rows)
        members += [name for name, _, _ in pictures]
        places += [(shard, offset, size) for _, offset, size in pictures]
        count += len(samples)
        captions += len(rows.captions) - rows.captions.null_count
    source = f"{files[0]}" + (f" (and {len(files) - 1} more)" if len(files) > 1 else "")
    if not members:
        raise DataError(
            f"{source}: no images found among {count:,} samples; expected members .{', .'.join(_PICTURES)}."
        )
    if not captions:
        raise DataError(f"{source}: no sample has a caption, in KEY.txt or as 'caption' in KEY.json.")
    return Shards(source, tuple(chunks), pa.array(members, pa.large_string()), np.array(places, np.int64))


def _samples(path: Path) -> dict[str, _Sample]:
    samples: dict[str, _Sample] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                folder, _, name = member.name.rpartition("/")
                key, _, ending = name.partition(".")
                if not member.isfile() or not key or ending.lower() not in (*_PICTURES, *_TEXTS):
                    continue
                sample = samples.setdefault(f"{folder}/{key}", _Sample())
                if ending.lower() in _PICTURES:
                    sample.picture = (f"{path.name}/{member.name}", member.offset_data, member.size)
                    continue
                content = tar.extractfile(member)
                text = (content.read() if content else b"").decode("utf-8", "replace")
                if ending.lower() == "txt":
                    sample.caption = text
                else:
                    sample.record = object_of(text, f"{path}, member {member.name}")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputError(f"{path} cannot be read as a tar: {error}.") from error
    return samples


def _chunk(
    samples: list[tuple[str, _Sample]], path: Path, start: int, inputs: Inputs
) -> tuple[Rows, list[tuple[str, int, int]]]:
    rows: list[tuple[int, str | None, str | None, str | None, _Sample]] = []
    pictures = []
    for number, (_, sample) in enumerate(samples, start):
        name = None
        if sample.picture is not None:
            name = sample.picture[0]
            pictures.append(sample.picture)
        record = sample.record
        one = record.get(inputs.caption_column or "caption", sample.caption)
        identity = record.get(inputs.image_id_column or "image_id")
        identity = None if identity is None else str(identity)
        captions = record.get("captions", [one]) if one is None else [one]
        rows += [(number, text if isinstance(text, str) else None, name, identity, sample) for text in captions]
    return (
        Rows(
            np.array([row[0] for row in rows], np.int64),
            pa.array([row[1] for row in rows], pa.large_string()),
            pa.array([row[2] for row in rows], pa.large_string()),
            pa.array([row[3] for row in rows], pa.large_string()),
            _lists([row[4] for row in rows], "negatives", path),
            _lists([row[4] for row in rows], "positives", path),
        ),
        pictures,
    )


def _lists(samples: Sequence[_Sample], name: str, path: Path) -> ragged.Ragged:
    values = []
    for sample in samples:
        found = sample.record.get(name) or []
        if not isinstance(found, list) or not all(isinstance(one, str | dict) for one in found):
            raise InputError(
                f"{path}: {name!r} of {sample.picture} should be a list of texts or of objects with a text."
            )
        values.append([{"text": one} if isinstance(one, str) else {k: one.get(k) for k in _RECORDED} for one in found])
    kind = pa.list_(pa.struct([NEGATIVE.field(name) for name in _RECORDED]))
    try:
        return ragged.of_lists(pa.array(values, kind))
    except pa.ArrowException as error:
        raise InputError(f"{path}: {name!r} are not as `negagen generate` writes them: {error}.") from error
