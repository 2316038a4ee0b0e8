from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from negagen.train.gradcache import Cached
from negagen.train.models import load
from negagen.train.optim import FlatGradients, adamw, decay_groups, learning_rate, update_average
from tests.train import tiny

CPU = torch.device("cpu")


def towers(dropout: float) -> nn.ModuleList:
    torch.manual_seed(0)
    return nn.ModuleList(
        nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 4)) for _ in range(2)
    ).double()


def contrastive(image: Tensor, text: Tensor) -> Tensor:
    logits = 10 * nn.functional.normalize(image, dim=-1) @ nn.functional.normalize(text, dim=-1).T
    target = torch.arange(len(image))
    return (nn.functional.cross_entropy(logits, target) + nn.functional.cross_entropy(logits.T, target)) / 2


def joined(cached: Cached) -> list[Tensor]:
    return [torch.cat(parts) for parts in zip(*cached.features(), strict=True)]


def gradients(model: nn.Module) -> list[Tensor]:
    return [one.grad.clone() for one in model.parameters() if one.grad is not None]


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("chunk", [1, 3, 12])
def test_chunks_give_the_gradients_of_one_graph(dropout: float, chunk: int) -> None:
    model = towers(dropout)
    images, texts = torch.randn(2, 12, 5, dtype=torch.float64)
    parts = list(zip(images.split(chunk), texts.split(chunk), strict=True))

    def encode(image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        return model[0](image), model[1](text)

    # One graph over everything, with the draws that chunks make.
    torch.manual_seed(7)
    features = [encode(*part) for part in parts]
    whole = contrastive(*(torch.cat(one) for one in zip(*features, strict=True)))
    whole.backward()  # type: ignore[no-untyped-call]
    expected, after = gradients(model), torch.rand(3)

    model.zero_grad()
    torch.manual_seed(7)
    cached = Cached([partial(encode, *part) for part in parts], CPU)
    loss = contrastive(*joined(cached))
    loss.backward()  # type: ignore[no-untyped-call]
    cached.backward()
    assert loss.item() == whole.item()
    for one, other in zip(gradients(model), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)
    # Later draws are those of a step that encodes once.
    assert torch.equal(torch.rand(3), after)


def test_without_dropout_chunks_do_not_show() -> None:
    model = towers(0.0)
    images, texts = torch.randn(2, 12, 5, dtype=torch.float64)
    contrastive(model[0](images), model[1](texts)).backward()  # type: ignore[no-untyped-call]
    expected = gradients(model)
    model.zero_grad()
    chunks = [lambda n=n: (model[0](images[n : n + 5]), model[1](texts[n : n + 5])) for n in (0, 5, 10)]
    cached = Cached(chunks, CPU)
    contrastive(*joined(cached)).backward()  # type: ignore[no-untyped-call]
    cached.backward()
    for one, other in zip(gradients(model), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


def test_a_frozen_tower_needs_no_second_pass() -> None:
    model = towers(0.0)
    model[0].requires_grad_(False)
    calls = []

    def image() -> tuple[Tensor, ...]:
        calls.append(1)
        return (model[0](torch.ones(3, 5, dtype=torch.float64)),)

    texts = torch.randn(3, 5, dtype=torch.float64)
    cached = Cached([image], CPU, trained=False)
    other = Cached([lambda: (model[1](texts),)], CPU)
    contrastive(joined(cached)[0], joined(other)[0]).backward()  # type: ignore[no-untyped-call]
    cached.backward()
    other.backward()
    assert len(calls) == 1
    assert len(gradients(model)) == 4


class Settings:
    lr = 1e-3
    weight_decay = 0.1
    betas = (0.9, 0.98)
    eps = 1e-6


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(4, 3)
        self.norm = nn.LayerNorm(3)
        self.linear = nn.Linear(3, 2)
        self.logit_scale = nn.Parameter(torch.tensor(1.0))
        self.positional_embedding = nn.Parameter(torch.zeros(5, 3))
        self.query = nn.Parameter(torch.zeros(2, 3))
        self.text_projection = nn.Parameter(torch.zeros(3, 2))
        self.frozen = nn.Parameter(torch.ones(2, 2), requires_grad=False)


def test_only_matrices_decay() -> None:
    decayed, spared = decay_groups(Net())
    assert sorted(decayed) == ["linear.weight", "text_projection"]
    vectors = ["linear.bias", "logit_scale", "norm.bias", "norm.weight"]
    assert sorted(spared) == ["embedding.weight", *vectors, "positional_embedding", "query"]
    groups = adamw(Net(), Settings(), fused=False).param_groups
    assert [(len(group["params"]), group["weight_decay"]) for group in groups] == [(2, 0.1), (7, 0.0)]


SPARED: dict[Callable[[Path], Path], set[str]] = {
    tiny.clip: {"token_embedding.weight", "position_embedding.weight"},
    tiny.siglip: {"token_embedding.weight", "position_embedding.weight", "head.probe"},
    tiny.dual_encoder: {
        "cls_token", "position_embeddings", "word_embeddings.weight", "position_embeddings.weight",
        "token_type_embeddings.weight",
    },
}  # fmt: skip


@pytest.mark.parametrize("make", SPARED)
def test_tables_and_tokens_of_all_towers_are_spared(make: Callable[[Path], Path], tmp_path: Path) -> None:
    model = load(str(make(tmp_path))).requires_grad_(True)
    decayed, spared = decay_groups(model)
    parameters = dict(model.named_parameters())
    tables = [name for name in spared if parameters[name].ndim > 1]
    assert all(any(name.endswith(one) for name in tables) for one in SPARED[make])
    assert all(any(name.endswith(one) for one in SPARED[make]) for name in tables)
    assert decayed
    assert all(name.endswith("weight") for name in decayed)


def test_learning_rate() -> None:
    rates = [learning_rate(step, steps=10, peak=1.0, warmup=2, floor=0.1) for step in range(10)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[6] == pytest.approx(0.1 + 0.9 / 2)
    assert rates == sorted(rates[:1]) + sorted(rates[1:], reverse=True)
    assert rates[9] == pytest.approx(0.1 + 0.45 * (1 + math.cos(math.pi * 7 / 8)))
    assert learning_rate(9, steps=10, peak=1.0, warmup=0, schedule="constant") == 1.0
    assert learning_rate(5, steps=10, peak=1.0, warmup=0, schedule="linear") == 0.5


def test_flat_gradients_are_the_gradients() -> None:
    model, twin = towers(0.0), towers(0.0)
    flat = FlatGradients(model.parameters())
    images, texts = torch.randn(2, 6, 5, dtype=torch.float64)
    for _ in range(2):
        flat.zero()
        for one in (model, twin):
            one.zero_grad(set_to_none=False) if one is twin else None
            contrastive(one[0](images), one[1](texts)).backward()  # type: ignore[no-untyped-call]
    norm = nn.utils.clip_grad_norm_(twin.parameters(), 0.05)
    torch.testing.assert_close(flat.clip(0.05), norm)
    for mine, theirs in zip(gradients(model), gradients(twin), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_average_moves_towards_the_weights() -> None:
    average, current = [torch.zeros(2)], [torch.ones(2)]
    update_average(average, current, 0.75)
    assert average[0].tolist() == [0.25, 0.25]
