"""A WebDataset pipeline: a pool in each sample's json, k negatives drawn when it is read.

python -m examples.dataloading.webdataset_tars --tokenizer clip-vit-base-patch32/
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import webdataset as wds
from transformers import AutoTokenizer

from negagen import Negator, TableNegator
from negagen.data import Collator, Grouped, HuggingFaceTokenizer

CAPTIONS = Path(__file__).parents[1] / "captions.parquet"


def write_tar(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows as samples: the caption as txt, the pool in json. A picture would stand beside them as jpg."""
    with wds.TarWriter(str(path)) as sink:
        for number, row in enumerate(rows):
            sink.write({"__key__": f"{number:06}", "txt": row["caption"], "json": {"negatives": row["negatives"]}})


def sample_of(found: dict[str, Any]) -> dict[str, Any]:
    """A sample as the collator wants it."""
    return {"key": found["__key__"], "caption": found["txt"], "negatives": found["json"]["negatives"]}


def batches(path: Path, collator: Collator, size: int = 64) -> Iterator[Grouped]:
    """One pass through a tar; set `collator.epoch` before."""
    dataset = wds.WebDataset(str(path), shardshuffle=False).decode().map(sample_of)
    yield from dataset.batched(size, collation_fn=collator)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a tar, and read it twice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True, help="a model's folder or name")
    given = parser.parse_args(arguments)
    table = TableNegator(Negator(k=4, pool=32))(pq.read_table(CAPTIONS))
    collator = Collator(HuggingFaceTokenizer(AutoTokenizer.from_pretrained(given.tokenizer), 77), k=4, key="key")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "captions.tar"
        write_tar(path, table.select(["caption", "negatives"]).to_pylist())
        for epoch in range(2):
            collator.epoch = epoch
            found = list(batches(path, collator))
            count = sum(int(batch.mask[:, 1:].sum()) for batch in found)
            print(f"epoch {epoch}: {len(found)} batches {tuple(found[0].tokens.shape)}, {count} negatives")


if __name__ == "__main__":
    main()
