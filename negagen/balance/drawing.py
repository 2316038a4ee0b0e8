"""Draws to fit on: a sample of captions in batches, and the pool that each gives."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from negagen.balance.fit import Draw

if TYPE_CHECKING:
    from negagen.balance.blinder import Gathered
    from negagen.balance.model import BlindModel
    from negagen.negator import Negator

MOST: Final = 16
"""Siblings of a caption at most, as in a run."""

_BATCH: Final = 128


class Sample(NamedTuple):
    """A batch of captions, the pictures that they are of, and their siblings."""

    texts: Sequence[str]
    groups: Sequence[object]
    siblings: Sequence[Sequence[str]]


Drawer = Callable[["BlindModel", Sequence[Sample]], Generator[Draw]]
"""Draws for each of the samples, in their order, by a model's counts; to be closed where they are not all read."""


def in_batches(captions: Sequence[tuple[str, object]], *, siblings: bool, size: int = _BATCH) -> list[Sample]:
    """(text, group) pairs as samples of `size`; with `siblings` each caption gets the others of its group."""
    shown: dict[object, dict[str, None]] = {}
    if siblings:
        for text, group in captions:
            shown.setdefault(group, {})[text] = None
    first = {group: list(texts)[: MOST + 1] for group, texts in shown.items()}
    out = []
    for start in range(0, len(captions), size):
        batch = captions[start : start + size]
        beside = [[other for other in first.get(group, ()) if other != text][:MOST] for text, group in batch]
        out.append(Sample([text for text, _ in batch], [group for _, group in batch], beside))
    return out


def gather(negator: Negator, sample: Sample, *, keep: bool = False) -> list[Gathered]:
    """What the negatives of a sample are drawn from; with `keep` the negator keeps it (see `Negator.gathered`)."""
    texts, groups, siblings = sample
    (batch,) = negator.gathered(texts, groups=groups, siblings=siblings, batch_size=len(texts), keep=keep)
    return batch


def draw(negator: Negator, model: BlindModel, sample: Sample, *, keep: bool = False) -> Draw:
    """The pool of a sample, measured; `keep` as for `gather`."""
    return negator.blinder.draw(gather(negator, sample, keep=keep), model)


def drawer_of(negator: Negator, *, keep: bool = False) -> Drawer:
    """Draws in this process."""
    return lambda model, samples: (draw(negator, model, sample, keep=keep) for sample in samples)
