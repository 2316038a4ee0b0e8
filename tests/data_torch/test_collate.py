from __future__ import annotations

import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from negagen.data import Batch, Batches, Feed, Inputs, Order, Prepared, Sweep, Texts, View, ahead, prepare
from negagen.data.order import Step
from negagen.errors import DataError
from negagen.types import CATEGORIES
from tests.data_torch.files import WordTokenizer, caption, dataset, negatives_of, rows, write

TOKENIZER = WordTokenizer()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("data")
    path, images = dataset(folder, 40, per_picture=2)
    return prepare(Inputs([path], images), TOKENIZER, View(16), cache=folder / "cache")


def equal(one: Batch, two: Batch) -> bool:
    for name in ("rows", "groups", "pixels", "captions", "negatives", "positives", "weights", "kinds"):
        a, b = getattr(one, name), getattr(two, name)
        if (a is None) != (b is None) or (a is not None and not (a.dtype == b.dtype and torch.equal(a, b))):
            return False
    return torch.equal(one.texts.ids, two.texts.ids) and torch.equal(one.texts.lengths, two.texts.lengths)


def ids_of(batch: Batch, index: int | torch.Tensor) -> list[int]:
    ids: list[int] = batch.texts.ids[index][: int(batch.texts.lengths[index])].tolist()
    return ids


def test_a_batch_says_of_each_row_what_the_file_says(prepared: Prepared) -> None:
    batches = Batches(prepared, 2, 1, seed=3)
    order = Order(prepared.rows, 12, seed=3)
    seen = set()
    for step in order.steps(0, 12):
        batch = batches(step)
        assert batch.rows.tolist() == step.rows.tolist()
        assert batch.pixels is not None
        assert batch.pixels.shape == (12, 3, 16, 16)
        assert batch.negatives.shape == batch.weights.shape == batch.kinds.shape == batch.mask.shape == (12, 2)
        assert batch.texts.ids.shape[1] == batch.texts.lengths.max()
        assert len({tuple(ids) for ids in batch.texts.ids.tolist()}) == len(batch.texts)
        for index, row in enumerate(step.rows.tolist()):
            assert ids_of(batch, batch.captions[index]) == TOKENIZER([caption(row)])[0]
            assert ids_of(batch, batch.positives[index, 0]) == TOKENIZER([caption(row).replace("beside", "next to")])[0]
            own = {tuple(TOKENIZER([one["text"]])[0]): one for one in negatives_of(row, 1 + row % 3)}
            assert batch.mask[index].sum() == min(2, len(own))
            for slot in range(2):
                if batch.negatives[index, slot] < 0:
                    assert batch.weights[index, slot] == 0
                    assert batch.kinds[index, slot] == -1
                    continue
                made = own[tuple(ids_of(batch, batch.negatives[index, slot]))]
                assert batch.weights[index, slot] == made["weight"]
                assert CATEGORIES[batch.kinds[index, slot]] == made["category"]
                seen.add((row, made["text"]))
            expected = prepared.pixels.pixels[row // 2]
            np.testing.assert_array_equal(batch.pixels[index].numpy(), expected)
        same = batch.groups[:, None] == batch.groups[None]
        pictures = batch.rows // 2
        assert torch.equal(same, pictures[:, None] == pictures[None])
    # Over the epochs every row comes to all its negatives, or nearly.
    assert len(seen) > 0.9 * sum(1 + row % 3 for row in range(40))


def test_without_negatives_or_pixels(prepared: Prepared) -> None:
    step = next(Order(prepared.rows, 8).steps())
    batch = Batches(prepared, pixels=False)(step)
    assert batch.pixels is None
    assert batch.negatives.shape == batch.positives.shape == (8, 0)
    assert len(batch.texts) == len(set(batch.captions.tolist()))
    plain = Batches(prepared, 2, 1, plain_every=3)
    shapes = [plain(step).negatives.shape[1] for step in Order(prepared.rows, 8).steps(0, 6)]
    assert shapes == [2, 2, 0, 2, 2, 0]
    assert [plain.is_plain(number) for number in range(3)] == [False, False, True]


def test_a_batch_does_not_depend_on_who_makes_it_or_from_where_on(prepared: Prepared) -> None:
    batches = Batches(prepared, 2, 1, seed=5)
    order = Order(prepared.rows, 8, seed=5)
    expected = [batches(step) for step in order.steps(0, 14)]
    for workers in (0, 1, 3):
        made = list(ahead(batches, order.steps(6, 14), workers))
        assert all(map(equal, made, expected[6:]))
    sent: Batches = pickle.loads(pickle.dumps(batches))
    assert all(equal(sent(step), one) for step, one in zip(order.steps(0, 14), expected, strict=True))


def test_another_process_gets_where_the_arrays_lie(tmp_path: Path) -> None:
    path, images = dataset(tmp_path, 3000, per_picture=3000)
    large = prepare(Inputs([path], images), TOKENIZER, View(16), cache=tmp_path / "cache")
    for layout in ("pairs", "clic"):
        batches = Batches(large, 2, layout=layout, tokenizer=TOKENIZER)
        assert len(pickle.dumps(batches)) < 10_000 + large.rows.nbytes


@pytest.mark.parametrize("workers", [0, 2])
def test_torchs_loader_takes_it_as_a_dataset(prepared: Prepared, workers: int) -> None:
    batches = Batches(prepared, 2, seed=5)
    order = Order(prepared.rows, 8, seed=5)
    loader: DataLoader[Batch] = DataLoader(batches, sampler=order.steps(2, 7), batch_size=None, num_workers=workers)  # type: ignore[arg-type]
    made = list(loader)
    assert len(made) == 5
    assert all(equal(one, batches(step)) for one, step in zip(made, order.steps(2, 7), strict=True))


def test_ranks_share_the_batch_of_one(prepared: Prepared) -> None:
    batches = Batches(prepared, 2, seed=5)
    whole = batches(next(Order(prepared.rows, 8, seed=1).steps(3)))
    parts = [batches(next(Order(prepared.rows, 8, seed=1, rank=rank, world_size=2).steps(3))) for rank in (0, 1)]
    assert torch.equal(torch.cat([part.rows for part in parts]), whole.rows)
    for index in range(8):
        part, inner = parts[index // 4], index % 4
        for slot in range(2):
            mine, theirs = int(part.negatives[inner, slot]), int(whole.negatives[index, slot])
            assert (mine < 0) == (theirs < 0)
            assert mine < 0 or ids_of(part, mine) == ids_of(whole, theirs)


def test_more_negatives_than_any_row_has(prepared: Prepared) -> None:
    with pytest.raises(DataError, match=r"more than 3 negatives.*4 are asked for.*batch\.negatives to 3"):
        Batches(prepared, 4)
    with pytest.raises(DataError, match="more than 1 positives"):
        Batches(prepared, 1, 2)
    count = len(prepared.data.negatives)
    said = rf"more than 0 negatives.*of its {count} negatives {count} are of categories.*: name more categories\.$"
    with pytest.raises(DataError, match=said):
        Batches(prepared, 1, categories=["shuffle"])


def test_edits_beyond_the_context_are_named_as_the_cause(tmp_path: Path) -> None:
    path, images = dataset(tmp_path, 12)
    prepared = prepare(Inputs([path], images), WordTokenizer(3), View(16), cache=tmp_path / "cache")
    cut = (
        r"of its 24 negatives 24, cut to the model's 3 tokens, are equal to their caption: shorten the captions[^,]*\.$"
    )
    with pytest.raises(DataError, match=cut):
        Batches(prepared, 1)
    # Of captions that are cut later some negatives are left: those of the first words.
    prepared = prepare(Inputs([path], images), WordTokenizer(5), View(16), cache=tmp_path / "cache")
    with pytest.raises(DataError, match=r"of its 24 negatives 4, cut to.*, or set batch\.negatives to 2, or make more"):
        Batches(prepared, 3)


def test_a_file_without_negatives_names_its_columns(tmp_path: Path) -> None:
    path, images = dataset(tmp_path, 4)
    write(path, rows(4), ["image", "caption"])
    prepared = prepare(Inputs([path], images), TOKENIZER, View(16), cache=tmp_path / "cache")
    assert len(Batches(prepared)(next(Order(prepared.rows, 4).steps())).captions) == 4
    with pytest.raises(DataError, match=r"no negatives.*'image', 'caption'.*negagen generate"):
        Batches(prepared, 1)


def test_feeds_and_sweeps(prepared: Prepared) -> None:
    batches = Batches(prepared, 2, seed=5)
    feed = Feed(batches, Order(prepared.rows, 8, seed=5), workers=2)
    assert (len(feed), feed.steps_per_epoch) == (40, 5)
    assert len(list(feed.steps(3, 9))) == 6
    sweep = Sweep(batches, 16)
    for _ in range(2):
        made = list(sweep)
        assert [len(batch) for batch in made] == [16, 16, 8]
        assert torch.cat([batch.rows for batch in made]).tolist() == prepared.rows.tolist()


def test_an_error_comes_up_at_its_step(prepared: Prepared) -> None:
    def fails(step: Step) -> int:
        if step.number == 3:
            raise DataError("here")
        return step.number

    made = ahead(fails, Order(prepared.rows, 8).steps(), workers=2)
    assert [next(made) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(DataError, match="here"):
        next(made)


def test_leaving_a_feed_leaves_no_threads(prepared: Prepared) -> None:
    feed = Feed(Batches(prepared, 1), Order(prepared.rows, 8), workers=2).steps()
    next(feed)
    feed.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_a_batch_moves_whole() -> None:
    one = torch.zeros(1)
    texts = Texts(torch.zeros(1, 2), one)
    batch = Batch(one, one, None, texts, one, one, one, one, one)
    moved = batch.to("meta")
    assert moved.pixels is None
    assert moved.texts.ids.device.type == moved.kinds.device.type == "meta"
