"""Counts of what a run made and refused; kept with each part, so that a resumed run reports all of it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from negagen.types import Result

_COUNTERS = ("status", "reason", "category", "rule", "positive", "rejected")


@dataclass(slots=True)
class Counts:
    """Numbers of rows and negatives; two are added with `add`.

    `status` and `reason` count rows; `category` and `rule` count negatives, `positive` the hard positives
    by category, `rejected` the refused candidates by reason. `diverse` counts the rows whose status is ok
    and whose negatives are of at least two categories.
    """

    rows: int = 0
    diverse: int = 0
    status: Counter[str] = field(default_factory=Counter)
    reason: Counter[str] = field(default_factory=Counter)
    category: Counter[str] = field(default_factory=Counter)
    rule: Counter[str] = field(default_factory=Counter)
    positive: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, results: Sequence[Result]) -> Counts:
        """The counts of `results`."""
        lists = [result.negatives for result in results]
        negatives = list(chain.from_iterable(lists))
        return cls(
            rows=len(results),
            diverse=sum(
                1
                for result in results
                if result.status == "ok" and len({negative.category for negative in result.negatives}) > 1
            ),
            status=Counter([result.status for result in results]),
            reason=Counter([result.reason for result in results if result.reason]),
            category=Counter([negative.category for negative in negatives]),
            rule=Counter([negative.rule for negative in negatives]),
            positive=Counter([positive.category for result in results for positive in result.positives]),
            rejected=Counter([refused.reason for result in results for refused in result.rejected]),
        )

    @property
    def negatives(self) -> int:
        """All negatives."""
        return self.category.total()

    @property
    def covered(self) -> int:
        """Rows with at least one negative."""
        return self.status["ok"] + self.status["partial"]

    def add(self, other: Counts) -> None:
        """Add `other` to these counts, in place."""
        self.rows += other.rows
        self.diverse += other.diverse
        for name in _COUNTERS:
            getattr(self, name).update(getattr(other, name))

    def to_json(self) -> dict[str, object]:
        """Plain JSON values, the largest count first, ties by name: equal counts give equal text."""
        out: dict[str, object] = {"rows": self.rows, "diverse": self.diverse, "negatives": self.negatives}
        for name in _COUNTERS:
            out[name] = dict(ranked(getattr(self, name)))
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Counts:
        """What `to_json` gave, back again."""
        counts = cls(rows=_number(data.get("rows")), diverse=_number(data.get("diverse")))
        for name in _COUNTERS:
            value = data.get(name)
            if isinstance(value, Mapping):
                getattr(counts, name).update({str(key): _number(number) for key, number in value.items()})
        return counts


def ranked(counter: Mapping[str, int] | Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Pairs of name and count, the largest count first, ties by name."""
    return sorted(dict(counter).items(), key=lambda item: (-item[1], item[0]))


def peak_rss() -> int:
    """This process's largest resident size so far, in bytes; 0 where the system does not say."""
    try:
        # Not getrusage on Linux: its maximum survives exec, so a worker would report its parent's.
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
