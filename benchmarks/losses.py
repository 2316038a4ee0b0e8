"""What the losses cost, and how exact their logits are: random features, no towers.

    python -m benchmarks.losses --json benchmarks/results/losses.json

Each recipe's objective, forward and backward, from features of B rows, K negatives and 4 positives: milliseconds and
the peak of memory beyond the features. Then the errors of logits at scale 100 against float64, for the ways in which a
matrix product may be computed, and the share of gaps between a caption and its negative whose sign they turn.
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
from torch.nn.functional import normalize

from negagen.train.losses import Features, Objective
from negagen.train.recipe import load_recipe, recipe_names

SCALE = 100.0
LEAVES = ("image", "text", "negatives", "positives", "scale", "bias", "local")


def features(rows: int, slots: int, device: torch.device, width: int = 512) -> Features:
    """Cosines as CLIP's are: image and caption about 0.3, caption and its negatives about 0.98."""
    draws = torch.Generator(device).manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return normalize(torch.randn(shape, generator=draws, device=device), dim=-1)

    text = normal(rows, width)
    return Features(
        image=normalize(text + 3.0 * normal(rows, width), dim=-1),
        text=text,
        negatives=normalize(text.unsqueeze(1) + 0.2 * normal(rows, slots, width), dim=-1),
        mask=torch.rand(rows, slots, generator=draws, device=device) < 0.95,
        scale=torch.tensor(SCALE, device=device),
        bias=torch.tensor(-10.0, device=device),
        groups=torch.arange(rows, device=device) // 2,
        weights=torch.ones(rows, slots, device=device),
        kinds=torch.zeros(rows, slots, dtype=torch.int64, device=device),
        positives=normalize(text.unsqueeze(1) + 0.3 * normal(rows, 4, width), dim=-1),
        positive_mask=torch.ones(rows, 4, dtype=torch.bool, device=device),
        anchor_image=normal(rows, width),
        anchor_text=text,
        local=torch.zeros(rows, 1 + slots, device=device),
    )


def cost(objective: Objective, given: Features, repeats: int) -> dict[str, float]:
    """Median milliseconds of forward and backward, and GiB beyond what is held before."""
    device = given.image.device
    leaves = {name: getattr(given, name).detach().requires_grad_() for name in LEAVES}
    given = replace(given, **leaves)
    state = {name: value.to(device) for name, value in objective.start().items()}
    times = []
    held = 0
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
    for _ in range(3 + repeats):
        synchronize(device)
        begun = time.perf_counter()
        loss = objective(given, state).loss
        torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        synchronize(device)
        times.append(1e3 * (time.perf_counter() - begun))
        del loss
    peak = torch.cuda.max_memory_allocated() - held if device.type == "cuda" else 0
    return {"ms": round(statistics.median(times[3:]), 3), "gib": round(peak / 2**30, 3)}


def errors(given: Features) -> dict[str, dict[str, float]]:
    """Of s⟨i,t⟩ and of the gap s⟨i,t⟩ - s⟨i,n⟩, by how the products are computed."""
    image, text, negatives = given.image, given.text, given.negatives[:, 0]
    exact = SCALE * image.double() @ torch.cat([text, negatives]).double().T
    rows = len(image)
    exact_gap = exact[:, :rows].diagonal() - exact[:, rows:].diagonal()
    columns = torch.cat([text, negatives])
    ways = {
        "float32": _product(image, columns, tf32=False),
        "TF32": _product(image, columns, tf32=True),
        "bfloat16": image.bfloat16() @ columns.bfloat16().T,
        "float16": image.half() @ columns.half().T,
    }
    found = {}
    for name, product in ways.items():
        logits = SCALE * product.double()
        gap = logits[:, :rows].diagonal() - logits[:, rows:].diagonal()
        wrong = (logits - exact).abs()
        found[name] = {
            "logit_mean": float(wrong.mean()),
            "logit_max": float(wrong.max()),
            "gap_mean": float((gap - exact_gap).abs().mean()),
            "gaps_turned_or_tied": float(((gap > 0) != (exact_gap > 0)).double().mean()),
        }
    found["gap itself"] = {"gap_mean": float(exact_gap.abs().mean())}
    return found


def _product(left: Tensor, right: Tensor, *, tf32: bool) -> Tensor:
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    product = left @ right.T
    torch.backends.cuda.matmul.allow_tf32 = before
    return product


def synchronize(device: torch.device) -> None:
    """Wait for the GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1024, 4096, 8192])
    parser.add_argument("--negatives", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    report: dict[str, Any] = {"device": name, "torch": torch.__version__, "costs": [], "errors": {}}
    print(name, torch.__version__)
    for rows in given.rows:
        batch = features(rows, given.negatives, device)
        for recipe in recipe_names():
            for tf32 in (False, True):
                torch.backends.cuda.matmul.allow_tf32 = tf32
                figures = cost(load_recipe(recipe).objective(), batch, given.repeats)
                row = {"recipe": recipe, "rows": rows, "negatives": given.negatives, "tf32": tf32, **figures}
                report["costs"].append(row)
                print(*(f"{key} {value}" for key, value in row.items()), flush=True)
    report["errors"] = errors(features(min(given.rows), 1, device))
    print(json.dumps(report["errors"], indent=1))
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
