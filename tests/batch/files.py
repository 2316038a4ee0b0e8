"""Small input files for the batch tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

WORDS = ("a", "red", "dog", "sits", "near", "two", "tall", "trees", "and", "one", "kite")


def captions(rows: int, start: int = 0) -> list[str]:
    """Captions that differ from row to row; every 50th is a single word."""
    return [
        "dog" if row % 50 == 7 else " ".join(WORDS[(row * 7 + i * (row % 5 + 1)) % 11] for i in range(6)) + f" {row}"
        for row in range(start, start + rows)
    ]


def write_parquet(path: Path, rows: int = 100, *, group: int = 64, **columns: Sequence[object]) -> Path:
    """A Parquet file of `captions` with an `id`, in row groups of `group` rows."""
    table = pa.table({"id": range(rows), "caption": pa.array(captions(rows), pa.string()), **columns})
    pq.write_table(table, path, row_group_size=group)
    return path


def write_jsonl(path: Path, rows: Sequence[object]) -> Path:
    """One JSON value a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def results(path: Path) -> list[tuple[str | None, list[str], str, str | None]]:
    """(caption, texts of its negatives, status, reason) of each row of an output."""
    table = pq.read_table(path)
    return [
        (row["caption"], [negative["text"] for negative in row["negatives"]], row["status"], row["reason"])
        for row in table.select(["caption", "negatives", "status", "reason"]).to_pylist()
    ]
