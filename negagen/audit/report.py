"""One audit: the attacks and everything else, measured together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from negagen.audit.attacks import TRAINED, Attack, run_attacks
from negagen.audit.contents import Contents
from negagen.audit.contents import survey as survey_contents
from negagen.audit.formats import Columns, load
from negagen.audit.overlap import Overlap, overlap, texts_of
from negagen.audit.pairs import Pairs
from negagen.audit.rates import FOLDS
from negagen.audit.telling import Word, telling_words


@dataclass(frozen=True, slots=True)
class Audit:
    """What was measured of `pairs`. `for_negatives` and `for_captions` are the most telling words of either side."""

    pairs: Pairs
    attacks: tuple[Attack, ...]
    contents: Contents
    for_negatives: tuple[Word, ...]
    for_captions: tuple[Word, ...]
    overlaps: tuple[Overlap, ...]
    settings: Mapping[str, Any]

    @property
    def worst(self) -> Attack:
        """The attack that finds most, in either direction: a judge that is mostly wrong can be turned round."""
        return max(self.attacks, key=lambda attack: abs(attack.overall.accuracy - 0.5))

    @property
    def blind_accuracy(self) -> float:
        """The accuracy of the `worst` attack."""
        return self.worst.overall.accuracy

    def over(self, threshold: float) -> tuple[Attack, ...]:
        """The attacks whose overall accuracy is above `threshold` or as far below one half."""
        # Accuracies are sums of halves: without the slack 0.60 would be over 0.60 by a rounding error.
        return tuple(one for one in self.attacks if abs(one.overall.accuracy - 0.5) > threshold - 0.5 + 1e-9)

    def to_json(self) -> dict[str, Any]:
        """Everything but the texts and the gaps, as plain values."""
        pairs = self.pairs
        return {
            "file": pairs.source,
            "layout": pairs.layout,
            "rows": pairs.rows,
            "captions": len(pairs.captions),
            "pairs": len(pairs),
            "groups": len(set(pairs.groups.tolist())),
            "sampled": pairs.sampled,
            "omitted": dict(pairs.omitted),
            "settings": dict(self.settings),
            "attacks": {attack.name: attack.to_json() for attack in self.attacks},
            "worst": self.worst.name,
            "contents": self.contents.to_json(),
            "telling": {
                "negatives": [word.to_json() for word in self.for_negatives],
                "captions": [word.to_json() for word in self.for_captions],
            },
            "overlap": [one.to_json() for one in self.overlaps],
        }


def audit(
    source: Path | str | Sequence[Path | str] | Pairs,
    *,
    columns: Columns | None = None,
    attacks: Sequence[str] = TRAINED,
    reference: Path | str | None = None,
    lm: Path | str | None = None,
    lm_limit: int | None = 2000,
    benchmarks: Sequence[Path | str] = (),
    limit: int | None = None,
    seed: int = 0,
) -> Audit:
    """Measure a file of negatives, several of SugarCrepe's as one set, or `Pairs`.

    `columns`, `limit` and `seed` are those of `load`; `attacks`, `lm` and `lm_limit` those of `run_attacks`.
    `reference` is a file of captions to fit the n-gram language model on, `benchmarks` are files to look for overlap
    with.

    Raises:
        InputError: a file that cannot be read as what it should be, or holds no pairs.
        ResourceError: scikit-learn is not installed.
        ModelError: `lm` holds no usable model.
    """
    pairs = source if isinstance(source, Pairs) else load(source, columns, limit=limit, seed=seed)
    found = run_attacks(
        pairs,
        attacks,
        reference=None if reference is None else texts_of(Path(reference)),
        lm=lm,
        lm_limit=lm_limit,
        seed=seed,
    )
    for_negatives, for_captions = telling_words(pairs)
    settings = {
        "seed": seed,
        "folds": FOLDS,
        "limit": limit,
        "reference": None if reference is None else str(reference),
        "lm": None if lm is None else str(lm),
        "lm_limit": lm_limit,
    }
    return Audit(
        pairs,
        found,
        survey_contents(pairs),
        for_negatives,
        for_captions,
        tuple(overlap(pairs, benchmark) for benchmark in benchmarks),
        settings,
    )
