from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from negagen import Negative
from negagen.data import Batches, Collator, Grouped, HardNegatives, Inputs, Order, View, grouped, prepare
from negagen.errors import DataError
from negagen.types import CATEGORIES
from tests.data_torch.files import WordTokenizer, dataset

TOKENIZER = WordTokenizer(8)
WORDS = st.lists(st.sampled_from(["a", "red", "dog", "cat", "on", "two"]), min_size=1, max_size=9).map(" ".join)


def sample(caption: str, *negatives: Any, **others: Any) -> dict[str, Any]:
    return {"caption": caption, "negatives": list(negatives), **others}


def test_a_block_says_what_the_samples_say() -> None:
    made = Collator(TOKENIZER, 3, others=["row"])(
        [
            sample("a red dog", {"text": "a red cat", "weight": 0.5, "category": "replace_obj"}, "a dog", row=7),
            sample("two cats", Negative("two dogs", "r", "replace_obj", ()), *["a", "b", "c"], row=9),
            sample("a red dog on a cat mat here", "a red dog on a cat rug here", row=1),
        ]
    )
    assert made.tokens.shape == (3, 4, 8)
    assert made.mask.tolist() == [[True, True, True, False], [True] * 4, [True, False, False, False]]
    assert made.cut == 1  # "mat" is the seventh word, of which six fit
    assert made.weights.tolist() == [[0.5, 1, 0], [1, 1, 1], [0, 0, 0]]
    thing = CATEGORIES.index("replace_obj")
    assert made.kinds.tolist() == [[thing, -1, -1], [thing, -1, -1], [-1, -1, -1]]
    assert made.others["row"].tolist() == [7, 9, 1]
    assert made.spans[0].tolist() == [[3, 4], [2, 2], [0, 0]]
    assert made.caption_spans[0].tolist() == [[3, 4], [2, 3], [0, 0]]
    (ids,) = TOKENIZER(["a red cat"])
    assert made.tokens[0, 1].tolist() == ids + [0] * (8 - len(ids))
    assert made.tokens[0, 3].tolist() == made.tokens[0, 0].tolist()
    assert made.to("cpu").tokens.equal(made.tokens)


@given(captions=st.lists(st.tuples(WORDS, st.lists(WORDS, max_size=3)), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_outside_of_its_span_a_negative_is_its_caption(captions: list[tuple[str, list[str]]]) -> None:
    made = Collator(TOKENIZER, 2)([sample(caption, *negatives) for caption, negatives in captions])
    cut = 0
    for row, (caption, negatives) in enumerate(captions):
        (own,) = TOKENIZER([caption])
        for place in range(2):
            if place >= len(negatives):
                assert not made.mask[row, 1 + place]
                continue
            (ids,) = TOKENIZER([negatives[place]])
            cut += ids == own
            assert bool(made.mask[row, 1 + place]) == (ids != own)
            if ids == own:
                continue
            (start, stop), (begin, end) = made.spans[row, place].tolist(), made.caption_spans[row, place].tolist()
            assert ids[:start] + own[begin:end] + ids[stop:] == own
            assert begin == start
            # The span is the least: its first and last tokens differ, where both sides have some.
            if stop > start and end > begin:
                assert ids[start] != own[begin]
                assert ids[stop - 1] != own[end - 1]
    assert made.cut == cut


def test_batches_as_blocks(tmp_path: Path) -> None:
    path, images = dataset(tmp_path, 12, per_picture=2)
    tokenizer = WordTokenizer()
    prepared = prepare(Inputs([path], images), tokenizer, View(16), cache=tmp_path / "cache")
    batch = Batches(prepared, 2, seed=1)(next(iter(Order(prepared.rows, 6, seed=1).steps(0, 1))))
    made = grouped(batch)
    assert made.mask[:, 1:].tolist() == batch.mask.tolist()
    assert made.weights.tolist() == batch.weights.tolist()
    assert made.kinds.tolist() == batch.kinds.tolist()
    assert made.cut == 0
    assert made.tokens[:, 0].equal(batch.texts.ids[batch.captions])
    assert made.others["pixels"].shape == (6, 3, 16, 16)
    negatives = HardNegatives.open([path], cache=tmp_path / "cache", k=2, seed=1)
    samples = negatives.samples(range(6), epoch=3)
    assert [[one["text"] for one in each["negatives"]] for each in samples] == negatives.batch(range(6), 3)
    assert samples[0]["negatives"][0]["category"] in CATEGORIES


def test_of_a_pool_the_collator_draws() -> None:
    def candidate(text: str, draw: float | None, category: str = "replace_obj") -> dict[str, Any]:
        return {"text": text, "weight": 0.5, "category": category, "scores": {"blind": 0.0, "draw": draw}}

    pool = [candidate(f"a red {animal}", 20.0) for animal in ("cat", "cow", "pig")]
    pool += [candidate("a tiny dog", -40.0), candidate("a blue dog", 15.0, "replace_att")]
    captions = [sample("a red dog", *pool, key=number) for number in range(200)]
    captions.append(sample("a red dog", candidate("a tiny dog", -40.0), key=200))
    captions.append(sample("a red dog", candidate("a tiny dog", None), "a red cat", key=201))
    collator = Collator(TOKENIZER, 4, key="key", seed=3)
    made = collator(captions)
    assert made.mask[:200].sum(dim=1).tolist() == [5] * 200  # two of one category, then the third for want of others
    assert made.kinds[:200, :3].ne(made.kinds[:200, :1]).any(dim=1).all()
    (tiny,) = TOKENIZER(["a tiny dog"])
    assert not (made.tokens[:200, 1:, :5] == torch.tensor(tiny)).all(dim=-1).any()
    assert made.mask[200].tolist() == [True, True, False, False, False]
    assert made.weights[200:].tolist() == [[0.25, 0, 0, 0], [0.5, 1, 0, 0]]
    # By key and epoch, in whatever company.
    assert collator(captions[7:9]).tokens.equal(made.tokens[7:9])
    collator.epoch = 1
    again = collator(captions)
    assert not again.tokens.equal(made.tokens)
    assert again.tokens[201].equal(made.tokens[201])


class Rows(torch.utils.data.Dataset[dict[str, Any]]):
    def __len__(self) -> int:
        return 6

    def __getitem__(self, row: int) -> dict[str, Any]:
        return sample("a red dog " + "on " * row, "a red cat", row=row)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_loaders_workers_collate(start: str) -> None:
    collator = Collator(TOKENIZER, 1, others=["row"])
    loader: DataLoader[Grouped] = DataLoader(
        Rows(),  # type: ignore[arg-type]
        batch_size=3,
        num_workers=1,
        collate_fn=collator,
        multiprocessing_context=start,
    )
    for found, rows in zip(loader, ([0, 1, 2], [3, 4, 5]), strict=True):
        expected = collator([Rows()[row] for row in rows])
        assert found.tokens.equal(expected.tokens)
        assert found.others["row"].tolist() == rows


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"negatives": []}, "sample 0 has no 'caption'; it has 'negatives'"),
        ({"caption": "a dog"}, "sample 0 has no 'negatives'"),
        ({"caption": None, "negatives": []}, "sample 0: 'caption' is NoneType"),
        ({"caption": "a dog", "negatives": [{"negative": "a cat"}]}, "should be a text, or a mapping"),
    ],
)
def test_samples_that_are_none(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Collator(TOKENIZER, 1)([wrong])


def test_a_batch_of_nothing() -> None:
    with pytest.raises(DataError, match="a batch of no samples"):
        Collator(TOKENIZER, 1)([])
