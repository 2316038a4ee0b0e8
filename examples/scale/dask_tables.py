"""Dask: a task for each slice of a Parquet file, tables of Arrow in and out.

python -m examples.scale.dask_tables OUTPUT_FOLDER
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq
from dask.base import compute
from dask.delayed import delayed

from negagen import Negator, TableNegator

CAPTIONS = Path(__file__).parents[1] / "captions.parquet"


@cache
def negator() -> TableNegator:
    """One for each process: a negator holds a loaded pipeline, and is not sent with each task."""
    return TableNegator(Negator(k=4, seed=0))


def part(path: Path, start: int, rows: int, folder: Path) -> Path:
    """Write the negatives of `rows` rows from `start` on; a file that is there already is done."""
    done = folder / f"part-{start:09d}.parquet"
    if not done.exists():
        aside = done.with_suffix(".tmp")
        pq.write_table(negator()(pq.read_table(path).slice(start, rows)), aside)
        aside.replace(done)
    return done


def run(path: Path, folder: Path, rows: int = 100, scheduler: str = "processes") -> list[Path]:
    """Every part, made by two workers; `scheduler` may be that of a cluster."""
    total = pq.read_metadata(path).num_rows
    tasks = [delayed(part)(path, start, rows, folder) for start in range(0, total, rows)]
    made: list[Path] = list(compute(*tasks, scheduler=scheduler, num_workers=2))  # type: ignore[no-untyped-call]
    return made


def main() -> None:
    """Make the parts and count their rows."""
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    files = run(CAPTIONS, folder)
    print(f"{len(files)} files, {sum(pq.read_metadata(file).num_rows for file in files)} captions")


if __name__ == "__main__":
    main()
