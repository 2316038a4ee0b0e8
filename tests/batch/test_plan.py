from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from negagen.batch.plan import Plan, make_plan
from negagen.batch.source import open_source
from negagen.batch.spec import Identity
from tests.batch.files import write_parquet

IDENTITY = Identity("abc", {})


def test_parts_and_groups_cover_every_row_once() -> None:
    for rows in (0, 1, 1999, 2000, 2001, 25_014):
        plan = Plan(rows, 2000, 10_000, "")
        for ranges in (map(plan.part, range(plan.parts)), map(plan.group, range(plan.groups))):
            assert [row for start, stop in ranges for row in range(start, stop)] == list(range(rows))


def test_the_fingerprint_changes_with_what_changes_the_output(tmp_path: Path) -> None:
    source = open_source([write_parquet(tmp_path / "a.parquet")])
    first = make_plan(source, IDENTITY, column="caption")
    different = [
        make_plan(source, Identity("abd", {}), column="caption"),
        make_plan(source, IDENTITY, column="text"),
        make_plan(source, IDENTITY, column="caption", id_column="id"),
        make_plan(source, IDENTITY, column="caption", flat=True),
        make_plan(source, IDENTITY, column="caption", limit=99),
        make_plan(open_source([write_parquet(tmp_path / "b.parquet", 101)]), IDENTITY, column="caption"),
        make_plan(open_source([write_parquet(tmp_path / "b.parquet", extra=range(100))]), IDENTITY, column="caption"),
    ]
    fingerprints = {plan.fingerprint for plan in (first, *different)}
    assert len(fingerprints) == 1 + len(different)


def test_the_fingerprint_is_free_of_names(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet")
    before = make_plan(open_source([path]), IDENTITY, column="caption")
    moved = path.rename(tmp_path / "b.parquet")
    assert make_plan(open_source([moved]), IDENTITY, column="caption", limit=1000) == before


def test_equal_counts_but_other_words(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet")
    table = pq.read_table(path)
    before = make_plan(open_source([path]), IDENTITY, column="caption")
    pq.write_table(table.take([*range(1, 100), 0]), path, row_group_size=64)
    assert make_plan(open_source([path]), IDENTITY, column="caption") != before


@pytest.mark.parametrize(("size", "rows"), [(10, 10_000), (1 << 20, 64), (64 << 20, 64), (20_000, 3355)])
def test_wide_rows_make_smaller_groups(tmp_path: Path, size: int, rows: int) -> None:
    source = open_source([write_parquet(tmp_path / "a.parquet")])
    source = replace(source, files=(replace(source.files[0], uncompressed=size * 100),))
    assert make_plan(source, IDENTITY, column="caption").group_rows == rows
