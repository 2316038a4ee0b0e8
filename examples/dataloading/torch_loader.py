"""torch's DataLoader: new negatives every epoch, from a pool and made in the workers.

python -m examples.dataloading.torch_loader --tokenizer clip-vit-base-patch32/
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from torch.utils.data import DataLoader, Dataset
from transformers import AutoTokenizer

from negagen import Negator
from negagen.batch import Job, NegatorSpec, generate
from negagen.data import Collator, Grouped, HardNegatives, HuggingFaceTokenizer, NegativeAugmentation

CAPTIONS = Path(__file__).parents[1] / "captions.parquet"


class FromPool(Dataset[Any]):
    """Captions with the negatives that the collator's epoch draws from their pool."""

    def __init__(self, negatives: HardNegatives) -> None:
        self.negatives, self.epoch = negatives, 0

    def __len__(self) -> int:
        return len(self.negatives)

    def __getitems__(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """What DataLoader asks for where it is there: a whole batch at once."""
        return self.negatives.samples(rows, self.epoch)


class Captions(Dataset[Any]):
    """Captions alone."""

    def __init__(self, path: Path) -> None:
        self.texts = pq.read_table(path)["caption"].to_pylist()

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"caption": self.texts[row], "row": row}


def from_pool(pool: Path, tokenizer: HuggingFaceTokenizer, epochs: int = 2) -> list[list[Grouped]]:
    """The batches of some epochs, drawn from a pool."""
    dataset = FromPool(HardNegatives.open([pool], cache=pool.parent / "cache", k=4, seed=0))
    loader: DataLoader[Any] = DataLoader(dataset, batch_size=64, num_workers=2, collate_fn=Collator(tokenizer, k=4))
    out = []
    for epoch in range(epochs):
        dataset.epoch = epoch  # before the pass: its workers begin anew
        out.append(list(loader))
    return out


def in_workers(captions: Path, tokenizer: HuggingFaceTokenizer, epochs: int = 2) -> list[list[Grouped]]:
    """The batches of some epochs, their negatives made in workers that persist."""
    augment = NegativeAugmentation(Negator(k=4, seed=0))
    collator = Collator(tokenizer, k=4, augment=augment, key="row")
    loader: DataLoader[Any] = DataLoader(
        Captions(captions), batch_size=64, num_workers=2, collate_fn=collator, persistent_workers=True
    )
    out = []
    for epoch in range(epochs):
        augment.epoch = epoch
        out.append(list(loader))
    return out


def main(arguments: Sequence[str] | None = None) -> None:
    """Make a pool, and show both ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True, help="a model's folder or name")
    given = parser.parse_args(arguments)
    tokenizer = HuggingFaceTokenizer(AutoTokenizer.from_pretrained(given.tokenizer), 77)
    with tempfile.TemporaryDirectory() as name:
        pool = Path(name) / "pool.parquet"
        generate(Job([str(CAPTIONS)], pool, NegatorSpec({"pool": 32})))
        for what, epochs in (("pool", from_pool(pool, tokenizer)), ("workers", in_workers(CAPTIONS, tokenizer))):
            for epoch, batches in enumerate(epochs):
                count = sum(int(batch.mask[:, 1:].sum()) for batch in batches)
                print(
                    f"{what}, epoch {epoch}: {len(batches)} batches {tuple(batches[0].tokens.shape)}, {count} negatives"
                )


if __name__ == "__main__":
    main()
