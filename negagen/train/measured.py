"""What is measured of one model: on a run's held-out pictures, on benchmarks, or both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from negagen.errors import TrainingError
from negagen.evaluate.pictures import Decoded
from negagen.train.models import ContrastiveModel
from negagen.train.patching import Point


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures as JSON has them: `held_out` as `HeldOut.to_json` gives it, `benchmarks` as `Benchmarks.measure` does."""

    held_out: Mapping[str, Any] | None = None
    benchmarks: Mapping[str, Any] | None = None

    @property
    def composition(self) -> float | None:
        """The mean of the benchmarks of composition; without any, the held-out accuracy on own negatives."""
        found = (self.benchmarks or {}).get("composition")
        return (self.held_out or {}).get("own_accuracy") if found is None else found

    @property
    def retention(self) -> float | None:
        """The mean of the benchmarks of retained skill; without any, of both held-out recalls at 1."""
        found = (self.benchmarks or {}).get("retention")
        if found is not None:
            return float(found)
        held_out = self.held_out or {}
        return (held_out["text_recall"] + held_out["image_recall"]) / 2 if held_out else None

    def point(self, alpha: float) -> Point:
        """Its place on a patching curve. Raises `TrainingError` if one of both coordinates was not measured."""
        if self.composition is None or self.retention is None:
            lacking = "composition" if self.composition is None else "retained skill"
            raise TrainingError(
                f"several alphas are told apart by measures of both composition and retained skill, and {lacking}"
                " is not measured: add a benchmark for it with --eval, or give a single alpha."
            )
        return Point(alpha, self.composition, self.retention)

    def headlines(self) -> dict[str, float | None]:
        """The figures that a table shows, in [0, 1]."""
        rows: dict[str, float | None] = {}
        if self.held_out:
            rows["own negatives, held out"] = self.held_out["own_accuracy"]
            rows["picture to text R@1, held out"] = self.held_out["text_recall"]
            rows["text to picture R@1, held out"] = self.held_out["image_recall"]
        return rows | dict((self.benchmarks or {}).get("scores", {}))

    def to_json(self) -> dict[str, Any]:
        """As `report.json` and the metrics have it."""
        return {"held_out": self.held_out, "benchmarks": self.benchmarks}


@dataclass(frozen=True, slots=True)
class Benchmarks:
    """Names as `negagen evaluate` takes them, the folder with their files, and folders with their pictures.

    What is decoded once, up to `negagen.evaluate.pictures.MOST_DECODED` bytes, is kept for the next model to measure.
    """

    names: tuple[str, ...] = ()
    root: Path | None = None
    images: tuple[Path, ...] = ()
    _decoded: Decoded = field(default_factory=Decoded, init=False, repr=False, compare=False)

    def check(self) -> None:
        """Raise `DataError` now if one of them is unknown, its files are missing, or two go by one name."""
        if self.names:
            from negagen.evaluate.run import open_all

            open_all(self.names, self.root)

    def measure(self, model: ContrastiveModel) -> dict[str, Any] | None:
        """Headline scores by benchmark and their means as JSON; None without benchmarks."""
        if not self.names:
            return None
        from negagen.evaluate import evaluate

        model.eval()
        report = evaluate(
            {"model": model},
            self.names,
            root=self.root,
            images=self.images,
            controls=False,
            decoded=self._decoded,
        )
        return {
            "composition": _number(report.composition("model")),
            "retention": _number(report.retention("model")),
            "scores": {name: _number(one.score.value) for name, one in report.model("model").results.items()},
        }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
