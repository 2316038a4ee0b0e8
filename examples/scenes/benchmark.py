"""Writes an exam as files that `negagen evaluate` reads: true against false captions, and pictures to retrieve among.

    python -m examples.scenes.benchmark --each 400 --split test --side 80 -o out/held-out
    negagen evaluate examples/scenes/tiny -b generic:out/held-out/swaps.parquet,retrieval:out/held-out/retrieval.parquet

`swaps.parquet` holds probes in which two looks or two things changed places, `words.parquet` those in which one word is
another: a row a probe, with `caption`, one of `negatives` (the foil, with its category) and one of `positives` (the
caption in other words). `retrieval.parquet`: a row a picture, `caption` a list. Pictures are PNGs within.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from examples.scenes.asking import make_exam, training_captions
from examples.scenes.exam import Exam
from examples.scenes.render import to_png

__all__ = ["pairs", "retrieval", "tables"]

_PICTURE: Final = pa.struct({"bytes": pa.binary(), "path": pa.string()})
PAIRS: Final = pa.schema(
    {
        "image": _PICTURE,
        "image_id": pa.string(),
        "caption": pa.string(),
        "negatives": pa.list_(pa.struct({"text": pa.string(), "category": pa.string()})),
        "positives": pa.list_(pa.string()),
    }
)
RETRIEVAL: Final = pa.schema({"image": _PICTURE, "image_id": pa.string(), "caption": pa.list_(pa.string())})


def tables(exam: Exam) -> dict[str, pa.Table]:
    """What is written, by the files' names."""
    swaps = [name for name in exam.names if "swap" in name]
    words = [name for name in exam.names if name not in swaps]
    return {"swaps": pairs(exam, swaps), "words": pairs(exam, words), "retrieval": retrieval(exam)}


def pairs(exam: Exam, names: Sequence[str]) -> pa.Table:
    """The probes of these categories, in order; of a picture that several are about, `image_id` is the same."""
    rows = []
    for (picture, caption, foil, reworded), kind in zip(exam.probes.tolist(), exam.kinds.tolist(), strict=True):
        if exam.names[kind] not in names:
            continue
        rows.append(
            {
                "image": _picture(exam, picture),
                "image_id": str(picture),
                "caption": exam.texts[caption],
                "negatives": [{"text": exam.texts[foil], "category": exam.names[kind]}],
                "positives": [exam.texts[reworded]],
            }
        )
    return pa.Table.from_pylist(rows, schema=PAIRS)


def retrieval(exam: Exam) -> pa.Table:
    """A row for each picture that is retrieved among, with all its captions."""
    told: dict[int, list[str]] = {}
    for picture, caption in exam.retrieval.tolist():
        told.setdefault(picture, []).append(exam.texts[caption])
    rows = [
        {"image": _picture(exam, picture), "image_id": str(picture), "caption": captions}
        for picture, captions in told.items()
    ]
    return pa.Table.from_pylist(rows, schema=RETRIEVAL)


def _picture(exam: Exam, index: int) -> dict[str, object]:
    pixels = np.ascontiguousarray(exam.pixels[index].transpose(1, 2, 0))
    return {"bytes": to_png(Image.fromarray(pixels)), "path": f"{index}.png"}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--each", type=int, default=400, help="probes a category")
    parser.add_argument("--retrieval", type=int, default=400, help="pictures to retrieve among")
    parser.add_argument("--training", type=int, default=3000, help="training scenes whose captions the trigrams count")
    parser.add_argument("--side", type=int, default=112, help="of the pictures, in pixels")
    parser.add_argument("--seed", type=int, default=0, help="of the world")
    parser.add_argument("--split", choices=["tune", "test"], default="test")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder")
    given = parser.parse_args()
    exam = make_exam(
        training_captions(given.training, seed=given.seed), each=given.each, retrieval=given.retrieval, portraits=1,
        side=given.side, seed=given.seed, split=given.split,
    )  # fmt: skip
    given.output.mkdir(parents=True, exist_ok=True)
    for name, made in tables(exam).items():
        pq.write_table(made, given.output / f"{name}.parquet", compression="zstd")
        print(f"{made.num_rows} rows -> {given.output / f'{name}.parquet'}")


if __name__ == "__main__":
    main()
