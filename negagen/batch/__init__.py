"""Captions in files to negatives in files: plan, parts, resume, workers.

`TableNegator` is the `pa.Table -> pa.Table` function that every executor runs; `generate` is the whole
job from input files to one finished Parquet file. Nothing here knows rules or spaCy: whatever has
`pipe`, `fingerprint` and `config` (`NegatorLike`) can be run.

The names below are imported on first use: the training side reads files with the modules here and needs no spaCy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "Counts": "negagen.batch.stats",
    "Job": "negagen.batch.job",
    "NegatorLike": "negagen.batch.spec",
    "NegatorSpec": "negagen.batch.spec",
    "Progress": "negagen.batch.job",
    "Report": "negagen.batch.job",
    "SiblingIndex": "negagen.batch.siblings",
    "TableNegator": "negagen.batch.table",
    "generate": "negagen.batch.run",
    "index_siblings": "negagen.batch.siblings",
}

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

if TYPE_CHECKING:
    from negagen.batch.job import Job, Progress, Report
    from negagen.batch.run import generate
    from negagen.batch.siblings import SiblingIndex, index_siblings
    from negagen.batch.spec import NegatorLike, NegatorSpec
    from negagen.batch.stats import Counts
    from negagen.batch.table import TableNegator


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'negagen.batch' has no attribute {name!r}")
