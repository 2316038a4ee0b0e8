"""What an evaluation found: scores with their intervals and controls, by model and benchmark, and how models differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from negagen.errors import DataError
from negagen.evaluate.compare import Comparison, compared
from negagen.evaluate.controls import Control
from negagen.evaluate.items import Benchmark, Role
from negagen.evaluate.scored import Scored

BY_DEFINITION = ("people did not confirm it", "caption and negative are the same text")
"""Reasons for which a benchmark's own definition leaves items out: without these it is whole."""


@dataclass(frozen=True, slots=True)
class Score:
    """A share of right items, with its 95% interval; `ties` were wrong; `chance` is what random similarities get."""

    value: float
    low: float
    high: float
    items: int
    ties: int
    chance: float

    def to_json(self) -> dict[str, float | int | None]:
        """Plain numbers; None for what is not a number."""
        numbers = {name: getattr(self, name) for name in ("value", "low", "high", "chance")}
        rounded = {name: None if isnan(value) else round(value, 5) for name, value in numbers.items()}
        return rounded | {"items": self.items, "ties": self.ties}


@dataclass(frozen=True, slots=True)
class Result:
    """One model on one benchmark.

    `scores` are by name, `headline` the one that stands for it; `categories` by score and category. `found` items are
    in the files, `asked` were scored, `skipped` were not, by reason. `scored` holds each item, `inside` (bool [N])
    which of them the mean over categories is taken of.
    """

    benchmark: str
    role: Role
    headline: str
    macro: bool
    scores: Mapping[str, Score]
    categories: Mapping[str, Mapping[str, Score]]
    found: int
    asked: int
    limited: bool
    skipped: Mapping[str, int]
    notes: Mapping[str, int]
    scored: Mapping[str, Scored] = field(repr=False, default_factory=dict)
    inside: Mapping[str, NDArray[np.bool_]] = field(repr=False, default_factory=dict)

    @property
    def score(self) -> Score:
        """The headline."""
        return self.scores[self.headline]

    @property
    def missing(self) -> int:
        """Items that the benchmark has, and that were not scored."""
        return self.found - self.asked - sum(self.skipped.get(reason, 0) for reason in BY_DEFINITION)

    @property
    def extent(self) -> str:
        """ "7,511 items", or "100 of 7,511 items" where the score is over a subset."""
        whole = self.asked + self.missing
        return f"{self.asked:,} of {whole:,} items" if self.missing > 0 else f"{self.asked:,} items"

    def to_json(self) -> dict[str, Any]:
        """Everything but the items."""
        return {
            "role": self.role,
            "headline": self.headline,
            "macro": self.macro,
            "subset": self.missing > 0,
            "found": self.found,
            "asked": self.asked,
            "skipped": dict(self.skipped),
            "notes": dict(self.notes),
            "scores": {name: one.to_json() for name, one in self.scores.items()},
            "categories": {
                name: {category: one.to_json() for category, one in own.items()}
                for name, own in self.categories.items()
            },
        }


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One model: its results by benchmark. `path` is where it was loaded from, "" for a model given as it is."""

    name: str
    path: str
    fingerprint: str
    results: Mapping[str, Result]
    seconds: float = 0.0
    encoded: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """Models on benchmarks. `benchmarks` and `folders` are kept so that a page can show pictures."""

    models: tuple[Evaluated, ...]
    controls: Mapping[str, tuple[Control, ...]]
    settings: Mapping[str, Any]
    benchmarks: Mapping[str, Benchmark] = field(repr=False, default_factory=dict)
    folders: tuple[Path, ...] = ()
    _compared: list[Comparison] = field(default_factory=list, repr=False, compare=False)

    @property
    def names(self) -> list[str]:
        """The models' names, in order."""
        return [model.name for model in self.models]

    def model(self, name: str) -> Evaluated:
        """The model of that name. Raises `DataError`."""
        for model in self.models:
            if model.name == name:
                return model
        raise DataError(f"the report has no model {name!r}; it has {', '.join(self.names)}.")

    def result(self, model: str, benchmark: str) -> Result:
        """A model's result on a benchmark. Raises `DataError` if there is none."""
        results = self.model(model).results
        if benchmark not in results:
            raise DataError(f"{model} was not evaluated on {benchmark!r}; on {', '.join(results)}.")
        return results[benchmark]

    def score(self, model: str, benchmark: str) -> Score:
        """A model's headline score on a benchmark. Raises `DataError` if there is none."""
        return self.result(model, benchmark).score

    def composition(self, model: str) -> float:
        """The mean of the headline scores of benchmarks of composition; NaN where there are none."""
        return self._mean(model, "composition")

    def retention(self, model: str) -> float:
        """The mean of the headline scores of retrieval and classification; NaN where there are none."""
        return self._mean(model, "retention")

    def _mean(self, model: str, role: Role) -> float:
        values = [one.score.value for one in self.model(model).results.values() if one.role == role]
        return sum(values) / len(values) if values else float("nan")

    def comparisons(self) -> tuple[Comparison, ...]:
        """Each model against the first, on every benchmark that both have, with paired tests."""
        if self._compared:
            return tuple(self._compared)
        first, *others = self.models
        found = []
        for other in others:
            for name, result in other.results.items():
                if (base := first.results.get(name)) is not None:
                    found.append(compared(first.name, base, other.name, result, self.controls.get(name, ())))
        # The tests take a while, and table, JSON and page all show them.
        self._compared.extend(Comparison.corrected(found))
        return tuple(self._compared)

    def joined(self, other: Report) -> Report:
        """This report with the models of `other` after its own.

        Raises:
            DataError: a model of the same name is in both, or a benchmark's items differ, so that no test could pair
                them.
        """
        for name in other.names:
            if name in self.names:
                raise DataError(f"both reports have a model {name!r}: give them different names.")
        for mine in self.models[:1]:
            for theirs in other.models[:1]:
                for name in mine.results.keys() & theirs.results.keys():
                    a, b = (one.results[name].scored for one in (mine, theirs))
                    if a.keys() != b.keys() or any(list(a[key].ids) != list(b[key].ids) for key in a):
                        raise DataError(
                            f"{name} had other items in the one run than in the other: evaluate both models on the"
                            " same files and pictures."
                        )
        return replace(
            self,
            models=(*self.models, *other.models),
            controls={**other.controls, **self.controls},
            benchmarks={**other.benchmarks, **self.benchmarks},
            folders=tuple(dict.fromkeys((*self.folders, *other.folders))),
            _compared=[],
        )

    def items(self, model: str | None = None) -> pa.Table:
        """A row for each model, benchmark, score and item."""
        columns: dict[str, list[Any]] = {
            name: []
            for name in (
                "model",
                "benchmark",
                "score",
                "item",
                "category",
                "group",
                "right",
                "tied",
                "margin",
                "chance",
            )
        }
        for one in self.models if model is None else (self.model(model),):
            for result in one.results.values():
                for name, scored in result.scored.items():
                    count = len(scored)
                    columns["model"] += [one.name] * count
                    columns["benchmark"] += [result.benchmark] * count
                    columns["score"] += [name] * count
                    columns["item"] += list(scored.ids)
                    columns["category"] += list(scored.categories)
                    columns["group"] += list(scored.groups)
                    for field_name in ("right", "tied", "margin", "chance"):
                        columns[field_name] += getattr(scored, field_name).tolist()
        texts = pa.string()
        kinds = {"right": pa.float32(), "margin": pa.float32(), "chance": pa.float32(), "tied": pa.bool_()}
        return pa.table({name: pa.array(column, kinds.get(name, texts)) for name, column in columns.items()})

    def to_json(self) -> dict[str, Any]:
        """Everything but the items, as plain values."""
        return {
            "settings": dict(self.settings),
            "models": {
                model.name: {
                    "path": model.path,
                    "fingerprint": model.fingerprint,
                    "seconds": round(model.seconds, 3),
                    "encoded": dict(model.encoded),
                    "composition": _number(self.composition(model.name)),
                    "retention": _number(self.retention(model.name)),
                    "benchmarks": {name: result.to_json() for name, result in model.results.items()},
                }
                for model in self.models
            },
            "controls": {
                name: {one.name: one.to_json() for one in controls} for name, controls in self.controls.items()
            },
            "comparisons": [one.to_json() for one in self.comparisons()],
        }


def _number(value: float) -> float | None:
    return None if isnan(value) else round(value, 5)


def benchmarks_of(models: Sequence[Evaluated]) -> list[str]:
    """Names of all benchmarks that any of the models was evaluated on, in order."""
    return list(dict.fromkeys(name for model in models for name in model.results))
