"""The batches of a run, and those that it is measured on: drawn, laid out for the model, brought to the device."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch

from negagen.data import Batch, Batches, Feedback, HuggingFaceTokenizer, Order, Prepared, Step, Sweep, ahead
from negagen.data.draw import Draw
from negagen.train import distributed
from negagen.train.curriculum import curriculum_of
from negagen.train.recipe import Recipe
from negagen.train.staging import Staged, Stager, moved

MOST_HELD_OUT: Final = 5000
"""Captions that are measured on, the first of those held out: as many as COCO's usual test has pictures."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What each step of this rank sees."""

    batches: Batches
    order: Order
    stager: Stager
    device: torch.device
    workers: int

    @classmethod
    def open(
        cls,
        data: Prepared,
        recipe: Recipe,
        stager: Stager,
        device: torch.device,
        *,
        seed: int,
        workers: int,
        pixels: bool = True,
        feedback: Feedback | None = None,
    ) -> Feed:
        """The feed of a run on all of `data`, with numbers of pictures instead of `pixels` if these are not wanted.

        `feedback` is what a recipe's curriculum goes by. Raises `DataError` if it lacks rows, negatives or positives.
        """
        batch, model = recipe.batch, stager.model
        batches = Batches(
            data, batch.negatives, batch.positives, categories=batch.categories, seed=seed, layout=batch.layout,
            plain_every=batch.plain_every, tokenizer=HuggingFaceTokenizer(model.tokenizer, model.context_length),
            pixels=pixels, curriculum=curriculum_of(recipe, model), feedback=feedback,
        )  # fmt: skip
        order = Order(data.rows, batch.size, seed=seed, rank=distributed.rank(), world_size=distributed.world_size())
        return cls(batches, order, stager, device, workers)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch."""
        return self.order.steps_per_epoch

    def is_plain(self, step: int) -> bool:
        """Whether the step of that number, from 0, is of single pictures with their captions alone."""
        return self.batches.is_plain(step)

    def steps(self, start: int, stop: int, begin: Callable[[int], None] | None = None) -> Iterator[Staged]:
        """The batches of steps `[start, stop)`, made ahead by threads.

        With `begin`, nothing of an epoch is made before `begin(epoch)` has returned, which is called when the last
        batch of the epoch before it is done with.
        """

        def staged(step: Step) -> Staged:
            return _staged(self.batches(step, self.stager.pin), self.batches, self.stager, step.number)

        while start < stop:
            end = stop
            if begin is not None:
                epoch = start // self.steps_per_epoch
                begin(epoch)
                end = min(stop, (epoch + 1) * self.steps_per_epoch)
            yield from moved(ahead(staged, self.order.steps(start, end), self.workers), self.device)
            start = end


@dataclass(frozen=True, slots=True)
class Exam:
    """The held-out captions with their pictures, batch by batch, the last one shorter; the same at each iteration."""

    batches: Batches
    size: int
    stager: Stager
    device: torch.device

    @classmethod
    def open(
        cls,
        data: Prepared,
        recipe: Recipe,
        stager: Stager,
        device: torch.device,
        *,
        seed: int,
        pixels: bool = True,
    ) -> Exam:
        """Single pictures, or their numbers; negatives and positives as the recipe wants and the data has them."""
        wanted, texts, tokens = recipe.batch, data.data, data.tokens
        data = replace(data, rows=data.rows[:MOST_HELD_OUT])
        negatives = Draw(texts.negatives, 1, categories=wanted.categories, without=tokens.same_negatives)
        positives = Draw(texts.positives, 1, without=tokens.same_positives)
        batches = Batches(
            data, min(wanted.negatives, _most(negatives, data)), min(wanted.positives, _most(positives, data)),
            categories=wanted.categories, seed=seed, pixels=pixels,
        )  # fmt: skip
        return cls(batches, wanted.size, stager, device)

    def __iter__(self) -> Iterator[Staged]:
        sweep = Sweep(self.batches, self.size)
        return moved((_staged(batch, self.batches, self.stager) for batch in sweep), self.device)


def _staged(batch: Batch, batches: Batches, stager: Stager, step: int = -1) -> Staged:
    """A batch laid out, with the numbers of its pictures if it has no pixels."""
    numbers = batches.prepared.data.images
    images = None if batches.pixels else torch.from_numpy(numbers[batch.rows.numpy()].astype(np.int64))
    return stager(batch, step, images)


def _most(draw: Draw, data: Prepared) -> int:
    """The most that any row of `data` has to draw from."""
    return int(np.max(draw.available()[data.rows], initial=0))


def length(recipe: Recipe, steps_per_epoch: int) -> tuple[int, int]:
    """Steps of the run, and of its warm-up."""
    optimizer = recipe.optimizer
    steps = optimizer.steps or max(1, math.ceil((optimizer.epochs or 1) * steps_per_epoch))
    warmup = optimizer.warmup
    return steps, warmup if isinstance(warmup, int) else round(warmup * steps)
