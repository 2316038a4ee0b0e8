"""Negatives made where they are needed, for captions that no pool was made of."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

import torch

from negagen.collector import pass_over, uncollected
from negagen.errors import DataError
from negagen.negator import Negator
from negagen.parsing.remembered import Remembered
from negagen.types import Negative

# Captions between two looks at the clock; without a budget, as many as parse well together.
_TIMED: Final = 64
_AT_ONCE: Final = 512


class NegativeAugmentation:
    """Makes negatives of captions in a dataloader, in batches.

    What a caption gets is a function of the negator's seed, the epoch, the caption and its key, in any process and
    company. Parses are kept, so that a caption that comes again is only edited anew. It may be sent to workers, forked
    or spawned; `epoch` set in the process that made it holds in all of them, those that persist included. Each has a
    lexicon, a pipeline and parses of its own where it was spawned.

    Args:
        negator: what makes them; its `k`, `seed`, rules and blindness count.
        parses: so many captions' parses are kept at most, those used last; about 10 kB each.
        seconds: a call may take about so long. Captions that it does not come to get no negatives, this time, and are
            counted in `late`; what the others get stays the same. None for no limit.
    """

    def __init__(self, negator: Negator, *, parses: int = 10_000, seconds: float | None = None) -> None:
        if parses < 0:
            raise ValueError(f"parses must be 0 or more, got {parses!r}")
        if seconds is not None and seconds <= 0:
            raise ValueError(f"seconds must be more than 0, or None, got {seconds!r}")
        self.negator, self.seconds = negator, seconds
        self.late = 0
        self._parses = parses
        if isinstance(negator.parser, Remembered):
            raise ValueError("this negator's parser remembers already: give the negator that it was made of")
        self._parser = Remembered(negator.parser, parses)
        self._own = negator.parsing_by(self._parser, positives=False)
        # Shared memory: workers that are running see it change.
        self._epoch = torch.tensor([negator.epoch]).share_memory_()  # type: ignore[no-untyped-call]
        if negator.blindness != "off":
            # Read now: neither by each worker that is forked, nor within the time of the first call.
            _ = self._own.model

    def __reduce__(self) -> Any:
        return _build, (self.negator, self._parses, self.seconds, self._epoch)

    def __repr__(self) -> str:
        return f"NegativeAugmentation({self.negator!r}, parses={self._parses!r}, seconds={self.seconds!r})"

    @property
    def epoch(self) -> int:
        """What draws depend on beside seed, caption and key; set it before each epoch."""
        return int(self._epoch[0])

    @epoch.setter
    def epoch(self, value: int) -> None:
        self._epoch[0] = value

    @property
    def hits(self) -> tuple[int, int]:
        """How many captions were parsed already, and how many were not, in this process."""
        return self._parser.hits, self._parser.misses

    def __call__(
        self,
        captions: Sequence[str],
        keys: Sequence[object] | None = None,
        *,
        siblings: Sequence[Sequence[str]] | None = None,
        groups: Sequence[object] | None = None,
    ) -> list[tuple[Negative, ...]]:
        """The negatives of each caption, at most k; the arguments are those of `Negator.pipe`.

        Raises `DataError` for a caption that is no text, None included: a batch has no place to say why it has none.
        """
        for at, caption in enumerate(captions):
            if not isinstance(caption, str):
                raise DataError(
                    f"caption {at} of {len(captions)} is {type(caption).__name__}, but a caption is text: leave such"
                    " rows out of the data."
                )
        size = _AT_ONCE if self.seconds is None else _TIMED
        results = self._own.pipe(captions, keys, batch_size=size, epoch=self.epoch, siblings=siblings, groups=groups)
        end = None if self.seconds is None else time.monotonic() + self.seconds
        out: list[tuple[Negative, ...]] = []
        with uncollected():
            while len(out) < len(captions) and (end is None or time.monotonic() < end):
                out += [result.negatives for result in islice(results, size)]
            pass_over()
        self.late += len(captions) - len(out)
        return out + [()] * (len(captions) - len(out))


def _build(negator: Negator, parses: int, seconds: float | None, epoch: torch.Tensor) -> NegativeAugmentation:
    made = NegativeAugmentation(negator, parses=parses, seconds=seconds)
    made._epoch = epoch
    return made
