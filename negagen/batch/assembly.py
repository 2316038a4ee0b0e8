"""A run's output, put together from its parts as they come."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from negagen.batch.executors import Done, Task
from negagen.batch.job import Progress, Resume
from negagen.batch.parts import Parts
from negagen.batch.plan import Plan
from negagen.batch.source import RowStream, Source
from negagen.batch.stats import Counts
from negagen.batch.writer import Output
from negagen.errors import ResumeError


class Assembly:
    """Which parts of a run are done, and how far its output is written."""

    def __init__(
        self,
        source: Source,
        plan: Plan,
        parts: Parts,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._plan = plan
        self._parts = parts
        self._progress = progress
        self._done: dict[int, Counts] = {}
        self._rows_done = 0
        self._rows = RowStream(source, batch_rows=min(2048, plan.group_rows))
        self._groups_written = 0
        self._part: tuple[int, pa.Table] | None = None
        self._peaks: dict[int, int] = {}
        self.resumed = 0

    @property
    def counts(self) -> Counts:
        """Counts of all parts."""
        total = Counts()
        for counts in self._done.values():
            total.add(counts)
        return total

    @property
    def worker_peaks(self) -> list[int]:
        """Largest resident size that each worker reported."""
        return list(self._peaks.values())

    def take_over(self, resume: Resume) -> None:
        """Find the parts of an earlier run and judge them; raises `ResumeError`."""
        folder, plan = self._parts.folder, self._plan
        for aside in folder.glob("*.tmp"):
            aside.unlink()
        found = set(folder.glob("part-*.arrow"))
        if resume == "never":
            for path in found:
                path.unlink()
            found = set()
        for index in range(plan.parts):
            start, stop = plan.part(index)
            if self._parts.path(index) in found:
                counts = self._parts.counts(index, stop - start)
                if counts is not None:
                    self._take(index, counts)
        if found and not self._done:
            raise ResumeError(
                f"{folder} holds {len(found)} parts of a run with other settings, input or version. Either"
                " finish that run with its own settings, or throw its parts away with --resume never."
            )
        if resume == "require" and not self._done:
            raise ResumeError(f"--resume require: {folder} holds no parts. Start afresh with --resume auto.")
        self.resumed = self._rows_done

    def tasks(self) -> list[Task]:
        """What is left to do, in order."""
        return [Task(index, *self._plan.part(index)) for index in range(self._plan.parts) if index not in self._done]

    def accept(self, done: Done, file: Output) -> None:
        """Take note of a part, and write what it completes."""
        self._take(done.task.index, done.counts)
        self._peaks[done.pid] = done.peak_rss
        self.write_what_is_done(file)

    def _take(self, index: int, counts: Counts) -> None:
        self._done[index] = counts
        self._rows_done += counts.rows

    def write_what_is_done(self, file: Output) -> None:
        """Write each row group whose parts are all there and whose predecessors are written."""
        while self._groups_written < self._plan.groups:
            start, stop = self._plan.group(self._groups_written)
            first, last = start // self._plan.part_rows, (stop - 1) // self._plan.part_rows
            if not all(index in self._done for index in range(first, last + 1)):
                break
            file.write_group(self._rows.read(start, stop), self._added(start, stop, first, last))
            self._groups_written += 1
            self._tell()
        self._tell()

    def finish(self, file: Output) -> None:
        """Write the footer and give the output its name."""
        file.finish({"counts": self.counts.to_json()})

    def _added(self, start: int, stop: int, first: int, last: int) -> pa.Table:
        pieces = []
        for index in range(first, last + 1):
            begin, end = self._plan.part(index)
            if self._part is None or self._part[0] != index:
                self._part = (index, self._parts.read(index))
            pieces.append(self._part[1].slice(max(start - begin, 0), min(stop, end) - max(start, begin)))
        # In one piece: where a page ends must not depend on where a part does.
        return pa.concat_tables(pieces).combine_chunks()

    def _tell(self) -> None:
        if self._progress is not None:
            written = min(self._groups_written * self._plan.group_rows, self._plan.rows)
            self._progress(Progress(self._plan.rows, self._rows_done, self.resumed, written))
