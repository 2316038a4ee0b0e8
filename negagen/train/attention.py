"""Attention of many short sequences that stand one after another: patches of pictures, or groups of packed texts.

Sequences of up to 128 tokens fit in one tile, so a GPU computes each (sequence, head) in one program that reads
queries, keys and values once and writes nothing else: `negagen.train.kernels`. Elsewhere, and for longer sequences,
PyTorch's scaled_dot_product_attention computes the same.
"""

from __future__ import annotations

import importlib.util

import torch
from torch import Tensor
from torch.nn import functional

LARGEST_TILE = 128

_HAS_TRITON = importlib.util.find_spec("triton") is not None


def self_attention(qkv: Tensor, heads: int) -> Tensor:
    """Attend within each of B sequences, every token to every token.

    qkv: [B, S, 3*D], queries, keys and values side by side, each `heads` heads after another. Returns [B, S, D].
    """
    batch, length, width = qkv.shape
    if length <= LARGEST_TILE and _in_tiles(qkv, heads, length):
        from negagen.train.kernels import tile_attention

        starts = torch.arange(0, batch * length + 1, length, dtype=torch.int32, device=qkv.device)
        tile = max(16, 1 << (length - 1).bit_length())
        flat: Tensor = tile_attention(qkv.reshape(-1, width), starts, None, heads, tile)
        return flat.view(batch, length, width // 3)
    query, key, value = qkv.view(batch, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
    return _merge(functional.scaled_dot_product_attention(query, key, value))


def causal_attention(qkv: Tensor, heads: int) -> Tensor:
    """Attend within each of B sequences, every token to itself and those before it; shapes as `self_attention`."""
    query, key, value = qkv.view(*qkv.shape[:2], 3, heads, -1).permute(2, 0, 3, 1, 4)
    return _merge(functional.scaled_dot_product_attention(query, key, value, is_causal=True))


def tree_attention(qkv: Tensor, starts: Tensor, exits: Tensor, heads: int, tile: int) -> Tensor:
    """Attend within each group of packed texts, every token to itself and its ancestors in the tree of tokens.

    qkv: [N, 3*D]; starts int32 [G+1], exits int32 [N] and tile as in `negagen.train.text.PackedTexts`. Returns [N, D].
    """
    if tile <= LARGEST_TILE and _in_tiles(qkv, heads, tile):
        from negagen.train.kernels import tile_attention

        attended: Tensor = tile_attention(qkv, starts, exits, heads, tile)
        return attended
    count, width = qkv.shape
    places = torch.arange(tile, device=qkv.device)
    rows = starts[:-1, None].long() + places  # [G, tile]
    present = rows < starts[1:, None]
    rows = rows.clamp(max=count - 1)
    query, key, value = qkv[rows].view(*rows.shape, 3, heads, -1).permute(2, 0, 3, 1, 4)
    ancestors = (places <= places[:, None]) & (rows[:, :, None] < exits[rows][:, None, :])
    mask = (ancestors & present[:, None, :]) | torch.eye(tile, dtype=torch.bool, device=qkv.device)
    attended = _merge(functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None]))
    group = torch.searchsorted(starts, torch.arange(count, dtype=torch.int32, device=qkv.device), right=True) - 1
    place = torch.arange(count, device=qkv.device) - starts[group]
    return attended.reshape(-1, width // 3)[group * tile + place]


def _in_tiles(qkv: Tensor, heads: int, tile: int) -> bool:
    head = qkv.shape[-1] // (3 * heads)
    fits = head in (16, 32, 64) and (qkv.element_size() == 2 or tile <= LARGEST_TILE // 2)
    return _HAS_TRITON and qkv.is_cuda and fits


def _merge(attended: Tensor) -> Tensor:
    """[B, heads, S, head] to [B, S, D]."""
    return attended.transpose(1, 2).flatten(2)
