"""Files that are whole or not there: written under another name, flushed to disk, renamed."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from negagen.errors import OutputError

ASIDE = ".tmp"
AGAIN = " Finished parts are kept: free some space and run the same command again."
"""What `why_not_writable` says last of a disk that is full."""


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Gives a name to write to; afterwards that file is flushed to disk and renamed to `path`.

    After an error `path` is as before and the other file is gone. Raises `OutputError`.
    """
    aside = path.with_name(f"{path.name}.{os.getpid()}{ASIDE}")
    try:
        with explained(path):
            yield aside
            flush(aside)
            aside.replace(path)
            flush(path.parent)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def flush(path: Path) -> None:
    """Wait until the file or folder `path` is on the disk."""
    if sys.platform == "win32" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an `OSError` of writing `path` into `OutputError` with what to do."""
    try:
        yield
    except OSError as error:
        raise OutputError(why_not_writable(path, error)) from error


def why_not_writable(path: Path, error: OSError) -> str:
    """A sentence on why `path` cannot be written, and what to do."""
    # pyarrow's OSError carries the number in its text alone.
    text = str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in text or "quota exceeded" in text:
        return f"{path}: no space left on the device.{AGAIN}"
    if error.errno == errno.EFBIG or "File too large" in text:
        return f"{path}: the file system (or a limit set on this process) allows no file of that size."
    if isinstance(error, PermissionError) or "Permission denied" in text:
        return f"{path}: no permission to write there. Choose another place with -o PATH."
    if error.errno == errno.EROFS:
        return f"{path}: the file system is read-only. Choose another place with -o PATH."
    return f"{path} cannot be written: {error.strerror or text}."
