from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negagen.batch import schema as schemas
from tests.cli.conftest import Ran
from tests.train import small, tiny


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tiny.clip(tmp_path / "clip")
    rows = [{"status": "ok", **row} for row in small.rows(pictures=20)]
    image = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    own = {"image": image, "image_id": pa.string(), "caption": pa.string()}
    schema = pa.schema([*(pa.field(*one) for one in own.items()), *schemas.COLUMNS])
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "pool.parquet")
    return tmp_path


def test_a_whole_run(run: Callable[..., Ran], folder: Path) -> None:
    pool, out = folder / "pool.parquet", folder / "hard.parquet"
    given = ("mine", folder / "clip", pool, "-o", out, "--device", "cpu", "--workers", 0)
    ran = run(*given)
    assert ran.code == 0, ran.err
    assert "suspected true" in ran.out
    assert "swap_att" in ran.out
    assert f"Written to {out}" in ran.out
    assert pq.read_metadata(out).num_rows == 40
    again = run(*given)
    assert (again.code, again.err) == (
        2, f"error: {out} already exists: give --overwrite to replace it, or choose another -o PATH.\n",
    )  # fmt: skip
    said, picture = folder / "said.parquet", folder / "fooled.svg"
    ran = run(*given, "--overwrite", "--json", "--hardest", 1, "--feedback", said, "--plot", picture)
    found = json.loads(ran.out)
    assert found["rows"] == 40
    assert found["negatives"]["kept"] + found["negatives"]["suspected"] >= found["negatives"]["scored"] == 34
    assert sum(found["shares"]["negatives"]) == 34
    assert pq.read_metadata(said).num_rows == 34
    assert "<svg" in picture.read_text()
    # What it writes can be looked at and drawn from as any other.
    for command in (("inspect", out), ("audit", out), ("export", out, "--to", "csv", "-o", folder / "hard.csv")):
        ran = run(*command)
        assert ran.code == 0, ran.err


def test_what_is_wrong_is_said(run: Callable[..., Ran], folder: Path) -> None:
    pool, out = folder / "pool.parquet", folder / "hard.parquet"
    ran = run("mine", folder / "clip", pool, "-o", out, "--below", 0.9)
    assert ran.code == 2
    assert "error: --below 0.9 drops whatever fools the model" in ran.err
    ran = run("mine", folder / "clip", folder / "none.parquet", "-o", out, "--device", "cpu")
    assert (ran.code, ran.err) == (2, f"error: {folder / 'none.parquet'}: no such file.\n")
    ran = run("mine", folder / "pool", pool, "-o", out, "--device", "cpu")
    assert ran.code == 2
    pq.write_table(pa.table({"caption": ["a cat"], "negatives": [["a dog"]]}), folder / "blind.parquet")
    ran = run("mine", folder / "clip", folder / "blind.parquet", "-o", out, "--device", "cpu")
    assert ran.code == 2
    assert "has no column 'image' of pictures" in ran.err
    assert not out.exists()


def test_nothing_is_lost_to_an_output(run: Callable[..., Ran], folder: Path) -> None:
    pool, out, link = folder / "pool.parquet", folder / "hard.parquet", folder / "link.parquet"
    link.hardlink_to(pool)
    before = pool.read_bytes()
    # A model that does not exist: all of this is refused before it is looked for.
    given = ("mine", folder / "nowhere", pool, "--device", "cpu")
    for option in ("-o", "--feedback", "--plot"):
        for target in (pool, link):
            named = {"-o": out, option: target}
            ran = run(*given, "--overwrite", *(part for pair in named.items() for part in pair))
            assert (ran.code, ran.err) == (
                2, f"error: {target} is an input of this run, which would be lost: choose another {option} PATH.\n",
            )  # fmt: skip
    for one, other in (("-o", "--feedback"), ("-o", "--plot"), ("--feedback", "--plot")):
        named = {"-o": out, one: folder / "same", other: folder / "cache" / ".." / "same"}
        (folder / "cache").mkdir(exist_ok=True)
        ran = run(*given, "--overwrite", *(part for pair in named.items() for part in pair))
        assert ran.code == 2
        assert f"{one} and {other} both name" in ran.err
    there = folder / "there"
    there.write_text("mine")
    for option in ("-o", "--feedback", "--plot"):
        named = {"-o": out, option: there}
        ran = run(*given, *(part for pair in named.items() for part in pair))
        assert (ran.code, ran.err) == (
            2, f"error: {there} already exists: give --overwrite to replace it, or choose another {option} PATH.\n",
        )  # fmt: skip
    assert (pool.read_bytes(), there.read_text(), out.exists()) == (before, "mine", False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "has no rows"),
        (("--caption-column", "text"), "has no column 'text' of captions"),
        (("--image-column", "photo"), "has no column 'photo' of pictures"),
        (("--images", "nowhere"), "no such folder of pictures"),
    ],
)
def test_a_pool_is_checked_before_the_model_is_loaded(
    run: Callable[..., Ran], folder: Path, options: tuple[str, ...], message: str
) -> None:
    pool = folder / "pool.parquet"
    if not options:
        pq.write_table(pq.read_table(pool).slice(0, 0), pool)
    ran = run("mine", folder / "no model", pool, "-o", folder / "hard.parquet", *options)
    assert ran.code == 2
    assert message in ran.err


def test_quiet(run: Callable[..., Ran], folder: Path) -> None:
    out = folder / "hard.parquet"
    given = ("mine", folder / "clip", folder / "pool.parquet", "-o", out, "--device", "cpu", "--workers", 0)
    ran = run(*given, "--quiet")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert pq.read_metadata(out).num_rows == 40
