"""The checked candidates that each caption's negatives are drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from negagen.balance.blinder import Gathered, fold_of
from negagen.rows import Begun, Reader, Row


class Pooled(NamedTuple):
    """A caption, and what was gathered for it."""

    begun: Begun
    gathered: Gathered


class Pools:
    """Gathers up to `most` candidates of a caption, categories taking turns."""

    def __init__(self, reader: Reader, most: int) -> None:
        self._reader = reader
        self._most = most
        self._kept: dict[tuple[Row, int], Pooled] = {}

    def gather(self, batch: Sequence[Row], epoch: int, *, keep: bool = False) -> list[Pooled | None]:
        """The pool of each row, None where the text cannot be used; with `keep` they stay for `take`."""
        pools = [self._pool(begun) for begun in self._reader.begin(batch, epoch)]
        if keep:
            self._kept |= {(_same(pool.begun.row), epoch): pool for pool in pools if pool is not None}
        return pools

    def take(self, batch: Sequence[Row], epoch: int) -> list[Pooled | None]:
        """As `gather`, but one that was kept for the same caption, siblings and epoch, without a key, is handed out."""
        kept = [self._kept.pop((_same(row), epoch), None) if self._kept and row.key is None else None for row in batch]
        new = iter(self.gather([row for row, pool in zip(batch, kept, strict=True) if pool is None], epoch))
        return [pool or next(new) for pool in kept]

    def _pool(self, begun: Begun | None) -> Pooled | None:
        if begun is None:
            return None
        row, found, stream = begun
        options = self._reader.finder.gather(found, stream, self._most)
        group = row.text if row.group is None else row.group
        return Pooled(begun, Gathered(found.parse, options, stream.bits(), fold_of(group)))


def _same(row: Row) -> Row:
    """What two rows have in common that are the same caption of the same picture."""
    return Row(row.text, None, tuple(row.siblings), row.text if row.group is None else row.group)
