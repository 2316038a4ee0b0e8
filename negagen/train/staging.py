"""Batches made ready ahead of their step: texts laid out for the model, tensors on the device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from negagen.data.batch import Batch, Texts
from negagen.train.models import ContrastiveModel
from negagen.train.text import PackedTexts


@dataclass(frozen=True, slots=True)
class Words:
    """Texts in parts that are encoded one after another; text i is row `places[i]` (int64 [T]) of their features."""

    parts: tuple[Texts | PackedTexts, ...]
    places: Tensor


@dataclass(frozen=True, slots=True)
class Staged:
    """A batch with its texts as the model takes them; `anchors` are its captions alone, for a teacher.

    `step` is the number of the step that it is for, from 0; -1 for none. `images` (int64 [B]) are the numbers of its
    pictures, where it has no pixels.
    """

    batch: Batch
    words: Words
    anchors: Words | None
    step: int = -1
    images: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Stager:
    """Lays out texts, in at least as many parts as a batch has of `chunk` rows each (0: one). Works on the CPU.

    `whole` leaves texts as they are instead of packed, for a loss that looks at their tokens; `anchors` lays out the
    captions for a teacher; `pin` puts all into page-locked memory.
    """

    model: ContrastiveModel
    chunk: int = 0
    whole: bool = False
    anchors: bool = False
    pin: bool = False

    def __call__(self, batch: Batch, step: int = -1, images: Tensor | None = None) -> Staged:
        """The batch with its texts laid out; `step` and `images` as in `Staged`."""
        pieces = -(-len(batch) // self.chunk) if self.chunk else 1
        words = self._laid_out(batch.texts, torch.arange(len(batch.texts)), pieces, whole=self.whole)
        anchors = None
        if self.anchors:
            used, places = torch.unique(batch.captions, return_inverse=True)
            anchors = self._laid_out(batch.texts, used, pieces, whole=False)
            anchors = replace(anchors, places=anchors.places[places])
        staged = Staged(batch, words, anchors, step, images)
        return _mapped(staged, Tensor.pin_memory) if self.pin else staged

    def _laid_out(self, texts: Texts, used: Tensor, pieces: int, *, whole: bool) -> Words:
        """Parts of like length: in each no more is padded, or computed, than must be."""
        pieces = max(pieces, self.model.text_groups)
        order = torch.argsort(texts.lengths[used], stable=True) if pieces > 1 else torch.arange(len(used))
        parts = [subset(texts, used[part]) for part in torch.split(order, -(-len(order) // pieces))]
        return Words(tuple(parts if whole else map(self.model.pack, parts)), torch.argsort(order))


def moved(staged: Iterable[Staged], device: torch.device) -> Iterator[Staged]:
    """Each on `device`; to a GPU the next one is copied by a stream of its own while this one is computed on."""
    if device.type != "cuda":
        yield from (_mapped(one, lambda tensor: tensor.to(device)) for one in staged)
        return
    stream: Any = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    waiting = None
    for one in staged:
        with torch.cuda.stream(stream):
            copied = _mapped(one, lambda tensor: tensor.to(device, non_blocking=True))
        # Kept with it: page-locked memory must not be used again before the copy is done.
        following = (copied, one, stream.record_event())
        if waiting is not None:
            yield _arrived(*waiting, device)
        waiting = following
    if waiting is not None:
        yield _arrived(*waiting, device)


def _arrived(copied: Staged, source: Staged, event: Any, device: torch.device) -> Staged:
    current = torch.cuda.current_stream(device)
    current.wait_event(event)

    def used(tensor: Tensor) -> Tensor:
        tensor.record_stream(current)
        return tensor

    del source
    arrived: Staged = _mapped(copied, used)
    return arrived


def subset(texts: Texts, which: Tensor) -> Texts:
    """The texts of these indices, cut to the longest of them."""
    lengths = texts.lengths[which]
    return Texts(texts.ids[which, : int(lengths.max())], lengths)


def _mapped(value: Any, function: Any) -> Any:
    """A value of dataclasses, tuples and tensors with `function` applied to every tensor."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, tuple):
        return tuple(_mapped(one, function) for one in value)
    if isinstance(value, (Batch, Texts, PackedTexts, Words, Staged)):
        changed = {field.name: _mapped(getattr(value, field.name), function) for field in fields(value)}
        return replace(value, **changed)
    return value
