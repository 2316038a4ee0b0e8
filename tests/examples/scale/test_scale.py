"""The examples of schedulers run, and give what one process gives."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from negagen import Negator, TableNegator

ROOT = Path(__file__).parents[3]
CAPTIONS = ROOT / "examples" / "captions.parquet"


@pytest.fixture(scope="module")
def expected() -> Any:
    return TableNegator(Negator(k=4, seed=0))(pq.read_table(CAPTIONS)).to_pylist()


def test_dask(tmp_path: Path, expected: Any) -> None:
    pytest.importorskip("dask")
    command = [sys.executable, "-m", "examples.scale.dask_tables", str(tmp_path / "parts")]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert said == "4 files, 360 captions\n"
    assert pq.read_table(tmp_path / "parts").to_pylist() == expected


def test_ray_data(tmp_path: Path, expected: Any) -> None:
    pytest.importorskip("ray.data")
    script = (
        "import ray, sys; from examples.scale import ray_data; from pathlib import Path; import pyarrow.parquet as pq\n"
        "ray.init(address='local', num_cpus=3, include_dashboard=False, log_to_driver=False)\n"
        "ray_data.with_negatives(ray_data.CAPTIONS).write_parquet(sys.argv[1])\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "out")]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    rows = pq.read_table(tmp_path / "out").to_pylist()
    assert sorted(rows, key=lambda row: row["id"]) == sorted(expected, key=lambda row: row["id"])


def test_spark(tmp_path: Path, expected: Any) -> None:
    pytest.importorskip("pyspark")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    command = [sys.executable, "-m", "examples.scale.spark", str(tmp_path / "out")]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert ran.stdout.endswith("360 captions\n")
    rows = pq.read_table(tmp_path / "out").to_pylist()
    assert sorted(rows, key=lambda row: row["id"]) == sorted(expected, key=lambda row: row["id"])
