"""Captions on their way through a negator: rows in batches, parsed, ready for what is found in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Any, NamedTuple

from negagen.finding import Finder, Found
from negagen.parsing import Parser
from negagen.parsing.remembered import Remembered
from negagen.screen import unusable
from negagen.seeding import Stream, key_of
from negagen.types import Parse, Result


class Row(NamedTuple):
    """A caption and what comes with it; see `negagen.negator.Negator.pipe`."""

    text: str | None
    key: object
    siblings: Sequence[str]
    group: object
    image: Any = None

    def unused(self) -> Result:
        """The result where the text cannot be used."""
        return Result(self.text, (), (), (), "error", unusable(self.text))


class Begun(NamedTuple):
    """A row whose text can be used, what has been found in it so far, and the stream that fixes its draws."""

    row: Row
    found: Found
    stream: Stream


def in_batches(
    texts: Iterable[str | None],
    keys: Iterable[object] | None,
    siblings: Iterable[Sequence[str]] | None,
    groups: Iterable[object] | None,
    size: int,
    images: Iterable[Any] | None = None,
) -> Iterator[list[Row]]:
    """Rows of these columns, `size` at a time; None for a column that there is not."""
    nothing: Sequence[str] = ()
    columns = (
        texts,
        repeat(None) if keys is None else keys,
        repeat(nothing) if siblings is None else siblings,
        repeat(None) if groups is None else groups,
    )
    rows = map(Row, *columns) if images is None else map(Row, *columns, images)
    while batch := list(islice(rows, size)):
        yield batch


@dataclass(frozen=True, slots=True)
class Reader:
    """Parses rows for a finder, in batches."""

    parser: Parser | Remembered
    finder: Finder
    seed: int

    def begin(self, batch: Sequence[Row], epoch: int) -> list[Begun | None]:
        """Each row with nothing found yet; None for one whose text cannot be used."""
        parses = self._parses(batch)
        return [
            Begun(row, self._found(row, parses), self._stream(row, epoch)) if row.text in parses else None
            for row in batch
        ]

    def _parses(self, batch: Sequence[Row]) -> dict[str | None, Parse]:
        """Each usable text of the batch, siblings included, parsed once."""
        texts = dict.fromkeys(row.text for row in batch)
        for row in batch:
            texts.update(dict.fromkeys(row.siblings))
        usable = [text for text in texts if text is not None and not unusable(text)]
        return dict(zip(usable, self.parser.parse(usable), strict=True))

    def _found(self, row: Row, parses: Mapping[str | None, Parse]) -> Found:
        beside = [parses[other] for other in row.siblings if other != row.text and other in parses]
        return self.finder.begin(parses[row.text], beside)

    def _stream(self, row: Row, epoch: int) -> Stream:
        parts = (self.seed, epoch, row.text) if row.key is None else (self.seed, epoch, row.text, row.key)
        return Stream(key_of(*parts))
