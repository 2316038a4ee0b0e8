"""Before and after, on the field's benchmarks, with controls beside every score.

    from negagen.evaluate import evaluate

    report = evaluate({"before": "clip-folder", "after": model}, ["sugarcrepe", "retrieval:val.parquet"], root="data")
    report.score("after", "sugarcrepe").value    # the headline score, with .low, .high, .items, .ties, .chance
    report.composition("after"), report.retention("after")    # means of the headline scores by what they measure
    report.to_json()                             # everything but the items
    report.items("after")                        # pa.Table, a row for each item and score

`evaluate(models, benchmarks, *, root=None, images=(), batch_size=256, device="auto", cache=None, controls=True,
lm=None, lm_limit=2000, limit=None, method="plain", boxes=None, seed=0, decoded=None, on_progress=None) -> Report`. A
model is a folder, a loaded `negagen.train.models.ContrastiveModel`, or a function that makes one; several are given by
name. A benchmark is a name as in `negagen evaluate --list`; `generic:FILE`, `pairs:FILE`, `retrieval:FILE` or
`zeroshot:FOLDER`; or an opened one (`open_benchmark`). Runs at different times, such as before and after training, are
put together by `before.joined(after)`, which makes the paired tests; `negagen.evaluate.html.render(report)` is the
page.

Raises `DataError` (a benchmark that is unknown, missing or holds nothing to score), `ModelError`, `ResourceError`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "Report": "negagen.evaluate.report",
    "Score": "negagen.evaluate.report",
    "evaluate": "negagen.evaluate.run",
    "open_benchmark": "negagen.evaluate.benchmarks",
}

__all__ = ["Report", "Score", "evaluate", "open_benchmark"]

if TYPE_CHECKING:
    from negagen.evaluate.benchmarks import open_benchmark
    from negagen.evaluate.report import Report, Score
    from negagen.evaluate.run import evaluate


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'negagen.evaluate' has no attribute {name!r}")
