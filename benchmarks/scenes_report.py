"""Tables and plots of what `benchmarks.scenes run` found.

    python -m benchmarks.scenes_report benchmarks/results/scenes.json --plots docs/scenes

Prints Markdown; draws four pictures: the pre-training, composition by recipe, the patching curves, and what leaky
negatives do where the true caption is the less likely text, and to looks never seen.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.scenes import RECIPES
from benchmarks.scenes_runs import chosen_alpha

COLUMNS: Final = (
    ("composition", "mean"), ("swaps", "swap"), ("held-out looks", "held_out"), ("consistent", "consistent_mean"),
    ("likely", "plausible"), ("unlikely", "implausible"), ("R@1", "retrieval"), ("things", "nouns"),
    ("colours", "colours"),
)  # fmt: skip
CLOVE: Final = 0.6
WORDING: Final = ("swap_att", "swap_obj", "replace_obj", "replace_att", "replace_rel", "held_out_swap_att")
COMPARED: Final = ("before", "clip", "negclip", "negclip, leaky", "negagen", "negagen, leaky")


def rows(results: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Scores on the test part by the row's title, one for each seed; CLoVe is NegCLIP's runs at alpha 0.6."""
    found: dict[str, list[dict[str, Any]]] = {"before": [results["base"]["test"]]}
    for one in results["runs"]:
        curve = one["curve"]
        found.setdefault(one["name"], []).append(curve["1.0"]["test"])
        if one["name"] == "negclip" and str(CLOVE) in curve:
            found.setdefault("clove (negclip at 0.6)", []).append(curve[str(CLOVE)]["test"])
        if one["name"] == "negagen":
            alpha = chosen_alpha(results["base"], curve)
            found.setdefault("negagen, patched", []).append(curve[alpha]["test"])
    return found


def spread(values: Sequence[float]) -> str:
    """Mean and, of several seeds, their standard deviation, in percent."""
    mean = f"{100 * float(np.mean(values)):.1f}"
    return mean if len(values) < 2 else f"{mean} ± {100 * float(np.std(values, ddof=1)):.1f}"


def pretraining(history: Sequence[Mapping[str, Any]]) -> str:
    """What the base knew as it was trained, on the tuning part."""
    names = ("swap_att", "swap_obj", "replace_obj", "replace_att", "replace_rel", "replace_side")
    lines = ["| step | R@1 | things | colours | " + " | ".join(names) + " |", "|---" * (len(names) + 4) + "|"]
    for record in history:
        scores = record["scores"]
        values = [scores[key] for key in ("retrieval", "nouns", "colours")]
        values += [scores["accuracy"][name] for name in names]
        lines.append(f"| {record['step']} | " + " | ".join(f"{100 * value:.1f}" for value in values) + " |")
    return "\n".join(lines)


def markdown(results: Mapping[str, Any]) -> str:
    """The tables."""
    found = rows(results)
    lines = ["| | seeds | " + " | ".join(title for title, _ in COLUMNS) + " |", "|---" * (len(COLUMNS) + 2) + "|"]
    for name, scores in found.items():
        cells = [spread([one[key] for one in scores]) for _, key in COLUMNS]
        lines.append(f"| {name} | {len(scores)} | " + " | ".join(cells) + " |")
    names = list(results["base"]["test"]["accuracy"])
    lines += ["", "| by category | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for name, scores in found.items():
        cells = [spread([one["accuracy"][key] for one in scores]) for key in names]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "| true caption less likely | " + " | ".join(WORDING) + " |", "|---" * (len(WORDING) + 1) + "|"]
    for name in (name for name in COMPARED if name in found):
        cells = [spread([one["implausible_by"].get(key, np.nan) for one in found[name]]) for key in WORDING]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(results: Mapping[str, Any], folder: Path) -> None:
    """The pictures, as SVG."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    found = rows(results)

    def saved(figure: Any, name: str) -> None:
        figure.tight_layout()
        figure.savefig(folder / name, metadata={"Date": None})
        pyplot.close(figure)

    figure, axes = pyplot.subplots(figsize=(7, 3.6))
    for place, (name, scores) in enumerate(found.items()):
        values = [100 * one["mean"] for one in scores]
        axes.barh(place, np.mean(values), color="#9ecae1" if "leaky" not in name else "#fdae6b")
        axes.plot(values, [place] * len(values), "k.", markersize=4)
    axes.set_yticks(range(len(found)), list(found))
    axes.invert_yaxis()
    axes.set_xlim(50, None)
    axes.set_xlabel("true above false caption, mean over categories, % (reading alone: 50)")
    saved(figure, "recipes.svg")

    figure, axes = pyplot.subplots(figsize=(5.5, 4))
    base = results["base"]["test"]
    for name in dict.fromkeys(one["name"] for one in results["runs"]):
        curves = [one["curve"] for one in results["runs"] if one["name"] == name]
        alphas = list(curves[0])
        points = [
            [np.mean([100 * curve[alpha]["test"][key] for curve in curves]) for alpha in alphas]
            for key in ("retrieval", "mean")
        ]
        style = "--" if "leaky" in name else "-"
        axes.plot(
            [100 * base["retrieval"], *points[0]], [100 * base["mean"], *points[1]], style + "o", ms=3, label=name
        )
    axes.set_xlabel("retrieval, R@1, %")
    axes.set_ylabel("composition, %")
    axes.legend(fontsize=7)
    axes.set_title("from the base to each tuned model", fontsize=9)
    saved(figure, "patching.svg")

    figure, axes = pyplot.subplots(figsize=(7, 3))
    shown = [name for name in COMPARED if name in found]
    for place, name in enumerate(shown):
        means = [
            100 * float(np.mean([one["implausible_by"].get(key, np.nan) for one in found[name]])) for key in WORDING
        ]
        offset = 0.8 * (place - (len(shown) - 1) / 2) / len(shown)
        axes.bar(
            np.arange(len(WORDING)) + offset,
            means,
            0.8 / len(shown),
            label=name,
            hatch="//" if "leaky" in name else None,
        )
    axes.axhline(50, color="black", linewidth=0.6)
    axes.set_xticks(range(len(WORDING)), [name.replace("_", " ") for name in WORDING], fontsize=7)
    axes.set_ylim(30, 108)
    axes.set_ylabel("right, %")
    axes.set_title("true caption the less likely text", fontsize=9)
    axes.legend(fontsize=6, ncols=3)
    saved(figure, "wording.svg")

    figure, axes = pyplot.subplots(figsize=(5, 3))
    history = results["pretraining"]
    steps = [0, *(record["step"] for record in history)]
    for key, start in (("retrieval", 0.0), ("swap_att", 0.5), ("swap_obj", 0.5), ("replace_rel", 0.5)):
        values = [record["scores"].get(key, record["scores"]["accuracy"].get(key)) for record in history]
        axes.plot(steps, [100 * start, *(100 * value for value in values)], "-o", ms=3, label=key.replace("_", " "))
    axes.set_xlabel("step of the pre-training")
    axes.set_ylabel("R@1, and right, %")
    axes.legend(fontsize=7)
    saved(figure, "pretraining.svg")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--plots", type=Path, help="folder for the pictures")
    given = parser.parse_args()
    results = json.loads(given.results.read_text(encoding="utf-8"))
    results["runs"].sort(key=lambda one: (RECIPES.index(one["recipe"]), one["data"], one["seed"]))
    print(pretraining(results["pretraining"]) + "\n\n" + markdown(results))
    if given.plots:
        draw(results, given.plots)


if __name__ == "__main__":
    main()
