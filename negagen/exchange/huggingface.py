"""A Hugging Face dataset: a folder of Parquet shards with a card, which `datasets.load_dataset(FOLDER)` loads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from negagen.atomic import explained, written_aside
from negagen.batch import schema as schemas
from negagen.batch.readers import batches
from negagen.batch.source import open_source
from negagen.batch.writer import dictionary_columns
from negagen.errors import InputError
from negagen.exchange.rows import Opened, Written

LOST = ("metadata of the schema that other programs wrote",)
SHARD_ROWS = 1_000_000
_GROUP_ROWS = 10_000
# They describe the columns before negagen's were added: `datasets` and pandas would take them at their word.
_FOREIGN = (b"huggingface", b"pandas")


def write(opened: Opened, folder: Path, shard_rows: int = SHARD_ROWS) -> Written:
    """Write `data/train-00000-of-0000N.parquet` and `README.md` into the new folder `folder`."""
    metadata = {key: value for key, value in (opened.schema.metadata or {}).items() if key not in _FOREIGN}
    schema = opened.schema.with_metadata(metadata)
    rows, written = opened.file.rows, Written()
    shards = max(1, -(-rows // shard_rows))
    groups = _groups(opened, schema)
    waiting = next(groups, None)
    with explained(folder):
        (folder / "data").mkdir()
        for shard in range(shards):
            end = min((shard + 1) * shard_rows, rows)
            path = folder / "data" / f"train-{shard:05d}-of-{shards:05d}.parquet"
            with pq.ParquetWriter(
                str(path), schema, compression="zstd", use_dictionary=dictionary_columns(schema)
            ) as writer:
                while waiting is not None and written.rows < end:
                    table = waiting.slice(0, end - written.rows)
                    writer.write_table(table)
                    written.rows += table.num_rows
                    written.negatives += pc.sum(pc.list_value_length(table["negatives"])).as_py() or 0
                    rest = waiting.slice(table.num_rows)
                    waiting = rest if rest.num_rows else next(groups, None)
        (folder / "README.md").write_text(_card(opened, written), encoding="utf-8")
    return written


def _groups(opened: Opened, schema: pa.Schema) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches(opened.file):
        held.append(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
        count += batch.num_rows
        if count >= _GROUP_ROWS:
            yield pa.Table.from_batches(held, schema=schema)
            held, count = [], 0
    if held:
        yield pa.Table.from_batches(held, schema=schema)


def read(path: Path, output: Path) -> Written:
    """Read the Parquet files of a dataset's folder: those under `data/`, or all."""
    folder = path / "data" if (path / "data").is_dir() else path
    if not folder.is_dir():
        raise InputError(f"{path} is no folder: give the folder of the dataset.")
    source = open_source([folder])
    written = Written()
    if "negatives" not in source.schema.names:
        raise InputError(f"{path} has no column 'negatives', as `negagen export --to hf-dataset` writes it.")
    with written_aside(output) as aside, explained(output):
        columns = dictionary_columns(source.schema)
        with pq.ParquetWriter(str(aside), source.schema, compression="zstd", use_dictionary=columns) as writer:
            for file in source.files:
                for batch in batches(file, batch_rows=_GROUP_ROWS):
                    plain = pa.RecordBatch.from_arrays(batch.columns, schema=source.schema)
                    writer.write_batch(plain)
                    written.rows += batch.num_rows
                    written.negatives += pc.sum(pc.list_value_length(batch["negatives"])).as_py() or 0
    return written


def _card(opened: Opened, written: Written) -> str:
    made = schemas.read_footer(opened.schema.metadata)
    example: dict[str, Any] = next((row for row in opened.rows() if row["negatives"]), {})
    size = next((name for most, name in _SIZES if written.rows < most), "n>1T")
    origin = "\n".join(
        f"| {name} | `{made[name]}` |"
        for name in ("version", "schema_version", "fingerprint", "seed", "rules", "pipeline", "lexicon")
        if made.get(name)
    )
    columns = "\n".join(f"| `{field.name}` | `{_short(field.type)}` |" for field in opened.schema)
    return f"""---
language:
- en
tags:
- hard-negatives
- vision-language
- compositionality
size_categories:
- {size}
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*.parquet
---

# Captions with hard negatives

{written.rows:,} captions with {written.negatives:,} hard negatives: sentences that one small edit
made false of the picture. Written by negagen. A licence is not stated here: that of
the captions applies, and whoever publishes this adds it.

## Columns

| column | type |
|---|---|
{columns}

`negatives` holds `text`, the `rule` and `category` that made it, its `weight` (0 to 1, how sure it is that it is
false), and `edits`, which give the text when applied to the caption. `positives` are rewordings that stay true.

## How it was made

| | |
|---|---|
{origin or "| | no record |"}

## An example

```json
{json.dumps(_example(example, opened.caption), indent=2, ensure_ascii=False)}
```

## Load

```python
from datasets import load_dataset

dataset = load_dataset("PATH", split="train")
```
"""


_SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
    (10**10, "1B<n<10B"),
)


def _example(row: dict[str, Any], caption: str) -> dict[str, object]:
    texts = [{"text": one["text"], "category": one["category"]} for one in row.get("negatives", ())]
    return {"caption": row.get(caption), "negatives": texts}


def _short(kind: pa.DataType) -> str:
    text = str(kind)
    return text if len(text) < 40 else text.partition("<")[0] + "<...>"
