"""Writes a part of the world to Parquet: pictures, captions, scene graphs.

    python -m examples.scenes.make --images 2000 --seed 0 -o out/scenes.parquet

Columns: `image` (struct of `bytes`, a PNG, and `path`), `image_id`, `caption`, `graph` (JSON). One row a caption, so
`negagen generate out/scenes.parquet` works as it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from examples.scenes.captions import captions
from examples.scenes.render import draw, to_png
from examples.scenes.sample import SPLITS, Split, sample

__all__ = ["SCHEMA", "table"]

SCHEMA = pa.schema(
    {
        "image": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
        "image_id": pa.string(),
        "caption": pa.string(),
        "graph": pa.string(),
    }
)


def table(
    images: int, *, seed: int = 0, split: Split = "train", siblings: int = 4, side: int = 112, start: int = 0,
    pictures: bool = True,
) -> pa.Table:  # fmt: skip
    """Scenes `start` to `start + images` of a part, `siblings` rows each; without `pictures` the bytes are null."""
    rows: list[dict[str, object]] = []
    for index in range(start, start + images):
        scene = sample(index, seed=seed, split=split)
        name = f"{split}-{seed}-{index}"
        picture = {"bytes": to_png(draw(scene, side)) if pictures else None, "path": f"{name}.png"}
        graph = scene.to_json()
        rows.extend(
            {"image": picture, "image_id": name, "caption": text, "graph": graph}
            for text in captions(scene, siblings, seed=seed)
        )
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--start", type=int, default=0, help="number of the first scene")
    parser.add_argument("--seed", type=int, default=0, help="of the world")
    parser.add_argument("--split", choices=sorted(SPLITS), default="train")
    parser.add_argument("--siblings", type=int, default=4, help="captions a picture")
    parser.add_argument("--side", type=int, default=112, help="of the picture, in pixels")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    made = table(
        arguments.images, seed=arguments.seed, split=arguments.split, siblings=arguments.siblings, side=arguments.side,
        start=arguments.start,
    )  # fmt: skip
    pq.write_table(made, arguments.output, compression="zstd")
    print(f"{arguments.images} pictures, {made.num_rows} captions -> {arguments.output}")


if __name__ == "__main__":
    main()
