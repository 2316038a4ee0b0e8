"""ComCLIP's idea, training-free: a picture is seen again in the parts that a text speaks of (arXiv 2211.13854).

A text is parsed into subject, predicate and object. For subject and object the part of the picture is taken that is
nearest to their words, among boxes that are given or those of a grid; for the predicate the smallest box around both.
The picture's feature g becomes g + sum_p w_p e_p, normalised, where e_p is the feature of a part, s_p its cosine with
its own words, and w = softmax(scale s) with the model's logit scale; its cosine with the whole text is the score. The
parser, the grid and the choice of boxes are ours, so that figures are not the paper's.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from negagen.data.images import BadImageError
from negagen.errors import DataError
from negagen.evaluate.benchmarks.files import json_of
from negagen.evaluate.encode import Encoder
from negagen.evaluate.items import Picture

Box = tuple[int, int, int, int]
Boxes = Mapping[str, Sequence[Box]]
Parts = tuple[tuple[str, str, str], ...]
"""Subject, predicate and object of each relation; predicate and object may be "" where a text only names things."""

_FRACTIONS = [(x / 4, y / 4, x / 4 + 0.5, y / 4 + 0.5) for y in range(3) for x in range(3)] + [
    (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0), (0.0, 0.0, 1.0, 0.5), (0.0, 0.5, 1.0, 1.0), (0.0, 0.0, 1.0, 1.0),
]  # fmt: skip


def read_boxes(path: Path) -> dict[str, list[Box]]:
    """Boxes by picture from a JSON file: {"name.jpg": [[left, top, right, bottom], ...]}, in pixels.

    Raises:
        DataError: no such file, or something else in it.
    """
    value = json_of(path)
    if not isinstance(value, dict):
        raise DataError(f'{path}: expected {{"name.jpg": [[left, top, right, bottom], ...]}}.')
    out: dict[str, list[Box]] = {}
    for name, boxes in value.items():
        found = []
        for box in boxes if isinstance(boxes, list) else [None]:
            if not isinstance(box, list) or len(box) != 4 or not all(isinstance(one, int | float) for one in box):
                raise DataError(f"{path}: the boxes of {name!r} should be lists of left, top, right, bottom.")
            left, top, right, bottom = (round(one) for one in box)
            found.append((left, top, right, bottom))
        out[name] = found
    return out


def parts_of(texts: Sequence[str]) -> list[Parts]:
    """What each text says of what, by negagen's own parser; () for a text without a noun phrase."""
    from negagen.lexicon import load
    from negagen.parsing import DEFAULT_PIPELINE, load_parser

    out: list[Parts] = []
    for parse in load_parser(DEFAULT_PIPELINE, load()).parse(texts):
        spans = [(parse.starts[one.start], parse.end(one.stop - 1)) for one in parse.phrases]
        said = [parse.text[start:stop] for start, stop in spans]
        found: list[tuple[str, str, str]] = []
        for relation in parse.relations:
            if relation.kind == "coordination":
                continue
            between = sorted((spans[relation.subject], spans[relation.object]))
            predicate = parse.text[between[0][1] : between[1][0]].strip(" ,.")
            found.append((said[relation.subject], predicate, said[relation.object]))
        named = {one for subject, _, object_ in found for one in (subject, object_)}
        found += [(one, "", "") for one in said if one not in named]
        out.append(tuple(found))
    return out


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Sub-pictures of one picture, and their features, [N, D]."""

    pictures: tuple[Picture, ...]
    features: NDArray[np.float32]


class ComClip:
    """Scores pairs of pictures and texts by parts. `boxes` are by a picture's name; others have the grid."""

    def __init__(self, encoder: Encoder, boxes: Boxes | None = None) -> None:
        self._encoder = encoder
        self._boxes = boxes or {}
        self._scale = float(encoder.model.logit_scale.detach())
        self._parsed: dict[str, Parts] = {}

    def near(
        self,
        pictures: Sequence[Picture],
        rows: NDArray[np.int64],
        texts: Sequence[str],
        columns: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """The score of picture `rows[i]` with text `columns[i]`, float64 [N]: the plain cosine where nothing parses."""
        places = {texts[column]: None for column in columns.tolist()}
        if new := [text for text in places if text not in self._parsed]:
            self._parsed.update(zip(new, parts_of(new), strict=True))
        parts = {text: self._parsed[text] for text in places}
        words = list(dict.fromkeys(word for own in parts.values() for part in own for word in part if word))
        encoded = dict(zip([*places, *words], self._encoder.texts([*places, *words])[0], strict=True))
        shown = {pictures[row].key: pictures[row] for row in rows.tolist()}
        candidates = self._candidates(list(shown.values()))
        pairs = [
            (pictures[row].key, texts[column]) for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        ]
        chosen = {pair: self._chosen(candidates[pair[0]], parts[pair[1]], encoded) for pair in dict.fromkeys(pairs)}
        around = [picture for found in chosen.values() for picture, _ in found]
        features, _ = self._encoder.images(around)
        wholes = dict(zip(shown, self._encoder.images(list(shown.values()))[0], strict=True))
        scores: dict[tuple[str, str], float] = {}
        start = 0
        for pair, found in chosen.items():
            own = features[start : start + len(found)]
            start += len(found)
            said = np.stack([encoded[word] for _, word in found]) if found else own
            scores[pair] = composed(wholes[pair[0]], own, said, encoded[pair[1]], self._scale)
        return np.array([scores[pair] for pair in pairs])

    def _candidates(self, pictures: Sequence[Picture]) -> dict[str, _Candidates]:
        cut = [self._cut(picture) for picture in pictures]
        features, bad = self._encoder.images([one for own in cut for one in own])
        out, start = {}, 0
        for picture, own in zip(pictures, cut, strict=True):
            good = [place for place, one in enumerate(own) if one.key not in bad]
            out[picture.key] = _Candidates(
                tuple(own[place] for place in good), features[[start + place for place in good]]
            )
            start += len(own)
        return out

    def _cut(self, picture: Picture) -> list[Picture]:
        if boxes := self._boxes.get(picture.name):
            return [replace(picture, box=box) for box in boxes]
        try:
            with Image.open(io.BytesIO(self._encoder.folders.read(picture))) as image:
                size = image.size
        except (BadImageError, OSError):
            return []
        left, top, right, bottom = picture.box or (0, 0, *size)
        width, height = right - left, bottom - top
        return [
            replace(
                picture,
                box=(
                    left + round(a * width), top + round(b * height), left + max(1, round(c * width)),
                    top + max(1, round(d * height)),
                ),
            )
            for a, b, c, d in _FRACTIONS
        ]  # fmt: skip

    def _chosen(
        self, candidates: _Candidates, parts: Parts, encoded: Mapping[str, NDArray[np.float32]]
    ) -> list[tuple[Picture, str]]:
        """The part of the picture for each thing and each predicate, with its words."""
        if not candidates.pictures:
            return []
        found: dict[str, Picture] = {}

        def best(word: str) -> Picture:
            if word not in found:
                # Of equals the smallest: a whole that is no nearer than a part says less of where the thing is.
                near = np.round(candidates.features @ encoded[word], 6)
                area = [_area(one.box) for one in candidates.pictures]
                found[word] = candidates.pictures[min(range(len(near)), key=lambda at: (-near[at], area[at]))]
            return found[word]

        out: dict[str, Picture] = {}
        for subject, predicate, object_ in parts:
            out.setdefault(subject, best(subject))
            if object_:
                out.setdefault(object_, best(object_))
                if predicate:
                    out.setdefault(predicate, replace(best(subject), box=_around(best(subject).box, best(object_).box)))
        return [(picture, word) for word, picture in out.items()]


def composed(
    whole: NDArray[np.floating],
    parts: NDArray[np.floating],
    words: NDArray[np.floating],
    text: NDArray[np.floating],
    scale: float,
) -> float:
    """The cosine of `text` ([D]) with `whole` ([D]) plus the parts' features ([P, D]), weighted by the softmax of
    their cosines with their own `words` ([P, D]) times `scale`; all of length 1."""
    feature = np.asarray(whole, np.float64)
    if len(parts):
        logits = scale * (np.asarray(parts, np.float64) * words).sum(axis=1)
        weights = np.exp(logits - logits.max())
        feature = feature + (weights / weights.sum()) @ parts
    return float(feature @ text / np.linalg.norm(feature))


def _around(one: Box | None, other: Box | None) -> Box | None:
    if one is None or other is None:
        return None
    return (min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3]))


def _area(box: Box | None) -> int:
    return 0 if box is None else (box[2] - box[0]) * (box[3] - box[1])
