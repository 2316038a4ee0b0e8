"""Where the pictures of a training set lie: files in a folder, rows of Parquet files, or members of tars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from negagen.data import store
from negagen.data.images import BadImageError
from negagen.data.strings import Strings
from negagen.errors import DataError

Kind = Literal["files", "parquet", "tars"]

# Rows of pictures that are in memory at a time, as they are read from Parquet.
_ROWS = 64


@dataclass(frozen=True, slots=True)
class Pictures:
    """I pictures, in the order in which they are best read.

    Attributes:
        kind: "files", "parquet" or "tars".
        names: what each is called, in messages.
        places: the folder, the Parquet files, or the tars.
        where: int64 [I, 3]. Files: unused, size in bytes (-1 for no such file), time of change. Parquet: unused, row
            (counted through all files), unused. Tars: index into `places`, offset and size in bytes.
        column: of the Parquet files.
        fingerprint: changes with the pictures, as far as that shows without reading them.
    """

    kind: Kind
    names: Strings
    places: tuple[str, ...]
    where: NDArray[np.int64]
    column: str = ""
    fingerprint: str = ""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def sequential(self) -> bool:
        """Whether they must be read in order, by one reader."""
        return self.kind == "parquet"

    def read(self, start: int, stop: int) -> Iterator[bytes | BadImageError]:
        """The bytes of pictures `[start, stop)`, or why there are none."""
        if self.kind == "parquet":
            return _from_parquet(self, start, stop)
        return (self._one(index) for index in range(start, stop))

    def _one(self, index: int) -> bytes | BadImageError:
        try:
            if self.kind == "files":
                return Path(self.places[0], self.names[index]).read_bytes()
            shard, offset, size = self.where[index].tolist()
            with Path(self.places[shard]).open("rb") as file:
                file.seek(offset)
                return file.read(size)
        except FileNotFoundError:
            return BadImageError("no such file")
        except OSError as error:
            return BadImageError(error.strerror or str(error))

    def save(self, folder: Path) -> Pictures:
        """Write it as `folder`, unless it is there, and give it as mapped from there. Raises `OutputError`."""
        arrays: dict[str, NDArray[Any]] = {"offsets": self.names.offsets, "data": self.names.data, "where": self.where}
        about = {name: getattr(self, name) for name in _ABOUT}
        store.save(folder, arrays, about)
        return Pictures.open(folder)

    @classmethod
    def open(cls, folder: Path) -> Pictures:
        """What `save` wrote. Raises `DataError`."""
        arrays, about = store.load(folder)
        return cls(
            kind=about["kind"],
            names=Strings(arrays["offsets"], arrays["data"]),
            places=tuple(about["places"]),
            where=arrays["where"],
            column=about["column"],
            fingerprint=about["fingerprint"],
        )


_ABOUT = ("kind", "places", "column", "fingerprint")


def in_folder(folder: Path, names: Strings) -> Pictures:
    """Files under `folder`; names may be absolute.

    Raises:
        DataError: not one of them is there, `folder` is none, or the names are addresses on the web.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of pictures.")
    if not len(names):
        return Pictures("files", names, (str(folder),), np.empty((0, 3), np.int64), "", "")
    if names[0].startswith(("http://", "https://", "s3://", "gs://")):
        raise DataError(
            f"the first picture is {names[0]!r}: pictures are read from this machine's disks. Download them first"
            " (img2dataset does) and give their folder with --images."
        )
    where = np.empty((len(names), 3), np.int64)
    for start in range(0, len(names), 4096):
        some = names.take(np.arange(start, min(start + 4096, len(names))))
        where[start : start + len(some)] = [_stat(folder / name) for name in some]
    if (where[:, 1] < 0).all():
        raise DataError(
            f"no images found: {folder / names[0]} and the {len(names) - 1:,} others named in the data do"
            " not exist. Give the folder that these names start from with --images FOLDER."
        )
    return Pictures("files", names, (str(folder),), where, "", _fingerprint(names, where))


def _stat(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return 0, -1, 0
    return 0, found.st_size, found.st_mtime_ns


def in_parquet(files: Mapping[str, str], column: str, names: Strings, rows: NDArray[np.int64]) -> Pictures:
    """Pictures in `column` of Parquet files (their paths and digests), at `rows`, which must ascend."""
    where = np.zeros((len(rows), 3), np.int64)
    where[:, 1] = rows
    return Pictures("parquet", names, tuple(files), where, column, _fingerprint(*files.values(), column, names, where))


def in_tars(paths: Mapping[str, str], names: Strings, where: NDArray[np.int64]) -> Pictures:
    """Members of uncompressed tars (their paths and digests); `where` as in `Pictures`."""
    return Pictures("tars", names, tuple(paths), where, "", _fingerprint(*paths.values(), names, where))


def _fingerprint(*parts: str | Strings | NDArray[np.int64]) -> str:
    flat: list[str | NDArray[Any]] = []
    for part in parts:
        if isinstance(part, Strings):
            flat += [part.offsets, part.data]
        else:
            flat.append(f"{part}\0" if isinstance(part, str) else part)
    return store.digest(*flat)


def _from_parquet(pictures: Pictures, start: int, stop: int) -> Iterator[bytes | BadImageError]:
    """Reads on from where the last range ended costs nothing extra only within one call: ask for long ranges."""
    from negagen.batch.source import RowStream, open_source

    if start >= stop:
        return
    source = open_source(pictures.places)
    stream = RowStream(source, [pictures.column], batch_rows=_ROWS)
    rows = pictures.where[start:stop, 1]
    for begin in range(0, len(rows), _ROWS):
        some = rows[begin : begin + _ROWS]
        low, high = int(some[0]), int(some[-1]) + 1
        if high - low > 4 * _ROWS:  # far apart: rows between them are passed over, not kept
            for row in some.tolist():
                yield from _cells(stream.read(row, row + 1))
            continue
        wanted = set((some - low).tolist())
        for index, cell in enumerate(_cells(stream.read(low, high))):
            if index in wanted:
                yield cell


def _cells(table: Any) -> Iterator[bytes | BadImageError]:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table.column(0)
    if pa.types.is_struct(column.type):
        column = pc.struct_field(column, "bytes")
    for cell in column:
        value = cell.as_py()
        yield BadImageError("no bytes in the row") if value is None else value
