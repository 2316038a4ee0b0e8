"""What to do when a GPU's memory does not suffice for a step."""

from __future__ import annotations

from typing import Final

import torch

from negagen.errors import TrainingError
from negagen.train.recipe import Recipe

_GIB: Final = 1 << 30
_SMALLEST: Final = 8


def explained(error: torch.OutOfMemoryError, recipe: Recipe, rows: int, resumable: bool) -> TrainingError:
    """The settings that need less, for a step of `rows` rows a process that ended in `error`.

    A chunk is suggested by what the step had taken when it failed, half of what is known not to fit at most.
    """
    settings, now = recipe.model, recipe.batch.chunk or rows
    have = torch.cuda.get_device_properties(0).total_memory / _GIB if torch.cuda.is_available() else 0
    chunked = f" in chunks of {now:,}" if recipe.batch.chunk else ""
    cause = str(error).splitlines()[0].partition(" GPU ")[0].rstrip(".")
    lines = [
        f"too little memory on the GPU ({have:.0f} GiB) for a step of {rows:,} rows{chunked}: {cause}. What needs less:"
    ]
    if (chunk := now // 2) >= _SMALLEST:
        lines.append(
            f"  --chunk {chunk:<32} the same batch and gradients, {chunk:,} rows at a time, a third more arithmetic"
        )
    if not settings.gradient_checkpointing:
        lines.append("  --set model.gradient_checkpointing=true  the same gradients, a third more arithmetic")
    if settings.precision == "fp32":
        lines.append("  --set model.precision=bf16               about half, and faster")
    smaller = f"batch.size={max(2, recipe.batch.size // 2)}"
    lines.append(f"  --set {smaller:<34} half, but another run: fewer captions to tell apart")
    if resumable:
        lines.append("The first two go together with --resume latest.")
    return TrainingError("\n".join(lines))
