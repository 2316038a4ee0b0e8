"""Pools: what `generate --pool` stores, and that draws from it are those of the selection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from negagen import Negator
from negagen.balance.pool import MODELS, Pool
from negagen.balance.selection import Policy, choose
from negagen.batch import Job, NegatorSpec, generate
from negagen.data import Batches, Inputs, Order, View, prepare
from negagen.data.draw import Draw
from negagen.data.epoch import draw_epoch
from negagen.data.hard_negatives import HardNegatives
from negagen.data.trainingset import Choices
from negagen.errors import InputError
from negagen.seeding import key_of, uniforms
from negagen.types import CATEGORIES
from tests.data_torch.files import WordTokenizer, dataset

CAPTIONS = [
    "A brown dog chases a small white cat across the green lawn.",
    "Two men in red shirts sit on a wooden bench near the beach.",
    "A woman holding a blue umbrella stands beside a parked car.",
    "xyzzy",
    "A young boy throws a ball to his dog in the park.",
    "A plate of food with a fork and a knife on a table.",
]
SCALE = 1 << 20


def of_pool(counts: list[int], kinds: list[int], draws: list[float], weights: list[float] | None = None) -> Choices:
    total = sum(counts)
    none = np.full(total, -1, np.int32)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    confidence = np.array(weights or [1.0] * total, np.float32)
    numbers = np.arange(total, dtype=np.int32)
    return Choices(offsets, numbers, confidence, np.array(kinds, np.int8), none, none, np.array(draws, np.float32))


@given(
    counts=st.lists(st.integers(0, 12), min_size=1, max_size=8),
    k=st.integers(1, 6),
    epoch=st.integers(0, 5),
    data=st.data(),
)
@settings(max_examples=80, deadline=None)
def test_a_draw_is_that_of_the_selection(counts: list[int], k: int, epoch: int, data: st.DataObject) -> None:
    total = sum(counts)
    kinds = data.draw(st.lists(st.integers(0, 2), min_size=total, max_size=total))
    draws = data.draw(st.lists(st.floats(-8, 4, width=32), min_size=total, max_size=total))
    found, forced = Draw(of_pool(counts, kinds, draws), k, seed=3).drawn(np.arange(len(counts)), epoch)
    # The same noise, as generate's own draw takes it: Gumbel's.
    numbers = np.concatenate([row * (1 << 16) + np.arange(count) for row, count in enumerate(counts)])
    key = np.full(total, np.uint64(key_of("negatives", 3, epoch)))
    gumbel = -np.log(-np.log(uniforms(key, numbers.astype(np.uint64))))
    drawn = np.rint((np.array(draws, np.float32) + gumbel) * SCALE).astype(np.int64)
    nothing = np.zeros(0, np.int64)
    owner = np.repeat(np.arange(len(counts)), counts)
    starts = np.zeros(len(counts) + total, np.int64)
    pool = Pool(
        owner, np.array(kinds, np.int64), nothing, starts, starts, nothing, nothing, np.zeros((total, MODELS), np.int64)
    )
    expected = choose(pool, drawn, k, Policy(pool=12, floor=0.0, last=-1e6))
    assert [[i for i in row if i >= 0] for row in found.tolist()] == expected
    assert forced.tolist() == [bool(mine) and bool(drawn[mine[0]] < 0) for mine in expected]


def test_categories_and_confidence_bend_the_draw_but_not_its_floor() -> None:
    rows = 4000
    choices = of_pool([3] * rows, [0, 1, 2] * rows, [9.0, 9.0, -16.0] * rows, [1.0, 0.25, 1.0] * rows)
    names = {CATEGORIES[0]: 1.0, CATEGORIES[1]: 4.0, CATEGORIES[2]: 1e6}
    found = Draw(choices, 1, categories=names, confidence=True)(np.arange(rows), 0)[:, 0] % 3
    shares = np.bincount(found, minlength=3) / rows
    assert shares[2] == 0
    assert abs(shares[0] - 0.5) < 0.03
    only = Draw(choices, 2, categories=[CATEGORIES[2]]).drawn(np.arange(rows), 0)
    assert (only[0][:, 0] % 3 == 2).all()
    assert (only[0][:, 1] == -1).all()
    assert only[1].mean() > 0.99


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    pq.write_table(pa.table({"caption": CAPTIONS, "n": range(len(CAPTIONS))}), folder / "captions.parquet")
    spec = NegatorSpec({"blindness": "balanced", "pool": 24})
    generate(Job(inputs=[str(folder / "captions.parquet")], output=folder / "pool.parquet", spec=spec))
    return folder / "pool.parquet"


def test_a_pool_holds_more_than_k_in_the_order_of_a_draw(pool: Path) -> None:
    rows: list[list[dict[str, Any]]] = pq.read_table(pool)["negatives"].to_pylist()
    assert max(map(len, rows)) > 8
    assert all(len({each["text"] for each in row}) == len(row) for row in rows)
    assert not rows[3]
    scores = [each["scores"] for row in rows for each in row]
    assert all(one["draw"] is not None and one["blind"] is not None and one["lm_gap"] is not None for one in scores)
    assert pq.read_table(pool)["status"].to_pylist()[0] == "ok"


def test_a_negator_with_a_pool_offers_what_it_would_draw() -> None:
    drawn = {one.text for one in Negator(k=4)(CAPTIONS[0]).negatives}
    pooled = [one.text for one in Negator(k=4, pool=12)(CAPTIONS[0]).negatives]
    assert drawn
    assert drawn <= set(pooled)
    assert len(pooled) <= 12
    off = Negator(k=4, pool=12, blindness="off")(CAPTIONS[0])
    assert 4 < len(off.negatives) <= 12
    assert all("draw" not in one.scores for one in off.negatives)
    for wrong in (3, 257, "8"):
        with pytest.raises(ValueError, match="pool must be"):
            Negator(k=4, pool=wrong)  # type: ignore[arg-type]


def test_an_epoch_as_a_file_is_what_a_dataloader_draws(pool: Path, tmp_path: Path) -> None:
    found = HardNegatives.open([pool], cache=tmp_path / "cache", k=2, seed=5)
    for epoch in (0, 1):
        out = tmp_path / f"{epoch}.parquet"
        drawn = draw_epoch(pool, out, k=2, seed=5, epoch=epoch)
        table = pq.read_table(out)
        texts = [[each["text"] for each in row] for row in table["negatives"].to_pylist()]
        assert texts == found.batch(range(len(found)), epoch)
        assert drawn.rows == len(CAPTIONS)
        assert drawn.negatives == sum(map(len, texts))
        assert table["n"].to_pylist() == list(range(len(CAPTIONS)))
        states = {2: "ok", 1: "partial", 0: "none"}
        assert table["status"].to_pylist() == [states[len(row)] for row in texts]
        assert all(
            (why is None) == (state == "ok") for why, state in zip(table["reason"], table["status"], strict=True)
        )
    assert found.batch(range(6), 0) != found.batch(range(6), 1)


def test_without_a_pool_nothing_is_drawn(tmp_path: Path) -> None:
    pq.write_table(pa.table({"caption": CAPTIONS}), tmp_path / "captions.parquet")
    with pytest.raises(InputError, match=r"no pool to draw from.*generate --pool"):
        draw_epoch(tmp_path / "captions.parquet", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_batches_halve_the_weight_of_one_that_gives_itself_away(tmp_path: Path) -> None:
    path, images = dataset(tmp_path, 8)
    table = pq.read_table(path)
    lists = table["negatives"].to_pylist()
    for number, row in enumerate(lists):
        for one in row:
            one["weight"] = 0.75
            one["scores"] = {"draw": -60.0 if number % 2 else 60.0}
    column = pa.array(lists, table.schema.field("negatives").type)
    pq.write_table(table.set_column(table.column_names.index("negatives"), "negatives", column), path)
    prepared = prepare(Inputs([path], images), WordTokenizer(), View(16), cache=tmp_path / "cache")
    batch = Batches(prepared, 1, seed=0)(next(iter(Order(prepared.rows, 8, seed=0).steps(0, 1))))
    expected = [0.375 if row % 2 else 0.75 for row in batch.rows.tolist()]
    assert batch.weights[:, 0].tolist() == expected
