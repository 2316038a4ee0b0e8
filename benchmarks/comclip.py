"""Does scoring by parts help? ComCLIP's idea against plain cosines, on the small world, whose truth is known.

    python -m examples.scenes.asking --each 200 --split test -o out/scenes/exam.npz
    python -m benchmarks.comclip out/scenes/base --exam out/scenes/exam.npz --json benchmarks/results/comclip.json

The items are the exam's probes: a true caption against one that is false in a single respect, by category.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from examples.scenes.exam import Exam
from negagen.evaluate import evaluate
from negagen.evaluate.items import Choices, Item, Picture


def probes_of(exam: Exam, each: int) -> Choices:
    """The exam's probes, `each` of a category at most, as a benchmark."""
    pictures: dict[int, Picture] = {}
    items: list[Item] = []
    taken: dict[int, int] = {}
    for row, (kind, (picture, caption, foil, _)) in enumerate(
        zip(exam.kinds.tolist(), exam.probes.tolist(), strict=True)
    ):
        taken[kind] = taken.get(kind, 0) + 1
        if taken[kind] > each:
            continue
        if picture not in pictures:
            buffer = io.BytesIO()
            Image.fromarray(np.ascontiguousarray(exam.pixels[picture].transpose(1, 2, 0))).save(buffer, "PNG")
            pictures[picture] = Picture(f"scene {picture}", buffer.getvalue())
        own, texts = pictures[picture], (exam.texts[caption], exam.texts[foil])
        items.append(Item(str(row), exam.names[kind], own.key, (own,), texts))
    return Choices("scenes", "text", tuple(items), "accuracy", macro=True, found=len(items))


def main() -> None:
    """Score a model both ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--exam", type=Path, required=True)
    parser.add_argument("--each", type=int, default=200, help="probes a category")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    benchmark = probes_of(Exam.load(arguments.exam), arguments.each)
    plain = evaluate({"plain": arguments.model}, [benchmark], controls=False)
    parts = evaluate({"comclip": arguments.model}, [benchmark], controls=False, method="comclip")
    report = plain.joined(parts)
    (test,) = report.comparisons()
    rows = {name: report.result(name, "scenes") for name in report.names}
    print(f"{'':<24}{'plain':>8}{'comclip':>9}")
    for category in rows["plain"].categories["accuracy"]:
        values = [100 * one.categories["accuracy"][category].value for one in rows.values()]
        print(f"{category:<24}{values[0]:8.1f}{values[1]:9.1f}")
    print(f"{'mean':<24}{100 * rows['plain'].score.value:8.1f}{100 * rows['comclip'].score.value:9.1f}")
    print(
        f"difference {100 * test.difference.value:+.1f} ({100 * test.difference.low:+.1f} to"
        f" {100 * test.difference.high:+.1f}), p = {test.difference.p:.4f}"
    )
    if arguments.json is not None:
        found = {name: one.to_json() for name, one in rows.items()} | {"difference": test.to_json()}
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
