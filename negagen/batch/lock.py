"""That only one run writes an output."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

from negagen.atomic import explained
from negagen.errors import OutputError


class Lock:
    """One run per output: held on a file in a folder of the run's until the process ends or `release`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._file: IO[bytes] | None = None

    def acquire(self) -> None:
        """Create the folder and take the lock. Raises `OutputError` if another run holds it."""
        with explained(self._path.parent):
            while True:
                self._path.parent.mkdir(exist_ok=True)
                try:
                    file = self._path.open("ab")
                except FileNotFoundError:
                    continue  # a run that just ended removed the folder
                if not _lock(file):
                    file.close()
                    raise OutputError(
                        f"another run is writing to {self._path.parent}: wait for it, stop it, or choose"
                        " another -o PATH."
                    )
                # The file may have been removed between opening and locking it: then it guards nothing.
                try:
                    same = os.path.samestat(os.fstat(file.fileno()), self._path.stat())
                except FileNotFoundError:
                    same = False
                if same:
                    self._file = file
                    return
                file.close()

    def release(self, remove: bool) -> None:
        """Let go, and leave no file behind; with `remove`, delete the folder and all that is in it first."""
        if self._file is None:
            return
        if remove:
            shutil.rmtree(self._path.parent, ignore_errors=True)
        else:
            with suppress(OSError):  # Windows removes no file that is open; left behind, it locks nothing
                self._path.unlink()
        self._file.close()
        self._file = None


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> bool:
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
