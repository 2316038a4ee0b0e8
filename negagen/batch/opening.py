"""Files of captions opened: of which format they are, decompressed, from a disk or an address; errors in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from negagen.batch import remote
from negagen.errors import InputError

FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_CODECS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}
BLOCK: Final = 4 << 20
"""Bytes of a text file that are read at a time."""


def format_of(path: Path | str) -> str | None:
    """ "parquet", "csv", "tsv" or "jsonl" by the name's ending, or None. Text may be compressed (.csv.gz)."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if suffixes and suffixes[-1] in _CODECS:
        inner = FORMATS.get(suffixes[-2]) if len(suffixes) > 1 else None
        return inner if inner != "parquet" else None
    return FORMATS.get(suffixes[-1]) if suffixes else None


@contextmanager
def explained(path: Path | str) -> Iterator[None]:
    """Turn what pyarrow and the system raise in reading `path` into `InputError`."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file.") from error
    except PermissionError as error:
        raise InputError(f"{path}: no permission to read it.") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text ({error.reason}): convert it first.") from error
    except (pa.ArrowException, OSError) as error:
        if format_of(path) == "parquet":
            raise InputError(
                f"{path} cannot be read as Parquet: {first_line(error)}. Is it cut off, or damaged? Copy or"
                " write it again."
            ) from error
        raise InputError(f"{path} cannot be read: {first_line(error)}.") from error


@contextmanager
def open_parquet(path: str) -> Iterator[pq.ParquetFile]:
    """A Parquet file, to be read page by page."""
    # Without pre_buffer a column is read page by page: one huge row group costs no more memory than a small.
    with ExitStack() as stack:
        source = stack.enter_context(remote.open_binary(path)) if remote.is_remote(path) else path
        yield stack.enter_context(pq.ParquetFile(source, pre_buffer=False, buffer_size=1 << 20))


def open_raw(path: Path | str) -> Any:
    """The file's bytes, as they are stored."""
    return remote.open_binary(str(path)) if remote.is_remote(path) else Path(path).open("rb")


@contextmanager
def open_text(path: Path | str) -> Iterator[pa.NativeFile]:
    """The file's text, decompressed by its ending."""
    if not remote.is_remote(path):
        with pa.input_stream(str(path), compression="detect") as stream:
            yield stream
        return
    compression = _CODECS.get(Path(path).suffix.lower())
    with remote.open_binary(str(path)) as raw, pa.input_stream(raw, compression=compression) as stream:
        yield stream


def first_line(error: BaseException) -> str:
    """What an error says, without what pyarrow says of its own source files."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")[:300]
