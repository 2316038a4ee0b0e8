"""Ray Data: negatives as a step of a pipeline. A file to a file is `negagen generate --executor ray`.

python -m examples.scale.ray_data
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import ray

from negagen import Negator, TableNegator

CAPTIONS = Path(__file__).parents[1] / "captions.parquet"


class Step:
    """Built once in each actor: a negator holds a loaded pipeline."""

    def __init__(self) -> None:
        self.add = TableNegator(Negator(k=4, seed=0))

    def __call__(self, table: pa.Table) -> pa.Table:
        """A batch with its negatives."""
        return self.add(table)


def with_negatives(path: Path, workers: int = 2) -> ray.data.Dataset:
    """The captions of `path` and their negatives, in no particular order."""
    captions = ray.data.read_parquet(str(path))
    return captions.map_batches(
        Step, batch_format="pyarrow", batch_size=2048, compute=ray.data.ActorPoolStrategy(size=workers)
    )


def main() -> None:
    """Show one caption."""
    row = with_negatives(CAPTIONS).take(1)[0]
    print(f"{row['caption']!r}: {[negative['text'] for negative in row['negatives']]}")


if __name__ == "__main__":
    main()
