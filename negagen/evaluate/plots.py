"""The report's pictures: scores by benchmark and by category, and what composition cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from negagen.evaluate.controls import strongest
from negagen.evaluate.report import Report, Score, benchmarks_of
from negagen.figures import FAINT, INK, new_figure, plain, svg

COLOURS = ("#8a8f98", "#2a6fb0", "#d1603d", "#2e7d4f", "#5f4b8b", "#b8860b", "#b04a7a", "#3a8f8f")
"""A colour for each model, told apart also by readers who see no red and green; the first is what others are
compared with."""
MOST_LABELS = 30
"""Benchmarks or categories in one picture, at most."""
_MOST_MODELS = len(COLOURS)


def headlines(report: Report) -> str:
    """Each benchmark's headline, a dot a model."""
    names = benchmarks_of(report.models)
    rows = {
        name: [model.results[name].score if name in model.results else None for model in report.models]
        for name in names
    }
    blind = {name: one.value for name in names if (one := strongest(report.controls.get(name, ()))) is not None}
    return _dots(report.names, rows, blind)


def categories(report: Report, benchmark: str) -> str:
    """One benchmark's headline by category, a dot a model; "" where it has none."""
    first = next(model.results[benchmark] for model in report.models if benchmark in model.results)
    rows = {
        name: [
            model.results[benchmark].categories.get(first.headline, {}).get(name)
            if benchmark in model.results
            else None
            for model in report.models
        ]
        for name in first.categories.get(first.headline, {})
    }
    if not rows:
        return ""
    judge = strongest(report.controls.get(benchmark, ()))
    return _dots(report.names, rows, {} if judge is None else judge.categories)


def pareto(report: Report) -> str:
    """Composition against retention, a point a model; the line is what no model of the report beats in both."""
    points = [(report.retention(name), report.composition(name)) for name in report.names]
    figure = new_figure(8.6, 3.6)
    axes = figure.add_subplot()
    x, y = (100 * np.array(side) for side in zip(*points, strict=True))
    best = [
        index
        for index in range(len(points))
        if not any(
            (x[j] >= x[index] and y[j] > y[index]) or (x[j] > x[index] and y[j] >= y[index]) for j in range(len(x))
        )
    ]
    best.sort(key=lambda index: float(x[index]))
    axes.plot(x[best], y[best], color=FAINT, linewidth=2, zorder=1)
    for index, name in enumerate(report.names):
        axes.scatter(x[index], y[index], s=46, color=COLOURS[index % _MOST_MODELS], zorder=3)
        axes.annotate(
            name.replace("$", r"\$"), (float(x[index]), float(y[index])), textcoords="offset points", xytext=(7, 5),
            fontsize=8.5, color=INK,
        )  # fmt: skip
    axes.margins(x=0.18, y=0.18)
    axes.set_xlabel("retention: mean of retrieval and zero-shot headlines, %")
    axes.set_ylabel("composition: mean of headlines, %", fontsize=9, color=INK)
    axes.grid(color=FAINT, linewidth=0.6)
    plain(axes)
    return svg(figure)


def _dots(models: Sequence[str], rows: Mapping[str, Sequence[Score | None]], blind: Mapping[str, float]) -> str:
    names = list(rows)[:MOST_LABELS]
    figure = new_figure(8.6, 0.8 + len(names) * (0.16 + 0.16 * len(models)))
    axes = figure.add_subplot()
    step = 0.76 / len(models)
    for number, model in enumerate(models):
        found = [(place, one) for place, name in enumerate(names) if (one := rows[name][number]) is not None]
        if not found:
            continue
        at = [place - 0.38 + step * (number + 0.5) for place, _ in found]
        middle = np.array([100 * one.value for _, one in found])
        spans = np.array([[100 * (one.value - one.low), 100 * (one.high - one.value)] for _, one in found])
        axes.errorbar(
            middle, at, xerr=np.maximum(spans, 0).T, fmt="o", markersize=5, capsize=2.5,
            color=COLOURS[number % _MOST_MODELS], label=model.replace("$", r"\$"), zorder=3,
        )  # fmt: skip
    for place, name in enumerate(names):
        chance = next((one.chance for one in rows[name] if one is not None), None)
        edges = (place - 0.42, place + 0.42)
        if chance is not None:
            label = "chance" if place == 0 else None
            axes.plot([100 * chance] * 2, edges, color=INK, linewidth=1, linestyle=(0, (3, 2)), label=label, zorder=2)
        if name in blind:
            label = "best blind judge" if not any(one in blind for one in names[:place]) else None
            axes.plot([100 * blind[name]] * 2, edges, color="#b3372a", linewidth=2.2, alpha=0.55, label=label, zorder=2)
    for place in range(1, len(names)):
        axes.axhline(place - 0.5, color=FAINT, linewidth=0.6)
    axes.set_yticks(range(len(names)), [name.replace("$", r"\$") for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(-2, 102)
    axes.set_xlabel("% right")
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    plain(axes)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper left", ncols=6, frameon=False, fontsize=9, handletextpad=0.3)
    return svg(figure)
