"""Captions in files to negatives in files: plan, parts, resume, workers.

`TableNegator` is the `pa.Table -> pa.Table` function that every executor runs; `generate` is the whole
job from input files to one finished Parquet file. Nothing here knows rules or spaCy: whatever has
`pipe`, `fingerprint` and `config` (`NegatorLike`) can be run.
"""

from negagen.batch.run import Job, Progress, Report, generate
from negagen.batch.siblings import SiblingIndex, index_siblings
from negagen.batch.spec import NegatorLike, NegatorSpec
from negagen.batch.stats import Counts
from negagen.batch.table import TableNegator

__all__ = [
    "Counts",
    "Job",
    "NegatorLike",
    "NegatorSpec",
    "Progress",
    "Report",
    "SiblingIndex",
    "TableNegator",
    "generate",
    "index_siblings",
]
