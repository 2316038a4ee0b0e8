"""Judges that see no picture, and how often each finds the caption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from negagen.audit import classifier, language_model, surface
from negagen.audit.pairs import Pairs
from negagen.audit.rates import Rate, folds_of, rate
from negagen.errors import InputError
from negagen.seeding import key_of, uniforms

ATTACKS = {
    "surface": "length, case, marks, articles",
    "language-model": "n-gram language model",
    "classifier": "trained n-gram classifier",
    "causal-lm": "causal language model",
}
"""Names of the attacks, weakest first, and what they are."""

TRAINED = ("surface", "language-model", "classifier")
"""The attacks that need no model from elsewhere."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One judge's blind accuracy: over all pairs, and where the file names them by category and by rule.

    `gaps` are the caption's score minus the negative's, float64, of the pairs whose indices are `pairs` (int64): of
    all, or of the sample that a slow judge was given. `truncated` texts were longer than the judge reads, and cut.
    """

    name: str
    overall: Rate
    by_category: Mapping[str, Rate]
    by_rule: Mapping[str, Rate]
    gaps: NDArray[np.float64]
    pairs: NDArray[np.int64]
    truncated: int = 0

    @property
    def title(self) -> str:
        """What the judge is, in words."""
        return ATTACKS[self.name]

    def to_json(self) -> dict[str, Any]:
        """The rates; not the gaps."""
        return {
            "title": self.title,
            **self.overall.to_json(),
            **({"truncated": self.truncated} if self.truncated else {}),
            "by_category": {name: one.to_json() for name, one in self.by_category.items()},
            "by_rule": {name: one.to_json() for name, one in self.by_rule.items()},
        }


def run_attacks(
    pairs: Pairs,
    attacks: Sequence[str] = TRAINED,
    *,
    reference: Sequence[str] | None = None,
    lm: Path | str | None = None,
    lm_limit: int | None = 2000,
    seed: int = 0,
) -> tuple[Attack, ...]:
    """Each attack's blind accuracy, in the order of `attacks`.

    Nothing is ever scored by a model that saw its group: five-fold cross-fitting, or for the n-gram language model the
    captions of `reference` if given. `lm` is a folder with a causal language model of transformers; it adds
    "causal-lm", which scores a seeded sample of `lm_limit` pairs (None: all).

    Raises:
        InputError: no pairs, pairs of a single group, an unknown attack.
        ResourceError: scikit-learn is missing.
        ModelError: `lm` holds no usable model.
    """
    wanted = list(dict.fromkeys([*attacks, *(["causal-lm"] if lm is not None else [])]))
    for name in wanted:
        if name not in ATTACKS:
            raise InputError(f"no attack is named {name!r}; there are {', '.join(ATTACKS)}.")
    if "causal-lm" in wanted and lm is None:
        raise InputError("the attack causal-lm needs the folder of a model: --lm PATH.")
    if not len(pairs):
        raise InputError(f"{pairs.source} holds no pair of a caption and a negative: there is nothing to attack.")
    everything = np.arange(len(pairs), dtype=np.int64)
    caption_folds = pair_folds = np.zeros(0, np.int64)
    if set(wanted) - {"causal-lm"}:
        # Of the groups that have pairs, so that every fold has some; captions without a negative follow any fold.
        pair_folds = folds_of(pairs.group_of, seed)
        of_group = np.zeros(int(pairs.groups.max()) + 1, np.int64)
        of_group[pairs.group_of] = pair_folds
        caption_folds = of_group[pairs.groups]
    out = []
    for name in wanted:
        chosen, cut = everything, 0
        if name == "surface":
            gaps = surface.gaps(pairs, pair_folds)
        elif name == "language-model":
            gaps = language_model.gaps(pairs, pair_folds, caption_folds, reference)
        elif name == "classifier":
            gaps = classifier.gaps(pairs, pair_folds)
        else:
            chosen = _sample(len(pairs), lm_limit, seed)
            gaps, cut = _causal_gaps(pairs, chosen, str(lm))
        out.append(replace(measured(name, pairs, chosen, gaps), truncated=cut))
    return tuple(out)


def measured(name: str, pairs: Pairs, chosen: NDArray[np.int64], gaps: NDArray[np.float64]) -> Attack:
    """The rates of `gaps`, which are those of the pairs `chosen`."""
    groups = pairs.group_of[chosen]

    def split(labels: Sequence[str]) -> dict[str, Rate]:
        own = np.array([labels[index] for index in chosen])
        return {str(label): rate(gaps[own == label], groups[own == label]) for label in np.unique(own) if label}

    return Attack(name, rate(gaps, groups), split(pairs.categories), split(pairs.rules), gaps, chosen)


def _sample(pairs: int, limit: int | None, seed: int) -> NDArray[np.int64]:
    if limit is None or pairs <= limit:
        return np.arange(pairs, dtype=np.int64)
    draws = uniforms(np.full(pairs, key_of("sample of pairs", seed), np.uint64), np.arange(pairs, dtype=np.uint64))
    return np.sort(np.argsort(draws)[:limit]).astype(np.int64)


def _causal_gaps(pairs: Pairs, chosen: NDArray[np.int64], path: str) -> tuple[NDArray[np.float64], int]:
    """The gaps, and how many texts were cut."""
    scorer = import_module("negagen.judges.causal").CausalScorer(path)

    # A caption with several negatives in the sample is scored once.
    owners, inverse = np.unique(pairs.caption_of[chosen], return_inverse=True)
    texts = [pairs.captions[index] for index in owners] + [pairs.negatives[index] for index in chosen]
    scores = np.asarray(scorer.score(texts), np.float64)
    return scores[: len(owners)][inverse] - scores[len(owners) :], int(scorer.truncated)
