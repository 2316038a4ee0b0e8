"""Fits a blindness model to captions: one pass counts all of them, a sample of them teaches the tilt."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from negagen.balance.drawing import Drawer, drawer_of, in_batches
from negagen.balance.features import Key, flatten
from negagen.balance.fit import fit_tilt
from negagen.balance.model import FOLDS, GROUPS, BlindModel, assemble, fold_of
from negagen.balance.ngrams import NgramCounts
from negagen.balance.pool import MODELS, sequence
from negagen.balance.selection import BINS, POLICIES, Tilt
from negagen.balance.words import Words
from negagen.seeding import key_of
from negagen.types import CATEGORIES

if TYPE_CHECKING:
    from negagen.negator import Negator

ENOUGH: Final = 2_000
"""Captions below which a fitted model would be worse than the bundled one."""

SAMPLE: Final = 32_000
"""What a judge may learn from as many captions as there are, weights must have been fitted on as many to hide."""

EPOCHS: Final = 12
_TABLE_BITS: Final = 18
_CHUNK: Final = 4096


_COUNTING: Final = "counting words"
_DRAWING: Final = "drawing samples"
_WEIGHING: Final = "fitting weights"


def _quiet(step: str, done: int, of: int) -> None:
    """Tell nobody."""


def fit_model(
    negator: Negator,
    captions: Callable[[], Iterable[tuple[str, object]]],
    rows: int,
    *,
    folds: int = FOLDS,
    siblings: bool = False,
    drawer: Drawer | None = None,
    about: dict[str, Any] | None = None,
    tell: Callable[[str, int, int], None] = _quiet,
) -> BlindModel:
    """A model of the captions, for negators of the same rules, k and blindness as `negator`.

    `captions()` gives (text, group) pairs, of which there are `rows`; it is called twice. Captions of one picture have
    the same group, or else each its own. With `folds` = 1 the model does not leave captions out of their own judgement,
    and serves for others only. With `siblings` the negatives that it is fitted on are checked against the other
    captions of their pictures, as those drawn later will be; the sample then is of whole pictures. `drawer`
    says who draws from the sample: by default the negator, in this process. `tell(step, done, of)` hears how far each
    step is.
    """
    counts, classes = _counted(negator.blinder.words, captions(), rows, folds, tell)
    empty = Tilt(
        np.zeros((GROUPS, 1 << _TABLE_BITS), np.int64),
        np.zeros((GROUPS, len(CATEGORIES), MODELS, BINS), np.int64),
        np.ones(MODELS, np.int64),
    )
    model = assemble(counts, classes, empty, {})
    taken = _pictures(captions(), rows, SAMPLE) if siblings else _sample(captions(), rows, SAMPLE)
    # Parts of a sample are parted by group, so that each group's weights come from the other's captions.
    parts = [
        in_batches([pair for pair in taken if fold_of(pair[1]) % GROUPS == group], siblings=siblings)
        for group in range(GROUPS)
    ]
    batches = [batch for part in parts for batch in part]
    flat, ready = [], 0
    with closing((drawer or drawer_of(negator))(model, batches)) as drawn:
        for batch, draw in zip(batches, drawn, strict=True):
            flat.append(draw)
            ready += len(batch.texts)
            tell(_DRAWING, ready, len(taken))
    draws = [flat[: len(parts[0])], flat[len(parts[0]) :]]
    tell(_WEIGHING, 0, 0)
    tilt = fit_tilt(
        draws,
        len(CATEGORIES),
        k=negator.k,
        policy=POLICIES[negator.blindness],
        bits=_TABLE_BITS,
        epochs=EPOCHS,
    )
    described = {
        "captions": rows,
        "sample": len(taken),
        "blindness": negator.blindness,
        "k": negator.k,
        **(about or {}),
    }
    return assemble(counts, classes, tilt, described)


def _counted(
    words: Words,
    captions: Iterable[tuple[str, object]],
    rows: int,
    folds: int,
    tell: Callable[[str, int, int], None],
) -> tuple[NgramCounts, NgramCounts]:
    bits = min(24, max(18, (rows * 24).bit_length()))
    counts = NgramCounts(np.zeros((folds, 1 << bits), np.int32))
    classes = NgramCounts(np.zeros((folds, 1 << min(bits, 20)), np.int32))
    chunk: list[list[Key]] = []
    fold: list[int] = []

    def flush() -> None:
        texts = flatten(chunk)
        where = np.array(fold, np.int64)
        counts.add(texts.keys, texts, where)
        classes.add(texts.classes, texts, where)
        chunk.clear()
        fold.clear()

    for number, (text, group) in enumerate(captions):
        chunk.append(sequence(words, words.keys_once(text)))
        fold.append(fold_of(group) % folds)
        if len(chunk) == _CHUNK:
            flush()
            tell(_COUNTING, number + 1, rows)
    if chunk:
        flush()
    return counts, classes


def _sample(captions: Iterable[tuple[str, object]], rows: int, wanted: int) -> list[tuple[str, object]]:
    """At most `wanted` of the captions, at even distances."""
    out: list[tuple[str, object]] = []
    for number, pair in enumerate(captions):
        if number * wanted // max(rows, wanted) >= len(out):
            out.append(pair)
    return out[:wanted]


def _pictures(captions: Iterable[tuple[str, object]], rows: int, wanted: int) -> list[tuple[str, object]]:
    """About `wanted` of the captions: all those of pictures that a hash of their ids picks."""
    share = min(1 << 32, (wanted << 32) // max(rows, 1))
    return [(text, group) for text, group in captions if key_of("sample", group) >> 32 < share]


__all__ = ["ENOUGH", "fit_model"]
