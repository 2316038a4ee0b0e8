"""Each loss as its formula reads: loops over scalars, in float64, sharing nothing with the code under test."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from negagen.train.losses import Features


def dot(left: Tensor, right: Tensor) -> Tensor:
    total: Any = 0.0
    for a, b in zip(left, right, strict=True):
        total = total + a * b
    return total  # type: ignore[no-any-return]


def number(value: Tensor) -> float:
    return float(value.detach())


def average(values: list[Tensor]) -> Tensor:
    return sum(values, torch.zeros((), dtype=torch.float64)) / max(len(values), 1)


def softmax_loss(right: Tensor, wrong: list[tuple[float, Tensor]]) -> Tensor:
    """-log [e^right / (e^right + sum of w e^wrong)]."""
    total = right.exp()
    for weight, logit in wrong:
        total = total + weight * logit.exp()
    return -(right.exp() / total).log()


def related(f: Features, a: int, b: int) -> bool:
    return a != b and f.groups is not None and int(f.groups[a]) == int(f.groups[b])


def weight(f: Features, row: int, slot: int) -> float:
    return 1.0 if f.weights is None else float(f.weights[row, slot])


def negatives(f: Features, row: int) -> Iterator[tuple[int, float]]:
    for slot in range(f.mask.shape[1]):
        if bool(f.mask[row, slot]) and weight(f, row, slot) > 0:
            yield slot, weight(f, row, slot)


def own_logits(f: Features, row: int, anchor: Tensor) -> list[tuple[float, Tensor]]:
    return [(w, f.scale * dot(anchor, f.negatives[row, slot])) for slot, w in negatives(f, row)]


def all_logits(f: Features, anchor: Tensor) -> list[tuple[float, Tensor]]:
    return [pair for row in range(f.rows) for pair in own_logits(f, row, anchor)]


def s(f: Features, image: int, text: Tensor) -> Tensor:
    return f.scale * dot(f.image[image], text)


def clip_of(
    f: Features,
    texts: dict[int, Tensor],
    further: Callable[[int], list[tuple[float, Tensor]]] = lambda row: [],
) -> Tensor:
    """CLIP's loss of the rows that have a text; `further` are more columns for an image."""
    to_text, to_image = [], []
    for row, text in texts.items():
        columns = [(1.0, s(f, row, other)) for b, other in texts.items() if b != row and not related(f, row, b)]
        to_text.append(softmax_loss(s(f, row, text), columns + further(row)))
        images = [b for b in range(f.rows) if b != row and not related(f, row, b)]
        to_image.append(softmax_loss(s(f, row, text), [(1.0, s(f, b, text)) for b in images]))
    return 0.5 * average(to_text) + 0.5 * average(to_image)


def captions(f: Features) -> dict[int, Tensor]:
    return {row: f.text[row] for row in range(f.rows)}


def clip(f: Features) -> Tensor:
    return clip_of(f, captions(f))


def negclip(f: Features, columns: str = "batch") -> Tensor:
    if columns == "own":
        return clip_of(f, captions(f), lambda row: own_logits(f, row, f.image[row]))
    return clip_of(f, captions(f), lambda row: all_logits(f, f.image[row]))


def own(f: Features) -> Tensor:
    rows = [row for row in range(f.rows) if list(negatives(f, row))]
    return average([softmax_loss(s(f, row, f.text[row]), own_logits(f, row, f.image[row])) for row in rows])


def hinges(f: Features, hinge: Callable[[int, int], Tensor]) -> Tensor:
    total, count = torch.zeros((), dtype=torch.float64), 0.0
    for row in range(f.rows):
        for slot, w in negatives(f, row):
            total = total + w * torch.clamp(hinge(row, slot), min=0)
            count += w
    return total / count if count else total


def margin(f: Features, margin: float = 0.2) -> Tensor:
    return hinges(f, lambda b, k: margin - (dot(f.image[b], f.text[b]) - dot(f.image[b], f.negatives[b, k])))


def rank(f: Features, thresholds: Tensor, limit: float = 10.0) -> tuple[Tensor, Tensor]:
    def kind(row: int, slot: int) -> int:
        found = -1 if f.kinds is None else int(f.kinds[row, slot])
        return len(thresholds) - 1 if found < 0 else found

    loss = hinges(f, lambda b, k: number(thresholds[kind(b, k)]) + s(f, b, f.negatives[b, k]) - s(f, b, f.text[b]))
    mean_right = sum(number(s(f, b, f.text[b])) for b in range(f.rows)) / f.rows
    after = thresholds.clone()
    for c in range(len(thresholds)):
        total, count = 0.0, 0.0
        for row in range(f.rows):
            for slot, w in negatives(f, row):
                if kind(row, slot) == c:
                    total += w * number(s(f, row, f.negatives[row, slot]))
                    count += w
        if count:
            after[c] = min(max(mean_right - total / count, 0.0), limit)
    return loss, after


def intra_modal(f: Features) -> Tensor:
    return average([softmax_loss(s(f, b, f.text[b]), all_logits(f, f.text[b])) for b in range(f.rows)])


def clic(f: Features, contrast: float = 0.5, negative: float = 0.5, uniform: float = 1.0) -> Tensor:
    assert f.positives is not None
    assert f.positive_mask is not None
    contrasts, separations = [], []
    for p in range(f.positives.shape[1]):
        texts = {row: f.positives[row, p] for row in range(f.rows) if bool(f.positive_mask[row, p])}
        if texts:
            contrasts.append(clip_of(f, texts))
        rows = [row for row in texts if list(negatives(f, row))]
        if rows:
            separations.append(
                average([softmax_loss(s(f, row, texts[row]), own_logits(f, row, f.image[row])) for row in rows])
            )
    apart = []
    for row in range(f.rows):
        if bool(f.positive_mask[row, 0]) and bool(f.positive_mask[row, 1]):
            difference = f.positives[row, 0] - f.positives[row, 1]
            apart.append(dot(difference, difference))
    return contrast * average(contrasts) + negative * average(separations) + uniform * average(apart)


def calibrated(right: Tensor, wrong: list[tuple[float, Tensor]], gamma: float, smoothing: float) -> Tensor:
    total = right.exp() + sum(w * logit.exp() for w, logit in wrong)
    count = sum(w for w, _ in wrong)
    p = right.exp() / total
    loss = -(1 - smoothing + smoothing / (count + 1)) * (1 - p) ** gamma * p.log()
    for w, logit in wrong:
        p = w * logit.exp() / total
        loss = loss - w * smoothing / (count + 1) * (1 - p) ** gamma * p.log()
    return loss


def focal(f: Features, gamma: float = 2.0, smoothing: float = 0.02) -> Tensor:
    return average(
        [
            calibrated(s(f, b, f.text[b]), own_logits(f, b, f.image[b]), gamma, smoothing)
            for b in range(f.rows)
            if list(negatives(f, b))
        ]
    )


def local_focal(f: Features, gamma: float = 2.0, smoothing: float = 0.02) -> Tensor:
    local = f.local
    assert local is not None
    return average(
        [
            calibrated(local[b, 0], [(w, local[b, 1 + k]) for k, w in negatives(f, b)], gamma, smoothing)
            for b in range(f.rows)
            if list(negatives(f, b))
        ]
    )


def local_score(patches: Tensor, tokens: Tensor, scale: Tensor) -> Tensor:
    """Of one picture's patches [N, D] and one text's tokens [L, D], without padding."""
    unit = [patch / dot(patch, patch).sqrt() for patch in patches]
    total = torch.zeros((), dtype=torch.float64)
    for token in tokens:
        w = token / dot(token, token).sqrt()
        found = [number(dot(w, patch)) for patch in unit]
        attention = [(value - min(found)) / (max(found) - min(found)) for value in found]
        v = sum(a * patch for a, patch in zip(attention, unit, strict=True))
        total = total + (scale * dot(v / dot(v, v).sqrt(), w)).exp()
    return total.log()


def siglip(f: Features, columns: str = "own") -> Tensor:
    assert f.bias is not None
    total = torch.zeros((), dtype=torch.float64)
    for a in range(f.rows):
        for b in range(f.rows):
            if not related(f, a, b):
                z = 1.0 if a == b else -1.0
                total = total + (1 / (1 + (-z * (s(f, a, f.text[b]) + f.bias)).exp())).log()
        rows = {"none": [], "own": [a], "batch": list(range(f.rows))}[columns]
        for b in rows:
            for slot, w in negatives(f, b):
                total = total + w * (1 / (1 + (s(f, a, f.negatives[b, slot]) + f.bias).exp())).log()
    return -total / f.rows


def hard_positive(f: Features, image: float = 1.0, text: float = 1.0, align: float = 1.0) -> Tensor:
    assert f.positives is not None
    assert f.positive_mask is not None
    of_image, of_text, near = [], [], []
    for row in range(f.rows):
        for p in range(f.positives.shape[1]):
            if not bool(f.positive_mask[row, p]):
                continue
            positive = f.positives[row, p]
            near.append(1 - dot(f.text[row], positive))
            if list(negatives(f, row)):
                together = f.scale * dot(f.text[row], positive)
                of_image.append(softmax_loss(s(f, row, positive), own_logits(f, row, f.image[row])))
                first = softmax_loss(together, own_logits(f, row, f.text[row]))
                second = softmax_loss(together, own_logits(f, row, positive))
                of_text.append((first + second) / 2)
    return image * average(of_image) + text * average(of_text) + align * average(near)


def retention(f: Features, temperature: float = 1.0) -> Tensor:
    assert f.anchor_image is not None
    assert f.anchor_text is not None
    scale = number(f.scale) / temperature
    total = torch.zeros((), dtype=torch.float64)
    for queries, keys, teacher_queries, teacher_keys in (
        (f.image, f.text, f.anchor_image, f.anchor_text),
        (f.text, f.image, f.anchor_text, f.anchor_image),
    ):
        for a in range(f.rows):
            student = [(scale * dot(queries[a], key)).exp() for key in keys]
            teacher = [math.exp(scale * number(dot(teacher_queries[a], key))) for key in teacher_keys]
            for q, p in zip(student, teacher, strict=True):
                probability = p / sum(teacher)
                total = total + probability * (math.log(probability) - (q / sum(student)).log())
    return total / f.rows / 2


def retention_features(f: Features) -> Tensor:
    assert f.anchor_image is not None
    assert f.anchor_text is not None
    terms = []
    for row in range(f.rows):
        one, other = f.image[row] - f.anchor_image[row], f.text[row] - f.anchor_text[row]
        terms.append(dot(one, one) + dot(other, other))
    return average(terms)
