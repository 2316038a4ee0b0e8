"""The captions of each picture, found again by its id.

One pass over the input writes an index to disk: all captions in one file, and where those of each picture lie in it.
Workers read from it what their rows need. What is in memory at a time depends neither on the number of rows (but for
16 bytes in a hundred rows) nor on how far apart the captions of one picture stand.
"""

from __future__ import annotations

import json
import os
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from negagen.atomic import explained, flush, written_aside
from negagen.balance.drawing import MOST
from negagen.batch import schema as schemas
from negagen.batch.source import RowStream, Source, image_ids, open_source
from negagen.batch.table import strings
from negagen.errors import OutputError
from negagen.screen import unusable
from negagen.seeding import key_of

_FORMAT: Final = 1
_KEPT: Final = MOST + 1  # a caption is not its own sibling
_READ: Final = 4096
# Captions are sorted bucket by bucket: about 50 MB each, and never more open files than a system allows.
_BUCKET_ROWS: Final = 1 << 18
_MOST_BUCKETS: Final = 128
_BLOCK: Final = 64
# `key` and `text` are hashes of a picture's id and a caption; its UTF-8 is at `[start, stop)`.
_FOUND: Final = np.dtype([("key", "<u8"), ("text", "<u8"), ("start", "<i8"), ("stop", "<i8")])
_RECORD: Final = np.dtype([("key", "<u8"), ("start", "<i8"), ("stop", "<i8")])

Tell = Callable[[int, int], None]


def index_siblings(
    inputs: Sequence[str | Path],
    folder: str | Path,
    *,
    column: str = "caption",
    image_id_column: str = "image_id",
) -> SiblingIndex:
    """An index of all captions of `inputs`, kept in a subfolder of `folder`, for a `TableNegator` in Ray or Spark.

    The folder must be on a disk that all workers see. An index of unchanged inputs is taken up again.

    Raises:
        InputError: an input is missing or damaged, or has no such columns.
        OutputError: the folder cannot be written.
    """
    source = open_source(inputs)
    schemas.check_caption_column(source.schema, column, str(source))
    image_ids(source, image_id_column)
    folder = Path(folder)
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return SiblingIndex(
        index_for(source, folder, column=column, image_id_column=image_id_column, rows=source.rows, tell=None)
    )


def index_for(source: Source, folder: Path, *, column: str, image_id_column: str, rows: int, tell: Tell | None) -> Path:
    """The index of the first `rows` rows of `source`, in `folder`: one of an earlier run, or a new one.

    Its name changes with all that it depends on. `tell` is called with the rows read so far, and all. Raises
    `InputError` and `OutputError`.
    """
    described = [_FORMAT, [[file.format, file.digest] for file in source.files], rows, column, image_id_column]
    path = folder / f"siblings-{blake2b(schemas.dump(described).encode(), digest_size=8).hexdigest()}"
    if not (path / "about.json").exists():
        _build(source, path, column=column, image_id_column=image_id_column, rows=rows, tell=tell)
    return path


def _build(source: Source, folder: Path, *, column: str, image_id_column: str, rows: int, tell: Tell | None) -> None:
    """Write an index to `folder`; what is there is replaced.

    Rows without an id, and captions that cannot be used, have no siblings and are none.
    """
    # A power of two: the first bits of a key name its bucket, so that the buckets are in the keys' order.
    bits = min(_MOST_BUCKETS.bit_length() - 1, max(0, (rows - 1) // _BUCKET_ROWS).bit_length())
    about = {"captions": 0, "bytes": 0}
    firsts = [np.empty(0, np.uint64)]
    with explained(folder), ExitStack() as stack:
        folder.mkdir(exist_ok=True)
        # Nameless files: nothing of them stays behind, however the process ends.
        buckets = [stack.enter_context(tempfile.TemporaryFile(dir=folder)) for _ in range(1 << bits)]
        with (folder / "text").open("wb") as texts:
            for found in _found(source, column, image_id_column, rows, texts, tell):
                _share_out(found, buckets, bits)
            about["bytes"] = texts.tell()
        with (folder / "records").open("wb") as file:
            for bucket in buckets:
                records = _sorted_bucket(bucket)
                file.write(records.tobytes())
                firsts.append(records["key"][-about["captions"] % _BLOCK :: _BLOCK])
                about["captions"] += len(records)
        with (folder / "firsts").open("wb") as file:
            file.write(np.concatenate(firsts).tobytes())
        for name in ("text", "records", "firsts"):
            flush(folder / name)
    # Last: an index that has this file is whole.
    with written_aside(folder / "about.json") as aside:
        aside.write_text(json.dumps(about), encoding="utf-8")


def _found(
    source: Source, column: str, image_id_column: str, rows: int, texts: IO[bytes], tell: Tell | None
) -> Iterator[NDArray[np.void]]:
    """Where each usable caption with an id was written in `texts`, some thousand rows at a time."""
    stream = RowStream(source, [column, image_id_column])
    end = 0
    for begin in range(0, rows, _READ):
        if begin and tell is not None:
            tell(begin, rows)
        table = stream.read(begin, min(begin + _READ, rows))
        captions, ids = strings(table.column(column))[0], strings(table.column(image_id_column))[0]
        keys = {picture: key_of(picture) for picture in dict.fromkeys(ids) if picture}
        found = []
        for text, picture in zip(captions, ids, strict=True):
            if text is not None and picture and not unusable(text):
                encoded = text.encode()
                texts.write(encoded)
                found.append((keys[picture], key_of(text), end, end + len(encoded)))
                end += len(encoded)
        yield np.array(found, _FOUND)


def _share_out(found: NDArray[np.void], buckets: Sequence[IO[bytes]], bits: int) -> None:
    if not bits:
        buckets[0].write(found.tobytes())
        return
    numbers = found["key"] >> np.uint64(64 - bits)
    for number in np.unique(numbers):
        buckets[number].write(found[numbers == number].tobytes())


def _sorted_bucket(bucket: IO[bytes]) -> NDArray[np.void]:
    """Records of the captions to keep, by picture and then in the input's order; none of a picture with one caption.

    The bucket is read piecewise: should all rows be of one picture, what is kept of it is little all the same.
    """
    bucket.seek(0)
    kept = np.empty(0, _FOUND)
    while piece := bucket.read(_BUCKET_ROWS * _FOUND.itemsize):
        kept = _first_distinct(np.concatenate([kept, np.frombuffer(piece, _FOUND)]))
    _, inverse, sizes = np.unique(kept["key"], return_inverse=True, return_counts=True)
    kept = kept[sizes[inverse] > 1]
    records = np.empty(len(kept), _RECORD)
    for name in _RECORD.names or ():
        records[name] = kept[name]
    return records


def _first_distinct(found: NDArray[np.void]) -> NDArray[np.void]:
    """The first `_KEPT` different captions of each picture."""
    found = found[np.lexsort((found["start"], found["text"], found["key"]))]
    new = np.ones(len(found), bool)
    new[1:] = (found["key"][1:] != found["key"][:-1]) | (found["text"][1:] != found["text"][:-1])
    found = found[new]
    found = found[np.lexsort((found["start"], found["key"]))]
    _, first, inverse = np.unique(found["key"], return_index=True, return_inverse=True)
    return found[np.arange(len(found)) - first[inverse] < _KEPT]


class SiblingIndex:
    """Looks up sibling captions in an index on disk. It pickles as the path, for workers that see the same disk.

    Raises `OutputError` if `folder` holds no whole index.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
            blocks = -(-about["captions"] // _BLOCK)
            sizes = {"text": about["bytes"], "records": about["captions"] * _RECORD.itemsize, "firsts": blocks * 8}
            for name, size in sizes.items():
                if (folder / name).stat().st_size != size:
                    raise ValueError(f"{name} has not {size} bytes")
            self._firsts = np.fromfile(folder / "firsts", np.uint64)
            self._records, self._text = (_opened(self, folder / name) for name in ("records", "text"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OutputError(
                f"the index of sibling captions in {folder} cannot be read ({error}). Delete that folder and run the"
                " same command again."
            ) from error

    def __reduce__(self) -> tuple[Any, ...]:
        return SiblingIndex, (self.folder,)

    def __repr__(self) -> str:
        return f"SiblingIndex({str(self.folder)!r})"

    def __call__(self, ids: Sequence[str | None], texts: Sequence[str | None]) -> list[tuple[str, ...]]:
        """For each text the other captions of the picture of its id, at most `MOST`, in the input's order.

        Equal captions count once; captions equal to the text are left out.
        """
        found: dict[str | None, list[str]] = {
            picture: self._captions(picture) for picture in dict.fromkeys(ids) if picture
        }
        return [
            ()
            if text is None or picture not in found
            else tuple([other for other in found[picture] if other != text][:MOST])
            for picture, text in zip(ids, texts, strict=True)
        ]

    def _captions(self, picture: str) -> list[str]:
        key = np.uint64(key_of(picture))
        begin = max(0, int(self._firsts.searchsorted(key, "left")) - 1)
        end = int(self._firsts.searchsorted(key, "right"))
        size = _BLOCK * _RECORD.itemsize
        records = np.frombuffer(_read(self._records, begin * size, (end - begin) * size), _RECORD)
        low, high = records["key"].searchsorted(key, "left"), records["key"].searchsorted(key, "right")
        return [_read(self._text, start, stop - start).decode() for _, start, stop in records[low:high].tolist()]


def _opened(owner: object, path: Path) -> int:
    """`path` opened for reading, until `owner` goes."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    weakref.finalize(owner, os.close, handle)
    return handle


def _read(handle: int, start: int, size: int) -> bytes:
    """At most `size` bytes from `start` on. Not mapped: pages of a map would count as this process's memory."""
    if hasattr(os, "pread"):  # forked processes share a handle's position
        return os.pread(handle, size, start)
    os.lseek(handle, start, os.SEEK_SET)
    return os.read(handle, size)
