"""Are the gradients of several GPUs those of one, and how much faster are they?

    torchrun --standalone --nproc-per-node 2 -m benchmarks.two_gpus --json benchmarks/results/two_gpus.json

First the gradient of one batch with missing negatives and sibling captions: by the first process alone, and by all of
them with a share each, in float32. Then images per second of the step of `benchmarks.train_step`: the first GPU alone
with batches of 1,024; all of them with 1,024 each, and with 1,024 together. On CPUs (gloo) `--small 8` tries it out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.train_step import BATCHES, Optimizer, build, captions, make_batch, synchronize
from negagen.data.batch import Batch
from negagen.train import distributed
from negagen.train.losses import Objective, Term
from negagen.train.models import ContrastiveModel
from negagen.train.optim import FlatGradients, adamw
from negagen.train.staging import Staged, Stager, moved, subset
from negagen.train.step import Encoder

NEGATIVES = 4


class Trainer:
    """The step of a run: encode, gather, loss, average gradients, update."""

    def __init__(self, model: ContrastiveModel, device: torch.device, precision: str, *, alone: bool) -> None:
        self.alone = alone
        self.encoder = Encoder(model, device, precision=precision, alone=alone)
        self.objective = Objective((Term("negclip"), Term("own", weight=0.5)))
        self.gradients = FlatGradients(model.parameters())
        self.optimizer = adamw(model, Optimizer(), fused=device.type == "cuda")

    def backward(self, staged: Staged) -> Tensor:
        """Fill the gradients; gives the loss."""
        self.gradients.zero()
        features, rest = self.encoder(staged)
        result = self.objective(features, {})
        result.loss.backward()  # type: ignore[no-untyped-call]
        rest()
        if not self.alone:
            self.gradients.average()
        return result.loss.detach()

    def step(self, staged: Staged) -> None:
        """One step."""
        self.backward(staged)
        self.optimizer.step()


def share(batch: Batch, rank: int, world: int) -> Batch:
    """A rank's rows, contiguous, with the texts they use."""
    rows = torch.arange(len(batch)).chunk(world)[rank]
    assert batch.pixels is not None  # noqa: S101
    table = torch.cat([batch.captions[rows, None], batch.negatives[rows]], dim=1)
    used, places = torch.unique(table.clamp(min=0), return_inverse=True)
    places = places.masked_fill(table < 0, -1)
    return replace(
        batch,
        rows=batch.rows[rows],
        groups=batch.groups[rows],
        pixels=batch.pixels[rows],
        texts=subset(batch.texts, used),
        captions=places[:, 0],
        negatives=places[:, 1:],
        positives=batch.positives[rows],
        weights=batch.weights[rows],
        kinds=batch.kinds[rows],
    )


def uneven(batch: Batch) -> Batch:
    """The same with every third row's negatives missing in part, the second half's wholly, and pairs of siblings."""
    negatives, weights = batch.negatives.clone(), batch.weights.clone()
    for rows, slots in ((slice(0, None, 3), slice(2, None)), (slice(len(batch) // 2, None), slice(0, None))):
        negatives[rows, slots] = -1
        weights[rows, slots] = 0
    return replace(batch, negatives=negatives, weights=weights, groups=batch.groups // 2)


def stage(model: ContrastiveModel, batch: Batch, device: torch.device) -> Staged:
    """The batch laid out and on the device."""
    return next(iter(moved([Stager(model)(batch)], device)))


def compare(device: torch.device, small: int) -> dict[str, float]:
    """Loss and gradient of all processes against those of one; the relative error, on the first process."""
    size = small or 256
    batch = uneven(make_batch(captions(size, NEGATIVES, 7, None), NEGATIVES, 224, 7))
    world, rank = distributed.world_size(), distributed.rank()
    model = build(bool(small), device)
    together = Trainer(model, device, "fp32", alone=False)
    loss = together.backward(stage(model, share(batch, rank, world), device))
    found = together.gradients.flat.clone()
    single = Trainer(model, device, "fp32", alone=True)
    true_loss = single.backward(stage(model, batch, device))
    true = single.gradients.flat
    error = float((found - true).norm() / true.norm())
    return {"loss": float(loss), "loss_of_one": float(true_loss), "gradient_error": error}


def rate(device: torch.device, rows: int, *, alone: bool, small: int, compiled: bool) -> dict[str, float]:
    """Images per second, all processes together, with batches of `rows` each."""
    torch._dynamo.reset()
    world, rank = (1, 0) if alone else (distributed.world_size(), distributed.rank())
    model = build(bool(small), device)
    if compiled:
        model.use_compile(fullgraph=True)
    trainer = Trainer(model, device, "bf16", alone=alone)
    staged = []
    for seed in range(BATCHES):
        batch = make_batch(captions(rows * world, NEGATIVES, seed, None), NEGATIVES, 224, seed)
        staged.append(stage(model, share(batch, rank, world), device))
    times = []
    for _ in range(8):
        if not alone:
            distributed.barrier()
        start = time.perf_counter()
        for one in staged:
            trainer.step(one)
        synchronize(device)
        times.append((time.perf_counter() - start) / BATCHES)
    seconds = statistics.median(times[2:])
    return {"ms": round(1e3 * seconds, 2), "images_per_second": round(rows * world / seconds)}


def main() -> None:
    """Compare, time, and print from the first process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--small", type=int, default=0, metavar="B", help="a toy model and batches of B")
    parser.add_argument("--no-compile", action="store_true")
    given = parser.parse_args()
    compiled = not given.no_compile
    with distributed.process_group("auto") as device:
        torch.backends.cuda.matmul.allow_tf32 = False
        report: dict[str, Any] = {
            "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else "none",
            "processes": distributed.world_size(),
            "compiled": compiled,
            "gradients": compare(device, given.small),
        }
        torch.backends.cuda.matmul.allow_tf32 = True
        rows = given.small or 1024
        # Every process times the same work alone, so that none waits for minutes in a collective that may time out.
        world = distributed.world_size()
        for name, each, alone in (
            ("one", rows, True), ("all, as many each", rows, False), ("all, as many together", rows // world, False)
        ):  # fmt: skip
            report[name] = rate(device, each, alone=alone, small=given.small, compiled=compiled)
            if name == "all, as many each":
                report["speed-up"] = report[name]["images_per_second"] / report["one"]["images_per_second"]
            if distributed.is_main():
                print(json.dumps(report), flush=True)
                if given.json:
                    given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        distributed.barrier()


if __name__ == "__main__":
    main()
