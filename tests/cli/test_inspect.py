from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negagen.batch import Job, generate
from tests.batch.files import captions, write_parquet
from tests.batch.standin import spec
from tests.cli.conftest import Ran


@pytest.mark.parametrize("flat", [False, True])
def test_counts_samples_and_origin(run: Callable[..., Ran], tmp_path: Path, flat: bool) -> None:
    job = Job([write_parquet(tmp_path / "in.parquet")], tmp_path / "out.parquet", spec(seed=7), flat=flat)
    report = generate(job)
    shown = json.loads(run("inspect", job.output, "--json", "--samples", 2).out)
    assert shown["rows"] == 100
    assert shown["status"] == dict(report.counts.status)
    assert shown["rule"] == {"swap": report.counts.negatives}
    assert shown["metadata"]["config"]["seed"] == 7
    assert shown["samples"][0]["caption"] == captions(1)[0]
    ran = run("inspect", job.output)
    assert ran.code == 0
    assert ("one row a negative" if flat else "one row a caption") in ran.out
    assert report.fingerprint in ran.out
    assert "[-a-] {+" in ran.out


def test_another_file(run: Callable[..., Ran], tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    ran = run("inspect", tmp_path / "x.parquet")
    assert ran.code == 2
    assert "is not a file of negatives" in ran.err
