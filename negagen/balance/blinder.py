"""The step between checks and output: which of a caption's candidates become its negatives."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from negagen.balance.features import Key
from negagen.balance.fit import Draw
from negagen.balance.model import BlindModel, category_numbers, fold_of
from negagen.balance.ngrams import SCALE
from negagen.balance.pool import Passage, Pool, passage, sequence
from negagen.balance.selection import Policy, choose, crowding, noise
from negagen.balance.words import Words
from negagen.lexicon import Lexicon
from negagen.ruleset import Rule
from negagen.types import Candidate, Parse, Verdict

_LAST_RESORT: Final = -6.0  # nats
_UNLIKELY: Final = -4.0


class Option(NamedTuple):
    """A candidate that passed the checks, with its rule and verdict, and who made it.

    One of the `last_resort` is known to give itself away; an `unlikely` one is false, and odd in its caption.
    """

    rule: Rule
    candidate: Candidate
    verdict: Verdict
    last_resort: bool = False
    generator: str = "rules"
    unlikely: bool = False


class Choice(NamedTuple):
    """A chosen option: its number among the caption's; the gap of the word model, the energy, and the gap of the
    user's own scorer if there is one, all in nats. `draw` is the log weight that it is drawn by, above the floor.
    """

    number: int
    lm_gap: float
    blind: float
    forced: bool
    scorer: float | None = None
    draw: float = 0.0


class Rescore(Protocol):
    """Changes what a draw goes by: see `negagen.balance.scoring.Selector`."""

    def __call__(
        self,
        pool: Pool,
        drawn: NDArray[np.int64],
        captions: Sequence[str],
        *,
        wanted: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The new values and the scorer's gaps, both int64 [N] in nats / SCALE."""
        ...


class Gathered(NamedTuple):
    """A caption's options, the key of its draws, and the fold that it or its picture is in."""

    parse: Parse
    options: Sequence[Option]
    key: int
    fold: int


class Blinder:
    """Draws negatives from pools of options so that texts alone tell nothing (see `negagen.balance.selection`)."""

    def __init__(self, lexicon: Lexicon, rules: Sequence[Rule], policy: Policy) -> None:
        self.policy = policy
        self.words = Words(lexicon)
        self._numbers = category_numbers()
        totals = np.full(len(self._numbers), 1e-3)
        for rule in rules:
            if rule.makes == "positives":
                continue
            totals[self._numbers[rule.category]] += rule.weight
        self.prior: NDArray[np.int64] = np.rint(np.log(totals) * SCALE).astype(np.int64)

    def choose(
        self, batch: Sequence[Gathered], model: BlindModel, k: int, rescore: Rescore | None = None
    ) -> list[list[Choice]]:
        """Up to `k` choices for each caption, best first. What comes of a caption does not depend on the batch."""
        folds = np.array([caption.fold for caption in batch], np.int64)
        pool = self.pool(batch, model, folds)
        if not len(pool.owner):
            return [[] for _ in batch]
        keys = np.array([caption.key for caption in batch], np.uint64)
        share = self._share(batch, pool)
        chosen, energy, drawn = model.select(pool, folds, keys, share, k, self.policy)
        scores: Sequence[float | None] = [None] * len(drawn)
        if rescore is not None:
            drawn, own = rescore(pool, drawn, [caption.parse.text for caption in batch])
            chosen = choose(pool, drawn, k, self.policy)
            scores = (own / SCALE).tolist()
        first = np.searchsorted(pool.owner, np.arange(len(batch))).tolist()
        gaps = pool.gaps[:, 1]
        floor = round(self.policy.floor * SCALE)
        return [
            [Choice(i - begin, gaps[i] / SCALE, energy[i] / SCALE, bool(drawn[i] < floor), scores[i]) for i in mine]
            for begin, mine in zip(first, chosen, strict=True)
        ]

    def weigh(self, batch: Sequence[Gathered], model: BlindModel, rescore: Rescore | None = None) -> list[list[Choice]]:
        """All options of each caption but those below `policy.last`, with what a draw goes by, for draws elsewhere.

        They come in the order of one draw, which the caption's key fixes.
        """
        folds = np.array([caption.fold for caption in batch], np.int64)
        pool = self.pool(batch, model, folds)
        energy = model.energies(pool, folds)
        weights = energy + self._share(batch, pool)
        wanted = weights >= round(self.policy.last * SCALE)
        scores: Sequence[float | None] = [None] * len(weights)
        if rescore is not None and len(weights):
            weights, own = rescore(pool, weights, [caption.parse.text for caption in batch], wanted=wanted)
            scores = (own / SCALE).tolist()
        keys = np.array([caption.key for caption in batch], np.uint64)
        order = np.lexsort((-(weights + noise(pool, keys)), pool.owner))
        first = np.searchsorted(pool.owner, np.arange(len(batch)))
        above = (weights / SCALE - self.policy.floor).tolist()
        out: list[list[Choice]] = [[] for _ in batch]
        for i in order[wanted[order]].tolist():
            owner = int(pool.owner[i])
            lm_gap, blind = float(pool.gaps[i, 1] / SCALE), float(energy[i] / SCALE)
            out[owner].append(Choice(i - int(first[owner]), lm_gap, blind, False, scores[i], above[i]))
        return out

    def draw(self, batch: Sequence[Gathered], model: BlindModel) -> Draw:
        """The batch as fitting wants it."""
        pool = self.pool(batch, model, np.array([caption.fold for caption in batch], np.int64))
        return Draw(pool, np.array([caption.key for caption in batch], np.uint64), self._share(batch, pool))

    def pool(self, batch: Sequence[Gathered], model: BlindModel, folds: NDArray[np.int64]) -> Pool:
        """All options of the batch, measured."""
        captions: list[list[Key]] = []
        passages: list[Passage] = []
        owner: list[int] = []
        category: list[int] = []
        keys = self.words.keys
        for number, (parse, options, _, _) in enumerate(batch):
            tokens = [keys(token.lower) for token in parse.tokens]
            caption = sequence(self.words, list(chain.from_iterable(tokens)))
            captions.append(caption)
            places = [0, *accumulate(map(len, tokens))]
            for option in options:
                splices = option.candidate.splices
                at, stop = splices[0].start, splices[-1].stop
                new: list[Key] = []
                for splice in splices:
                    for token in tokens[at : splice.start]:
                        new += token
                    if splice.text:
                        new += keys(splice.text.lower())
                    at = splice.stop
                passages.append(passage(caption, places[splices[0].start], places[stop], new))
                owner.append(number)
                category.append(self._numbers[option.rule.category])
        return model.measure(captions, passages, owner, category, folds)

    def _share(self, batch: Sequence[Gathered], pool: Pool) -> NDArray[np.int64]:
        """Log weights of the options before the tilt, in nats / SCALE: int64 [N]."""
        options = [option for caption in batch for option in caption.options]
        last = np.array([option.last_resort for option in options], np.int64)
        unlikely = np.array([option.unlikely for option in options], np.int64)
        out = crowding(pool, self.prior) + last * round(_LAST_RESORT * SCALE)
        return out + unlikely * round(_UNLIKELY * SCALE)


__all__ = ["Blinder", "Choice", "Gathered", "Option", "fold_of"]
