"""Several processes, one batch: `torchrun` starts them, and every loss sees the features of all.

Each rank encodes its own rows, gathers everyone's features, and computes the *whole* loss. The losses, and so the
gradients with respect to the gathered features, are the same on all ranks; hence a rank's own features get their slice
of that gradient, times the number of ranks, because averaging the parameters' gradients over ranks afterwards (DDP,
or `FlatGradients.average`) divides by it. Parameters that enter the loss directly, the logit scale and bias, have equal
gradients on all ranks, which the average leaves as they are. The result is the gradient of one process with the whole
batch. No communication is needed in the backward pass, and ranks that hold fewer negatives, or none, just hold more
masked slots.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any, Final

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from negagen.errors import NegagenError, PeerError, TrainingError
from negagen.train.launched import is_first_of_host
from negagen.train.losses.features import Features, wide

# Long: the others wait while the first one measures the model on benchmarks. `torchrun` ends all when one dies.
_TIMEOUT: Final = timedelta(hours=6)
_OF_TORCHRUN: Final = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
_TOLD: Final = "negagen/told"


def world_size() -> int:
    """How many processes train together; 1 without `torchrun`."""
    return dist.get_world_size() if _running() else 1


def rank() -> int:
    """This process's number, from 0; 0 without `torchrun`."""
    return dist.get_rank() if _running() else 0


def is_main() -> bool:
    """Whether this process is the one that writes files and talks; before they have met, each is."""
    return rank() == 0


def barrier() -> None:
    """Wait for all ranks."""
    if _running():
        dist.barrier()


@contextmanager
def alike() -> Iterator[None]:
    """What all processes of a host find wrong alike before they have met, the first of them says; the others raise
    `PeerError`."""
    try:
        yield
    except NegagenError as error:
        if is_first_of_host():
            raise
        raise PeerError("the first process of this host has found the same wrong, and says what") from error


@contextmanager
def process_group(device: str = "auto") -> Iterator[torch.device]:
    """Join the processes that `torchrun` started, if it did, and leave them in the end; gives this one's device.

    `device` is "auto" (a GPU if there is one), "cpu" or "cuda"; ranks of a host take its GPUs in turn. Ranks talk by
    NCCL, on the CPU by gloo. Raises `TrainingError` if there are fewer GPUs than ranks, or none where one is asked for,
    and if the environment is only half that of `torchrun`.

    Of processes that have met one tells what went wrong: the error of the first to fail is raised as it is. The others
    raise `PeerError`, whatever has stopped them. If a process was lost without an error, the first to miss it raises
    `TrainingError`.
    """
    with alike():
        chosen = _device(device)
        several = "WORLD_SIZE" in os.environ
        if several and (missing := [name for name in _OF_TORCHRUN if name not in os.environ]):
            raise TrainingError(
                f"WORLD_SIZE is set, but not {', '.join(missing)}: start all processes by torchrun, or unset WORLD_SIZE"
            )
    if not several:
        yield chosen
        return
    store, number, size = next(iter(rendezvous("env://", timeout=_TIMEOUT)))
    backend = "nccl" if chosen.type == "cuda" else "gloo"
    dist.init_process_group(
        backend, store=store, rank=number, world_size=size, timeout=_TIMEOUT,
        device_id=chosen if backend == "nccl" else None,
    )  # fmt: skip
    try:
        yield chosen
    except BaseException as error:
        told = _is_told(store)
        if told and isinstance(error, Exception):
            raise PeerError("another process of this run has failed, and says why") from error
        if _is_loss(error):
            raise TrainingError(
                "another process of this run ended without a word, as one does that is killed (for want of memory as a"
                f" rule): {str(error).splitlines()[0][:200]}"
            ) from error
        raise
    finally:
        dist.destroy_process_group()


def _device(device: str) -> torch.device:
    """This process's."""
    place = int(os.environ.get("LOCAL_RANK", "0"))
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise TrainingError(f"--device {device}: no such device; give auto, cpu, cuda or cuda:N") from None
    if chosen.type == "cuda":
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if not found:
            raise TrainingError(f"--device {device}: torch finds no GPU here; use --device cpu, or mend the driver")
        here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        if device == "cuda":
            chosen = torch.device("cuda", place)
            if max(place + 1, here) > found:
                raise TrainingError(f"{max(place + 1, here)} processes on this host, and {found} GPUs: start {found}")
        if chosen.index >= found:
            raise TrainingError(f"--device {device}: there are {found} GPUs, numbered from 0")
        torch.cuda.set_device(chosen)
    return chosen


def _is_told(store: Any) -> bool:
    """Whether another process has told already what went wrong; from now on one has."""
    try:
        return int(store.add(_TOLD, 1)) > 1
    except RuntimeError:  # the store went with the process that kept it
        return False


def _is_loss(error: BaseException) -> bool:
    """Whether it says that a process is no longer there; gloo has no class of its own for that."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))


def gather(tensor: Tensor) -> Tensor:
    """The rows of all ranks, [W B, ...], by rank; every rank must hand in the same shape and dtype [B, ...].

    Differentiable, on the condition that every rank computes the same loss of what it gets, and that the gradients of
    parameters are averaged over ranks afterwards: see this module.
    """
    return tensor if world_size() == 1 else _Gather.apply(tensor)  # type: ignore[no-untyped-call]


def gather_features(features: Features) -> Features:
    """The features of all ranks, rows by rank; two collectives, whatever the features hold.

    Every rank must have the same number of rows, with the same number of slots, and hold the same features.
    """
    if world_size() == 1:
        return features
    per_row = {
        field.name: tensor
        for field in fields(features)
        if (tensor := getattr(features, field.name)) is not None and tensor.ndim
    }
    real = {name: wide(tensor) for name, tensor in per_row.items() if tensor.is_floating_point()}
    whole = {name: tensor.long() for name, tensor in per_row.items() if not tensor.is_floating_point()}
    gathered = _unpacked(gather(_packed(real)), real) | _unpacked(gather(_packed(whole)), whole)
    masks: dict[str, Any] = {name: gathered[name].bool() for name in ("mask", "positive_mask") if name in gathered}
    return replace(features, **(gathered | masks))


def from_main(value: Any) -> Any:
    """What rank 0 hands in, on every rank; it is pickled."""
    if not _running():
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def _running() -> bool:
    return dist.is_available() and dist.is_initialized()


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        ctx.rows = len(tensor)
        gathered = tensor.new_empty((world_size() * len(tensor), *tensor.shape[1:]))
        dist.all_gather_into_tensor(gathered, tensor.contiguous())
        return gathered

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0].narrow(0, rank() * ctx.rows, ctx.rows) * world_size()


def _packed(tensors: dict[str, Tensor]) -> Tensor:
    return torch.cat([tensor.flatten(1) if tensor.ndim > 1 else tensor.unsqueeze(1) for tensor in tensors.values()], 1)


def _unpacked(packed: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Views of the packed rows, in the shapes that `tensors` have beyond their rows."""
    parts = torch.split(packed, [tensor[:1].numel() for tensor in tensors.values()], dim=1)
    return {
        name: part.reshape(len(packed), *tensor.shape[1:])
        for (name, tensor), part in zip(tensors.items(), parts, strict=True)
    }
