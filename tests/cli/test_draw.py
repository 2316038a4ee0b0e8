from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from negagen.batch.schema import read_footer
from tests.cli.conftest import Ran


def test_generate_a_pool_then_draw_an_epoch(run: Callable[..., Ran], tmp_path: Path) -> None:
    captions, pool, out = (tmp_path / name for name in ("captions.parquet", "pool.parquet", "epoch.parquet"))
    pq.write_table(
        pa.table({"caption": ["A brown dog chases a white cat on the green grass.", "A red car."]}), captions
    )
    assert run("generate", captions, "-o", pool, "--pool", "3").code == 2
    made = run("generate", captions, "-o", pool, "--pool", "16", "-q")
    assert made.code == 0, made.err
    ran = run("draw", pool, "-o", out, "--epoch", "2", "--k", "1")
    assert ran.code == 0, ran.err
    assert "2 captions, 2 negatives; 2 captions have all 1." in ran.out
    assert read_footer(pq.read_schema(out).metadata)["drawn"] == {"epoch": 2, "k": 1, "seed": 0}
    again = run("draw", pool, "-o", out)
    assert again.code == 2
    assert "--overwrite" in again.err
    before = pool.read_bytes()
    lost = run("draw", pool, "-o", pool, "--overwrite")
    assert (lost.code, "would be lost" in lost.err) == (2, True)
    assert pool.read_bytes() == before
    wrong = run("draw", captions, "-o", tmp_path / "no.parquet")
    assert wrong.code == 2
    assert "generate --pool" in wrong.err
