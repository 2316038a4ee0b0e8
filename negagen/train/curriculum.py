"""What a run's steps say of the negatives they had, taken back to the table that later draws go by."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from negagen.data import Curriculum, Feedback, TrainingSet, load_feedback, save_feedback
from negagen.data.feedback_file import check_feedback
from negagen.errors import RecipeError
from negagen.train.losses import Features
from negagen.train.metrics import Readings
from negagen.train.models import ContrastiveModel
from negagen.train.recipe import Recipe

FILE: Final = "feedback.parquet"


def curriculum_of(recipe: Recipe, model: ContrastiveModel) -> Curriculum | None:
    """How a recipe's draws go by difficulty, for a model before its first step; None if they do not."""
    settings = recipe.curriculum
    if not settings.difficulty:
        return None
    temperature = settings.temperature or 1 / float(model.logit_scale.detach())
    return Curriculum(**settings.model_dump(exclude={"temperature"}), temperature=temperature)


def check_start(recipe: Recipe, path: Path | None) -> None:
    """Raise `RecipeError` if the recipe would not look at the feedback in `path`; `InputError`, `DataError` if that is
    none."""
    if path is None:
        return
    if not recipe.curriculum.difficulty:
        raise RecipeError(
            f"--feedback {path}: recipe {recipe.name!r} does not go by it; --set curriculum.difficulty=1, or leave it"
            " out."
        )
    check_feedback(path)


def start_of(recipe: Recipe, data: TrainingSet, path: Path | None) -> Feedback | None:
    """The table that a run begins with, of what `path` says if it is given; None for a recipe without a curriculum.

    Raises `InputError`, `DataError` for a file of other negatives.
    """
    if not recipe.curriculum.difficulty:
        return None
    return Feedback(len(data.negatives)) if path is None else load_feedback(path, data, anew=True)


def conclude_curriculum(run: Path, data: TrainingSet, recipe: Recipe, feedback: Feedback) -> dict[str, float]:
    """Write the table to the run's folder; gives its figures. Raises `OutputError`."""
    save_feedback(run / FILE, data, feedback)
    return feedback.figures(recipe.curriculum.below)


class Recorder:
    """Brings cosines of pictures, captions and negatives from the device to `feedback`, without holding it up.

    Every rank records the features of all ranks, so that all have the same table.
    """

    def __init__(self, feedback: Feedback, device: torch.device, steps_per_epoch: int) -> None:
        self.feedback = feedback
        self._steps = steps_per_epoch
        self._readings: Readings[int] = Readings(device)

    def push(self, step: int, features: Features, right: Tensor, wrong: Tensor) -> None:
        """What step `step` (from 0) found: `right` [B] and `wrong` [B, K] as `own_similarities` gives them."""
        if features.candidates is None or not features.candidates.numel():
            return
        # One copy for all three; a float64 holds every number of a candidate.
        parts = (right.unsqueeze(1), wrong, features.candidates)
        self._readings.push(step // self._steps, torch.cat([part.double() for part in parts], dim=1))

    def read(self, leave: int = 1) -> None:
        """Take in what has come, all but the last `leave` steps."""
        for epoch, values in self._readings.tensors(leave=leave):
            table = values.numpy()
            slots = (table.shape[1] - 1) // 2
            right, wrong, candidates = table[:, 0], table[:, 1 : 1 + slots], table[:, 1 + slots :]
            self.feedback.feed(candidates.astype("int64"), right[:, None] - wrong, right, epoch)
