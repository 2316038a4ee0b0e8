"""Retrieval and classification: the place of what is right among all candidates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from negagen.evaluate import metrics
from negagen.evaluate.encode import Encoder
from negagen.evaluate.items import Classification, Retrieval, same_text
from negagen.evaluate.scored import TOLERANCE, Scored

RECALLS = (1, 5, 10)
_BLOCK = 512


def retrieval(
    benchmark: Retrieval, encoder: Encoder, images: NDArray[np.float32], notes: Counter[str]
) -> dict[str, Scored]:
    """R@1, 5 and 10 of captions for pictures and of pictures for captions, and the mean of both ways.

    `images` are the features of the pictures, float32 [N, D]; what was seen on the way is counted in `notes`.
    """
    texts, full = encoder.texts(benchmark.captions)
    if full.any():
        notes["texts that fill the model's context and may be cut"] = int(full.sum())
    said = np.unique([same_text(text) for text in benchmark.captions], return_inverse=True)[1]
    owners = benchmark.owners
    # A caption that other pictures have word for word is right for these too: else it could only be a tie.
    pairs = set(zip(owners.tolist(), said.tolist(), strict=True))
    by_text: dict[int, list[int]] = {}
    for owner, text in sorted(pairs):
        by_text.setdefault(text, []).append(owner)
    if shared := sum(len(by_text[text]) > 1 for text in said.tolist()):
        notes["captions that several pictures have, right for each of them"] = shared
    members = [np.flatnonzero(owners == index) for index in range(len(images))]
    sides: dict[str, tuple[NDArray[np.int64], NDArray[np.bool_], list[int]]] = {}
    for name, queries, candidates in (("image to text", images, texts), ("text to image", texts, images)):
        ranks, ties, sizes = [], [], []
        for start in range(0, len(queries), _BLOCK):
            block = range(start, min(start + _BLOCK, len(queries)))
            match = np.zeros((len(block), len(candidates)), bool)
            for row, query in enumerate(block):
                if name == "image to text":
                    match[row] = np.isin(said, said[members[query]])
                else:
                    match[row, by_text[int(said[query])]] = True
            near = queries[block.start : block.stop].astype(np.float32) @ candidates.T
            ranks.append(metrics.ranks(near, match, TOLERANCE))
            ties.append(metrics.rank_ties(near, match, TOLERANCE))
            sizes += match.sum(axis=1).tolist()
        sides[name] = (np.concatenate(ranks), np.concatenate(ties), sizes)
    return _recalls(benchmark, sides)


def _recalls(
    benchmark: Retrieval, sides: Mapping[str, tuple[NDArray[np.int64], NDArray[np.bool_], list[int]]]
) -> dict[str, Scored]:
    names = [picture.name or str(index) for index, picture in enumerate(benchmark.images)]
    keys = [picture.key for picture in benchmark.images]
    own = {
        "image to text": ([f"{index}:{name}" for index, name in enumerate(names)], keys, [""] * len(names)),
        "text to image": (
            [f"{row}:{text}" for row, text in enumerate(benchmark.captions)],
            [keys[owner] for owner in benchmark.owners],
            list(benchmark.categories) or [""] * len(benchmark.captions),
        ),
    }
    out: dict[str, Scored] = {}
    for name, (places, ties, sizes) in sides.items():
        ids, groups, categories = own[name]
        candidates = len(benchmark.captions) if name == "image to text" else len(names)
        chances = {size: [metrics.chance_of_rank(size, candidates, k) for k in RECALLS] for size in set(sizes)}
        for number, k in enumerate(RECALLS):
            right = (places <= k).astype(np.float64)
            out[f"{name} R@{k}"] = Scored(
                ids, categories, groups, right, ties & (right == 0), -places.astype(np.float64),
                np.array([chances[size][number] for size in sizes]),
            )  # fmt: skip
    for k in RECALLS:
        # The mean of both ways, each counting the same however many captions a picture has.
        both = {name: out[f"{name} R@{k}"] for name in sides}
        out[f"R@{k}"] = Scored(
            [f"{name} {own}" for name, one in both.items() for own in one.ids],
            [name for name, one in both.items() for _ in one.ids],
            [group for one in both.values() for group in one.groups],
            *(
                np.concatenate([getattr(one, field) for one in both.values()])
                for field in ("right", "tied", "margin", "chance")
            ),
        )
    return out


def classification(benchmark: Classification, encoder: Encoder, images: NDArray[np.float32]) -> dict[str, Scored]:
    """Top 1 and 5 among the classes, each the normalised mean of its prompts' features; `images` float32 [N, D]."""
    prompts = [template.replace("{}", name) for name in benchmark.classes for template in benchmark.templates]
    texts, _ = encoder.texts(prompts)
    means = texts.reshape(len(benchmark.classes), len(benchmark.templates), -1).mean(axis=1, dtype=np.float64)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    found, level = [], []
    for start in range(0, len(images), _BLOCK):
        near = images[start : start + _BLOCK].astype(np.float64) @ means.T
        match = np.arange(near.shape[1]) == benchmark.labels[start : start + _BLOCK, None]
        found.append(metrics.ranks(near, match, TOLERANCE))
        level.append(metrics.rank_ties(near, match, TOLERANCE))
    places, ties = np.concatenate(found), np.concatenate(level)
    ids = [f"{index}:{picture.name}" for index, picture in enumerate(benchmark.images)]
    categories = [benchmark.classes[label] for label in benchmark.labels]
    out = {}
    for k in (1, 5):
        if k < len(benchmark.classes):
            right = (places <= k).astype(np.float64)
            chance = np.full(len(ids), metrics.chance_of_rank(1, len(benchmark.classes), k))
            keys = [picture.key for picture in benchmark.images]
            out[f"top{k}"] = Scored(
                ids, categories, keys, right, ties & (right == 0), -places.astype(np.float64), chance
            )
    return out
