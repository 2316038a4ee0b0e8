from __future__ import annotations

import pytest
import torch
from torch import Tensor

from negagen.train.losses import local_scores
from tests.train.losses import reference


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def inputs(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """3 pictures of 5 patches, 6 texts of up to 4 tokens, 2 or fewer texts a picture."""
    draws = torch.Generator().manual_seed(0)
    patches = torch.randn(3, 5, 4, generator=draws, dtype=torch.float64).to(dtype)
    tokens = torch.randn(6, 4, 4, generator=draws, dtype=torch.float64).to(dtype)
    mask = torch.arange(4) < torch.tensor([4, 1, 3, 2, 4, 3])[:, None]
    texts = torch.tensor([[0, 3], [5, -1], [2, 0]])
    return patches, tokens, mask, texts, torch.tensor(3.0, dtype=dtype)


def test_scores_and_gradients_are_those_of_the_formula() -> None:
    patches, tokens, mask, texts, scale = inputs()
    leaves = [leaf.requires_grad_() for leaf in (patches, tokens, scale)]
    scores = local_scores(patches, tokens, mask, texts, scale)
    wanted = {
        (b, k): reference.local_score(patches[b], tokens[texts[b, k], mask[texts[b, k]]], scale)
        for b in range(3)
        for k in range(2)
        if texts[b, k] >= 0
    }
    assert scores.shape == (3, 2)
    assert float(scores[1, 1].detach()) == 0
    for place, score in wanted.items():
        torch.testing.assert_close(scores[place], score)
    weights = torch.arange(1.0, 7.0, dtype=torch.float64).view(3, 2)
    one = torch.autograd.grad((scores * weights).sum(), leaves)
    total = torch.stack([score * weights[place] for place, score in wanted.items()]).sum()
    other = torch.autograd.grad(total, leaves)
    for got, expected in zip(one, other, strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("junk", [1e30, float("nan")])
def test_padding_does_not_matter(junk: float) -> None:
    patches, tokens, mask, texts, scale = inputs(torch.float32)
    scores = local_scores(patches, tokens, mask, texts, scale)
    leaf = tokens.masked_fill(~mask.unsqueeze(-1), junk).requires_grad_()
    again = local_scores(patches, leaf, mask, texts, scale)
    assert torch.equal(again, scores)
    (gradient,) = torch.autograd.grad(again.sum(), [leaf])
    assert bool(gradient.isfinite().all())
    assert not gradient[~mask].any()


def test_patches_all_alike_are_pooled_evenly() -> None:
    patches, tokens, mask, texts, scale = inputs()
    patches = patches[:, :1].expand(-1, 5, -1).clone().requires_grad_()
    scores = local_scores(patches, tokens, mask, texts, scale)
    single = local_scores(patches[:, :1], tokens, mask, texts, scale)
    torch.testing.assert_close(scores, single)
    (gradient,) = torch.autograd.grad(scores.sum(), [patches])
    assert float(gradient.abs().max()) < 100


def test_autocast_makes_no_score_coarse() -> None:
    arguments = inputs(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = local_scores(*arguments)
    assert torch.equal(cast, local_scores(*arguments))
