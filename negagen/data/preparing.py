"""From files to what a run trains on: read once, decode once, tokenise once; the next time all of it is there."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from negagen.data import building, reading, store
from negagen.data.building import described
from negagen.data.cache import ImageCache
from negagen.data.gathering import counted
from negagen.data.images import View
from negagen.data.layouts import Inputs
from negagen.data.pictures import Pictures, in_folder
from negagen.data.prepared import Prepared, Tell, rows_with_pictures
from negagen.data.tokens import Tokenizer, TokenTable, tokenise
from negagen.data.trainingset import TrainingSet
from negagen.errors import DataError


def default_cache() -> Path:
    """Where prepared data lies unless a run says otherwise."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "negagen"


def prepare(
    inputs: Inputs,
    tokenizer: Tokenizer,
    view: View,
    *,
    cache: Path,
    workers: int = 1,
    max_bad: float = 0.01,
    tell: Tell | None = None,
) -> Prepared:
    """Read `inputs`, decode their pictures as `view` shows them, and tokenise their texts; what is in `cache` is used.

    Of several processes on one machine one does the work while the others wait.

    Raises:
        InputError, DataError: files, columns or pictures that no run can be made of; see `negagen.data.reading.read`
            and `negagen.data.building.build`.
        OutputError: `cache` cannot be written to, or is too small.

    Warns of pictures that go by several ids.
    """
    data, pictures = _read(inputs, cache, tell)
    _check_absent(data, pictures, inputs, max_bad)

    def decoded(progress: building.Progress) -> None:
        if tell is not None:
            tell("pictures", progress.done, progress.total)

    pixels = building.build(
        pictures, view, cache / "images", workers=workers, max_bad=max_bad, tell=decoded if tell else None
    )
    rows = rows_with_pictures(data, pixels)
    if not len(rows):
        raise DataError(f"{data.source}: none of its {len(data):,} captions has a picture that can be used.")
    tokens = tokenise(
        data, tokenizer, cache / "tokens", (lambda done, total: tell("texts", done, total)) if tell else None
    )
    shared = _shared(data)
    if shared:
        warnings.warn(shared, stacklevel=2)
    made = Prepared(data, pixels, tokens, rows, (*([shared] if shared else ()), *_notes(data, pixels, tokens)))
    made.save(cache / f"{made.fingerprint}.json")
    return made


def _read(inputs: Inputs, cache: Path, tell: Tell | None) -> tuple[TrainingSet, Pictures]:
    fingerprint = reading.fingerprint_of(inputs)
    texts, places = cache / "texts" / fingerprint, cache / "pictures" / fingerprint
    with store.locked(cache / "texts" / f"{fingerprint}.lock"):
        if texts.exists() and places.exists():
            pictures = Pictures.open(places)
            if pictures.kind == "files":  # they come and go without a word in the data
                pictures = in_folder(Path(pictures.places[0]), pictures.names)
            return TrainingSet.open(texts), pictures
        if tell is not None:
            tell("reading", 0, 1)
        read = reading.read(inputs)
        if tell is not None:
            tell("reading", 1, 1)
        return read.data.save(texts), read.pictures.save(places)


def _check_absent(data: TrainingSet, pictures: Pictures, inputs: Inputs, max_bad: float) -> None:
    """Raise `DataError` if too many pictures are not in the file that rows are joined to."""
    absent = np.flatnonzero(data.images < 0)
    missing = len(np.unique(data.groups[absent]))
    total = len(pictures) + missing
    if missing > max_bad * total:
        raise DataError(
            f"{missing:,} of {total:,} pictures are not in {inputs.images}, more than --max-bad {max_bad:g} allows (the"
            f" first is that of row {data.numbers[absent[0]]}, {data.caption_texts(absent[:1])[0]!r}). Give the file"
            " that has them, or allow more."
        )


def _shared(data: TrainingSet) -> str:
    """A sentence on pictures that go by several ids; empty if there are none."""
    there = np.flatnonzero(data.images >= 0)
    images, groups = data.images[there], data.groups[there]
    found, first = np.unique(images, return_index=True)
    of_first = groups[first][np.searchsorted(found, images)]
    several = np.unique(images[groups != of_first])
    if not len(several):
        return ""
    row = there[images == several[0]][0]
    return (
        f"{len(several):,} of {len(found):,} pictures have more than one image id (the first is that of row"
        f" {data.numbers[row]}). Captions are siblings by their ids: those of such a picture are negatives of each"
        " other, and it may be both trained on and held out. Give ids of pictures, or leave the column out"
        ' (--image-id-column ""): captions of equal pictures are siblings then.'
    )


def _notes(data: TrainingSet, pixels: ImageCache, tokens: TokenTable) -> list[str]:
    notes = list(data.notes)
    if data.omitted:
        notes.append(f"left out: {counted(Counter(data.omitted))}")
    if absent := int((data.images < 0).sum()):
        notes.append(f"left out: {absent:,} captions whose picture is not in the file of pictures")
    if bad := int((~pixels.good).sum()):
        lost = int((~np.append(pixels.good, True)[data.images]).sum())
        notes.append(
            f"{bad:,} of {len(pixels):,} pictures are missing or damaged, and with them {lost:,} captions are left out:"
            f" {described(pixels.problems)}"
        )
    for part, same in (("negatives", tokens.same_negatives), ("positives", tokens.same_positives)):
        if cut := int(same.sum()):
            notes.append(
                f"{cut:,} of {len(same):,} {part} are not used: cut to {tokens.context_length} tokens they are equal to"
                " their caption"
            )
    return notes
