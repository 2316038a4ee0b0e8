"""Blind accuracy against coverage: how blind negatives get when captions without a blind one may go without any.

Sweeps the floor of the draw (see `negagen.balance.selection.Policy`), without last resorts: a model is fitted for each
floor, negatives are drawn of all captions, and the trained judges of `negagen audit` look at them. The modes as they
are shipped stand beside it: what they have above the curve comes of one last resort for a caption with nothing else.

    python benchmarks/coverage.py captions.parquet
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from negagen import Negator
from negagen.audit.attacks import TRAINED, run_attacks
from negagen.audit.pairs import Pairs
from negagen.balance.fitting import fit_model
from negagen.balance.selection import POLICIES, Policy

HERE = Path(__file__).parent
FLOORS = (-8.0, -4.0, -2.0, -1.0, 0.0, 0.5, 1.0, 2.0)
_COLOURS = {"surface": "#7a8288", "language-model": "#c2703d", "classifier": "#2f6f9f"}
_NAMES = {"surface": "surface", "language-model": "n-gram language model", "classifier": "trained classifier"}


def main() -> None:
    """Measure, print a table, store the figures and draw the curve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions", type=Path, help="Parquet file with the columns caption and image_id")
    parser.add_argument("--floors", nargs="+", type=float, default=FLOORS)
    parser.add_argument("--limit", type=int, help="the first N captions only")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "coverage.json")
    parser.add_argument("--plot", type=Path, default=HERE.parent / "docs" / "coverage.svg")
    given = parser.parse_args()
    table = pq.read_table(given.captions, columns=["caption", "image_id"])
    table = table.slice(0, given.limit) if given.limit else table
    captions = list(zip(table["caption"].to_pylist(), table["image_id"].to_pylist(), strict=True))
    points = []
    pool = POLICIES["balanced"].pool
    for floor in given.floors:
        points.append({"floor": floor, **measure(captions, "balanced", Policy(pool, floor, last=floor))})
        print(json.dumps(points[-1]), flush=True)
    modes = {mode: measure(captions, mode, policy) for mode, policy in POLICIES.items()}
    about = {"captions": len(captions), "k": 4, "pool": pool}
    found = {**about, "points": points, "modes": modes}
    given.results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    draw(points, modes, given.plot)


def measure(captions: list[tuple[str, object]], mode: str, policy: Policy) -> dict[str, Any]:
    """Coverage and the judges' accuracies with this policy in the place of the mode's own."""
    usual = POLICIES[mode]
    POLICIES[mode] = policy
    try:
        negator = Negator(k=4, blindness=mode)
        model = fit_model(negator, lambda: captions, len(captions), siblings=True)
        negator.model = model
        shown: dict[object, list[str]] = {}
        for text, group in captions:
            shown.setdefault(group, []).append(text)
        results = negator.pipe(
            [text for text, _ in captions],
            groups=[group for _, group in captions],
            siblings=[[other for other in shown[group] if other != text][:16] for text, group in captions],
        )
        pairs = [
            (text, negative.text, group)
            for (text, group), result in zip(captions, results, strict=True)
            for negative in result.negatives
        ]
    finally:
        POLICIES[mode] = usual
    attacks = run_attacks(
        Pairs.of([a for a, _, _ in pairs], [b for _, b, _ in pairs], groups=[group for _, _, group in pairs]), TRAINED
    )
    covered = len({(text, group) for text, _, group in pairs}) / len(set(captions))
    return {
        "coverage": round(covered, 4),
        "negatives_a_caption": round(len(pairs) / len(captions), 3),
        "attacks": {attack.name: attack.overall.to_json() for attack in attacks},
    }


def draw(points: list[dict[str, Any]], modes: dict[str, dict[str, Any]], target: Path) -> None:
    """The curve, and the modes beside it, as SVG."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams.update({"svg.hashsalt": "negagen", "svg.fonttype": "none", "font.family": "sans-serif"})
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    across = [100 * point["coverage"] for point in points]
    for name, colour in _COLOURS.items():
        rates = [point["attacks"][name] for point in points]
        values = [100 * rate["accuracy"] for rate in rates]
        axes.fill_between(
            across,
            [100 * rate["low"] for rate in rates],
            [100 * rate["high"] for rate in rates],
            color=colour,
            alpha=0.15,
            lw=0,
        )
        axes.plot(across, values, "o-", ms=4, color=colour, label=_NAMES[name])
        for mode, point in modes.items():
            at = 100 * point["coverage"], 100 * point["attacks"][name]["accuracy"]
            axes.plot(*at, marker="D" if mode == "balanced" else "s", ms=6, color=colour, mec="white", zorder=4)
    for point, x in zip(points, across, strict=True):
        axes.annotate(
            f"floor {point['floor']:g}", (x, 50), xytext=(0, -5), textcoords="offset points", ha="center", va="top",
            fontsize=6.5, color="#6b7078", rotation=90,
        )  # fmt: skip
    for mode, point in modes.items():
        axes.annotate(
            mode, (100 * point["coverage"], 100 * point["attacks"]["language-model"]["accuracy"]), xytext=(0, 7),
            textcoords="offset points", ha="center", fontsize=8,
        )  # fmt: skip
    axes.set_ylim(bottom=46)
    axes.axhline(50, color="#b0b4b8", lw=0.8, ls="--")
    axes.set_xlabel("captions with at least one negative, %")
    axes.set_ylabel("blind accuracy, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    figure.savefig(target, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
