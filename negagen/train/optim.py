"""The optimiser: AdamW in two groups, the learning rate of a step, and gradients that lie in one tensor."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Final, Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn

from negagen.train import distributed

_EMBEDDINGS: Final = (nn.Embedding,)
# What a parameter of two dimensions or more is called where it is a matrix; tokens, tables and scales are not.
_MATRICES: Final = ("weight", "proj")
# Views begin at multiples of so many numbers: fused kernels read several at a time only from aligned addresses.
_ALIGNED: Final = 64
_PARTS: Final = 8


class Settings(Protocol):
    """What `adamw` reads of a recipe's `[optimizer]`."""

    @property
    def lr(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def betas(self) -> tuple[float, float]: ...
    @property
    def eps(self) -> float: ...


def decay_groups(module: nn.Module) -> tuple[list[str], list[str]]:
    """Names of the trainable parameters that weight decay shrinks, and of those that it leaves alone.

    Left alone are vectors and scalars (biases, gains of norms, logit scale and bias), class tokens and other learnt
    inputs (SigLIP's probe), and tables of embeddings, positions included: to shrink a row that a batch does not use
    forgets what was pre-trained. OpenAI's CLIP spares the former (arXiv 2103.00020, table 18); sparing the tables
    follows GPT-style trainers. Tables and tokens are known by their module or, where they are bare parameters, by a
    name that is not that of a matrix.
    """
    tables = {
        id(parameter)
        for part in module.modules()
        if isinstance(part, _EMBEDDINGS)
        for parameter in part.parameters(recurse=False)
    }
    decayed: list[str] = []
    spared: list[str] = []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            is_matrix = any(part in name.rpartition(".")[2] for part in _MATRICES)
            spare = parameter.ndim < 2 or id(parameter) in tables or not is_matrix
            (spared if spare else decayed).append(name)
    return decayed, spared


def adamw(module: nn.Module, settings: Settings, *, fused: bool) -> torch.optim.AdamW:
    """AdamW over the trainable parameters of `module`; the learning rate is set at every step (`learning_rate`)."""
    parameters = dict(module.named_parameters())
    decayed, spared = decay_groups(module)
    groups = [
        {"params": [parameters[name] for name in names], "weight_decay": decay}
        for names, decay in ((decayed, settings.weight_decay), (spared, 0.0))
        if names
    ]
    return torch.optim.AdamW(groups, lr=settings.lr, betas=settings.betas, eps=settings.eps, fused=fused)


def learning_rate(
    step: int, *, steps: int, peak: float, warmup: int, floor: float = 0.0, schedule: str = "cosine"
) -> float:
    """The learning rate of step `step` (from 0) of `steps`.

    Warm-up is linear and reaches `peak` at its last step; then a half cosine falls to `floor`, which it would reach at
    step `steps`; "constant" stays at `peak`, "linear" falls in a straight line.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    if schedule == "constant":
        return peak
    left = 1 - done if schedule == "linear" else 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return floor + (peak - floor) * left


class FlatGradients:
    """The gradients of all parameters as views of one tensor: averaged over ranks, measured and clipped in one go.

    Backward passes add into the views, so nothing is copied before the all-reduce. A parameter that took no part in a
    step has a gradient of zeros. With several ranks the tensor is reduced in parts, each as soon as its gradients are
    there, while the backward pass goes on; the parts follow one another in the order in which rank 0's were there at
    the first step, since ranks must agree on it.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self.parameters: Sequence[nn.Parameter] = [one for one in parameters if one.requires_grad]
        starts, size = [], 0
        for one in self.parameters:
            starts.append(size)
            size += -(-one.numel() // _ALIGNED) * _ALIGNED
        first = self.parameters[0]
        self.flat = torch.zeros(size, dtype=first.dtype, device=first.device)
        for one, start in zip(self.parameters, starts, strict=True):
            one.grad = self.flat[start : start + one.numel()].view_as(one)
        self._ranks = distributed.world_size()
        if self._ranks > 1:
            self._divide(starts)

    def _divide(self, starts: Sequence[int]) -> None:
        """Cut the tensor into parts at the starts of parameters, and listen for their gradients."""
        owners = [start * _PARTS // len(self.flat) for start in starts]
        first: dict[int, int] = {}
        for start, owner in zip(starts, owners, strict=True):
            first.setdefault(owner, start)
        numbers = {owner: number for number, owner in enumerate(first)}
        self._parts = [self.flat[start:end] for start, end in pairwise([*first.values(), len(self.flat)])]
        self._sizes = Counter(numbers[owner] for owner in owners)
        self._order: list[int] | None = None
        for one, owner in zip(self.parameters, owners, strict=True):
            listened: Any = one
            listened.register_post_accumulate_grad_hook(partial(self._arrived, numbers[owner]))
        self.zero()

    def zero(self, *, once: bool = True) -> None:
        """Before a step's first backward pass. `once`: there will be no other, parts may be reduced during it."""
        self.flat.zero_()
        if self._ranks > 1:
            self._once, self._missing = once, self._sizes.copy()
            self._complete: list[int] = []
            self._reducing: list[Any] = []

    def _arrived(self, part: int, _: Tensor) -> None:
        """A parameter of `part` has its gradient."""
        self._missing[part] -= 1
        if not self._once or self._missing[part]:
            return
        self._complete.append(part)
        while self._order and len(self._reducing) < len(self._order):
            following = self._order[len(self._reducing)]
            if self._missing[following]:
                break
            self._reduce(following)

    def _reduce(self, part: int) -> None:
        self._reducing.append(dist.all_reduce(self._parts[part], async_op=True))

    def average(self) -> None:
        """The mean over all ranks, in place: what DDP does. Every rank must call it."""
        if self._ranks == 1:
            return
        if self._order is None:
            late = [part for part in range(len(self._parts)) if part not in self._complete]
            order = distributed.from_main(self._complete + late)
            if self._once:
                self._order = order
        else:
            order = self._order
        for part in order[len(self._reducing) :]:
            self._reduce(part)
        for work in self._reducing:
            work.wait()
        self.flat /= self._ranks
        self._once = False  # until the next `zero`, a backward pass of whoever else is no affair of the other ranks

    def clip(self, limit: float) -> Tensor:
        """Scale to a Euclidean norm of at most `limit` (0: leave them); gives the norm before, a scalar tensor."""
        norm: Tensor = torch.linalg.vector_norm(self.flat)
        if limit > 0:
            self.flat *= (limit / (norm + 1e-6)).clamp(max=1.0)
        return norm


@torch.no_grad()
def update_average(average: Sequence[Tensor], current: Sequence[Tensor], decay: float) -> None:
    """Move an exponential moving average, in place: average = decay * average + (1 - decay) * current."""
    if average:
        torch._foreach_lerp_(list(average), list(current), 1 - decay)
