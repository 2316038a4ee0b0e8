"""What is right, as pure functions of similarities.

Throughout, right means *above by more than* `tolerance`: a tie is wrong, and so is everything that a NaN takes part
in. A model whose features are constant or NaN scores 0, never a benchmark's share of first places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of N items: `right` (bool [N]); `tied` (bool [N]), those wrong by no more than the tolerance; and
    `margin` (float64 [N]), the lowest similarity that had to be above minus the highest that had to be below."""

    right: Bools
    tied: Bools
    margin: NDArray[np.float64]


def choice(
    wanted: Floats,
    others: Floats,
    wanted_mask: Bools | None = None,
    others_mask: Bools | None = None,
    tolerance: float = 0.0,
) -> Outcome:
    """Whether all of `wanted` ([N, P]) are above all of `others` ([N, K]), where the masks (same shapes) say so.

    One caption against its negatives (P = 1), two paraphrases against a negative (SugarCrepe++'s ITT, P = 2), one
    picture against others. Each item must have at least one of either.
    """
    low = np.min(wanted if wanted_mask is None else np.where(wanted_mask, wanted, np.inf), axis=1)
    high = np.max(others if others_mask is None else np.where(others_mask, others, -np.inf), axis=1)
    return _outcome(low, high, tolerance)


def matching(similarity: Floats, tolerance: float = 0.0) -> dict[str, Outcome]:
    """Winoground's three scores of `similarity` ([N, 2, 2]: item, picture, text; text j is of picture j).

    "text": each picture is nearer to its own text than to the other; "image": each text is nearer to its own picture;
    "group": both. (Thrush et al., arXiv 2204.03162; BiVLC's I2T, T2I and group, arXiv 2406.09952; COLA's
    multi-object accuracy is "image", arXiv 2305.03689.)
    """
    s = similarity
    text = np.minimum(s[:, 0, 0] - s[:, 0, 1], s[:, 1, 1] - s[:, 1, 0])
    image = np.minimum(s[:, 0, 0] - s[:, 1, 0], s[:, 1, 1] - s[:, 0, 1])
    zero = np.zeros(len(s))
    return {
        "text": _outcome(text, zero, tolerance),
        "image": _outcome(image, zero, tolerance),
        "group": _outcome(np.minimum(text, image), zero, tolerance),
    }


def text_only(paraphrases: Floats, first: Floats, second: Floats, tolerance: float = 0.0) -> Outcome:
    """SugarCrepe++'s TOT (arXiv 2406.11171): two captions are nearer to one another than either is to the negative.

    `paraphrases`, `first`, `second` ([N]): similarities of the two captions, and of each to the negative.
    """
    return choice(paraphrases[:, None], np.stack([first, second], axis=1), tolerance=tolerance)


def ranks(similarity: Floats, matches: Bools, tolerance: float = 0.0) -> NDArray[np.int64]:
    """The place of the best match in each row, 1 for the first: int64 [Q]. Both arguments are [Q, C].

    All that the best match is not above is ahead of it. A row without any match has the place C + 1.
    """
    # fmax: a match that is NaN must not hide another that is not; all NaN stays NaN, and beats nothing.
    best = np.fmax.reduce(np.where(matches, similarity, -np.inf), axis=1, initial=-np.inf)
    ahead = ~(best[:, None] - similarity > tolerance) & ~matches
    found = np.any(matches & ~np.isnan(similarity), axis=1)
    place = np.where(found, 1 + ahead.sum(axis=1), similarity.shape[1] + 1)
    return np.asarray(place, np.int64)


def rank_ties(similarity: Floats, matches: Bools, tolerance: float = 0.0) -> Bools:
    """Rows ([Q]) in which something else is as near as the best match, within `tolerance`."""
    best = np.fmax.reduce(np.where(matches, similarity, -np.inf), axis=1, initial=-np.inf)
    with np.errstate(invalid="ignore"):
        near = np.abs(best[:, None] - similarity) <= tolerance
    return np.asarray((near & ~matches).any(axis=1))


def chance_of_choice(wanted: int, others: int) -> float:
    """The share of right answers by random similarities, where all of `wanted` must be above all of `others`."""
    return 1 / comb(wanted + others, wanted)


CHANCE_OF_MATCHING = {"text": 1 / 4, "image": 1 / 4, "group": 1 / 6}
"""Of Winoground's scores."""

CHANCE_OF_TEXT_ONLY = 1 / 3


def chance_of_rank(matches: int, candidates: int, k: int) -> float:
    """The share of queries with a match among the first `k` of `candidates` in random order."""
    if matches <= 0 or candidates <= 0:
        return 0.0
    return 1 - comb(candidates - matches, k) / comb(candidates, k) if k < candidates else 1.0


def padded(rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], Bools]:
    """Rows of different lengths as an int64 [N, L] array, filled up with 0, and the mask of what is real."""
    lengths = np.array([len(row) for row in rows], np.int64)
    width = int(lengths.max()) if len(lengths) else 0
    mask = np.arange(width) < lengths[:, None]
    out = np.zeros((len(rows), width), np.int64)
    out[mask] = np.array([index for row in rows for index in row], np.int64)
    return out, mask


def _outcome(low: Floats, high: Floats, tolerance: float) -> Outcome:
    with np.errstate(invalid="ignore"):
        margin = np.asarray(low, np.float64) - np.asarray(high, np.float64)
        return Outcome(margin > tolerance, np.abs(margin) <= tolerance, margin)
