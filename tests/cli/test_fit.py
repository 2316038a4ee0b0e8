from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negagen.balance.model import load_model
from tests.cli.conftest import Ran


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    path = tmp_path / "captions.parquet"
    texts = [
        f"A {colour} {animal} on a bench" for colour in ("red", "blue", "white") for animal in ("dog", "cat", "cow")
    ]
    pq.write_table(pa.table({"caption": texts, "image_id": [n // 3 for n in range(9)]}), path)
    return path


def test_fit_then_generate(run: Callable[..., Ran], captions: Path) -> None:
    model = captions.with_name("blindness.npz")
    ran = run("fit", captions, "-o", model)
    assert ran.code == 0, ran.err
    assert "pictures by image_id" in ran.out
    assert run("fit", captions, "-o", model).code == 2
    lost = run("fit", captions, "-o", captions, "--overwrite")
    assert (lost.code, "would be lost" in lost.err) == (2, True)
    made = run("generate", captions, "--model", model)
    assert made.code == 0, made.err
    table = pq.read_table(captions.with_name("captions.negatives.parquet"))
    assert table.num_rows == 9
    assert any(table["negatives"].to_pylist())


def test_limit_takes_the_first(run: Callable[..., Ran], captions: Path) -> None:
    head = captions.with_name("head.parquet")
    pq.write_table(pq.read_table(captions).slice(0, 6), head)
    ran = run("fit", captions, "-o", captions.with_name("limited.npz"), "--limit", 6)
    assert ran.code == 0, ran.err
    assert "Fitted on 6 captions" in ran.out
    assert run("fit", head, "-o", captions.with_name("head.npz")).code == 0
    assert run("fit", captions, "-o", captions.with_name("all.npz")).code == 0
    limited, first, every = (
        load_model(captions.with_name(f"{name}.npz")).fingerprint for name in ("limited", "head", "all")
    )
    assert limited == first != every


def test_wrong_files(run: Callable[..., Ran], captions: Path) -> None:
    ran = run("generate", captions, "--model", captions)
    assert ran.code == 2
    assert "negagen fit" in ran.err
    assert not captions.with_name("captions.negatives.parquet").exists()
    ran = run("fit", captions, "-o", captions.with_name("m.npz"), "--column", "text")
    assert ran.code == 2
    assert "--column" in ran.err
