"""Whether what the demonstration shows is luck: the same with several seeds.

    python -m benchmarks.demonstration --seeds 0 1 2 --work out/demonstration

Runs `python -m examples.scenes.demo` once a seed, which draws the order of the pictures and the negatives anew, and
writes each run's scores (percent, of the rows of its table), what negatives changed with its 95% interval, and the
means to `benchmarks/results/demonstration.json`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from examples.scenes.demo import MODELS, change, rows

RESULTS: Final = Path(__file__).parent / "results" / "demonstration.json"


def figures(report: Mapping[str, Any]) -> dict[str, Any]:
    """Of one run: percent by title and model, and the change from without to with and to patched, in points."""
    scores = {
        title: {name: round(100 * score["value"], 2) for name, score in found.items()}
        for title, found in rows(report).items()
    }
    changes = {
        benchmark: {
            after: {key: round(100 * change(report, benchmark, after)[key], 2) for key in ("difference", "low", "high")}
            for after in ("with", "with-patched")
        }
        for benchmark in ("swaps", "words", "retrieval")
    }
    return {"scores": scores, "changes": changes}


def means(runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Mean and standard deviation over runs, as text, by title and model."""
    out: dict[str, dict[str, str]] = {}
    for title in runs[0]["scores"]:
        values = {name: np.array([run["scores"][title][name] for run in runs]) for name in MODELS}
        spread = {name: value.std(ddof=1) if len(value) > 1 else 0.0 for name, value in values.items()}
        out[title.strip()] = {name: f"{value.mean():.1f} ± {spread[name]:.1f}" for name, value in values.items()}
    return out


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--work", type=Path, default=Path("out/demonstration"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("options", nargs="*", help="of the demonstration, after --")
    given = parser.parse_args()
    runs = []
    for seed in given.seeds:
        folder, began = given.work / str(seed), time.monotonic()
        command = ["-m", "examples.scenes.demo", "--seed", str(seed), "--output", str(folder), *given.options]
        subprocess.run([sys.executable, *command], check=True)
        found = figures(json.loads((folder / "report.json").read_text(encoding="utf-8")))
        runs.append({"seed": seed, "seconds": round(time.monotonic() - began), **found})
    result = {"options": given.options, "runs": runs, "means": means(runs)}
    given.results.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(result["means"], indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
