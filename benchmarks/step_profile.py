"""Where the time of a compiled training step goes: kernels, and kinds of kernels, with and without negatives.

    python -m benchmarks.step_profile --output profile.txt

The step is that of `benchmarks.train_step`. Needs a GPU.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import torch

from benchmarks.train_step import BATCHES, Run, Setting, reduced, synchronize

KERNELS = {
    "matrix products": r"gemm|nvjet|cutlass|sm90_xmma",
    "attention": r"^_forward|^_backward|flash|fmha",
    "compiled elementwise and reductions": r"^triton_",
    "optimiser": r"[Aa]dam|multi_tensor",
    "copies and fills": r"Memcpy|Memset|FillFunctor|copy",
}
"""Kinds of kernels by their names."""
SHOWN = 90


def main() -> None:
    """Write what the steps with four negatives and with none are made of."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = True
    parts = [profile(Setting("full", negatives=negatives), torch.device("cuda")) for negatives in (4, 0)]
    given.output.write_text("\n\n".join("\n".join(lines) for lines in parts) + "\n", encoding="utf-8")
    for lines in parts:
        print(*lines[: len(KERNELS) + 25], sep="\n", flush=True)


def profile(setting: Setting, device: torch.device) -> list[str]:
    """The kernels of a step: their sum, the sums by kind, and the longest, in ms a step."""
    torch._dynamo.reset()
    with reduced(setting):
        run = Run(setting, device, False, None)
        for number in range(2 * BATCHES):
            run.step(number)
        synchronize(device)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
            for number in range(BATCHES):
                run.step(number)
            synchronize(device)
    kernels = sorted(profiler.key_averages(), key=lambda one: -one.self_device_time_total)
    spent = [one.self_device_time_total / 1e3 / BATCHES for one in kernels]
    sums = dict.fromkeys([*KERNELS, "other"], 0.0)
    for one, milliseconds in zip(kernels, spent, strict=True):
        sums[next((kind for kind, marks in KERNELS.items() if re.search(marks, one.key)), "other")] += milliseconds
    lines = [f"K={setting.negatives}: {sum(spent):.2f} ms of kernels a step"]
    lines += [f"{milliseconds:8.3f} ms {kind}" for kind, milliseconds in sums.items()]
    lines += [
        f"{milliseconds:8.3f} ms {one.count / BATCHES:6.1f} x {one.key[:150]}"
        for one, milliseconds in zip(kernels[:SHOWN], spent, strict=False)
    ]
    return lines


if __name__ == "__main__":
    main()
