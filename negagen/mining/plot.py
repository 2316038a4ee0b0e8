"""The picture of what was mined."""

from __future__ import annotations

import numpy as np

from negagen.figures import FAINT, INK, new_figure, plain, svg
from negagen.mining.summary import EDGES, Mined

_CANDIDATES, _TRUE, _DOUBTED = "#2a6fb0", "#2e7d4f", "#d1603d"


def plot(mined: Mined, below: float) -> str:
    """As SVG: where candidates and rewordings, which are true, score beside their captions; and by category what fools
    the model. `below` is the share at which candidates are suspected, 0 for none."""
    names = list(mined.categories)
    figure = new_figure(8.6, 0.9 + max(1.6, 0.24 * len(names)))
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for counts, colour, label in (
        (mined.negatives_at, _CANDIDATES, "candidates"),
        (mined.positives_at, _TRUE, "rewordings, true"),
    ):
        total = max(1, int(np.sum(counts)))
        left.stairs(100 * np.array(counts) / total, EDGES, color=colour, label=label, linewidth=1.6)
    left.axvline(1, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    if below:
        left.axvspan(below, EDGES[-1], color=_DOUBTED, alpha=0.12, linewidth=0, label="suspected")
    left.set_xlim(EDGES[0], EDGES[-1])
    left.set_xlabel("share of the caption's own score; right of the line it is fooled")
    left.set_ylabel("% of them", fontsize=9, color=INK)
    plain(left)

    at = np.arange(len(names))
    scored = np.maximum(1, [one.scored for one in mined.categories.values()])
    fools = 100 * np.array([one.fools for one in mined.categories.values()]) / scored
    doubted = 100 * np.array([one.suspected for one in mined.categories.values()]) / scored
    right.barh(at, fools, color=_CANDIDATES)
    right.barh(at, np.minimum(doubted, fools), color=_DOUBTED)
    right.set_yticks(at, names)
    right.set_ylim(len(names) - 0.5, -0.5)
    right.set_xlabel("% that fool the model")
    right.grid(axis="x", color=FAINT, linewidth=0.6)
    plain(right)
    right.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=9, handletextpad=0.4)
    return svg(figure)
