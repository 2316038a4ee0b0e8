from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.data_torch.files import caption, folder_of_pictures, negative, negatives_of, rows, write
from tests.train import tiny

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "data.md"


def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    code = "\n".join(blocks).replace("stop=1000", "stop=2").replace("workers=8", "workers=1")
    tiny.clip(tmp_path / "clip")
    folder_of_pictures(tmp_path / "train2017", 200)
    table = rows(600, per_picture=3)
    for number, row in enumerate(table):
        row["negatives"] = [*negatives_of(number), negative(caption(number), "beside", "on", "replace_rel")]
    write(tmp_path / "negatives.parquet", table, group=100)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(code, str(PAGE), "exec"), names)
    batch = names["batch"]
    assert len(batch) == 256  # type: ignore[arg-type]
    assert batch.negatives.min() >= 0  # type: ignore[attr-defined]
    assert len(names["negatives"][17]) == 4  # type: ignore[index]


def test_the_code_of_the_page_on_new_negatives_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = DOCS / "on_the_fly.md"
    code = "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL))
    tiny.clip(tmp_path / "clip")
    write(tmp_path / "pool.parquet", rows(30))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(code.replace("num_workers=4", "num_workers=1"), str(page), "exec"), names)
    batch = names["batch"]
    assert batch.tokens.shape[:2] == (1, 5)  # type: ignore[attr-defined]
    assert batch.mask.any()  # type: ignore[attr-defined]
