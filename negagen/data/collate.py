"""The batch of a step, made of mapped arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from negagen.data.batch import Batch
from negagen.data.clic import Exchange
from negagen.data.difficulty import Curriculum, Feedback
from negagen.data.draw import Categories, Draw, category_weights
from negagen.data.order import Step
from negagen.data.prepared import Prepared
from negagen.data.tokens import Tokenizer
from negagen.data.trainingset import listed
from negagen.errors import DataError

Layout = Literal["pairs", "clic"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """The texts of B rows by their numbers in the set, -1 for none: `negatives` int64 [B, K], `positives` [B, P].

    `candidates` int64 [B, K] are the numbers of the negatives among the set's choices.
    """

    captions: NDArray[np.int64]
    negatives: NDArray[np.int64]
    positives: NDArray[np.int64]
    weights: NDArray[np.float32]
    kinds: NDArray[np.int64]
    candidates: NDArray[np.int64]


class Batches:
    """Makes the batch of a step.

    Of the layout "pairs": pictures, their captions, and up to k negatives and p positives of each. Of "clic": two
    pictures side by side, see `negagen.data.clic`. Nothing but the texts of "clic" is tokenised here.

    What it gives is a function of the step alone. It can be sent to other processes, which map the files anew, and is
    a map-style dataset for `torch.utils.data.DataLoader(batches, sampler=order.steps(...), batch_size=None)`.

    Args:
        prepared: what to train on.
        k: negatives a row.
        positives: positives a row.
        categories: weights by category of negatives, or names of those wanted.
        confidence: draw negatives in proportion to their own weight too.
        seed: of the draws.
        layout: "pairs" or "clic".
        plain_every: each so many-th step is of single pictures with their captions alone; 0 for none.
        tokenizer: for the layout "clic", whose texts are new.
        pixels: False where image features are cached: batches then have no pixels.
        curriculum, feedback: prefer negatives that are hard for the model; see `negagen.data.difficulty`.

    Raises:
        DataError: there are no negatives (or positives), though some are asked for, or no row has as many.
    """

    def __init__(
        self,
        prepared: Prepared,
        k: int = 0,
        positives: int = 0,
        *,
        categories: Categories = None,
        confidence: bool = False,
        seed: int = 0,
        layout: Layout = "pairs",
        plain_every: int = 0,
        tokenizer: Tokenizer | None = None,
        pixels: bool = True,
        curriculum: Curriculum | None = None,
        feedback: Feedback | None = None,
    ) -> None:
        if layout == "clic" and tokenizer is None:
            raise DataError("the layout 'clic' joins captions to new texts: it needs the model's tokenizer.")
        if layout == "clic" and curriculum is not None:
            raise DataError("the layout 'clic' makes its negatives anew: none of them can be found hard.")
        self.prepared, self.plain_every, self.pixels = prepared, plain_every, pixels
        self._layout, self._tokenizer, self._seed = layout, tokenizer, seed
        self._counts, self._categories, self._confidence = (k, positives), categories, confidence
        self._curriculum, self.feedback = curriculum, feedback
        self._begin()
        self._check("negatives", self._negatives)
        self._check("positives", self._positives)

    def _begin(self) -> None:
        data, tokens, seed = self.prepared.data, self.prepared.tokens, self._seed
        k, positives = self._counts
        self._exchange = None
        if self._layout == "clic" and self._tokenizer is not None:
            self._exchange = Exchange(self.prepared, self._tokenizer, seed)
            k = positives = 0
        self._negatives = Draw(
            data.negatives,
            k,
            seed=seed,
            categories=self._categories,
            confidence=self._confidence,
            without=tokens.same_negatives,
            curriculum=self._curriculum,
            feedback=self.feedback,
        )
        self._positives = Draw(data.positives, positives, seed=seed, purpose="positives", without=tokens.same_positives)

    def __getstate__(self) -> dict[str, Any]:
        """Without what holds arrays: another process makes it anew from the mapped files, and need not check again."""
        made = ("_negatives", "_positives", "_exchange")
        return {name: value for name, value in self.__dict__.items() if name not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    def _check(self, what: str, draw: Draw) -> None:
        data = self.prepared.data
        if not draw.k:
            return
        if not len(getattr(data, what)):
            raise DataError(
                f"{data.source} has no {what}, but {draw.k} a caption are asked for; its columns are"
                f" {listed(data.columns)}. Make them with `negagen generate`, or set batch.{what} to 0."
            )
        most = int(draw.available().max())
        if most < draw.k:
            raise DataError(
                f"no caption of {data.source} has more than {most} {what} that may be drawn, but {draw.k} are asked"
                f" for{self._lacking(what, most)}"
            )

    def _lacking(self, what: str, most: int) -> str:
        """Why there are no more, and what to do, as the end of a sentence."""
        tokens = self.prepared.tokens
        choices, same = getattr(self.prepared.data, what), getattr(tokens, f"same_{what}")
        unwanted = (
            category_weights(self._categories)[choices.kinds] == 0 if what == "negatives" else np.zeros_like(same)
        )
        reasons, remedies = [], []
        if cut := int((same & ~unwanted).sum()):
            reasons.append(f"{cut:,}, cut to the model's {tokens.context_length} tokens, are equal to their caption")
            remedies.append("shorten the captions or take a model with a longer context")
        if others := int(unwanted.sum()):
            reasons.append(f"{others:,} are of categories that batch.categories leaves out")
            remedies.append("name more categories")
        if most:
            remedies.append(f"set batch.{what} to {most}")
        if cut + others < len(choices):
            remedies.append("make more with `negagen generate --k`")
        because = f"; of its {len(choices):,} {what} {' and '.join(reasons)}" if reasons else ""
        return f"{because}: {', or '.join(remedies)}."

    def __getitem__(self, step: Step) -> Batch:
        return self(step)

    def __call__(self, step: Step, pin: bool = False) -> Batch:
        """The batch of this rank; in page-locked memory, if `pin`."""
        plain = self.is_plain(step.number)
        if self._exchange is not None and not plain:
            batch = self._exchange(step, self._pixels(step.own), self._pixels(self._exchange.partners(step)))
            return batch.pin_memory() if pin else batch
        drawn = self.draw(step.own, step.epoch, plain)
        texts, captions, negatives, positives = numbered(drawn)
        batch = Batch(
            rows=_tensor(step.own),
            groups=_tensor(self.prepared.data.groups[step.own]),
            pixels=self._pixels(step.own, pin),
            texts=self.prepared.tokens.take(texts),
            captions=_tensor(captions),
            negatives=_tensor(negatives),
            positives=_tensor(positives),
            weights=_tensor(drawn.weights),
            kinds=_tensor(drawn.kinds),
            candidates=_tensor(drawn.candidates),
        )
        return batch.pin_memory() if pin else batch

    def is_plain(self, number: int) -> bool:
        """Whether step `number` is of single pictures with their captions alone."""
        return bool(self.plain_every) and number % self.plain_every == self.plain_every - 1

    def draw(self, rows: NDArray[np.int64], epoch: int, plain: bool = False) -> Drawn:
        """The texts that `rows` get in `epoch`; if `plain`, their captions alone."""
        data = self.prepared.data
        found, forced = self._negatives.drawn(rows, epoch)
        positives = self._positives(rows, epoch)
        if plain:
            found, positives = found[:, :0], positives[:, :0]
        return Drawn(
            captions=data.captions[rows].astype(np.int64),
            negatives=_of(data.negatives.texts, found, -1).astype(np.int64),
            positives=_of(data.positives.texts, positives, -1).astype(np.int64),
            weights=_of(data.negatives.weights, found, 0).astype(np.float32) / (1 + forced[:, None].astype(np.float32)),
            kinds=_of(data.negatives.kinds, found, -1).astype(np.int64),
            candidates=found,
        )

    def _pixels(self, rows: NDArray[np.int64], pin: bool = False) -> Tensor | None:
        """The pictures of `rows`, uint8 [B, 3, S, S], written straight into page-locked memory, if `pin`."""
        if not self.pixels:
            return None
        cache = self.prepared.pixels
        out = torch.empty((len(rows), *cache.pixels.shape[1:]), dtype=torch.uint8, pin_memory=pin)
        cache.take(self.prepared.data.images[rows], out.numpy())
        return out


def _of(values: NDArray[Any], indices: NDArray[np.int64], missing: int) -> NDArray[Any]:
    """`values[indices]`, and `missing` where an index is -1."""
    if not len(values):
        return np.full(indices.shape, missing)
    return np.where(indices < 0, np.asarray(missing, values.dtype), values[indices])


def numbered(drawn: Drawn) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The distinct texts, captions first, and `captions`, `negatives`, `positives` as indices into these."""
    parts = (drawn.captions, drawn.negatives, drawn.positives)
    flat = np.concatenate([part.ravel() for part in parts])
    there = flat >= 0
    texts, first, inverse = np.unique(flat[there], return_index=True, return_inverse=True)
    by_coming = np.argsort(first, kind="stable")
    place = np.empty(len(texts), np.int64)
    place[by_coming] = np.arange(len(texts))
    indices = np.full(len(flat), -1, np.int64)
    indices[there] = place[inverse]
    captions, negatives, positives = np.split(indices, np.cumsum([part.size for part in parts])[:-1])
    return (
        texts[by_coming],
        captions,
        negatives.reshape(drawn.negatives.shape),
        positives.reshape(drawn.positives.shape),
    )


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array))
