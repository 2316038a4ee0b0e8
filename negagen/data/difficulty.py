"""Which candidates are hard for the model in training, and draws that prefer these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from negagen.data.store import digest
from negagen.errors import DataError

_PRIOR: Final = 0.5
# A candidate that the model never confuses is drawn last, not never.
_LEAST: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Curriculum:
    """How draws go by difficulty.

    The chance of a candidate is multiplied by p ** difficulty. p is the probability that the model, asked to choose
    between caption and candidate, takes the candidate: 1 / (1 + exp(margin / temperature)), where margin is
    cos(picture, caption) - cos(picture, candidate) when it was last drawn. (So the loss's weight in the focal loss,
    arXiv 1708.02002, is here that of the draw.) A candidate that was never drawn, or not of late, has p = 1/2: it goes
    before all that the model can tell, and after what fools it.

    Attributes:
        difficulty: 0 for draws that do not look at margins.
        below: a candidate that scored above this share of its caption's score is suspected to be true of the picture,
            and sits out for as long as its margin counts; 0 for no suspicion.
        quota: at most this share of the k drawn, rounded up, is of one category, unless the others run out.
        warmup_epochs: epochs before the first that goes by margins.
        memory: epochs after that of a margin in which it counts.
        temperature: of p, in cosines; CLIP's own is 0.01.

    Raises:
        DataError: a value out of range.
    """

    difficulty: float = 1.0
    below: float = 1.2
    quota: float = 0.5
    warmup_epochs: int = 1
    memory: int = 3
    temperature: float = 0.01

    def __post_init__(self) -> None:
        for name, fits, wanted in (
            ("difficulty", 0 <= self.difficulty <= 10, "0 to 10"),
            ("below", 0 <= self.below < float("inf"), "a share of the caption's score, such as 1.2, or 0"),
            ("quota", 0 < self.quota <= 1, "above 0, at most 1"),
            ("warmup_epochs", self.warmup_epochs >= 0, "0 or more"),
            ("memory", self.memory >= 1, "1 or more"),
            ("temperature", 0 < self.temperature < float("inf"), "above 0, such as 0.01"),
        ):
            if not fits:
                raise DataError(f"curriculum: {name} is {getattr(self, name)}, expected {wanted}.")

    def most(self, k: int) -> int:
        """How many of k may be of one category."""
        return int(np.ceil(self.quota * k - 1e-9))

    def active(self, epoch: int) -> bool:
        """Whether draws of that epoch go by margins."""
        return self.difficulty > 0 and epoch >= self.warmup_epochs


class Feedback:
    """What the model said of each of E candidates when it was last drawn.

    Attributes:
        margins: float32 [E], cos(picture, caption) - cos(picture, candidate); NaN where it was never drawn.
        captions: float32 [E], cos(picture, caption) at that time.
        epochs: int32 [E], the epoch of that; -1 for what was said before the first.

    A draw of row r looks at the candidates of r alone. As long as a row comes once an epoch, what is fed during an
    epoch therefore changes later epochs only, and the table need not be frozen: it must hold all of epoch e before
    anything of epoch e + 1 is drawn.
    """

    def __init__(self, size: int) -> None:
        self.margins = np.full(size, np.nan, np.float32)
        self.captions = np.full(size, np.nan, np.float32)
        self.epochs = np.full(size, -1, np.int32)

    def __len__(self) -> int:
        return len(self.epochs)

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Of which candidates something is known: bool [E]."""
        return ~np.isnan(self.margins)

    def feed(
        self,
        candidates: NDArray[np.integer],
        margins: NDArray[np.floating],
        captions: NDArray[np.floating],
        epoch: int,
    ) -> None:
        """Take in what was said of `candidates` in `epoch`.

        `candidates` are int [B, K], as `Batch.candidates` has them, -1 where there is none; `margins` [B, K];
        `captions`, the cosines of pictures and captions, [B] or [B, K]. What is no number is left out.

        Raises:
            DataError: arrays that do not go together, or a candidate that is not there.
        """
        numbers, gaps = np.asarray(candidates), np.asarray(margins, np.float32)
        own = np.asarray(captions, np.float32)
        own = own[..., None] if own.ndim == numbers.ndim - 1 else own
        if gaps.shape != numbers.shape or own.ndim != numbers.ndim or own.shape[:-1] != numbers.shape[:-1]:
            raise DataError(
                f"feedback: {list(numbers.shape)} candidates, {list(gaps.shape)} margins and {list(np.shape(captions))}"
                " captions do not go together; expected [B, K], [B, K] and [B]."
            )
        if numbers.size and not -1 <= numbers.min() <= numbers.max() < len(self):
            raise DataError(f"feedback: candidates {numbers.min()} to {numbers.max()} of {len(self):,}.")
        own = np.broadcast_to(own, numbers.shape)
        there = (numbers >= 0) & np.isfinite(gaps) & np.isfinite(own)
        found = numbers[there]
        self.margins[found], self.captions[found], self.epochs[found] = gaps[there], own[there], epoch

    def chances(self, found: NDArray[np.int64], epoch: int, curriculum: Curriculum) -> NDArray[np.float64]:
        """By what the chance of each candidate of `found` is multiplied in `epoch`: float64, of its shape."""
        margins = self.margins[found].astype(np.float64)
        counts = ~np.isnan(margins) & (epoch - self.epochs[found] <= curriculum.memory)
        confused = 1 / (1 + np.exp(np.clip(margins / curriculum.temperature, -50, 50)))
        out: NDArray[np.float64] = np.maximum(np.where(counts, confused, _PRIOR), _LEAST) ** curriculum.difficulty
        return np.where(counts & suspected(margins, self.captions[found], curriculum.below), 0.0, out)

    def figures(self, below: float) -> dict[str, float]:
        """For people: the share of candidates `seen`, and of these the shares that `fools` the model or is
        `suspected`, and their mean `margin`."""
        seen = self.seen
        margins, captions = self.margins[seen], self.captions[seen]
        if not len(margins):
            return {"seen": 0.0}
        return {
            "seen": float(seen.mean()),
            "fools": float((margins < 0).mean()),
            "suspected": float(suspected(margins, captions, below).mean()),
            "margin": float(margins.mean(dtype=np.float64)),
        }

    @property
    def fingerprint(self) -> str:
        """Changes with what is known."""
        return digest(*self.state().values())

    def state(self) -> dict[str, NDArray[Any]]:
        """Its arrays by name."""
        return {"margins": self.margins, "captions": self.captions, "epochs": self.epochs}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go back to what `state` gave. Raises `ValueError` if that is of another number of candidates."""
        for name, mine in self.state().items():
            if len(state[name]) != len(mine):
                raise ValueError(f"feedback on {len(state[name]):,} candidates, but there are {len(mine):,}")
            mine[:] = state[name]


def suspected(margins: NDArray[np.floating], captions: NDArray[np.floating], below: float) -> NDArray[np.bool_]:
    """Which candidates score above the share `below` of their caption's score: bool, of the arguments' shape.

    Where the caption's cosine c is negative, above c + (below - 1) |c|, so that a larger share always suspects fewer.
    0 suspects none. (The positive-aware rule of NV-Retriever, arXiv 2407.15831, which works with shares below 1;
    candidates that fool a model lie above 1.)
    """
    if not below:
        return np.zeros(np.shape(margins), bool)
    out: NDArray[np.bool_] = -margins > (below - 1) * np.abs(captions)
    return out
