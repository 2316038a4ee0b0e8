"""Selection by a language model of the user's own: its gap is balanced like those of the models that negagen fits.

The draw of `negagen.balance.selection` stays as it is. On top of it each candidate gets a weight for the bin of its
gap, antisymmetric in the gap: the weights at which, in a sample of captions, as many negatives are drawn on either side
of zero in each bin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from negagen.balance.drawing import gather, in_batches
from negagen.balance.ngrams import SCALE
from negagen.balance.pool import Pool
from negagen.balance.selection import BINS, Policy, choose, gap_bins, noise
from negagen.errors import InputError, ModelError
from negagen.finding import option_texts
from negagen.seeding import key_of

if TYPE_CHECKING:
    from negagen.balance.blinder import Gathered
    from negagen.balance.model import BlindModel
    from negagen.negator import Negator

SAMPLE: Final = 500
"""Captions that the weights are fitted on."""

LEAST: Final = 100
DRAWS: Final = 4
ROUNDS: Final = 60
BOUND: Final = 2 * SCALE
_STEP: Final = 0.3
_NEVER: Final = -(1 << 40)
_BATCH: Final = 32


class Scorer(Protocol):
    """A judge of texts that the user brings. `negagen.judges.causal.CausalScorer` is one."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever scores may."""
        ...

    def gaps(self, caption: str, negatives: Sequence[str]) -> NDArray[np.float64]:
        """Each negative's score minus the caption's, in nats a token: float64 [N], the same in any company."""
        ...


@dataclass(frozen=True, slots=True)
class GapWeights:
    """What a gap is worth in the draw: `bins` int64 [BINS] in nats / SCALE, for bins of its size.

    `unit` is a typical gap, in nats / SCALE. `scorer` is the scorer's fingerprint, `captions` how many were fitted on.
    """

    scorer: str
    unit: int
    bins: NDArray[np.int64]
    captions: int

    def of(self, gaps: NDArray[np.int64]) -> NDArray[np.int64]:
        """The weight of candidates with these gaps, both int64 [N] in nats / SCALE."""
        place, sign = self.place(gaps)
        out: NDArray[np.int64] = self.bins[place] * sign
        return out

    def place(self, gaps: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The bin of each gap's size and its sign, both int64 [N]."""
        place, sign = gap_bins(gaps[:, None], np.array([self.unit], np.int64))
        return place[:, 0], sign[:, 0]

    def to_json(self) -> dict[str, Any]:
        """Plain values, as `of_json` takes them."""
        return {"scorer": self.scorer, "unit": self.unit, "bins": self.bins.tolist(), "captions": self.captions}

    @classmethod
    def of_json(cls, values: Any, scorer: str, where: str) -> GapWeights:
        """The weights that `to_json` gave. Raises `ModelError` if there are none for this scorer."""
        advice = "fit it with `negagen fit CAPTIONS --scorer PATH`, or let generate fit one: leave --model out."
        if values is None:
            raise ModelError(f"{where} was fitted without a scorer: {advice}")
        try:
            bins = np.array(values["bins"], np.int64)
            out = cls(str(values["scorer"]), int(values["unit"]), bins, int(values["captions"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{where}: its weights for a scorer are damaged: {advice}") from error
        if out.bins.shape != (BINS,):
            raise ModelError(f"{where}: made by another version of negagen: {advice}")
        if out.scorer != scorer:
            raise ModelError(f"{where} was fitted with another scorer: {advice}")
        return out


@dataclass(frozen=True, slots=True)
class Selector:
    """Rescores a draw with a scorer."""

    scorer: Scorer
    weights: GapWeights
    policy: Policy

    @property
    def fingerprint(self) -> str:
        """Changes with the scorer and with the weights."""
        return f"{self.weights.scorer}-{key_of(self.weights.to_json()):016x}"

    def __call__(
        self,
        pool: Pool,
        drawn: NDArray[np.int64],
        captions: Sequence[str],
        text: Callable[[int], str],
        wanted: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """What to draw by instead of `drawn`, and the scorer's gaps, both int64 [N] in nats / SCALE.

        `text(n)` is the candidate n. Candidates that are not `wanted` (None: that no weight could bring into the draw)
        are not scored: their gap is 0, and they are not drawn.
        """
        wanted = contenders(pool, drawn, self.policy) if wanted is None else wanted
        gaps = scored(self.scorer, pool, wanted, captions, text)
        return np.where(wanted, drawn + self.weights.of(gaps), _NEVER), gaps


def contenders(pool: Pool, drawn: NDArray[np.int64], policy: Policy) -> NDArray[np.bool_]:
    """Which candidates could be drawn when each moves by up to `BOUND`: bool [N]."""
    floor = round(policy.floor * SCALE)
    best = np.full(pool.captions, _NEVER, np.int64)
    np.maximum.at(best, pool.owner, drawn)
    # A caption whose best is above the floor whatever its weight has no last resorts.
    least = np.where(best >= floor + BOUND, floor - BOUND, np.minimum(floor - BOUND, best - 2 * BOUND))
    least = np.maximum(least, round(policy.last * SCALE) - BOUND)
    out: NDArray[np.bool_] = drawn >= least[pool.owner]
    return out


def scored(
    scorer: Scorer, pool: Pool, wanted: NDArray[np.bool_], captions: Sequence[str], text: Callable[[int], str]
) -> NDArray[np.int64]:
    """The scorer's gaps of the `wanted` candidates, in nats / SCALE, 0 for others: int64 [N]."""
    out = np.zeros(len(pool.owner), np.int64)
    chosen = np.flatnonzero(wanted)
    owners, starts = np.unique(pool.owner[chosen], return_index=True)
    for owner, numbers in zip(owners.tolist(), np.split(chosen, starts[1:]), strict=True):
        gaps = scorer.gaps(captions[owner], [text(n) for n in numbers.tolist()])
        out[numbers] = np.rint(gaps * SCALE).astype(np.int64)
    return out


def fit_scorer(
    negator: Negator,
    scorer: Scorer,
    model: BlindModel,
    captions: Callable[[], Iterable[tuple[str, object]]],
    *,
    siblings: bool,
    tell: Callable[[str, int, int], None] | None = None,
) -> GapWeights:
    """Weights for draws of `negator` with `model`, from at most `SAMPLE` of the captions.

    `captions` and `siblings` are as for `negagen.balance.fitting.fit_model`; `tell(step, done, of)` hears of batches.

    Raises:
        InputError: fewer than `LEAST` captions: too few to tell a leaning from chance.
    """
    taken = nsmallest(SAMPLE, captions(), key=lambda pair: key_of("scorer", pair[1]))
    if len(taken) < LEAST:
        raise InputError(
            f"{len(taken)} captions are too few to fit a draw with a scorer: at least {LEAST} are needed. Fit"
            " on a larger file of captions like these: --reference FILE, or `negagen fit FILE --scorer PATH`."
        )
    draws = []
    for done, sample_batch in enumerate(in_batches(taken, siblings=siblings, size=_BATCH)):
        draws.append(_scored_draw(negator, scorer, model, gather(negator, sample_batch)))
        if tell is not None:
            tell("scoring samples", min((done + 1) * _BATCH, len(taken)), len(taken))
    return fit_weights(draws, scorer.fingerprint, negator.k, negator.blinder.policy, len(taken))


@dataclass(frozen=True, slots=True)
class ScoredDraw:
    """A batch to fit on: `drawn` int64 [DRAWS, N] with different noise, `gaps` int64 [N]; candidates that
    were not scored are never drawn.
    """

    pool: Pool
    drawn: NDArray[np.int64]
    gaps: NDArray[np.int64]


def fit_weights(draws: Sequence[ScoredDraw], scorer: str, k: int, policy: Policy, captions: int) -> GapWeights:
    """Move each bin's weight against what is drawn more often than its mirror image, until nothing is."""
    gaps = np.concatenate([draw.gaps for draw in draws]) if draws else np.zeros(0, np.int64)
    sizes = np.abs(gaps[gaps != 0])
    weights = GapWeights(scorer, int(np.median(sizes)) if len(sizes) else SCALE, np.zeros(BINS, np.int64), captions)
    bins, mean, taken = np.zeros(BINS), np.zeros(BINS), 0
    for number in range(ROUNDS):
        ahead, behind = np.zeros(BINS), np.zeros(BINS)
        for draw in draws:
            moved = draw.drawn[number % DRAWS] + weights.of(draw.gaps)
            picked = np.array([n for mine in choose(draw.pool, moved, k, policy) for n in mine], np.int64)
            place, sign = weights.place(draw.gaps[picked])
            ahead += np.bincount(place[sign > 0], minlength=BINS)
            behind += np.bincount(place[sign < 0], minlength=BINS)
        # Ten of each side stand for what is not known of a bin that few candidates are in.
        bins -= _STEP / (1 + number / 20) * np.log((ahead + 10) / (behind + 10))
        np.clip(bins, -BOUND / SCALE, BOUND / SCALE, out=bins)
        weights = replace(weights, bins=np.rint(bins * SCALE).astype(np.int64))
        if number >= ROUNDS // 2:
            mean += bins
            taken += 1
    return replace(weights, bins=np.rint(mean / taken * SCALE).astype(np.int64))


def _scored_draw(negator: Negator, scorer: Scorer, model: BlindModel, batch: Sequence[Gathered]) -> ScoredDraw:
    draw = negator.blinder.draw(batch, model)
    pool, policy = draw.pool, negator.blinder.policy
    energy = model.energies(pool, np.array([caption.fold for caption in batch], np.int64)) + draw.share
    drawn = np.stack([energy + noise(pool, draw.keys + np.uint64(number)) for number in range(DRAWS)])
    wanted = np.stack([contenders(pool, each, policy) for each in drawn])
    texts = option_texts(negator.lexicon, batch)
    ever: NDArray[np.bool_] = np.logical_or.reduce(wanted)
    gaps = scored(scorer, pool, ever, [caption.parse.text for caption in batch], texts)
    return ScoredDraw(pool, np.where(wanted, drawn, _NEVER), gaps)


__all__ = ["LEAST", "SAMPLE", "GapWeights", "Scorer", "Selector", "fit_scorer", "fit_weights"]
