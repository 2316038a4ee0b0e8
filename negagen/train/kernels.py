"""The attention kernel, in Triton: one program per (sequence, head), the whole sequence in one tile.

A softmax over a sequence that fits in one tile needs neither a running maximum nor statistics kept for the backward
pass, which recomputes it. So forward reads queries, keys and values and writes the result; backward reads them and
the gradient and writes theirs. Both are bound by memory alone. PyTorch's kernels are made for long sequences.
"""

# ruff: noqa: ARG001, N803 (a kernel's constants are upper case; the fakes have their kernels' arguments)
# mypy: disable-error-code="no-untyped-def, untyped-decorator"

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _weights(q, k, exits, start, length, scale, TREE: tl.constexpr, TILE: tl.constexpr):
    """Attention weights [TILE, TILE] in float32; rows past the sequence attend to themselves, to stay finite."""
    row = tl.arange(0, TILE)[:, None]
    column = tl.arange(0, TILE)[None, :]
    scores = tl.dot(q, tl.trans(k), input_precision="ieee") * scale
    seen = column < length
    if TREE:
        leave = tl.load(exits + start + tl.arange(0, TILE), mask=tl.arange(0, TILE) < length, other=0) - start
        seen = seen & (column <= row) & (row < leave[None, :])
    scores = tl.where(seen | (row == column), scores, float("-inf"))
    scores = tl.exp(scores - tl.max(scores, 1)[:, None])
    return scores / tl.sum(scores, 1)[:, None]


@triton.jit
def _forward(
    qkv, out, starts, exits, scale, TREE: tl.constexpr, HEADS: tl.constexpr, HEAD: tl.constexpr, TILE: tl.constexpr
):
    head = tl.program_id(0)
    group = tl.program_id(1)
    width = HEADS * HEAD
    start = tl.load(starts + group)
    length = tl.load(starts + group + 1) - start
    place = tl.arange(0, TILE)
    present = (place < length)[:, None]
    column = head * HEAD + tl.arange(0, HEAD)[None, :]
    rows = (start + place).to(tl.int64)[:, None]
    source = qkv + rows * (3 * width) + column
    q = tl.load(source, mask=present, other=0.0)
    k = tl.load(source + width, mask=present, other=0.0)
    v = tl.load(source + 2 * width, mask=present, other=0.0)
    weights = _weights(q, k, exits, start, length, scale, TREE, TILE)
    result = tl.dot(weights.to(v.dtype), v, input_precision="ieee")
    tl.store(out + rows * width + column, result.to(v.dtype), mask=present)


@triton.jit
def _backward(
    qkv,
    grad,
    grad_qkv,
    starts,
    exits,
    scale,
    TREE: tl.constexpr,
    HEADS: tl.constexpr,
    HEAD: tl.constexpr,
    TILE: tl.constexpr,
):
    head = tl.program_id(0)
    group = tl.program_id(1)
    width = HEADS * HEAD
    start = tl.load(starts + group)
    length = tl.load(starts + group + 1) - start
    place = tl.arange(0, TILE)
    present = (place < length)[:, None]
    column = head * HEAD + tl.arange(0, HEAD)[None, :]
    rows = (start + place).to(tl.int64)[:, None]
    source = qkv + rows * (3 * width) + column
    q = tl.load(source, mask=present, other=0.0)
    k = tl.load(source + width, mask=present, other=0.0)
    v = tl.load(source + 2 * width, mask=present, other=0.0)
    d_out = tl.load(grad + rows * width + column, mask=present, other=0.0)
    weights = _weights(q, k, exits, start, length, scale, TREE, TILE)
    d_weights = tl.dot(d_out, tl.trans(v), input_precision="ieee")
    d_scores = weights * (d_weights - tl.sum(weights * d_weights, 1)[:, None]) * scale
    d_scores = d_scores.to(q.dtype)
    target = grad_qkv + rows * (3 * width) + column
    tl.store(target, tl.dot(d_scores, k, input_precision="ieee").to(q.dtype), mask=present)
    tl.store(target + width, tl.dot(tl.trans(d_scores), q, input_precision="ieee").to(q.dtype), mask=present)
    d_v = tl.dot(tl.trans(weights.to(d_out.dtype)), d_out, input_precision="ieee")
    tl.store(target + 2 * width, d_v.to(q.dtype), mask=present)


@torch.library.custom_op("negagen::tile_attention", mutates_args=())
def tile_attention(qkv: Tensor, starts: Tensor, exits: Tensor | None, heads: int, tile: int) -> Tensor:
    """Attend within sequences of at most `tile` tokens; arguments as `negagen.train.attention.tree_attention`.

    Without `exits` every token of a sequence attends to every token of it.
    """
    qkv = qkv.contiguous()
    out = qkv.new_empty(qkv.shape[0], qkv.shape[1] // 3)
    _forward[_grid(heads, starts)](
        qkv, out, starts, starts if exits is None else exits, **_shape(qkv, exits, heads, tile)
    )
    return out


@torch.library.custom_op("negagen::tile_attention_backward", mutates_args=())
def tile_attention_backward(
    grad: Tensor, qkv: Tensor, starts: Tensor, exits: Tensor | None, heads: int, tile: int
) -> Tensor:
    """Return the gradient of qkv, of its shape and dtype."""
    qkv, grad = qkv.contiguous(), grad.contiguous()
    grad_qkv = torch.empty_like(qkv)
    _backward[_grid(heads, starts)](
        qkv, grad, grad_qkv, starts, starts if exits is None else exits, **_shape(qkv, exits, heads, tile)
    )
    return grad_qkv


def _grid(heads: int, starts: Tensor) -> tuple[int, int]:
    return heads, starts.shape[0] - 1


def _shape(qkv: Tensor, exits: Tensor | None, heads: int, tile: int) -> dict[str, Any]:
    head = qkv.shape[1] // (3 * heads)
    return {
        "scale": head**-0.5,
        "TREE": exits is not None,
        "HEADS": heads,
        "HEAD": head,
        "TILE": tile,
        "num_warps": 4 if tile <= 64 else 8,
    }


@tile_attention.register_fake
def _(qkv: Tensor, starts: Tensor, exits: Tensor | None, heads: int, tile: int) -> Tensor:
    return qkv.new_empty(qkv.shape[0], qkv.shape[1] // 3)


@tile_attention_backward.register_fake
def _(grad: Tensor, qkv: Tensor, starts: Tensor, exits: Tensor | None, heads: int, tile: int) -> Tensor:
    return torch.empty_like(qkv, memory_format=torch.contiguous_format)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    qkv, starts, exits, ctx.heads, ctx.tile = inputs
    ctx.save_for_backward(qkv, starts, exits)


def _differentiate(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
    qkv, starts, exits = ctx.saved_tensors
    return tile_attention_backward(grad, qkv, starts, exits, ctx.heads, ctx.tile), None, None, None, None


tile_attention.register_autograd(_differentiate, setup_context=_remember)
