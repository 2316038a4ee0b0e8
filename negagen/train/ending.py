"""What tuning ends in: the model measured, patched, exported, and the report of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from negagen.errors import OutputError, TrainingError
from negagen.train import models, patching, run
from negagen.train.distributed import process_group
from negagen.train.export import Card, check_folder, export
from negagen.train.lora import merge_lora
from negagen.train.measured import Benchmarks, Measured
from negagen.train.models import ContrastiveModel
from negagen.train.patching import Point, interpolate
from negagen.train.recipe import Recipe

Measure = Callable[[str], Measured]
"""Measures a model as it stands; it is told what to call it."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Models on the line from base to tuned: what was measured of each, and which was chosen."""

    measured: Mapping[float, Measured]
    alpha: float
    tolerance: float

    @property
    def points(self) -> list[Point]:
        """In the order of alpha."""
        return [one.point(alpha) for alpha, one in sorted(self.measured.items())]

    @property
    def rule(self) -> str:
        """How the alpha was come by."""
        if len(self.measured) < 2:
            return "given"
        if self.alpha == 0 and max(self.measured) > 0:
            return (
                f"the model from before: no tuned point keeps the old skill to {self.tolerance:g} and composes better"
            )
        return patching.RULE.format(tolerance=self.tolerance)

    def to_json(self) -> dict[str, Any]:
        """The chosen alpha, the rule, and every point."""
        points = [{"alpha": alpha, **one.to_json()} for alpha, one in sorted(self.measured.items())]
        return {"alpha": self.alpha, "rule": self.rule, "points": points}


def trace(
    model: ContrastiveModel,
    base: Mapping[str, Tensor],
    tuned: Mapping[str, Tensor],
    alphas: Sequence[float],
    *,
    before: Measured | None,
    after: Measured | None,
    measure: Measure,
    tolerance: float,
) -> Curve:
    """Measure `model` with the weights of each alpha, and leave it with those of the one chosen.

    `before` is what was measured of the base, to which retained scores are held, and `after` of the tuned model; None
    measures them here where a choice must be made. Raises `ModelError` if the weights cannot be mixed, `TrainingError`
    if no choice can be made.
    """
    measured: dict[float, Measured] = {}
    if len(alphas) > 1:
        alphas = sorted({0.0, *alphas})
        if before is not None:
            before.point(0.0)
            measured[0.0] = before
        if after is not None and 1.0 in alphas:
            measured[1.0] = after
    for alpha in alphas:
        if alpha not in measured:
            model.network.load_state_dict(interpolate(base, tuned, alpha))
            measured[alpha] = measure(f"alpha {alpha:g}")
            if len(alphas) > 1:
                measured[alpha].point(alpha)
    chosen = alphas[0]
    if len(alphas) > 1:
        points = [one.point(alpha) for alpha, one in sorted(measured.items())]
        chosen = patching.choose(points, base=measured[0.0].point(0.0), tolerance=tolerance).alpha
    model.network.load_state_dict(interpolate(base, tuned, chosen))
    return Curve(measured, chosen, tolerance)


def patch(
    base: str,
    tuned: str,
    output: Path,
    *,
    alphas: Sequence[float],
    benchmarks: Benchmarks,
    tolerance: float = 0.01,
    device: str = "auto",
    overwrite: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Curve:
    """Mix two models, choose as `trace` does, and export the chosen one with its curve to `output`.

    Raises `ModelError`, `DataError` for models that cannot be loaded or mixed, and benchmarks that are not there;
    `OutputError` before any work if `output` is or holds one of both models, lies in the folder of a run, holds an
    exported model that `overwrite` does not give up, or anything else; `TrainingError` where several alphas are given
    and no measure to tell them apart.
    """
    _check_output(output, base, tuned, overwrite=overwrite)
    if len(alphas) > 1 and not benchmarks.names:
        raise TrainingError(
            f"{len(alphas)} alphas are told apart by what is measured of them: give --eval with a benchmark of"
            " composition and one of retained skill, or a single --alpha."
        )
    benchmarks.check()
    with process_group(device) as place:
        before = models.load(base, device="cpu").network.state_dict()
        model = models.load(tuned, device=place)
        after = {name: value.cpu().clone() for name, value in model.network.state_dict().items()}

        def measure(name: str) -> Measured:
            tell(name)
            return Measured(None, benchmarks.measure(model))

        curve = trace(model, before, after, alphas, before=None, after=None, measure=measure, tolerance=tolerance)
    card = Card(
        title=f"{Path(tuned).resolve().name}, patched at {curve.alpha:g}",
        base=base,
        settings={"alpha": f"{curve.alpha:g}", "chosen by": curve.rule},
        scores={f"alpha {alpha:g}": one.headlines() for alpha, one in sorted(curve.measured.items())},
    )
    export(model, output, card)
    run.write_json(output / "patching.json", curve.to_json())
    if len(curve.measured) > 1:
        chosen = curve.measured[curve.alpha].point(curve.alpha)
        patching.draw(curve.points, chosen, output / "patching.png", tolerance=tolerance)
    return curve


def _check_output(output: Path, base: str, tuned: str, *, overwrite: bool) -> None:
    for what, name in (("base", base), ("tuned model", tuned)):
        # Writing replaces the whole folder, so a model somewhere below it would go too.
        if Path(name).exists() and Path(name).resolve().is_relative_to(output.resolve()):
            raise OutputError(f"{output} is or holds the {what} {name}: name another folder with -o DIR.")
    for folder in (output.resolve(), *output.resolve().parents):
        if run.is_run(folder):
            raise OutputError(
                f"{output} is part of the run in {folder}, whose models belong to its report: name another folder with"
                " -o DIR."
            )
    check_folder(output)
    if not overwrite and output.exists() and any(output.iterdir()):
        raise OutputError(
            f"{output} holds an exported model: name another folder with -o DIR, or replace it with --overwrite."
        )


@dataclass(frozen=True, slots=True)
class Tuned:
    """A run that is over: where it goes, what it began with, and what cards and report say of it.

    `notes` is what was told of the data: pictures left out, texts cut off.
    """

    output: Path
    base_name: str
    base: Mapping[str, Tensor]
    before: Measured
    recipe: Recipe
    data: Mapping[str, object] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    notes: Sequence[str] = ()


def conclude(model: ContrastiveModel, tuned: Tuned, measure: Measure) -> dict[str, Any]:
    """Merge adapters, measure, patch as the recipe says, export; writes `report.json` and gives what it holds.

    `OUTPUT/model` is what the recipe ends in. Where that is patched, `OUTPUT/tuned` is the model at alpha 1.
    """
    merge_lora(model)
    measured = {"before": tuned.before, "tuned": measure("tuned")}
    report: dict[str, Any] = {**tuned.settings, "notes": list(tuned.notes)}
    patch = tuned.recipe.patching
    curve = None
    if patch.alpha is not None:
        export(model, tuned.output / "tuned", _card(tuned, f"{tuned.recipe.name}, not patched", measured))
        weights = {name: value.cpu().clone() for name, value in model.network.state_dict().items()}
        alphas = patch.alpha if isinstance(patch.alpha, tuple) else (patch.alpha,)
        curve = trace(
            model, tuned.base, weights, alphas,
            before=tuned.before, after=measured["tuned"], measure=measure, tolerance=patch.tolerance,
        )  # fmt: skip
        measured["patched"] = curve.measured[curve.alpha]
        report["patching"] = curve.to_json()
        if len(curve.measured) > 1:
            chosen = curve.measured[curve.alpha].point(curve.alpha)
            patching.draw(curve.points, chosen, tuned.output / "patching.png", tolerance=patch.tolerance)
    report["measured"] = {name: one.to_json() for name, one in measured.items()}
    title = tuned.recipe.name if curve is None else f"{tuned.recipe.name}, patched at {curve.alpha:g}"
    export(model, tuned.output / "model", _card(tuned, title, measured, curve))
    run.write_json(tuned.output / "report.json", report)
    return report


def _card(tuned: Tuned, title: str, measured: Mapping[str, Measured], curve: Curve | None = None) -> Card:
    return Card(
        title=f"{Path(tuned.base_name).resolve().name}, {title}",
        base=tuned.base_name,
        data=tuned.data,
        settings={**tuned.settings, **({} if curve is None else {"patched at": f"{curve.alpha:g} ({curve.rule})"})},
        scores={name: one.headlines() for name, one in measured.items()},
        recipe=tuned.recipe.to_toml(),
    )
