"""A contrastive batch larger than memory: exact gradients from chunks.

After Gao et al., "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup" (arXiv 2101.06983).
Features are first computed chunk by chunk without a graph; the loss on all of them gives its gradient with respect to
the features; then each chunk is encoded again, with a graph, and that gradient is carried through it. Only one chunk's
activations live at a time, at the price of a second forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

Encode = Callable[[], tuple[Tensor, ...]]
"""One chunk's features; it must do the same work every time that it is called, but for random draws."""


class RandomState:
    """The state of the generators that a forward pass on `device` draws from, to draw the same again."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._cpu = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def restored(self) -> AbstractContextManager[None]:
        """Within it draws start from this state; after it they go on as if nothing had happened."""
        return _Restored(self._device, self._cpu, self._cuda)


class _Restored(AbstractContextManager[None]):
    def __init__(self, device: torch.device, cpu: Tensor, cuda: Tensor | None) -> None:
        self._device = device
        self._cpu, self._cuda = cpu, cuda
        self._fork: AbstractContextManager[None] = nullcontext()

    def __enter__(self) -> None:
        devices = [self._device] if self._cuda is not None else []
        self._fork = torch.random.fork_rng(devices)
        self._fork.__enter__()
        torch.set_rng_state(self._cpu)
        if self._cuda is not None:
            torch.cuda.set_rng_state(self._cuda, self._device)

    def __exit__(self, *error: object) -> None:
        self._fork.__exit__(*error)  # type: ignore[arg-type]


class Cached:
    """Features of all chunks, as leaves that collect the loss's gradient until `backward` carries it on.

    Where nothing is `trained` there is no gradient to carry, and chunks are encoded but once.
    """

    def __init__(self, chunks: Sequence[Encode], device: torch.device, trained: bool = True) -> None:
        self._chunks = chunks
        self._states: list[RandomState] = []
        self._leaves: list[tuple[Tensor, ...]] = []
        with torch.no_grad():
            for encode in chunks:
                self._states.append(RandomState(device))
                self._leaves.append(tuple(feature.detach().requires_grad_(trained) for feature in encode()))

    def features(self) -> list[tuple[Tensor, ...]]:
        """Each chunk's outputs, to be joined by whoever computes the loss."""
        return self._leaves

    def backward(self) -> None:
        """Encode each chunk again, with its own draws and a graph, and carry the leaves' gradients through it."""
        for encode, state, leaves in zip(self._chunks, self._states, self._leaves, strict=True):
            wanted = [n for n, leaf in enumerate(leaves) if leaf.grad is not None]
            if not wanted:
                continue
            with state.restored(), torch.enable_grad():
                features = encode()
            torch.autograd.backward([features[n] for n in wanted], [leaves[n].grad for n in wanted])
