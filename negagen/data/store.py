"""Arrays under a name in a folder: whole or not there, and mapped rather than read."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from negagen.atomic import explained, flush
from negagen.errors import DataError

Arrays = Mapping[str, NDArray[Any]]
ABOUT = "about.json"


def digest(*parts: str | bytes | NDArray[Any]) -> str:
    """What folders are named by: a hash of all `parts` joined, 32 hexadecimal digits."""
    made = blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, str):
            made.update(part.encode("utf-8", "surrogatepass"))
        else:
            made.update(part if isinstance(part, bytes) else np.ascontiguousarray(part).data)
    return made.hexdigest()


def save(folder: Path, arrays: Arrays, about: Mapping[str, object]) -> None:
    """Write `arrays` and the JSON values `about` as `folder`, unless it is there already. Raises `OutputError`."""
    if folder.exists():
        return
    aside = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    try:
        with explained(folder):
            aside.mkdir(parents=True)
            for name, array in arrays.items():
                np.save(aside / f"{name}.npy", array)
            (aside / ABOUT).write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
            for path in (*aside.iterdir(), aside):
                flush(path)
            give_name(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def give_name(aside: Path, folder: Path) -> None:
    """Rename the finished folder `aside` to `folder`; if another process was faster, what it wrote is the same."""
    try:
        aside.rename(folder)
    except OSError:
        if not (folder / ABOUT).exists():
            raise
    flush(folder.parent)


def load(folder: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays of `folder`, mapped, and what `about` says.

    Raises:
        DataError: a file of it is missing or damaged.
    """
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        return {path.stem: mapped(path) for path in sorted(folder.glob("*.npy"))}, about
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{folder} cannot be read ({error}). Delete that folder and run the same command again.") from (
            error
        )


def mapped(path: Path) -> NDArray[Any]:
    """The array in `path`, read-only; its pages are shared by all processes that map it."""
    try:
        return np.asarray(np.load(path, mmap_mode="r"))
    except ValueError:  # nothing can be mapped of an array without elements
        array: NDArray[Any] = np.load(path)
        if array.size:
            raise
        return array


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other process holds the lock `path`, then hold it. It ends with the process, however that ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows: two runs at once do the work twice, and each result is whole
        yield
        return
    with path.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
