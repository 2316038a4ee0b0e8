"""Negatives without a draw: the first candidates that pass the checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat, takewhile
from typing import Final

from negagen.balance.blinder import Option
from negagen.finding import Found
from negagen.proposing import Asked, Proposed, Proposer, ask
from negagen.rows import Begun, Reader, Row
from negagen.types import Result

_NOTHING: Final = Proposed()


@dataclass(frozen=True, slots=True)
class Taking:
    """The way of blindness "off": the rules' first candidates and the proposer's, as its mode has them share.

    A caption is to have `k` negatives; up to `want` are taken.
    """

    reader: Reader
    proposer: Proposer | None
    k: int
    want: int

    def results(self, batch: Sequence[Row], epoch: int) -> Iterator[Result]:
        """The result of each row."""
        begun = self.reader.begin(batch, epoch)
        proposed = iter(self._proposed([each for each in begun if each is not None]))
        for row, each in zip(batch, begun, strict=True):
            yield row.unused() if each is None else self._result(each, next(proposed))

    def _proposed(self, begun: Sequence[Begun]) -> Iterable[Proposed]:
        """What the proposer has for each caption: no negatives where the rules', taken first, are enough."""
        if self.proposer is None:
            return repeat(_NOTHING)
        if self.proposer.mode == "fill":
            for _, found, stream in begun:
                self.reader.finder.take(found, stream, self.want)
        asked = [Asked(each, self.k - len(each.found.negatives)) for each in begun]
        return ask(self.proposer, self.reader.finder, asked)

    def _result(self, begun: Begun, proposed: Proposed) -> Result:
        _, found, stream = begun
        finder, mode = self.reader.finder, "" if self.proposer is None else self.proposer.mode
        first = (self.want + 1) // 2 if mode == "mix" else 0
        best = list(takewhile(lambda option: not option.unlikely, proposed.options[:first]))
        self._file(found, best)
        if mode in ("", "mix"):
            finder.take(found, stream, self.want)
        self._file(found, proposed.options[len(best) :])
        finder.reword(found, stream)
        reason = "too few edits apply" if found.parse.phrases else "no noun phrase found"
        return found.result(self.k, reason, proposed.note)

    def _file(self, found: Found, options: Sequence[Option]) -> None:
        """File the options until there are enough negatives."""
        for option in options:
            if len(found.negatives) >= self.want:
                return
            self.reader.finder.file(found, option, {})
