"""From features to what each item came to: the one place that knows which metric a benchmark is scored by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from negagen.errors import DataError
from negagen.evaluate import metrics, ranking
from negagen.evaluate.comclip import ComClip
from negagen.evaluate.encode import Encoder
from negagen.evaluate.items import Benchmark, Choices, Item, Picture, Retrieval, only
from negagen.evaluate.metrics import Outcome
from negagen.evaluate.scored import TOLERANCE, Scored


def score(
    benchmark: Benchmark, encoder: Encoder, parts: ComClip | None = None
) -> tuple[dict[str, Scored], Benchmark, Counter[str], Counter[str]]:
    """Each of the benchmark's scores; the benchmark as far as it could be scored; what was skipped, and noted.

    Raises:
        DataError: not one of its pictures is there.
    """
    features, bad = encoder.images(benchmark.pictures())
    skipped: Counter[str] = Counter()
    if isinstance(benchmark, Choices):
        reasons = [next((bad[one.key] for one in item.pictures if one.key in bad), None) for item in benchmark.items]
    else:
        reasons = [bad.get(picture.key) for picture in benchmark.images]
    skipped.update(reason for reason in reasons if reason is not None)
    sizes = _set_sizes(benchmark)
    kept = [place for place, reason in enumerate(reasons) if reason is None]
    if not kept:
        _none_found(benchmark, encoder, skipped)
    if len(kept) < len(reasons):
        rows = _rows(benchmark, kept)
        benchmark, features = only(benchmark, kept), features[rows]
    notes: Counter[str] = Counter()
    if isinstance(benchmark, Choices):
        scores = _choices(benchmark, encoder, features, notes, parts)
        if "accuracy" in scores:
            scores |= _sets(benchmark.items, scores["accuracy"], sizes)
    elif isinstance(benchmark, Retrieval):
        scores = ranking.retrieval(benchmark, encoder, features, notes)
    else:
        scores = ranking.classification(benchmark, encoder, features)
    return scores, benchmark, skipped, notes


def _rows(benchmark: Benchmark, kept: Sequence[int]) -> list[int]:
    if not isinstance(benchmark, Choices):
        return list(kept)
    starts = np.concatenate(([0], np.cumsum([len(item.pictures) for item in benchmark.items])))
    return [row for place in kept for row in range(int(starts[place]), int(starts[place + 1]))]


def _none_found(benchmark: Benchmark, encoder: Encoder, skipped: Counter[str]) -> None:
    looked = ", ".join(map(str, encoder.folders.folders)) or "no folder"
    first: Picture = benchmark.pictures()[0]
    said = ", ".join(f"{count:,} {reason}" for reason, count in skipped.items())
    raise DataError(
        f"{benchmark.name}: none of its pictures can be scored ({said}). The first is {first.name!r}; looked for in"
        f" {looked}. Give the folder of its pictures with --images DIR (of finetune and patch: --eval-images DIR)."
    )


def _choices(
    benchmark: Choices,
    encoder: Encoder,
    images: NDArray[np.float32],
    notes: Counter[str],
    parts: ComClip | None,
) -> dict[str, Scored]:
    items = benchmark.items
    texts = [text for item in items for text in item.texts]
    features, full = encoder.texts(texts)
    if full.any():
        notes["texts that fill the model's context and may be cut"] = int(full.sum())
    pictures = np.concatenate(([0], np.cumsum([len(item.pictures) for item in items])))
    words = np.concatenate(([0], np.cumsum([len(item.texts) for item in items])))

    def cosines(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float64]:
        if parts is not None:
            return parts.near(benchmark.pictures(), rows, texts, columns)
        return _dots(images, rows, features, columns)

    if benchmark.task == "match":
        left, text = pictures[:-1], words[:-1]
        grid = np.stack(
            [[cosines(left + i, text + j) for j in (0, 1)] for i in (0, 1)]
        ).transpose(2, 0, 1)  # fmt: skip
        return {
            name: _scored(items, outcome, np.full(len(items), metrics.CHANCE_OF_MATCHING[name]))
            for name, outcome in metrics.matching(grid, TOLERANCE).items()
        }
    if benchmark.task == "image":
        places, mask = metrics.padded([range(a, b) for a, b in pairwise(pictures.tolist())])
        owner = np.broadcast_to(words[:-1, None], places.shape)
        near = cosines(places.ravel(), owner.ravel()).reshape(places.shape)
        outcome = metrics.choice(near[:, :1], near[:, 1:], None, mask[:, 1:], TOLERANCE)
        chance = np.array([metrics.chance_of_choice(1, len(item.pictures) - 1) for item in items])
        return {"accuracy": _scored(items, outcome, chance)}
    places, mask = metrics.padded([range(a, b) for a, b in pairwise(words.tolist())])
    owner = np.broadcast_to(pictures[:-1, None], places.shape)
    near = cosines(owner.ravel(), places.ravel()).reshape(places.shape)
    return _true_texts(benchmark, near, mask, features, words[:-1])


def _true_texts(
    benchmark: Choices,
    near: NDArray[np.float64],
    mask: NDArray[np.bool_],
    texts: NDArray[np.float32],
    starts: NDArray[np.int64],
) -> dict[str, Scored]:
    items = benchmark.items
    count = np.array([item.true for item in items])
    false = np.array([len(item.texts) for item in items]) - count
    true_mask = mask & (np.arange(mask.shape[1]) < count[:, None])
    outcome = metrics.choice(near[:, :1], near, None, mask & ~true_mask, TOLERANCE)
    alone = np.array([metrics.chance_of_choice(1, int(k)) for k in false])
    out = {"accuracy": _scored(items, outcome, alone)}
    several = np.flatnonzero(count > 1)
    if len(several):
        outcome = metrics.choice(
            near[several], near[several], true_mask[several], (mask & ~true_mask)[several], TOLERANCE
        )
        chance = np.array([metrics.chance_of_choice(int(p), int(k)) for p, k in zip(count, false, strict=True)])
        out[benchmark.together] = _scored([items[index] for index in several], outcome, chance[several])
    if benchmark.text_only:
        one, two, no = starts, starts + 1, starts + 2
        outcome = metrics.text_only(
            _dots(texts, one, texts, two), _dots(texts, one, texts, no), _dots(texts, two, texts, no), TOLERANCE
        )
        out["TOT"] = _scored(items, outcome, np.full(len(items), metrics.CHANCE_OF_TEXT_ONLY))
    return out


def _set_sizes(benchmark: Benchmark) -> Counter[tuple[str, str]]:
    """How many items each set has; none in a sample, which cuts sets."""
    if not isinstance(benchmark, Choices) or benchmark.limited:
        return Counter()
    return Counter(own for item in benchmark.items for own in item.sets)


def _sets(items: Sequence[Item], scored: Scored, sizes: Counter[tuple[str, str]]) -> dict[str, Scored]:
    """Sets of items of which all must be right, by kind of set: those that are whole.

    A kind of which every set is a single item says nothing new, and is left out.
    """
    kinds: dict[str, dict[str, list[int]]] = {}
    for index, item in enumerate(items):
        for kind, name in item.sets:
            kinds.setdefault(kind, {}).setdefault(name, []).append(index)
    out = {}
    for kind, sets in kinds.items():
        sets = {name: own for name, own in sets.items() if len(own) == sizes[kind, name]}
        if max(map(len, sets.values()), default=0) < 2:
            continue
        members = list(sets.values())
        first = [items[own[0]] for own in members]
        with np.errstate(invalid="ignore"):
            out[f"all of a {kind}"] = Scored(
                list(sets),
                [""] * len(members),
                [item.group for item in first],
                np.array([scored.right[own].min() for own in members]),
                np.array([bool(scored.tied[own].any()) and not scored.right[own].min() for own in members]),
                np.array([scored.margin[own].min() for own in members]),
                np.array([scored.chance[own].prod() for own in members]),
            )
    return out


def _dots(
    left: NDArray[np.float32], rows: NDArray[np.int64], right: NDArray[np.float32], columns: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Cosines of row `rows[i]` of `left` and row `columns[i]` of `right`, float64 [N]."""
    out = np.empty(len(rows))
    for start in range(0, len(rows), 8192):
        part = slice(start, start + 8192)
        out[part] = np.einsum("nd,nd->n", left[rows[part]], right[columns[part]], dtype=np.float64)
    return out


def _scored(items: Sequence[Item], outcome: Outcome, chance: NDArray[np.float64]) -> Scored:
    return Scored(
        [item.id for item in items], [item.category for item in items], [item.group for item in items],
        outcome.right.astype(np.float64), outcome.tied, outcome.margin, chance,
    )  # fmt: skip
