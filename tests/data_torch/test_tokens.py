from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from negagen.data.layouts import Inputs
from negagen.data.reading import read
from negagen.data.tokens import HuggingFaceTokenizer, TokenTable, encode, tokenise
from negagen.data.trainingset import TrainingSet
from negagen.errors import ModelError
from tests.data_torch.files import WordTokenizer, caption, dataset, negative, rows, write


def training_set(folder: Path, count: int = 12) -> TrainingSet:
    path, images = dataset(folder, count)
    return read(Inputs([path], images)).data


@pytest.fixture(scope="module")
def clip_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> HuggingFaceTokenizer:
    from transformers import AutoTokenizer

    from tests.train import tiny

    folder = tiny.clip(tmp_path_factory.mktemp("clip"))
    return HuggingFaceTokenizer(AutoTokenizer.from_pretrained(folder), 16)


def test_tokens_are_those_of_the_tokenizer_cut_to_the_longest(
    tmp_path: Path, clip_tokenizer: HuggingFaceTokenizer
) -> None:
    data = training_set(tmp_path)
    table = tokenise(data, clip_tokenizer, tmp_path / "tokens")
    chosen = np.array([5, 0, 5, len(data.texts) - 1])
    found = table.take(chosen)
    expected = clip_tokenizer(data.texts.take(chosen))
    assert found.ids.dtype == found.lengths.dtype == torch.int64
    assert found.ids.shape[1] == max(map(len, expected))
    for row, length, ids in zip(found.ids.tolist(), found.lengths.tolist(), expected, strict=True):
        assert row[:length] == ids
        assert set(row[length:]) <= {clip_tokenizer.pad_id}
    same = encode(clip_tokenizer, data.texts.take(chosen))
    assert torch.equal(same.ids, found.ids)
    assert torch.equal(same.lengths, found.lengths)
    assert found.mask.sum(1).tolist() == found.lengths.tolist()


TEXTS = [
    "a dog",
    "A red CAT under the table, isn't it?",
    "dog " * 50,
    "</s> a <|endoftext|>",
    "\u00e9e\u0301 \u732b  two",
    "",
]


@pytest.mark.parametrize("kind", ["clip", "siglip", "dual_encoder"])
@pytest.mark.parametrize(("side", "whole"), [("right", False), ("left", True)])
def test_tokens_are_those_of_transformers(tmp_path: Path, kind: str, side: str, whole: bool) -> None:
    from transformers import AutoTokenizer

    from tests.train import tiny

    inner = AutoTokenizer.from_pretrained(
        getattr(tiny, kind)(tmp_path / "model"), truncation_side=side, split_special_tokens=whole
    )
    before = inner.backend_tokenizer.to_str()
    tokenizer = HuggingFaceTokenizer(inner, 12)
    found = tokenizer(TEXTS)
    assert inner.backend_tokenizer.to_str() == before
    assert found == inner(TEXTS, truncation=True, max_length=12)["input_ids"]
    assert pickle.loads(pickle.dumps(tokenizer))(TEXTS) == found


def test_a_tokenizer_that_is_called_in_its_own_way_is_called_so(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from tests.train import tiny

    inner = AutoTokenizer.from_pretrained(tiny.clip(tmp_path / "model"))

    class Backwards(type(inner)):  # type: ignore[misc]
        def __call__(self, texts, **options):  # type: ignore[no-untyped-def]
            return super().__call__([text[::-1] for text in texts], **options)

    inner.__class__ = Backwards
    expected = inner(["god a"])["input_ids"]
    assert HuggingFaceTokenizer(inner, 12)(["god a"]) == expected
    assert expected != HuggingFaceTokenizer(AutoTokenizer.from_pretrained(tmp_path / "model"), 12)(["god a"])


def test_the_end_mark_stays_when_a_text_is_cut(clip_tokenizer: HuggingFaceTokenizer) -> None:
    long, short = clip_tokenizer(["dog " * 50, "dog"])
    assert len(long) == 16
    assert (long[0], long[-1]) == (short[0], short[-1])


def test_edits_that_the_cut_hides_are_found(tmp_path: Path) -> None:
    path, images = dataset(tmp_path, 4)
    table = rows(4)
    for number, row in enumerate(table):
        row["negatives"] = [negative(caption(number), word, "zebra") for word in caption(number).split()[1:3]]
        row["negatives"].append(negative(caption(number), caption(number).split()[-1], "cow"))
    write(path, table)
    data = read(Inputs([path], images)).data
    whole = tokenise(data, WordTokenizer(12), tmp_path / "tokens")
    cut = tokenise(data, WordTokenizer(6), tmp_path / "tokens")
    assert not whole.same_negatives.any()
    assert cut.same_negatives.reshape(4, 3).tolist() == [[False, False, True]] * 4
    assert cut.same_positives.tolist() == [False] * 4


def test_made_once_for_each_tokenizer(tmp_path: Path) -> None:
    data = training_set(tmp_path)
    calls = []

    class Counting(WordTokenizer):
        def __call__(self, texts):  # type: ignore[no-untyped-def]
            calls.append(len(texts))
            return super().__call__(texts)

    first = tokenise(data, Counting(12), tmp_path / "tokens")
    tokenise(data, Counting(12), tmp_path / "tokens")
    assert calls == [len(data.texts)]
    other = tokenise(data, Counting(9), tmp_path / "tokens")
    assert first.fingerprint != other.fingerprint
    received: TokenTable = pickle.loads(pickle.dumps(first))
    assert len(pickle.dumps(first)) < 1000
    np.testing.assert_array_equal(received.ids, first.ids)


def test_ids_beyond_16_bits(tmp_path: Path) -> None:
    class Large(WordTokenizer):
        def __call__(self, texts):  # type: ignore[no-untyped-def]
            return [[one + 100_000 for one in ids] for ids in super().__call__(texts)]

    data = training_set(tmp_path)
    table = tokenise(data, Large(), tmp_path / "tokens")
    assert table.take(np.array([0])).ids.tolist() == Large()(data.texts.take(np.array([0])))


def test_a_fingerprint_does_not_depend_on_earlier_calls(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from tests.train import tiny

    inner = AutoTokenizer.from_pretrained(tiny.clip(tmp_path))
    before = HuggingFaceTokenizer(inner, 16).fingerprint
    inner(["a dog", "a cat on a table"], padding=True, truncation=True, max_length=4)
    assert HuggingFaceTokenizer(inner, 16).fingerprint == before
    assert HuggingFaceTokenizer(inner, 15).fingerprint != before


def test_a_tokenizer_without_padding_or_end_is_refused() -> None:
    none = type("None_", (), {"pad_token_id": None, "eos_token_id": None})()
    with pytest.raises(ModelError, match="pad_token"):
        HuggingFaceTokenizer(none, 77)
