"""Losses: pure functions of a batch's features, found by name, summed by an objective."""

from negagen.train.losses.features import Features
from negagen.train.losses.fsc_clip import local_scores
from negagen.train.losses.objective import Objective, ObjectiveResult, State, Term
from negagen.train.losses.registry import LOSSES, Loss, Need

__all__ = [
    "LOSSES",
    "Features",
    "Loss",
    "Need",
    "Objective",
    "ObjectiveResult",
    "State",
    "Term",
    "local_scores",
]
