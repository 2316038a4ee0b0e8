"""Patching: weights between a base model and the one tuned from it.

theta(alpha) = (1 - alpha) * theta_base + alpha * theta_tuned, after Ilharco et al. (arXiv 2208.05592); CLoVe
(arXiv 2402.15021) patches at 0.6 to keep what the base could do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from negagen.atomic import written_aside
from negagen.errors import ModelError, TrainingError

_NAMED: Final = 5
_COUNT: Final = "num_batches_tracked"
RULE: Final = (
    "the largest compositional score among the points whose retained score is at most {tolerance:g} below the base's;"
    " its figures are of the very data that it was chosen on"
)


@dataclass(frozen=True, slots=True)
class Point:
    """One model on the line from base (alpha 0) to tuned (alpha 1). Scores are shares in [0, 1]."""

    alpha: float
    compositional: float
    retained: float


def interpolate(base: Mapping[str, Tensor], tuned: Mapping[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """Weights at `alpha`, key by key in float32, in the dtype of `tuned`; 0 gives `base`'s values and 1 `tuned`'s.

    Tensors of whole numbers (position ids) must be equal, but for batch norms' counts of batches, which are those of
    `tuned`. Raises `ModelError` that names the keys where keys, shapes or whole numbers differ.
    """
    _check(base, tuned)
    mixed = {}
    for key, after in tuned.items():
        before = base[key]
        if not after.is_floating_point():
            mixed[key] = after.clone()
        elif alpha in (0.0, 1.0):  # exactly: a * 0 + b * 1 is not b where a is not finite
            mixed[key] = (after if alpha else before).to(after.dtype, copy=True)
        else:
            start, end = before.to(after.device, torch.float32), after.to(torch.float32)
            mixed[key] = ((1 - alpha) * start + alpha * end).to(after.dtype)
    return mixed


def _check(base: Mapping[str, Tensor], tuned: Mapping[str, Tensor]) -> None:
    missing = sorted(set(base) ^ set(tuned))
    if missing:
        only = [f"{key} (only in the {'base' if key in base else 'tuned'} model)" for key in missing]
        raise ModelError(f"these models cannot be mixed, their keys differ: {_list(only)}. Patch models of one kind.")
    shapes = [
        f"{key} {list(base[key].shape)} against {list(tuned[key].shape)}"
        for key in base
        if base[key].shape != tuned[key].shape
    ]
    if shapes:
        raise ModelError(f"these models cannot be mixed, shapes differ (base against tuned): {_list(shapes)}.")
    kinds = [key for key in base if base[key].is_floating_point() != tuned[key].is_floating_point()]
    if kinds:
        raise ModelError(f"these models cannot be mixed, whole numbers are fractions in the other: {_list(kinds)}.")
    numbers = [
        key
        for key in base
        if not base[key].is_floating_point()
        and not key.endswith(_COUNT)
        and not torch.equal(base[key].cpu(), tuned[key].cpu())
    ]
    if numbers:
        raise ModelError(f"these models cannot be mixed, whole numbers differ: {_list(numbers)}.")


def _list(items: Sequence[str]) -> str:
    more = f" and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return ", ".join(items[:_NAMED]) + more


def parse_alphas(text: str) -> tuple[float, ...]:
    """`0.6`, `0,0.5,1`, or `0:1:0.1` with both ends: increasing numbers in [0, 1]. Raises `TrainingError`."""
    wrong = TrainingError(f"--alpha {text}: expected a number, a list (0,0.5,1) or START:END:STEP, within 0 to 1.")
    try:
        if ":" in text:
            start, end, step = (float(part) for part in text.split(":"))
            if step <= 0 or end < start:
                raise wrong
            # The ends of a range typed in decimals are meant: 0:1:0.1 has eleven points.
            alphas = tuple(round(start + n * step, 10) for n in range(int((end - start) / step + 1e-6) + 1))
        else:
            alphas = tuple(sorted({float(part) for part in text.split(",")}))
    except ValueError:
        raise wrong from None
    if not alphas or not all(0 <= alpha <= 1 for alpha in alphas):
        raise wrong
    return alphas


def choose(points: Sequence[Point], *, base: Point, tolerance: float) -> Point:
    """The point to keep, by `RULE`; of equals the one with the larger retained score, then the smaller alpha.

    The base itself stands for "no point will do".
    """
    kept = [point for point in points if point.retained >= base.retained - tolerance - 1e-12]
    return max(kept, key=lambda point: (point.compositional, point.retained, -point.alpha), default=base)


def draw(points: Sequence[Point], chosen: Point, path: Path, *, tolerance: float) -> None:
    """A PNG of the curve: compositional against retained score, each point with its alpha, the chosen one ringed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 4), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    retained = [100 * point.retained for point in points]
    compositional = [100 * point.compositional for point in points]
    axes.plot(retained, compositional, "o-", color="#4477aa", markersize=4)
    for point, x, y in zip(points, retained, compositional, strict=True):
        axes.annotate(f"{point.alpha:g}", (x, y), textcoords="offset points", xytext=(5, 4), fontsize=8)
    axes.plot(
        [100 * chosen.retained], [100 * chosen.compositional], "o", color="#ee6677", markersize=10, fillstyle="none",
        label=f"chosen: alpha {chosen.alpha:g}",
    )  # fmt: skip
    base = next((point for point in points if point.alpha == 0), None)
    if base is not None:
        limit = 100 * (base.retained - tolerance)
        axes.axvline(limit, color="#999999", linestyle=":", label=f"base less {100 * tolerance:g} points")
    axes.set_xlabel("retained skill (%)")
    axes.set_ylabel("composition (%)")
    axes.legend(fontsize=8)
    with written_aside(path) as aside:
        figure.savefig(aside, format="png")
