"""Spark: `mapInArrow`, batch by batch, with one negator a Python worker. Needs Java 17 or newer.

python -m examples.scale.spark OUTPUT_FOLDER
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from negagen import Negator, TableNegator
from negagen.batch.schema import output_schema

CAPTIONS = Path(__file__).parents[1] / "captions.parquet"


@cache
def negator() -> TableNegator:
    """One for each Python worker, which Spark keeps from task to task."""
    return TableNegator(Negator(k=4, seed=0))


def add(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Each batch with its negatives."""
    for batch in batches:
        yield from negator()(pa.Table.from_batches([batch])).to_batches()


def with_negatives(captions: DataFrame) -> DataFrame:
    """The columns of `captions` and those that `negagen generate` adds."""
    schema = output_schema(captions.limit(0).toArrow().schema, flat=False)
    return captions.mapInArrow(add, from_arrow_schema(schema))


def main() -> None:
    """Write the negatives of the example's captions."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # workers run where negagen is installed
    session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    with_negatives(session.read.parquet(str(CAPTIONS))).write.parquet(sys.argv[1])
    print(f"{session.read.parquet(sys.argv[1]).count()} captions")
    session.stop()


if __name__ == "__main__":
    # By its own name: workers import the module, where they would be sent a copy of each function of a script.
    from examples.scale import spark

    spark.main()
