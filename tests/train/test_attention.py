"""Attention within short sequences: the mask it stands for, and the kernel against PyTorch's."""

from __future__ import annotations

import importlib.util
import os

import pytest
import torch
from torch import Tensor

from negagen.data.batch import Texts
from negagen.train.attention import causal_attention, self_attention, tree_attention
from negagen.train.text import PackedTexts, pack

HEADS, HEAD = 2, 16


def rows_of_tokens(count: int = 40) -> PackedTexts:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(3, 13, (count,), generator=generator)
    ids = torch.randint(3, 6, (count, 12), generator=generator)
    for row, length in enumerate(lengths.tolist()):
        ids[row, length - 1 :] = 9
    return pack(Texts(ids, lengths), group=32, round_to=16)


def slow_attention(qkv: Tensor, seen: Tensor) -> Tensor:
    """Attention [N, D] over all of qkv [N, 3*D] with a mask [N, N], by the formula."""
    query, key, value = qkv.view(len(qkv), 3, HEADS, HEAD).permute(1, 2, 0, 3)
    scores = (query @ key.transpose(1, 2) * HEAD**-0.5).masked_fill(~seen, float("-inf"))
    attended: Tensor = scores.softmax(-1) @ value
    return attended.transpose(0, 1).flatten(1)


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True)


def test_a_token_attends_to_its_ancestors() -> None:
    packed = rows_of_tokens()
    count = len(packed.ids)
    qkv = random(count, 3 * HEADS * HEAD)
    place = torch.arange(count)
    group = torch.searchsorted(packed.starts, place, right=True)
    seen = (place[None] <= place[:, None]) & (place[:, None] < packed.exits[None]) & (group[None] == group[:, None])
    found = tree_attention(qkv, packed.starts, packed.exits, HEADS, packed.tile)
    torch.testing.assert_close(found, slow_attention(qkv, seen))


@pytest.mark.parametrize("causal", [False, True])
def test_sequences_do_not_see_one_another(causal: bool) -> None:
    qkv = random(3, 10, 3 * HEADS * HEAD)
    found = (causal_attention if causal else self_attention)(qkv, HEADS)
    seen = torch.ones(10, 10, dtype=torch.bool)
    expected = torch.stack([slow_attention(one, seen.tril() if causal else seen) for one in qkv])
    torch.testing.assert_close(found, expected)


@pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="the kernel is in Triton, which is not installed"
)
@pytest.mark.parametrize("tree", [False, True])
def test_the_kernel_computes_the_same(tree: bool) -> None:
    """On a GPU if there is one, else by Triton's interpreter."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"
    from negagen.train.kernels import tile_attention

    packed = rows_of_tokens()
    starts = packed.starts if tree else torch.arange(0, 61, 12, dtype=torch.int32)
    plain = random(int(starts[-1]), 3 * HEADS * HEAD).detach().float().to(device).requires_grad_()
    ours = plain.detach().clone().requires_grad_()
    starts, exits = starts.to(device), packed.exits.to(device) if tree else None
    tile = packed.tile if tree else 16
    found = tile_attention(ours, starts, exits, HEADS, tile)
    if exits is None:
        expected = slow_attention_of_sequences(plain, 12)
    else:
        mask_free = plain.cpu()
        expected = tree_attention(mask_free, packed.starts, packed.exits, HEADS, tile).to(device)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    gradient = torch.randn(found.shape, generator=torch.Generator().manual_seed(2)).to(device)
    found.backward(gradient)
    expected.backward(gradient)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(ours.grad, plain.grad, rtol=1e-4, atol=1e-5)


def slow_attention_of_sequences(qkv: Tensor, length: int) -> Tensor:
    seen = torch.ones(length, length, dtype=torch.bool, device=qkv.device)
    return torch.cat([slow_attention(one, seen) for one in torch.split(qkv, length)])
