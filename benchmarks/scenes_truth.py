"""How many of negagen's negatives are false, and its positives true: computed, on scenes, where truth can be computed.

    python -m benchmarks.scenes_truth --images 4000 --results benchmarks/results/scenes_truth.json

Captions of scenes go through `negagen generate`; each text that comes out is read by the closed grammar of
`examples.scenes.parse` and held against the scene graph. "unread" are texts that the grammar does not cover.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from examples.scenes.graph import Scene
from examples.scenes.make import table
from examples.scenes.parse import parse_caption
from examples.scenes.truth import holds

SHOWN = 3


def measure(rows: list[dict[str, Any]], column: str, *, wanted: bool) -> dict[str, Any]:
    """Counts of one column's texts: in all, by category and by rule; with examples of what is not as it should be."""
    counts: Counter[str] = Counter()
    parts: dict[str, dict[str, Counter[str]]] = {"category": {}, "rule": {}}
    examples: dict[str, list[dict[str, str]]] = {}
    known = 0
    for row in rows:
        scene = Scene.from_json(row["graph"])
        for made in row[column]:
            meaning = parse_caption(made["text"])
            verdict = "unread" if meaning is None else "right" if holds(meaning, scene) is wanted else "wrong"
            known += meaning is not None and meaning.known
            counts[verdict] += 1
            for kind, part in parts.items():
                part.setdefault(made[kind], Counter())[verdict] += 1
            if verdict != "right" and len(some := examples.setdefault(made["rule"], [])) < SHOWN:
                some.append({"caption": row["caption"], "text": made["text"], "verdict": verdict})
    total = max(1, counts.total())
    return {
        "texts": counts.total(),
        "read": 1 - counts["unread"] / total,
        "right_of_those_read": counts["right"] / max(1, total - counts["unread"]),
        "of_things_that_pictures_show": known / total,
        "counts": dict(counts),
        **{f"by_{kind}": {name: dict(part[name]) for name in sorted(part)} for kind, part in parts.items()},
        "examples": examples,
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=4000, help="pictures, of four captions each")
    parser.add_argument("--seed", type=int, default=0, help="of the world")
    parser.add_argument("--results", type=Path, help="a JSON file")
    given = parser.parse_args()
    found: dict[str, Any] = {"images": given.images, "seed": given.seed}
    with tempfile.TemporaryDirectory() as folder:
        captions = Path(folder) / "captions.parquet"
        made = table(given.images, seed=given.seed, pictures=False).select(["image_id", "caption", "graph"])
        pq.write_table(made, captions)
        for blindness in ("balanced", "off"):
            output = Path(folder) / f"{blindness}.parquet"
            command = [sys.executable, "-m", "negagen", "generate", str(captions), "-o", str(output), "--quiet"]
            subprocess.run([*command, "--blindness", blindness], check=True)
            rows = pq.read_table(output, columns=["caption", "graph", "negatives", "positives"]).to_pylist()
            found[blindness] = {
                "negatives": measure(rows, "negatives", wanted=False),
                "positives": measure(rows, "positives", wanted=True),
            }
            for column, figures in found[blindness].items():
                print(
                    f"{blindness:9} {column}: {figures['texts']:,} texts, {figures['read']:.2%} read, of these"
                    f" {figures['right_of_those_read']:.2%} as they should be"
                )
    if given.results:
        given.results.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
