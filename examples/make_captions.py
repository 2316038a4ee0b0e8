"""Build `captions.parquet` from `captions.tsv`: 360 invented captions, four for each of 90 invented pictures.

Run it from anywhere: `python examples/make_captions.py`.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent


def read_captions(path: Path) -> pa.Table:
    """The rows of a tab-separated file with a header: `id: int64, image_id: string, caption: string`."""
    # Split on "\n" alone: a caption is kept as typed, its trailing space included.
    header, *lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    if header.split("\t") != ["id", "image_id", "caption"]:
        raise SystemExit(f"{path}: expected the header id, image_id, caption, found {header!r}")
    rows = [line.split("\t") for line in lines]
    return pa.table(
        {
            "id": pa.array([int(row[0]) for row in rows], pa.int64()),
            "image_id": pa.array([row[1] for row in rows], pa.string()),
            "caption": pa.array([row[2] for row in rows], pa.string()),
        }
    )


if __name__ == "__main__":
    pq.write_table(read_captions(HERE / "captions.tsv"), HERE / "captions.parquet", compression="zstd")
