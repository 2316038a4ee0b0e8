"""What else is in a file of negatives: coverage, duplicates, sizes of edits, negations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cpdist

from negagen.audit.pairs import Pairs
from negagen.audit.tokens import Vocabulary, as_symbols, folded

NEGATION = (
    r"(?i)\b(?:no|not|none|nobody|nothing|nowhere|never|neither|nor|without|cannot|lacks|lacking|(?:ai|are|ca|could|did"
    r"|does|do|has|have|is|must|need|should|was|were|wo|would)n['’]?t)\b"
)
"""Words that deny (RE2)."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The distribution of a distance: `histogram` counts pairs by distance, the last key ("10+") all above."""

    mean: float
    median: float
    p90: float
    histogram: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Contents:
    """Counts over the captions and pairs of a file.

    `coverage` is the share of captions that have a negative, or None where the file leaves out those without.
    `per_caption` counts captions by their number of negatives. Texts are compared without case, marks and spacing:
    `same_as_caption` negatives say what their caption says, `repeated` ones what an earlier negative of the caption
    says, `same_as_sibling` ones what another caption of the group says, so that they are true.
    `denies_negative` and `denies_caption` are the shares of pairs in which the negative, or the caption, alone denies.
    """

    coverage: float | None
    per_caption: Mapping[int, int]
    same_as_caption: int
    repeated: int
    same_as_sibling: int
    words_changed: Spread
    characters_changed: Spread
    denies_negative: float
    denies_caption: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "per_caption": {str(number): count for number, count in self.per_caption.items()}}


def survey(pairs: Pairs) -> Contents:
    """Count what is in `pairs` (one pair or more)."""
    numbers = np.bincount(pairs.caption_of, minlength=len(pairs.captions))
    by_number = np.bincount(numbers)
    captions, negatives = folded(pairs.captions), folded(pairs.negatives)
    groups: dict[int, set[str]] = {}
    for group, text in zip(pairs.groups.tolist(), captions, strict=True):
        groups.setdefault(group, set()).add(text)
    same = repeated = sibling = 0
    met: set[tuple[int, str]] = set()
    for owner, group, text in zip(pairs.caption_of.tolist(), pairs.group_of.tolist(), negatives, strict=True):
        if text == captions[owner]:
            same += 1
        elif text in groups[group]:
            sibling += 1
        if (owner, text) in met:
            repeated += 1
        met.add((owner, text))
    vocabulary = Vocabulary()
    before = as_symbols(vocabulary.encode(pairs.captions))
    words = _distances([before[owner] for owner in pairs.caption_of], as_symbols(vocabulary.encode(pairs.negatives)))
    denied, denies = _denies(pairs.captions)[pairs.caption_of], _denies(pairs.negatives)
    return Contents(
        coverage=float((numbers > 0).mean()) if pairs.complete else None,
        per_caption={number: int(count) for number, count in enumerate(by_number) if count},
        same_as_caption=same,
        repeated=repeated,
        same_as_sibling=sibling,
        words_changed=_spread(words, 10),
        characters_changed=_spread(_distances(pairs.own_captions(), pairs.negatives), 40),
        denies_negative=float((denies & ~denied).mean()),
        denies_caption=float((denied & ~denies).mean()),
    )


def _distances(before: Sequence[str], after: Sequence[str]) -> NDArray[np.int64]:
    return np.asarray(cpdist(before, after, scorer=Levenshtein.distance, dtype=np.int64))


def _denies(texts: Sequence[str]) -> NDArray[np.bool_]:
    column = pa.array(texts, pa.large_string())
    return np.asarray(pc.match_substring_regex(column, NEGATION).to_numpy(zero_copy_only=False), np.bool_)


def _spread(distances: NDArray[np.int64], top: int) -> Spread:
    counts = np.bincount(np.minimum(distances, top), minlength=top + 1)
    names = [*map(str, range(top)), f"{top}+"]
    return Spread(
        mean=round(float(distances.mean()), 3),
        median=float(np.median(distances)),
        p90=float(np.quantile(distances, 0.9)),
        histogram={name: int(count) for name, count in zip(names, counts, strict=True)},
    )
