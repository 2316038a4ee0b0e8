"""Which candidates become negatives: a draw, tilted so that a judge of texts alone finds nothing to go by.

The draw is exponentially tilted: candidate n of caption c has the energy w.(f(n) - f(c)) plus a weight for the bin in
which its gap falls in each language model's scores, antisymmetric in the gap. `negagen.balance.fit` finds the weights
at which the features of the negatives drawn add up to those of their captions, and gaps lie mirrored around zero: there
the best linear judge of these features is at chance. Noise is Gumbel's, so that the k largest sums are a sample without
replacement (Kool et al., arXiv 1903.06059). All sums are of whole numbers: no order of summation changes a draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from negagen.balance.ngrams import SCALE
from negagen.balance.pool import Pool, energies
from negagen.seeding import uniforms

EDGES: Final = (0.02, 0.1, 0.25, 0.5, 0.9, 1.5, 2.5)
"""Where bins of a gap end, in units of the model's typical gap; beyond the last is a bin of its own."""

BINS: Final = len(EDGES) + 1


@dataclass(frozen=True, slots=True)
class Policy:
    """How a mode of blindness draws: see `POLICIES`.

    `pool` candidates are made a caption. Below `floor` (energy plus noise, in nats) a candidate is not taken, below
    `last` not even as its caption's only one.
    """

    pool: int
    floor: float
    last: float


POLICIES: Final = {
    "balanced": Policy(pool=12, floor=-1.0, last=-20.0),
    "strict": Policy(pool=32, floor=0.0, last=-5.0),
}


BLINDNESS: Final = ("off", *POLICIES)


@dataclass(frozen=True, slots=True)
class Tilt:
    """Fitted weights, in nats / SCALE.

    `table` int64 [groups, 2**bits] by feature, `bins` int64 [groups, categories, MODELS, BINS] by gap, `units` int64
    [MODELS] each model's typical gap. Weights of group g are for captions of group g, and were fitted on others.
    """

    table: NDArray[np.int64]
    bins: NDArray[np.int64]
    units: NDArray[np.int64]


def gap_bins(gaps: NDArray[np.int64], units: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The bin of each gap's size and its sign, both int64 [N, MODELS]."""
    edges = (np.asarray(EDGES) * 1000).astype(np.int64)
    size = np.abs(gaps) * 1000 // np.maximum(units, 1)
    return np.searchsorted(edges, size, side="right"), np.sign(gaps)


def tilted(pool: Pool, tilt: Tilt, group: NDArray[np.int64]) -> NDArray[np.int64]:
    """The energy of each candidate in nats / SCALE, int64 [N]; `group` int64 [C] says whose weights are a caption's."""
    if not len(pool.owner):
        return np.zeros(0, np.int64)
    place, sign = gap_bins(pool.gaps, tilt.units)
    models = np.arange(pool.gaps.shape[1])
    by_gap = tilt.bins[group[pool.owner][:, None], pool.category[:, None], models, place] * sign
    out: NDArray[np.int64] = energies(pool, tilt.table, group) + by_gap.sum(axis=1)
    return out


def crowding(pool: Pool, prior: NDArray[np.int64]) -> NDArray[np.int64]:
    """What gives categories their shares whatever their number of candidates: int64 [N], in nats / SCALE.

    `prior` int64 [categories] are log weights; a category's is shared by its candidates of one caption.
    """
    kinds = len(prior)
    cell = pool.owner * kinds + pool.category
    size = np.bincount(cell, minlength=pool.captions * kinds)[cell]
    out: NDArray[np.int64] = prior[pool.category] - np.rint(np.log(size) * SCALE).astype(np.int64)
    return out


def noise(pool: Pool, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Gumbel noise for each candidate, in nats / SCALE, fixed by its caption's key (uint64 [C]) and its number."""
    first = np.searchsorted(pool.owner, np.arange(pool.captions))
    number = np.arange(len(pool.owner)) - first[pool.owner]
    u = uniforms(keys[pool.owner], number.astype(np.uint64))
    out: NDArray[np.int64] = np.rint(-np.log(-np.log(u)) * SCALE).astype(np.int64)
    return out


def choose(pool: Pool, drawn: NDArray[np.int64], k: int, policy: Policy) -> list[list[int]]:
    """For each caption, its chosen candidates (indices into the pool), best first.

    At most half of k, rounded up, are of one category unless others run out. `drawn` is energy plus noise.
    """
    floor, last = round(policy.floor * SCALE), round(policy.last * SCALE)
    quota = (k + 1) // 2
    order = np.lexsort((np.arange(len(drawn)), -drawn, pool.owner))
    chosen: list[list[int]] = [[] for _ in range(pool.captions)]
    taken: list[dict[int, int]] = [{} for _ in range(pool.captions)]
    spare: list[list[int]] = [[] for _ in range(pool.captions)]
    owners, kinds, values = pool.owner[order].tolist(), pool.category[order].tolist(), drawn[order].tolist()
    for index, owner, kind, value in zip(order.tolist(), owners, kinds, values, strict=True):
        mine = chosen[owner]
        if len(mine) >= k or value < (floor if mine else last):
            continue
        count = taken[owner].get(kind, 0)
        if count >= quota:
            spare[owner].append(index)
            continue
        taken[owner][kind] = count + 1
        mine.append(index)
    for mine, more in zip(chosen, spare, strict=True):
        mine += more[: k - len(mine)]
    return chosen
