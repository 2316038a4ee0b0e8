"""Hugging Face datasets: negatives by `map`, kept in its cache, or by `set_transform`, made when rows are read.

python -m examples.dataloading.hugging_face
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset

from negagen import Negator, TableNegator
from negagen.data import NegativeAugmentation

CAPTIONS = Path(__file__).parents[1] / "captions.parquet"


class Transform:
    """A `set_transform` that gives each caption its negatives of the epoch."""

    def __init__(self, augment: NegativeAugmentation) -> None:
        self.augment = augment

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """`rows` are columns of a batch; read many rows at a time, for they are tagged together."""
        found = self.augment(rows["caption"], rows["id"])
        return {**rows, "negatives": [[negative.text for negative in each] for each in found]}


def mapped(dataset: Dataset) -> Dataset:
    """The dataset with the columns that `negagen generate` adds; a pool with `Negator(k=4, pool=32)`."""
    return dataset.with_format("arrow").map(TableNegator(Negator(k=4, seed=0)), batched=True).with_format(None)


def transformed(dataset: Dataset, augment: NegativeAugmentation) -> Dataset:
    """The dataset with new negatives whenever a row is read, after `augment.epoch`."""
    return dataset.with_transform(Transform(augment))


def main() -> None:
    """Show both ways on a few captions."""
    dataset = Dataset.from_parquet(str(CAPTIONS), keep_in_memory=True)
    row = mapped(dataset)[0]
    print(f"map: {row['caption']!r}: {[negative['text'] for negative in row['negatives']]}")
    augment = NegativeAugmentation(Negator(k=2, seed=0))
    lazy = transformed(dataset, augment)
    for epoch in range(2):
        augment.epoch = epoch
        row = lazy[:64]
        print(f"set_transform, epoch {epoch}: {row['caption'][0]!r}: {row['negatives'][0]}")


if __name__ == "__main__":
    main()
