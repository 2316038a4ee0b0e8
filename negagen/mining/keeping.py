"""Which candidates are kept: a pure function of similarities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from negagen.data.difficulty import suspected
from negagen.data.trainingset import Choices
from negagen.errors import InputError
from negagen.evaluate.scored import TOLERANCE


@dataclass(frozen=True, slots=True)
class Keep:
    """Which candidates of a caption are kept; margin is cos(picture, caption) - cos(picture, candidate).

    Attributes:
        fools: only those that score above the caption, by more than a millionth.
        hardest: at most so many a caption, those of lowest margin, at most half of them (rounded up) of one category
            unless the others run out; None for all.
        below: a candidate above this share of the caption's own score is suspected to be true of the picture, and not
            kept (`negagen.data.difficulty.suspected`); 0 for no suspicion.
        quota: at most this share of all that is kept is of one category (with m categories at least 1/m): of one that
            has more the hardest stay.

    Raises:
        InputError: a value out of range, or rules that leave nothing.
    """

    fools: bool = True
    hardest: int | None = None
    below: float = 1.2
    quota: float = 1.0

    def __post_init__(self) -> None:
        if self.hardest is not None and self.hardest < 1:
            raise InputError(f"--hardest {self.hardest}: keep at least 1 of each caption.")
        if not 0 <= self.below < float("inf"):
            raise InputError(f"--below {self.below:g}: expected a share of the caption's score, such as 1.2, or 0.")
        if self.fools and 0 < self.below <= 1:
            raise InputError(
                f"--below {self.below:g} drops whatever fools the model, which scores above its caption: give a share"
                " above 1, or --hardest N without --fools."
            )
        if not 0 < self.quota <= 1:
            raise InputError(f"--quota {self.quota:g}: expected a share above 0, at most 1.")


@dataclass(frozen=True, slots=True)
class Judged:
    """What is thought of each of E candidates: `margins` float32 [E]; bool [E]: `scored` (it has a margin), `fools`
    (scores above its caption), `suspected` (so far above that it may be true), `kept`."""

    margins: NDArray[np.float32]
    scored: NDArray[np.bool_]
    fools: NDArray[np.bool_]
    suspected: NDArray[np.bool_]
    kept: NDArray[np.bool_]


def judge(captions: NDArray[np.float32], candidates: NDArray[np.float32], choices: Choices, keep: Keep) -> Judged:
    """Judge the E `candidates` (similarities, as `choices` has them) of N rows, whose captions score `captions` [N]."""
    owners = choices.owners()
    own = captions[owners]
    margins = own - candidates
    scored = ~np.isnan(margins)
    with np.errstate(invalid="ignore"):
        fools = margins < -TOLERANCE
        doubted = suspected(margins, own, keep.below)
    fit = scored & ~doubted & (fools if keep.fools else True)
    kept = np.zeros(len(margins), bool)
    chosen = np.flatnonzero(fit)
    if keep.hardest is not None:
        chosen = _hardest(chosen, owners, margins, choices.kinds, keep.hardest)
    kept[_within_quota(chosen, margins, choices.kinds, keep.quota)] = True
    return Judged(margins, scored, fools, doubted, kept)


def _hardest(
    chosen: NDArray[np.int64], owners: NDArray[np.int64], margins: NDArray[np.float32], kinds: NDArray[np.int8], n: int
) -> NDArray[np.int64]:
    """The `n` lowest margins of each row; those beyond half of n of a category come after all others."""
    by_kind = chosen[np.lexsort((chosen, margins[chosen], kinds[chosen], owners[chosen]))]
    beyond = _nth(owners[by_kind], kinds[by_kind]) >= (n + 1) // 2
    order = np.lexsort((by_kind, margins[by_kind], beyond, owners[by_kind]))
    by_row = by_kind[order]
    return np.sort(by_row[_nth(owners[by_row]) < n])


def _within_quota(
    chosen: NDArray[np.int64], margins: NDArray[np.float32], kinds: NDArray[np.int8], quota: float
) -> NDArray[np.int64]:
    own = kinds[chosen]
    found, counts = np.unique(own, return_counts=True)
    if len(found) < 2 or quota >= 1:
        return chosen
    cap = _cap(counts, max(quota, 1 / len(found)))
    order = chosen[np.lexsort((chosen, margins[chosen], own))]
    return np.sort(order[_nth(kinds[order]) < cap])


def _cap(counts: NDArray[np.int64], quota: float) -> int:
    """The most that a category may have, so that none has more than `quota` of all: the largest c with
    c <= quota * sum(min(count, c)); at least the smallest count."""
    low, high = int(counts.min()), int(counts.max())
    while low < high:
        middle = (low + high + 1) // 2
        # A hair of room: 1/3 * 3 is not 1 in floating point.
        if middle <= quota * int(np.minimum(counts, middle).sum()) + 1e-9:
            low = middle
        else:
            high = middle - 1
    return low


def _nth(*keys: NDArray[np.integer]) -> NDArray[np.int64]:
    """The place of each within its run of equal keys, from 0; int64, of the keys' shape."""
    size = len(keys[0])
    new = np.ones(size, bool)
    new[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    places = np.arange(size)
    out: NDArray[np.int64] = places - np.maximum.accumulate(np.where(new, places, 0))
    return out
