"""What a model that sees no picture makes of the same items: the blind score beside every score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from negagen.audit.attacks import ATTACKS, run_attacks
from negagen.audit.pairs import Pairs
from negagen.audit.rates import folds_of
from negagen.errors import InputError, ResourceError
from negagen.evaluate.items import Choices

BLIND = ("surface", "language-model")
"""The judges that are asked unless others are: length, case, marks, articles; an n-gram language model."""


@dataclass(frozen=True, slots=True)
class Control:
    """One blind judge on a benchmark's headline: whether it finds the true texts, with ties shared out, as `right`
    (float64 [N]) by item id in `ids`; `value` over all (the mean over categories where the benchmark's scores are), and
    `categories`."""

    name: str
    value: float
    categories: Mapping[str, float]
    ids: Sequence[str] = field(repr=False, default=())
    right: NDArray[np.float64] = field(repr=False, default_factory=lambda: np.zeros(0))

    @property
    def title(self) -> str:
        """What the judge is, in words."""
        return ATTACKS[self.name]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "title": self.title,
            "value": round(self.value, 5),
            "items": len(self.ids),
            "categories": {name: round(value, 5) for name, value in self.categories.items()},
        }


def controls_of(
    benchmark: Choices,
    judges: Sequence[str] = BLIND,
    *,
    lm: Path | str | None = None,
    lm_limit: int | None = None,
    seed: int = 0,
) -> tuple[Control, ...]:
    """The blind scores of a benchmark that tells true texts from false ones of one picture; none of another.

    Where a picture is chosen, or two texts are each right once, a model that sees no picture is at chance by
    construction. Judges are those of `negagen audit`: what is fitted is cross-fitted by picture. `lm` is a folder with
    a causal language model, which is asked as well, on `lm_limit` pairs at most.

    Raises:
        ResourceError: scikit-learn is missing.
        ModelError: `lm` holds no usable model.
    """
    if benchmark.task != "text" or not benchmark.items:
        return ()
    owner, pairs = _pairs(benchmark)
    wanted = list(judges) + (["causal-lm"] if lm is not None else [])
    try:
        folds_of(pairs.group_of, seed)
    except InputError:
        # Pictures of one group alone: nothing can be fitted on others.
        wanted = [name for name in wanted if name == "causal-lm"]
        if not wanted:
            return ()
    fitted = [name for name in wanted if name != "causal-lm"]
    try:
        attacks = run_attacks(pairs, fitted, lm=lm, lm_limit=lm_limit, seed=seed)
    except ResourceError as error:
        raise ResourceError(
            "the judges surface and classifier need scikit-learn: pip install 'negagen[evaluate]', or do without them"
            " with --blind language-model."
        ) from error
    out = []
    for attack in attacks:
        right, asked = _shared(attack.gaps, attack.pairs, owner, len(benchmark.items))
        if not len(asked):
            continue  # a sample of pairs that holds no item whole
        items = [benchmark.items[index] for index in asked]
        out.append(
            _control(attack.name, benchmark, [item.id for item in items], [item.category for item in items], right)
        )
    return tuple(out)


def strongest(controls: Sequence[Control]) -> Control | None:
    """The judge that finds most."""
    return max(controls, key=lambda one: one.value, default=None)


def counted(categories: Sequence[str], benchmark: Choices) -> NDArray[np.bool_]:
    """Which items ([N], by their category) go into the benchmark's mean over categories."""
    names, codes, sizes = np.unique(np.array(categories, object).astype(str), return_inverse=True, return_counts=True)
    enough = sizes >= benchmark.least
    # A sample, or a copy without some pictures, may leave no category whole: then all count.
    enough = enough if enough.any() else np.ones_like(enough)
    inside = np.array([name not in benchmark.outside_macro for name in names])
    chosen = enough & inside
    out: NDArray[np.bool_] = (chosen if chosen.any() else enough)[codes]
    return out


def _pairs(benchmark: Choices) -> tuple[NDArray[np.int64], Pairs]:
    """The pairs of a true text and a false one that the headline asks for, and which item each is of."""
    owner, captions, negatives, groups = [], [], [], []
    for index, item in enumerate(benchmark.items):
        asked = item.true if benchmark.headline == benchmark.together else 1
        for true, false in product(item.texts[:asked], item.texts[item.true :]):
            owner.append(index)
            captions.append(true)
            negatives.append(false)
            groups.append(item.group)
    places: dict[tuple[str, str], int] = {}
    numbers: dict[str, int] = {}
    caption_of = [places.setdefault((group, text), len(places)) for group, text in zip(groups, captions, strict=True)]
    own = [numbers.setdefault(group, len(numbers)) for group, _ in places]
    pairs = Pairs(
        captions=[text for _, text in places],
        groups=np.array(own, np.int64),
        caption_of=np.array(caption_of, np.int64),
        negatives=negatives,
        categories=[""] * len(negatives),
        rules=[""] * len(negatives),
        source=benchmark.name,
    )
    return np.array(owner, np.int64), pairs


def _shared(
    gaps: NDArray[np.float64], chosen: NDArray[np.int64], owner: NDArray[np.int64], items: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Whether no pair of an item is the wrong way round, a tie shared by those that tie; of items asked as a whole."""
    own = owner[chosen]
    whole = np.bincount(own, minlength=items) == np.bincount(owner, minlength=items)
    lowest = np.full(items, np.inf)
    np.minimum.at(lowest, own, gaps)
    level = np.bincount(own, np.abs(gaps) <= 1e-12, minlength=items)
    right = np.where(lowest < -1e-12, 0.0, 1 / (1 + level))
    asked = np.flatnonzero(whole)
    return right[asked], asked.astype(np.int64)


def _control(
    name: str, benchmark: Choices, ids: Sequence[str], categories: Sequence[str], right: NDArray[np.float64]
) -> Control:
    labels, codes = np.unique(np.array(categories, object).astype(str), return_inverse=True)
    means = np.bincount(codes, right) / np.bincount(codes) if len(right) else np.zeros(0)
    value = float(right.mean()) if len(right) else float("nan")
    if benchmark.macro and len(right):
        inside = counted(categories, benchmark)
        value = float(np.mean([means[code] for code in np.unique(codes[inside])]))
    return Control(
        name, value, {str(label): float(mean) for label, mean in zip(labels, means, strict=True) if label}, ids, right
    )
