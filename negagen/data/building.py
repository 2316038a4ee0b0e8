"""The image cache, built once by several processes.

The file is filled chunk by chunk under another name, and a journal says which chunks are done: a build that was killed
goes on where it stopped. When all are done the folder gets its name.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from negagen.atomic import explained, flush
from negagen.data import store
from negagen.data.cache import PIXELS, ImageCache
from negagen.data.images import BadImageError, View, decode
from negagen.data.pictures import Pictures
from negagen.errors import DataError, OutputError, WorkerError

VERSION = 2
"""Of the layout and of how pixels are made; part of the fingerprint."""

_CHUNK = 128
_NAMED = 5
_JOURNAL = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build is: pictures done of all, and the seconds it has taken for those of this run."""

    done: int
    total: int
    seconds: float
    fresh: int


Tell = Callable[[Progress], None]


def fingerprint_of(pictures: Pictures, view: View) -> str:
    """What the folder of a cache is called."""
    parts = (VERSION, pictures.fingerprint, view.size, view.crop, view.resample)
    return store.digest(repr(parts))


def build(
    pictures: Pictures,
    view: View,
    folder: Path,
    *,
    workers: int = 1,
    max_bad: float = 0.01,
    tell: Tell | None = None,
) -> ImageCache:
    """The cache of `pictures` as `view` shows them, in `folder`; built unless it is there.

    Pictures that are missing or damaged are counted. `tell` hears of progress, about once a second.

    Raises:
        DataError: more than the share `max_bad` of the pictures is bad. What was decoded is kept.
        OutputError: the disk is too small, or cannot be written to.
        WorkerError: a process died, for want of memory as a rule.
    """
    fingerprint = fingerprint_of(pictures, view)
    place = folder / fingerprint
    with store.locked(folder / f"{fingerprint}.lock"):
        if not place.exists():
            with explained(place):
                _Build(pictures, view, place, workers, max_bad, tell).run()
    cache = ImageCache.open(place)
    _judge(int((~cache.good).sum()), len(cache), cache.problems, max_bad)
    return cache


def _size(count: int) -> str:
    """Bytes for a person, in the largest unit of which there is one: never 0.0 GB."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:,.1f} {name}"
    return f"{count} bytes"


def _judge(bad: int, total: int, problems: Sequence[tuple[str, str]], max_bad: float) -> None:
    if bad > max_bad * total:
        raise DataError(
            f"{bad:,} of {total:,} pictures are missing or damaged, more than --max-bad {max_bad:g} allows:"
            f" {described(problems)}. Mend them, or allow more."
        )


def described(problems: Sequence[tuple[str, str]]) -> str:
    """The first of `problems` as a phrase."""
    return "; ".join(f"{name} ({reason})" for name, reason in problems[:_NAMED])


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What was found while a chunk was decoded: a digest of its pictures' bytes, and why which are bad."""

    contents: str
    bad: dict[int, str]


class _Build:
    def __init__(
        self, pictures: Pictures, view: View, place: Path, workers: int, max_bad: float, tell: Tell | None
    ) -> None:
        self._pictures, self._view, self._place = pictures, view, place
        self._workers, self._max_bad, self._tell = workers, max_bad, tell
        self._aside = place.with_name(f"{place.name}.building")
        self._each = 3 * view.size * view.size
        self._good = np.zeros(len(pictures), bool)
        self._bad: dict[int, str] = {}
        self._contents: dict[int, str] = {}
        self._began, self._told = time.monotonic(), 0.0
        self._fresh = self._done = 0

    def run(self) -> None:
        self._aside.mkdir(parents=True, exist_ok=True)
        done = self._recorded()
        path = self._aside / PIXELS
        path.touch()
        self._check_room(path)
        os.truncate(path, len(self._pictures) * self._each)
        starts = [start for start in range(0, len(self._pictures), _CHUNK) if start not in done]
        with (self._aside / _JOURNAL).open("a", encoding="utf-8") as journal:
            for start, made in self._decoded(starts, path):
                journal.write(json.dumps({"start": start, "stop": self._stop(start), **asdict(made)}) + "\n")
                journal.flush()
                self._take(start, made)
        self._finish()

    def _recorded(self) -> set[int]:
        """The chunks that an earlier run has finished."""
        done: set[int] = set()
        path = self._aside / _JOURNAL
        if not path.exists() or not (self._aside / PIXELS).exists():
            path.unlink(missing_ok=True)
            return done
        whole, lines = 0, path.read_bytes().splitlines(keepends=True)
        for line in lines:
            if not line.endswith(b"\n"):
                break
            entry = json.loads(line)
            whole += len(line)
            # Chunks of another size were made by another version.
            if entry["start"] not in done and entry["stop"] == self._stop(entry["start"]):
                done.add(entry["start"])
                bad = {int(index): reason for index, reason in entry["bad"].items()}
                self._take(entry["start"], _Chunk(entry["contents"], bad))
        os.truncate(path, whole)
        self._fresh = 0
        return done

    def _stop(self, start: int) -> int:
        return min(start + _CHUNK, len(self._pictures))

    def _take(self, start: int, made: _Chunk) -> None:
        stop = self._stop(start)
        self._good[start:stop] = True
        self._good[list(made.bad)] = False
        self._bad |= made.bad
        self._contents[start] = made.contents
        self._done += stop - start
        self._fresh += stop - start
        if len(self._bad) > self._max_bad * len(self._pictures):
            # No more can become of it: why decode the rest?
            _judge(len(self._bad), len(self._pictures), self._problems(), self._max_bad)
        now = time.monotonic()
        if self._tell is not None and (now - self._told >= 1 or self._done == len(self._pictures)):
            self._told = now
            self._tell(Progress(self._done, len(self._pictures), now - self._began, self._fresh))

    def _problems(self) -> list[tuple[str, str]]:
        return [(self._pictures.names[index], self._bad[index]) for index in sorted(self._bad)[:1000]]

    def _check_room(self, path: Path) -> None:
        needed = len(self._pictures) * self._each - path.stat().st_blocks * 512
        free = shutil.disk_usage(self._aside).free
        if needed > free:
            raise OutputError(
                f"{self._aside.parent}: {len(self._pictures):,} pictures of {self._view} take {_size(needed)}, but"
                f" {_size(free)} are free. Choose another place with --cache FOLDER, or a smaller size."
            )

    def _decoded(self, starts: list[int], path: Path) -> Iterator[tuple[int, _Chunk]]:
        tasks = self._tasks(starts)
        if self._workers <= 1:
            for start, stop, data in tasks:
                yield start, _fill(path, self._view, self._pictures, start, stop, data)
            return
        # spawn: a fork of a process with threads (torch, pyarrow) may hang.
        with ProcessPoolExecutor(
            self._workers, get_context("spawn"), _begin, (path, self._view, self._pictures)
        ) as pool:
            waiting: deque[tuple[int, Future[_Chunk]]] = deque()
            try:
                for start, stop, data in tasks:
                    waiting.append((start, pool.submit(_work, start, stop, data)))
                    if len(waiting) >= 3 * self._workers:
                        first, future = waiting.popleft()
                        yield first, future.result()
                while waiting:
                    first, future = waiting.popleft()
                    yield first, future.result()
            except BrokenProcessPool as error:
                raise WorkerError(
                    "a process that decodes pictures died, for want of memory as a rule. Run the same command again: it"
                    " goes on where it stopped; with fewer workers, each has more."
                ) from error
            finally:
                pool.shutdown(cancel_futures=True)

    def _tasks(self, starts: list[int]) -> Iterator[tuple[int, int, list[bytes | BadImageError] | None]]:
        """Ranges of pictures, with their bytes where one reader reads for all."""
        total = len(self._pictures)
        if not self._pictures.sequential:
            yield from ((start, self._stop(start), None) for start in starts)
            return
        wanted = set(starts)
        cells = self._pictures.read(starts[0], total) if starts else iter(())
        for start in range(starts[0], total, _CHUNK) if starts else ():
            stop = self._stop(start)
            data = [next(cells) for _ in range(start, stop)]
            if start in wanted:
                yield start, stop, data

    def _finish(self) -> None:
        np.save(self._aside / "good.npy", self._good)
        about = {
            "view": asdict(self._view),
            "problems": self._problems(),
            "fingerprint": self._place.name,
            "contents": store.digest(*(self._contents[start] for start in sorted(self._contents))),
        }
        (self._aside / store.ABOUT).write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
        for path in (*self._aside.iterdir(), self._aside):
            flush(path)
        store.give_name(self._aside, self._place)


_STATE: list[tuple[Path, View, Pictures]] = []


def _begin(path: Path, view: View, pictures: Pictures) -> None:
    _STATE[:] = [(path, view, pictures)]


def _work(start: int, stop: int, data: list[bytes | BadImageError] | None) -> _Chunk:
    return _fill(*_STATE[0], start, stop, data)


def _fill(
    path: Path, view: View, pictures: Pictures, start: int, stop: int, data: list[bytes | BadImageError] | None
) -> _Chunk:
    """Decode pictures `[start, stop)` into their places in the file."""
    chunk = np.zeros((stop - start, 3, view.size, view.size), np.uint8)
    bad: dict[int, str] = {}
    contents = []
    for index, found in enumerate(pictures.read(start, stop) if data is None else data):
        contents.append("none" if isinstance(found, BadImageError) else store.digest(found))
        try:
            if isinstance(found, BadImageError):
                raise found
            chunk[index] = decode(found, view)
        except BadImageError as error:
            bad[start + index] = str(error)
    with path.open("r+b", buffering=0) as file:
        file.seek(start * chunk[0].nbytes)
        _write(file, chunk)
        # On the disk before the journal says so.
        os.fsync(file.fileno())
    return _Chunk(store.digest(*contents), bad)


def _write(file: IO[bytes], chunk: NDArray[np.uint8]) -> None:
    rest = chunk.data.cast("B")
    while rest:
        rest = rest[file.write(rest) :]
