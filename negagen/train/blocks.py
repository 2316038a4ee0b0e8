"""Pre-norm transformer blocks of several libraries, run by one function that does no more than it must.

Queries, keys and values are one matrix product. In the last block everything after attention is computed for the
pooled token alone, since nothing else is read: the same result and gradients for a sixteenth less work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

_QUICK: Final = 1.702
Attend = Callable[[Tensor], Tensor]  # queries, keys and values side by side [..., 3*D] to attended values [..., D]


class Block(Protocol):
    """One pre-norm block, as the functions of which it is made; each maps [..., D] to [..., D] but for `qkv`."""

    def qkv(self, x: Tensor) -> Tensor:
        """Normalise and project to queries, keys and values side by side, [..., 3*D]."""

    def out(self, attended: Tensor) -> Tensor:
        """Project what attention gave, to be added to x."""

    def mlp(self, x: Tensor) -> Tensor:
        """Normalise and feed forward, to be added to x."""


@dataclass(frozen=True, slots=True)
class HuggingFaceBlock:
    """A CLIPEncoderLayer or SiglipEncoderLayer, its linear layers plain or wrapped (LoRA)."""

    layer: Any

    def qkv(self, x: Tensor) -> Tensor:
        attention = self.layer.self_attn
        x = self.layer.layer_norm1(x)
        parts = (attention.q_proj, attention.k_proj, attention.v_proj)
        if all(type(part) is nn.Linear for part in parts):
            weight, bias = torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts])
            return functional.linear(x, weight, bias)
        return torch.cat([part(x) for part in parts], dim=-1)

    def out(self, attended: Tensor) -> Tensor:
        projected: Tensor = self.layer.self_attn.out_proj(attended)
        return projected

    def mlp(self, x: Tensor) -> Tensor:
        part = self.layer.mlp
        return feed_forward(self.layer.layer_norm2(x), part.fc1, part.activation_fn, part.fc2)


def feed_forward(x: Tensor, first: nn.Module, activation: nn.Module, second: nn.Module) -> Tensor:
    """`second(activation(first(x)))`, with QuickGELU as one operation where both layers are plain.

    QuickGELU, z sigmoid(a z) with a = 1.702, is silu(a z) / a. With a taken into the weights of the layer before and
    1/a into those of the layer after it is SiLU: one pass over the widest tensor of a block instead of three, three
    instead of eight with the backward pass, and a third of what is kept for that.
    """
    quick = type(activation).__name__ in ("QuickGELUActivation", "QuickGELU")
    if not (quick and type(first) is nn.Linear and type(second) is nn.Linear):
        fed: Tensor = second(activation(first(x)))
        return fed
    inner = functional.linear(x, _QUICK * first.weight, None if first.bias is None else _QUICK * first.bias)
    return functional.linear(functional.silu(inner), second.weight / _QUICK, second.bias)


def run_blocks(
    blocks: Sequence[Block],
    x: Tensor,
    attend: Attend,
    *,
    pool: Callable[[Tensor], Tensor] | None = None,
    recompute: bool = False,
) -> Tensor:
    """Run x [..., D] through the blocks; with `pool`, return `pool` of the result, computing no more than that.

    `recompute` keeps each block's input alone for the backward pass (gradient checkpointing).
    """
    *first, last = blocks
    for block in first:
        x = checkpoint(_run, block, x, attend, None, use_reentrant=False) if recompute else _run(block, x, attend, None)
    if recompute:
        result: Tensor = checkpoint(_run, last, x, attend, pool, use_reentrant=False)
        return result
    return _run(last, x, attend, pool)


def _run(block: Block, x: Tensor, attend: Attend, pool: Callable[[Tensor], Tensor] | None) -> Tensor:
    attended = attend(block.qkv(x))
    if pool is not None:
        x, attended = pool(x), pool(attended)
    x = x + block.out(attended)
    return x + block.mlp(x)
