"""Packed texts give the features and the gradients of texts padded to 77 tokens, whatever they share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import CLIPModel

from negagen.data.batch import Batch, Texts
from negagen.train.models import ContrastiveModel, load
from negagen.train.staging import Stager
from negagen.train.text import PackedTexts, pack
from tests.train import tiny

START, END = 1, 9
bodies = st.lists(st.lists(st.integers(2, 4), max_size=11), min_size=1, max_size=30, unique_by=tuple)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny.clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def model(folder: Path) -> ContrastiveModel:
    return load(folder)


def texts_of(rows: list[list[int]]) -> Texts:
    tokens = [[START, *row, END] for row in rows]
    longest = max(map(len, tokens))
    ids = torch.tensor([row + [END] * (longest - len(row)) for row in tokens])
    return Texts(ids, torch.tensor([len(row) for row in tokens]))


def path_to(packed: PackedTexts, end: int) -> list[int]:
    """The tokens that a packed token attends to, by the definition of `exits` and `starts`."""
    group = int(torch.searchsorted(packed.starts, end, right=True)) - 1
    return [int(packed.ids[j]) for j in range(int(packed.starts[group]), end + 1) if packed.exits[j] > end]


@settings(max_examples=60, deadline=None)
@given(bodies, st.integers(1, 40), st.booleans(), st.sampled_from([1, 8]))
def test_each_text_attends_to_exactly_its_own_tokens(
    rows: list[list[int]], group: int, share: bool, round_to: int
) -> None:
    texts = texts_of(rows)
    packed = pack(texts, group=group, round_to=round_to, share=share)
    for number, end in enumerate(packed.ends.tolist()):
        length = int(texts.lengths[number])
        assert path_to(packed, end) == texts.ids[number, :length].tolist()
        assert packed.positions[end] == length - 1
    sizes = packed.starts.diff()
    assert sizes.min() > 0
    assert sizes.max() <= packed.tile
    assert packed.starts[-1] == len(packed.ids)
    assert len(packed.ids) % round_to == 0
    assert (sizes <= max(group, int(texts.lengths.max()))).all()


@settings(max_examples=40, deadline=None)
@given(bodies)
def test_one_group_computes_every_beginning_once(rows: list[list[int]]) -> None:
    packed = pack(texts_of(rows), group=10**6, round_to=1)
    beginnings = {tuple([*row, END][:stop]) for row in rows for stop in range(len(row) + 2)}
    assert len(packed.ids) == len(beginnings)


def test_equal_texts_are_computed_once() -> None:
    packed = pack(texts_of([[2, 3], [4], [2, 3]]), round_to=1)
    assert packed.ends[0] == packed.ends[2] != packed.ends[1]
    assert len(packed.ids) == 1 + 3 + 2


def captions() -> list[str]:
    """A caption with negatives that differ early, late, by insertion and by length; another; one that is cut."""
    return [
        "a red cat under the table .",
        "a blue cat under the table .",
        "a red cat under the box .",
        "a red cat under the table in the park .",
        "the red cat under the table .",
        "a red cat under a table .",
        "two bird on the table",
        "dog",
        "a dog and " * 30,
    ]


def reference(folder: Path, texts: list[str], weights: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """What transformers itself makes of texts padded to 77 tokens, and the gradients of a weighted sum of it."""
    from transformers import AutoTokenizer

    network: Any = CLIPModel.from_pretrained(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
    features = network.get_text_features(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
    features = getattr(features, "pooler_output", features)
    features = features / features.norm(dim=-1, keepdim=True)
    (features * weights).sum().backward()
    return features, {name: one.grad for name, one in network.named_parameters() if one.grad is not None}


@pytest.mark.parametrize("layout", ["trimmed", "packed", "shared", "small groups", "recomputed"])
def test_features_and_gradients_are_those_of_77_tokens(folder: Path, layout: str) -> None:
    model = load(folder)
    texts = model.tokenize(captions())
    weights = torch.randn(len(captions()), 24, generator=torch.Generator().manual_seed(0))
    expected, gradients = reference(folder, captions(), weights)
    layouts: dict[str, Callable[[], Texts | PackedTexts]] = {
        "trimmed": lambda: texts,
        "packed": lambda: pack(texts, share=False),
        "shared": lambda: pack(texts),
        "small groups": lambda: pack(texts, group=20, round_to=1),
        "recomputed": lambda: pack(texts),
    }
    if layout == "recomputed":
        model.use_checkpointing()
    features = model.encode_texts(layouts[layout]())
    torch.testing.assert_close(features, expected, rtol=0, atol=2e-6)
    (features * weights).sum().backward()  # type: ignore[no-untyped-call]
    found = {name: one.grad for name, one in model.network.named_parameters() if one.grad is not None}
    assert found.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=2e-6, msg=name)


def test_a_mistake_in_the_tree_would_be_seen(folder: Path, model: ContrastiveModel) -> None:
    """The comparison above is sharp: exits off by one change the features by much more than its tolerance."""
    texts = model.tokenize(captions())
    packed = pack(texts)
    wrong = PackedTexts(packed.ids, packed.positions, packed.exits + 1, packed.starts, packed.ends, packed.tile)
    difference = (model.encode_texts(wrong) - model.encode_texts(packed)).abs().max()
    assert difference > 1e-3


def test_sharing_pays_on_negatives(model: ContrastiveModel) -> None:
    texts = model.tokenize(captions()[:6])
    assert len(pack(texts, round_to=1).ids) <= 0.7 * int(texts.lengths.sum())


def test_texts_that_cannot_be_packed_are_grouped_by_length(tmp_path: Path) -> None:
    model = load(tiny.dual_encoder(tmp_path))
    batch = a_batch(model.tokenize(captions()[:8]))
    words = Stager(model)(batch).words
    assert len(words.parts) == 4
    computed = sum(part.ids.numel() for part in words.parts)
    assert computed < batch.texts.ids.numel()
    features = torch.cat([model.encode_texts(part) for part in words.parts])[words.places]
    torch.testing.assert_close(features, model.encode_texts(batch.texts), rtol=0, atol=2e-6)


def a_batch(texts: Texts) -> Batch:
    count = len(texts)
    none = torch.empty(count, 0, dtype=torch.int64)
    return Batch(
        rows=torch.arange(count),
        groups=torch.arange(count),
        pixels=None,
        texts=texts,
        captions=torch.arange(count),
        negatives=none,
        positives=none,
        weights=none.float(),
        kinds=none,
    )


def test_packed_texts_move(model: ContrastiveModel) -> None:
    packed = pack(model.tokenize(captions()))
    moved = packed.to("meta")
    assert moved.ids.device.type == "meta"
    assert moved.tile == packed.tile
