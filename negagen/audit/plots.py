"""The report's pictures, as SVG text that refers to nothing outside itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from negagen.audit.attacks import Attack
from negagen.audit.rates import Rate
from negagen.audit.telling import Word
from negagen.figures import FAINT, INK, new_figure, plain, svg

COLOURS = {"surface": "#8a8f98", "language-model": "#2a6fb0", "classifier": "#d1603d", "causal-lm": "#5f4b8b"}
"""A colour for each attack, told apart also by readers who see no red and green."""
_MOST_LABELS = 24
_WORDS = 15
_FEW = 50
"""Pairs below which a rate is drawn faintly: its interval says little."""


def accuracies(attacks: Sequence[Attack], parts: Mapping[str, Mapping[str, Rate]]) -> str:
    """Blind accuracy with its interval: a line for each of `parts` (a rate by attack) with its number of pairs."""
    names = list(parts)[:_MOST_LABELS]
    figure = new_figure(8.6, 0.75 + len(names) * (0.12 + 0.17 * len(attacks)))
    axes = figure.add_subplot()
    axes.axvline(50, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    step = 0.78 / len(attacks)
    for number, attack in enumerate(attacks):
        rates = [(place, parts[name][attack.name]) for place, name in enumerate(names) if attack.name in parts[name]]
        at = [place - 0.39 + step * (number + 0.5) for place, _ in rates]
        many = [one.pairs >= _FEW for _, one in rates]
        for known in (True, False):
            shown = [(y, one) for y, (_, one), enough in zip(at, rates, many, strict=True) if enough is known]
            middle = np.array([100 * one.accuracy for _, one in shown])
            spans = np.array([[100 * (one.accuracy - one.low), 100 * (one.high - one.accuracy)] for _, one in shown])
            axes.errorbar(
                middle, [y for y, _ in shown], xerr=np.maximum(spans, 0).reshape(-1, 2).T, fmt="o", markersize=5,
                capsize=2.5, color=COLOURS[attack.name], alpha=1 if known else 0.3,
                label=attack.title if known else None, zorder=3,
            )  # fmt: skip
    for place in range(1, len(names)):
        axes.axhline(place - 0.5, color=FAINT, linewidth=0.6)
    sizes = [max(one.pairs for one in parts[name].values()) for name in names]
    axes.set_yticks(range(len(names)), [f"{name}  {size:,}" for name, size in zip(names, sizes, strict=True)])
    axes.set_ylim(len(names) - 0.5, -0.5)
    lows = [100 * one.low for name in names for one in parts[name].values()]
    axes.set_xlim(min(40, *lows, 50) - 2, 102)
    axes.set_xlabel("% of pairs in which the judge picks the caption")
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    plain(axes)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper left", ncols=len(attacks), frameon=False, fontsize=9, handletextpad=0.2)
    return svg(figure)


def gap_histograms(attacks: Sequence[Attack]) -> str:
    """How far apart an attack scores caption and negative; the shade is where it picks the caption."""
    figure = new_figure(8.6, 2.3)
    for number, attack in enumerate(attacks, 1):
        axes = figure.add_subplot(1, len(attacks), number)
        edge = float(np.quantile(np.abs(attack.gaps), 0.99)) or 1.0
        values = np.clip(attack.gaps, -edge, edge)
        # An even number of bins: none straddles zero.
        axes.hist(values, bins=np.linspace(-edge, edge, 41).tolist(), color=COLOURS[attack.name])
        axes.axvspan(0, edge, color=COLOURS[attack.name], alpha=0.09, linewidth=0)
        axes.axvline(0, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_title(attack.title, fontsize=9, color=INK)
        axes.set_xlim(-edge, edge)
        axes.set_yticks([])
        axes.locator_params(axis="x", nbins=5)
        plain(axes)
        axes.spines["left"].set_visible(False)
    figure.set_layout_engine("constrained", w_pad=0.12)
    figure.supxlabel("score of the caption minus score of the negative", fontsize=9, color=INK)
    return svg(figure)


def telling(for_negatives: Sequence[Word], for_captions: Sequence[Word]) -> str:
    """Two panels of bars: words that speak for a negative, and words that speak for a caption."""
    figure = new_figure(8.6, 0.7 + 0.235 * max(1, min(_WORDS, max(len(for_negatives), len(for_captions)))))
    sides = (
        ("in the negative: gives it away", for_negatives, "#c0392b"),
        ("in the caption: edited away", for_captions, "#2e7d4f"),
    )
    longest = max((abs(word.z) for word in (*for_negatives, *for_captions)), default=1.0)
    for number, (title, words, colour) in enumerate(sides, 1):
        axes = figure.add_subplot(1, 2, number)
        shown = words[:_WORDS]
        axes.barh(range(len(shown)), [abs(word.z) for word in shown], color=colour, height=0.66)
        # Inside dollar signs matplotlib would read mathematics.
        names = [_visible(word.word).replace("$", r"\$") for word in shown]
        axes.set_yticks(range(len(shown)), names)
        for place, word in enumerate(shown):
            axes.text(
                abs(word.z) + longest * 0.015, place, f"{word.negatives:,} : {word.captions:,}",
                va="center", fontsize=7.5, color="#6b7078",
            )  # fmt: skip
        axes.set_ylim(_WORDS - 0.5 if len(shown) > _WORDS else max(1, len(shown)) - 0.4, -0.6)
        axes.set_xlim(0, longest * 1.28)
        axes.set_title(title, fontsize=9, color=INK)
        axes.set_xticks([])
        plain(axes)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(axis="y", length=0)
    return svg(figure)


def _visible(word: str) -> str:
    return "␣" + word[1:] if word[:1].isspace() else word
