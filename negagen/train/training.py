"""All that a step of training changes, to be stepped, saved and restored."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from negagen.data.difficulty import Feedback
from negagen.errors import RecipeError, TrainingError
from negagen.seeding import key_of
from negagen.train.checkpoint import Checkpoint
from negagen.train.lora import add_lora
from negagen.train.models import ContrastiveModel
from negagen.train.optim import FlatGradients, adamw, update_average
from negagen.train.recipe import Recipe
from negagen.train.recipe_schema import ModelSettings
from negagen.train.towers import Side


def freeze(model: ContrastiveModel, settings: ModelSettings, seed: int) -> None:
    """Leave those parameters trainable that the recipe wants trained, and put adapters in; `seed` fixes how they begin.

    Raises `RecipeError` for more blocks than a tower has, `ModelError` where adapters cannot be put in.
    """
    model.requires_grad_(False)
    sides: tuple[Side, Side] = ("vision", "text")
    wanted = dict(zip(sides, (settings.vision, settings.text), strict=True))
    for side, part in wanted.items():
        stages = model.towers.stages(side)
        if part.startswith("last:"):
            count, blocks = int(part.removeprefix("last:")), len(stages) - 2
            if count > blocks:
                raise RecipeError(f"model.{side} = {part}: that tower has {blocks} blocks; use train.")
            stages = stages[-count - 1 :]
        if part not in ("frozen", "lora"):
            for piece in (piece for stage in stages for piece in stage):
                piece.requires_grad_(True)
    network: Any = model.network
    network.logit_scale.requires_grad_(settings.logit_scale == "train")
    if model.logit_bias is not None:
        network.logit_bias.requires_grad_(settings.logit_scale == "train")
    if adapted := [side for side, part in wanted.items() if part == "lora"]:
        torch.manual_seed(key_of("lora", seed) >> 1)
        add_lora(model, adapted, rank=settings.lora_rank, alpha=settings.lora_alpha)


@dataclass
class Training:
    """A model in training.

    `average` is the recipe's moving average of `weights` (the trainable parameters), empty if it has none; `teacher`
    a model that anchors are taken from, frozen or averaged; `losses` what losses hand from step to step; `step` the
    number of steps done; `feedback` what was said of candidates, where a curriculum goes by it. The logarithm of the
    logit scale stops at `most_log_scale`: the recipe's `max_scale`, or where the model came with more (SigLIPs do).
    """

    recipe: Recipe
    model: ContrastiveModel
    teacher: ContrastiveModel | None
    weights: list[nn.Parameter]
    optimizer: torch.optim.AdamW
    gradients: FlatGradients
    scaler: Any
    average: list[Tensor]
    most_log_scale: float
    losses: dict[str, Tensor] = field(default_factory=dict)
    step: int = 0
    feedback: Feedback | None = None

    @classmethod
    def begin(
        cls, model: ContrastiveModel, recipe: Recipe, device: torch.device, feedback: Feedback | None = None
    ) -> Training:
        """Training of `model`, whose frozen parts and adapters are in place. Raises `TrainingError`: all is frozen."""
        settings = recipe.model
        weights = [one for one in model.parameters() if one.requires_grad]
        if not weights:
            raise TrainingError("the recipe freezes all of this model: nothing is left to train.")
        teacher = None
        if recipe.retention.teacher != "none":
            teacher = copy.deepcopy(model).requires_grad_(False).eval()
        if settings.gradient_checkpointing:
            model.use_checkpointing()
        if settings.compile:
            model.use_compile()
        return cls(
            recipe,
            model,
            teacher,
            weights,
            adamw(model, recipe.optimizer, fused=True),
            FlatGradients(weights),
            torch.amp.GradScaler(device.type, enabled=settings.precision == "fp16"),
            [one.detach().clone() for one in weights] if settings.ema else [],
            max(math.log(settings.max_scale), float(model.network.logit_scale.detach())),
            feedback=feedback,
        )

    def update(self, rate: float) -> Tensor:
        """Take one step with the gradients that are there, at learning rate `rate`; gives their norm, a scalar.

        With fp16 a step whose gradients overflowed is left out, and the next ones are scaled down.
        """
        recipe = self.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.gradients.average()
        self.scaler.unscale_(self.optimizer)
        norm = self.gradients.clip(recipe.optimizer.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        with torch.no_grad():
            self.model.network.logit_scale.clamp_(max=self.most_log_scale)
        current = [one.detach() for one in self.weights]
        update_average(self.average, current, recipe.model.ema)
        if self.teacher is not None and recipe.retention.teacher == "ema":
            update_average(self._taught(), current, recipe.retention.decay)
        self.step += 1
        return norm

    def finish(self) -> None:
        """Put the averaged weights, if the recipe wants them, in place of the trained ones."""
        with torch.no_grad():
            for one, averaged in zip(self.weights, self.average, strict=bool(self.average)):
                one.copy_(averaged)

    def set_mode(self) -> None:
        """Training mode, but for modules of which nothing is trained (their dropout would be noise), and batch norms.

        These keep the statistics of pre-training: those of a batch would differ with chunks and processes.
        """
        self.model.train()
        for module in self.model.modules():
            weights = list(module.parameters())
            if isinstance(module, _BatchNorm) or (weights and not any(one.requires_grad for one in weights)):
                module.eval()

    def checkpoint(self, meta: Mapping[str, Any]) -> Checkpoint:
        """Everything that later steps depend on, but the data and the recipe."""
        fed = {} if self.feedback is None else self.feedback.state()
        state = {
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": self.average,
            "teacher": self._taught() if self.recipe.retention.teacher == "ema" else [],
            "losses": self.losses,
            "feedback": {name: torch.from_numpy(values) for name, values in fed.items()},
        }
        return Checkpoint(self.step, self.model.network.state_dict(), state, meta)

    def restore(self, saved: Checkpoint) -> None:
        """Go back to a checkpoint. Raises `TrainingError` if it is of another model or recipe."""
        try:
            self.model.network.load_state_dict(dict(saved.model))
            self.optimizer.load_state_dict(saved.state["optimizer"])
            self.scaler.load_state_dict(saved.state["scaler"])
            taught = self._taught() if self.recipe.retention.teacher == "ema" else []
            with torch.no_grad():
                for mine, theirs in ((self.average, saved.state["average"]), (taught, saved.state["teacher"])):
                    for one, other in zip(mine, theirs, strict=True):
                        one.copy_(other)
            if self.feedback is not None:
                self.feedback.restore({name: values.numpy() for name, values in saved.state["feedback"].items()})
        except (KeyError, RuntimeError, ValueError) as error:
            raise TrainingError(f"the checkpoint of step {saved.step} does not fit this model: {error}") from error
        device = self.weights[0].device
        self.losses = {name: value.to(device) for name, value in saved.state["losses"].items()}
        self.step = saved.step

    def _taught(self) -> list[Tensor]:
        """The teacher's weights that correspond to the trainable ones."""
        if self.teacher is None:
            return []
        theirs = dict(self.teacher.named_parameters())
        return [theirs[name].detach() for name, one in self.model.named_parameters() if one.requires_grad]
