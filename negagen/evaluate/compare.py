"""Two models on one benchmark: the paired test, and whether a model that sees no picture shares the gain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from negagen.errors import DataError
from negagen.evaluate.controls import Control, strongest
from negagen.evaluate.intervals import Difference, difference, holm

if TYPE_CHECKING:
    from negagen.evaluate.report import Result
    from negagen.evaluate.scored import Scored

_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much higher `after` scores than `before` on a benchmark's headline.

    `p` is of the paired test, `p_corrected` after Holm's correction for all comparisons of the report. `with_text` and
    `against_text` are the differences over the items whose true caption the strongest blind judge prefers, and over
    those where it prefers a false one; None where there is no judge or no such item.
    """

    benchmark: str
    score: str
    before: str
    after: str
    difference: Difference
    p_corrected: float
    with_text: Difference | None = None
    against_text: Difference | None = None

    @property
    def certain(self) -> bool:
        """Whether the difference is significant at 5%, after the correction."""
        return self.p_corrected < _LEVEL

    @property
    def shared_with_blind(self) -> bool:
        """Whether a gain is one that a model without pictures shares.

        It is there, and it is found only where the wording gives the answer away: where wording misleads there is no
        gain, or one that is less than half as large.
        """
        return (
            self.difference.value > 0
            and self.difference.low > 0
            and self.with_text is not None
            and self.against_text is not None
            and self.with_text.value > 0
            and (self.against_text.value <= 0 or self.against_text.value < self.with_text.value / 2)
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "benchmark": self.benchmark,
            "score": self.score,
            "before": self.before,
            "after": self.after,
            **_numbers(self.difference),
            "p_corrected": round(self.p_corrected, 6),
            "with_text": None if self.with_text is None else _numbers(self.with_text),
            "against_text": None if self.against_text is None else _numbers(self.against_text),
            "shared_with_blind": self.shared_with_blind,
        }

    @staticmethod
    def corrected(found: Sequence[Comparison]) -> tuple[Comparison, ...]:
        """The same, with `p_corrected` set for their number."""
        ps = holm([one.difference.p for one in found])
        return tuple(replace(one, p_corrected=p) for one, p in zip(found, ps, strict=True))


def compared(before: str, base: Result, after: str, result: Result, controls: Sequence[Control]) -> Comparison:
    """The comparison of two models' headlines on one benchmark.

    Raises:
        DataError: the two were asked other items.
    """
    name = base.headline
    a, b = base.scored[name], result.scored[name]
    if list(a.ids) != list(b.ids):
        raise DataError(
            f"{base.benchmark}: {before} and {after} were asked other items, which no test can pair. Evaluate both on"
            " the same files and pictures."
        )
    inside = base.inside[name]
    blind = strongest(controls)
    with_text = against_text = None
    if blind is not None:
        sees = dict(zip(blind.ids, blind.right.tolist(), strict=True))
        own = np.array([sees.get(one, np.nan) for one in a.ids])
        with_text = _difference(a, b, inside & (own > 0.5), macro=False)
        against_text = _difference(a, b, inside & (own < 0.5), macro=False)
    whole = _difference(a, b, inside, macro=base.macro)
    if whole is None:
        raise DataError(f"{base.benchmark}: no items to compare.")
    return Comparison(base.benchmark, name, before, after, whole, whole.p, with_text, against_text)


def _difference(a: Scored, b: Scored, chosen: NDArray[np.bool_], *, macro: bool) -> Difference | None:
    places = np.flatnonzero(chosen).tolist()
    if not places:
        return None
    strata = codes_of([a.categories[place] for place in places]) if macro else None
    groups = codes_of([a.groups[place] for place in places])
    return difference(a.right[places], b.right[places], groups, strata)


def codes_of(labels: Sequence[str]) -> NDArray[np.int64]:
    """A number for each label, equal for equal ones: int64 [N]."""
    known: dict[str, int] = {}
    return np.array([known.setdefault(label, len(known)) for label in labels], np.int64)


def _numbers(one: Difference) -> dict[str, float | int]:
    return {
        "difference": round(one.value, 5),
        "low": round(one.low, 5),
        "high": round(one.high, 5),
        "p": round(one.p, 6),
        "better": one.better,
        "worse": one.worse,
    }
