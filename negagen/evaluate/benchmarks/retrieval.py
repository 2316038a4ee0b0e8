"""Retrieval between pictures and captions: Karpathy's splits of COCO and Flickr30k, and any file of captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from negagen.errors import DataError
from negagen.evaluate.benchmarks.files import json_of, list_in, picture_of, rows_of
from negagen.evaluate.items import Picture, Retrieval, Role

_PICTURES = ("image", "image_path", "filepath", "filename", "file_name", "image_id")
_CAPTIONS = ("caption", "captions", "title", "text")
_SPLIT = "test"


def karpathy(path: Path, name: str) -> Retrieval:
    """COCO or Flickr30k as Karpathy split them: his own file (`dataset_coco.json`) or BLIP's
    (`coco_karpathy_test.json`), all captions of each picture."""
    pairs, skipped = captioned(path)
    return gathered(name, pairs, skipped)


def captioned(path: Path) -> tuple[list[tuple[Picture, list[str]]], Counter[str]]:
    """Pictures with their captions, and what was left out; the same files as `karpathy`."""
    value = json_of(path)
    rows = value.get("images") if isinstance(value, dict) else value
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(
            f'{path}: expected Karpathy\'s {{"images": [...]}} or a list of {{"image": ..., "caption": [...]}}.'
        )
    pairs: list[tuple[Picture, list[str]]] = []
    skipped: Counter[str] = Counter()
    for row in rows:
        if row.get("split", _SPLIT) != _SPLIT:
            continue
        picture, texts = _captioned(row)
        if picture is None or not texts:
            skipped["no picture is named" if picture is None else "it has no captions"] += 1
        else:
            pairs.append((picture, texts))
    if not pairs:
        raise DataError(f"{path} names no pictures with captions of the split {_SPLIT!r}.")
    return pairs, skipped


def _captioned(row: Mapping[str, Any]) -> tuple[Picture | None, list[str]]:
    if "sentences" in row:
        sentences = row["sentences"] if isinstance(row["sentences"], list) else []
        texts = [one.get("raw") for one in sentences if isinstance(one, dict)]
        folder = row.get("filepath")
        picture = picture_of(f"{folder}/{row.get('filename')}" if folder else row.get("filename"))
    else:
        given = row.get("caption")
        texts = list(given) if isinstance(given, list) else [given]
        picture = picture_of(row.get("image"))
    return picture, [text for text in texts if isinstance(text, str) and text.strip()]


def from_table(path: Path, name: str, role: Role = "retention", headline: str = "R@1") -> Retrieval:
    """Any Parquet, CSV, JSON or JSONL with a column of pictures and one of captions (a text or a list of texts a row).

    Rows of one `image_id`, or of equal pictures where there is none, are captions of one picture.
    """
    rows = rows_of(path)
    names = {field for row in rows[:100] for field in row}
    image = next((one for one in _PICTURES if one in names), None)
    caption = next((one for one in _CAPTIONS if one in names), None)
    if image is None or caption is None:
        raise DataError(
            f"{path}: no column of pictures ({', '.join(_PICTURES)}) or none of captions ({', '.join(_CAPTIONS)});"
            f" it has {', '.join(map(repr, sorted(names)))}."
        )
    grouped: dict[str, tuple[Picture, list[str]]] = {}
    skipped: Counter[str] = Counter()
    for number, row in enumerate(rows):
        value = row.get(caption)
        listed = isinstance(value, list) or (isinstance(value, str) and value.lstrip()[:2] in ("['", '["'))
        texts = list_in(row, caption, path, number) if listed else [value]
        said = [text for text in texts if isinstance(text, str) and text.strip()]
        picture = picture_of(row.get(image))
        if picture is None or not said:
            skipped["no picture is named" if picture is None else "it has no captions"] += 1
            continue
        own = row.get("image_id")
        grouped.setdefault(picture.key if own is None else str(own), (picture, []))[1].extend(said)
    if not grouped:
        raise DataError(f"{path} holds no picture with a caption.")
    return gathered(name, list(grouped.values()), skipped, role=role, headline=headline)


def gathered(
    name: str,
    pairs: Sequence[tuple[Picture, Sequence[str]]],
    skipped: Mapping[str, int],
    *,
    role: Role = "retention",
    headline: str = "R@1",
) -> Retrieval:
    """A retrieval benchmark of pictures with their captions; a caption that a picture has twice is asked once."""
    captions, owners, repeated = [], [], 0
    for index, (_, texts) in enumerate(pairs):
        own = list(dict.fromkeys(texts))
        repeated += len(texts) - len(own)
        captions += own
        owners += [index] * len(own)
    return Retrieval(
        name,
        tuple(picture for picture, _ in pairs),
        tuple(captions),
        np.array(owners, np.int64),
        headline=headline,
        found=len(pairs) + sum(skipped.values()),
        skipped=dict(skipped),
        notes={"captions that their picture has already, left out": repeated} if repeated else {},
        role=role,
    )
