"""What each of two processes does in `test_distributed`; apart, since they import it anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.parallel import DistributedDataParallel

from negagen.train import distributed
from negagen.train.losses import Features, Objective, Term
from negagen.train.optim import FlatGradients
from tests.train.losses.batches import batch, mapped, rows_of

ROWS = 6
TERMS = (
    Term("clip"),
    Term("negclip"),
    Term("own", weighted=True),
    Term("margin"),
    Term("rank"),
    Term("intra-modal"),
    Term("clic"),
    Term("focal", weighted=True, categories={"swap_att": 2.0}),
    Term("local-focal"),
    Term("siglip", keywords={"columns": "batch"}),
    Term("hard-positive"),
    Term("retention"),
    Term("retention-features"),
)
SCENES = ("full", "some missing", "rank 1 has none", "none at all")
OBJECTIVES = {term.name: Objective((term,)) for term in TERMS} | {"sum": Objective(TERMS)}


class Towers(nn.Module):
    """Two linear towers, a scale and a bias: everything that a loss can send a gradient to."""

    def __init__(self) -> None:
        super().__init__()
        draws = torch.Generator().manual_seed(11)
        self.vision = nn.Parameter(torch.randn(4, 4, generator=draws, dtype=torch.float64))
        self.language = nn.Parameter(torch.randn(4, 4, generator=draws, dtype=torch.float64))
        self.scale = nn.Parameter(torch.tensor(1.5, dtype=torch.float64))
        self.bias = nn.Parameter(torch.tensor(-2.0, dtype=torch.float64))

    def forward(self, rows: Features) -> Features:
        assert rows.positives is not None
        assert rows.local is not None
        return replace(
            rows,
            image=normalize(rows.image @ self.vision, dim=-1),
            text=normalize(rows.text @ self.language, dim=-1),
            negatives=normalize(rows.negatives @ self.language, dim=-1),
            positives=normalize(rows.positives @ self.language, dim=-1),
            local=rows.local * self.vision.sum(),
            scale=self.scale.exp(),
            bias=self.bias,
        )


class Loss(nn.Module):
    """As a module, for DDP to wrap: encode, gather, sum up."""

    def __init__(self, towers: Towers) -> None:
        super().__init__()
        self.towers = towers

    def forward(self, rows: Features) -> Tensor:
        objective = OBJECTIVES["sum"]
        return objective(distributed.gather_features(self.towers(rows)), objective.start()).loss


def scene(name: str) -> Features:
    """The whole batch; some siblings stand on different ranks."""
    rows = batch(ROWS, missing=0.0 if name == "full" else 0.4, seed=9)
    mask = rows.mask.clone()
    if name == "rank 1 has none":
        mask[ROWS // 2 :] = False
    if name == "none at all":
        mask[:] = False
    candidates = torch.arange(mask.numel()).view(mask.shape).masked_fill(~mask, -1)
    return replace(rows, mask=mask, candidates=candidates)


def averaged(tensor: Tensor) -> Tensor:
    """Its mean over ranks, or itself where there is one process."""
    total = tensor.detach().clone()
    if dist.is_initialized():
        dist.all_reduce(total)
    return total / distributed.world_size()


def loss_and_gradients(rows: Features, objective: Objective) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Of this process, its parameters' gradients averaged over ranks."""
    towers = Towers().to(rows.image.device)
    result = objective(distributed.gather_features(towers(rows)), objective.start())
    torch.autograd.backward(result.loss)
    gradients = {}
    for name, parameter in towers.named_parameters():
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        gradients[name] = (averaged(gradient)).cpu()
    return {name: tensor.cpu() for name, tensor in {"loss": result.loss.detach(), **result.state}.items()}, gradients


def own_rows(rows: Features, rank: int, device: torch.device) -> Features:
    half = ROWS // 2
    own = rows_of(rows, torch.arange(rank * half, (rank + 1) * half))
    return mapped(own, lambda tensor: tensor.to(device))


def work(rank: int, folder: Path, size: int, backend: str) -> None:
    torch.set_num_threads(1)
    device = torch.device("cuda", rank) if backend == "nccl" else torch.device("cpu")
    if backend == "nccl":
        torch.cuda.set_device(device)
    dist.init_process_group(backend, init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=size)
    try:
        torch.save(_answers(rank, device), folder / f"{rank}.pt")
    finally:
        dist.destroy_process_group()


def _answers(rank: int, device: torch.device) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for name in SCENES:
        rows = own_rows(scene(name), rank, device)
        for key, objective in OBJECTIVES.items():
            answers[f"{name}: {key}"] = loss_and_gradients(rows, objective)

    rows = own_rows(scene("some missing"), rank, device)
    wrapped = DistributedDataParallel(Loss(Towers().to(device)))
    loss = wrapped(rows)
    torch.autograd.backward(loss)
    gradients = {name: parameter.grad for name, parameter in wrapped.named_parameters() if parameter.grad is not None}
    answers["ddp"] = (
        {"loss": loss.detach().cpu()},
        {name.removeprefix("module.towers."): gradient.cpu() for name, gradient in gradients.items()},
    )

    gathered = distributed.gather_features(rows)
    answers["gathered"] = mapped(gathered, lambda tensor: tensor.detach().cpu())
    answers["from main"] = distributed.from_main({"rank": rank})
    answers["who"] = (distributed.rank(), distributed.world_size(), distributed.is_main())
    answers["flat"] = _flat_gradients(rank, device)
    distributed.barrier()
    return answers


def _flat_gradients(rank: int, device: torch.device) -> list[tuple[int, float]]:
    """For steps of one and of two backward passes: parts that were reduced during them, and what the mean is off by."""
    torch.manual_seed(0)
    net, twin = (nn.Sequential(*(nn.Linear(16, 16) for _ in range(12))).to(device) for _ in range(2))
    twin.load_state_dict(net.state_dict())
    gradients = FlatGradients(net.parameters())
    torch.manual_seed(rank)
    found = []
    for once in (True, True, False, True):
        gradients.zero(once=once)
        twin.zero_grad()
        for _ in range(1 if once else 2):
            x = torch.randn(4, 16, device=device)
            for one in (net, twin):
                torch.autograd.backward(one(x).square().sum())
        early = len(gradients._reducing)
        gradients.average()
        off = 0.0
        for mine, theirs in zip(net.parameters(), twin.parameters(), strict=True):
            assert mine.grad is not None
            assert theirs.grad is not None
            mean = averaged(theirs.grad)
            off = max(off, float((mine.grad - mean).abs().max()))
        found.append((early, off))
    return found
