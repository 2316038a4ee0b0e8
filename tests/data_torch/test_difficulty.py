from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from negagen.data import Batches, Curriculum, Feed, Feedback, HardNegatives, Inputs, Order, View, prepare
from negagen.data.difficulty import suspected
from negagen.data.draw import Draw
from negagen.data.trainingset import Choices
from negagen.errors import DataError
from tests.data_torch.files import WordTokenizer, dataset, negative, rows, write


def choices_of(counts: list[int], kinds: list[int] | None = None, draws: list[float] | None = None) -> Choices:
    total = sum(counts)
    none = np.full(total, -1, np.int32)
    return Choices(
        np.cumsum([0, *counts]),
        np.arange(total, dtype=np.int32),
        np.ones(total, np.float32),
        np.array([0] * total if kinds is None else kinds, np.int8),
        none,
        none,
        np.array([np.nan] * total if draws is None else draws, np.float32),
    )


def fed(size: int, margins: dict[int, float], *, epoch: int = 0, caption: float = 0.3) -> Feedback:
    feedback = Feedback(size)
    numbers = np.array(list(margins), np.int64)[None]
    feedback.feed(numbers, np.array([list(margins.values())]), np.array([caption]), epoch)
    return feedback


def test_before_anything_is_fed_draws_are_as_ever() -> None:
    choices = choices_of([5, 0, 3, 7])
    everything = Curriculum(quota=1.0, warmup_epochs=0)
    for epoch in range(3):
        plain = Draw(choices, 2, seed=1)(np.arange(4), epoch)
        assert (
            Draw(choices, 2, seed=1, curriculum=everything, feedback=Feedback(15))(np.arange(4), epoch) == plain
        ).all()


def test_chances_follow_the_models_probability() -> None:
    # Of a thousand rows with two candidates, the second confuses the model with probability 3/4, the first with 1/4.
    n = 4000
    choices = choices_of([2] * n)
    feedback = Feedback(2 * n)
    margin = 0.01 * np.log(3)
    feedback.feed(np.arange(2 * n).reshape(n, 2), np.tile([margin, -margin], (n, 1)), np.full(n, 0.3), 0)
    for difficulty, share in ((1.0, 3 / 4), (2.0, 9 / 10), (0.0, 1 / 2)):
        draw = Draw(choices, 1, curriculum=Curriculum(difficulty), feedback=feedback)
        hard = (draw(np.arange(n), 1)[:, 0] % 2).mean()
        assert hard == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / n))
    # The first epoch is of warm-up.
    assert (Draw(choices, 1, curriculum=Curriculum(9.0), feedback=feedback)(np.arange(n), 0)[:, 0] % 2).mean() < 0.55
    # One that was never drawn goes between one that fools the model and one that does not.
    some = fed(3, {0: 0.2, 2: -0.03})
    draw = Draw(choices_of([3]), 3, curriculum=Curriculum(9.0, quota=1.0), feedback=some)
    assert draw(np.array([0]), 1)[0].tolist() == [2, 1, 0]


def test_what_is_suspected_sits_out_until_its_margin_no_longer_counts() -> None:
    feedback = fed(2, {0: -0.1, 1: 0.2}, epoch=2)  # 0.4 against a caption at 0.3
    draw = Draw(choices_of([2]), 2, curriculum=Curriculum(1.0, below=1.2, memory=2, quota=1.0), feedback=feedback)
    drawn = {epoch: sorted(draw(np.array([0]), epoch)[0].tolist()) for epoch in range(3, 7)}
    assert drawn == {3: [-1, 1], 4: [-1, 1], 5: [0, 1], 6: [0, 1]}
    lenient = Draw(choices_of([2]), 2, curriculum=Curriculum(1.0, below=0), feedback=feedback)
    assert sorted(lenient(np.array([0]), 3)[0].tolist()) == [0, 1]
    assert suspected(np.array([-0.1]), np.array([-0.3]), 1.2).tolist() == [True]
    assert suspected(np.array([-0.05]), np.array([-0.3]), 1.2).tolist() == [False]


@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=6),
    k=st.integers(1, 5),
    quota=st.sampled_from([0.25, 0.5, 1.0]),
    pooled=st.booleans(),
    data=st.data(),
)
@settings(max_examples=120, deadline=None)
def test_draws_keep_quota_floor_and_suspicion(
    counts: list[int], k: int, quota: float, pooled: bool, data: st.DataObject
) -> None:
    total = sum(counts)
    kinds = data.draw(st.lists(st.integers(0, 2), min_size=total, max_size=total))
    draws = data.draw(st.lists(st.floats(-6, 3, width=32), min_size=total, max_size=total)) if pooled else None
    margins = data.draw(st.lists(st.floats(-0.25, 0.25, width=32), min_size=total, max_size=total))
    seen = data.draw(st.lists(st.booleans(), min_size=total, max_size=total))
    choices = choices_of(counts, kinds, draws)
    feedback = fed(total, {at: margin for at, margin in enumerate(margins) if seen[at]})
    curriculum = Curriculum(2.0, quota=quota)
    found, forced = Draw(choices, k, seed=4, curriculum=curriculum, feedback=feedback).drawn(np.arange(len(counts)), 1)
    # Those that the pool's floor leaves: the widest plain draw, which has no quota that binds.
    plain, alone = Draw(choices, total + 2, seed=4).drawn(np.arange(len(counts)), 1)
    doubted = suspected(feedback.margins, feedback.captions, 1.2) & feedback.seen
    most = curriculum.most(k)
    for row in range(len(counts)):
        mine = [one for one in found[row].tolist() if one >= 0]
        assert len(set(mine)) == len(mine)
        assert not doubted[mine].any()
        open_to = {one for one in plain[row].tolist() if one >= 0 and not doubted[one]} if not alone[row] else set()
        if not forced[row]:
            assert set(mine) <= open_to
            assert len(mine) == min(k, len(open_to))
            counted = [sum(choices.kinds[one] == kind for one in mine) for kind in range(3)]
            room = [min(most, sum(choices.kinds[one] == kind for one in open_to)) for kind in range(3)]
            assert max(counted) <= most or sum(room) < k


def test_what_does_not_go_together() -> None:
    feedback = Feedback(4)
    with pytest.raises(DataError, match=r"\[1, 2\] candidates, \[1, 3\] margins"):
        feedback.feed(np.array([[0, 1]]), np.zeros((1, 3)), np.zeros(1), 0)
    with pytest.raises(DataError, match="candidates 0 to 4 of 4"):
        feedback.feed(np.array([[0, 4]]), np.zeros((1, 2)), np.zeros(1), 0)
    with pytest.raises(DataError, match="needs feedback on all 3 candidates, but has that on 4"):
        Draw(choices_of([3]), 1, curriculum=Curriculum(), feedback=feedback)
    with pytest.raises(DataError, match="has none"):
        Draw(choices_of([3]), 1, curriculum=Curriculum())
    for wrong in ({"quota": 0.0}, {"memory": 0}, {"temperature": 0.0}, {"difficulty": 11.0}, {"below": -1.0}):
        with pytest.raises(DataError, match=f"curriculum: {next(iter(wrong))}"):
            Curriculum(**wrong)
    feedback.feed(np.array([[0, 1, -1]]), np.array([[np.nan, 0.1, 0.2]]), np.array([0.3]), 0)
    assert feedback.seen.tolist() == [False, True, False, False]


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    table = rows(12)
    table[3]["negatives"].insert(1, {**table[3]["negatives"][0], "text": " "})
    path = tmp_path / "pool.parquet"
    write(path, table)
    return path


def hard(pool: Path, **options: Any) -> HardNegatives:
    given: dict[str, Any] = {"k": 2, "curriculum": Curriculum(8.0, warmup_epochs=0)} | options
    return HardNegatives.open([pool], cache=pool.parent / "cache", **given)


def test_texts_of_ones_own_loop(pool: Path, tmp_path: Path) -> None:
    negatives = hard(pool)
    every = np.arange(len(negatives))
    numbers = negatives.candidates(every, 0)
    flat = [negatives._data.texts[negatives._data.negatives.texts[one]] for one in numbers[numbers >= 0]]
    assert flat == [text for texts in negatives.batch(every, 0) for text in texts]
    before = negatives.batch(every, 1)
    # What was drawn is easy: the next epoch draws the others first.
    assert negatives.feedback is not None
    negatives.feedback.feed(numbers, np.full(numbers.shape, 0.2), np.full(len(numbers), 0.3), 0)
    after = negatives.candidates(every, 1)
    counts = negatives._data.negatives.counts
    new = [len(set(row.tolist()) - set(old.tolist()) - {-1}) for row, old in zip(after, numbers, strict=True)]
    assert new == [min(2, int(count) - int((old >= 0).sum())) for count, old in zip(counts, numbers, strict=True)]
    assert negatives.batch(every, 1) != before
    # The same in another process, and from the file.
    assert pickle.loads(pickle.dumps(negatives)).batch(every, 1) == negatives.batch(every, 1)
    negatives.save_feedback(tmp_path / "said.parquet")
    again = hard(pool)
    again.load_feedback(tmp_path / "said.parquet")
    assert again.batch(every, 1) == negatives.batch(every, 1)
    again.load_feedback(tmp_path / "said.parquet", anew=True)
    # Said before epoch 0, it no longer counts in epoch 3.
    assert again.batch(every, 3) == hard(pool).batch(every, 3) != negatives.batch(every, 3)


def test_feedback_on_other_negatives(pool: Path, tmp_path: Path) -> None:
    negatives = hard(pool)
    assert negatives.feedback is not None
    numbers = negatives.candidates(range(12))
    negatives.feedback.feed(numbers, np.zeros(numbers.shape), np.zeros(len(numbers)), 0)
    negatives.save_feedback(tmp_path / "said.parquet")
    table = rows(12)
    for row in table:
        row["negatives"] = [negative(row["caption"], "beside", "on")]
    write(tmp_path / "other.parquet", table)
    said = rf"speaks of other negatives than those of .*other\.parquet: it is of {pool}\. Train on that file"
    with pytest.raises(DataError, match=said):
        hard(tmp_path / "other.parquet").load_feedback(tmp_path / "said.parquet")
    with pytest.raises(DataError, match="is no feedback: it has the columns"):
        negatives.load_feedback(pool)
    with pytest.raises(DataError, match="no feedback without a curriculum"):
        hard(pool, curriculum=None).load_feedback(tmp_path / "said.parquet")


def test_batches_number_their_candidates(tmp_path: Path) -> None:
    path, images = dataset(tmp_path, 8)
    prepared = prepare(Inputs([path], images), WordTokenizer(), View(16), cache=tmp_path / "cache")
    feedback = Feedback(len(prepared.data.negatives))
    batches = Batches(prepared, 2, curriculum=Curriculum(8.0, warmup_epochs=0), feedback=feedback)
    order = Order(prepared.rows, 8)
    first, second = order.steps(0, 2)
    batch = batches(first)
    assert batch.candidates is not None
    there = batch.candidates >= 0
    assert (there == batch.mask).all()
    owners = prepared.data.negatives.owners()
    assert (owners[batch.candidates[there].numpy()] == batch.rows[:, None].expand_as(there)[there].numpy()).all()
    before = batches(second).candidates
    feedback.feed(batch.candidates.numpy(), np.full((8, 2), 0.3), np.full(8, 0.3), 0)
    after = batches(second).candidates
    assert before is not None
    assert after is not None
    assert (after != before).any()
    # A feed makes nothing of an epoch ahead before it is asked for.
    seen = Feedback(len(feedback))
    feed = Feed(Batches(prepared, 2, curriculum=Curriculum(8.0, warmup_epochs=0), feedback=seen), order, workers=3)
    for number, made in enumerate(feed.steps(0, 6)):
        alone = Batches(prepared, 2, curriculum=Curriculum(8.0, warmup_epochs=0), feedback=seen)
        expected = alone(next(order.steps(number))).candidates
        assert made.candidates is not None
        assert expected is not None
        assert made.candidates.tolist() == expected.tolist()
        seen.feed(made.candidates.numpy(), np.full((8, 2), 0.1 * number), np.full(8, 0.3), number)
    again = pickle.loads(pickle.dumps(batches))(second).candidates
    assert (again == after).all()
    with pytest.raises(DataError, match="'clic' makes its negatives anew"):
        Batches(prepared, 2, layout="clic", tokenizer=WordTokenizer(), curriculum=Curriculum(), feedback=feedback)
