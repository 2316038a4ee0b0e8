"""Where each thing of a scene stands in the picture.

The picture is a wall and a floor, cut into columns. What stands on the ground stands near the lower edge; what is
behind something stands a little higher and is partly hidden; what flies hangs in the upper part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from examples.scenes.graph import Scene, Thing
from examples.scenes.vocabulary import NOUNS

__all__ = ["Box", "place"]

GROUND: Final = 0.94
SMALL: Final = 0.62  # a small thing's side, large being 1


@dataclass(frozen=True, slots=True)
class Box:
    """Shares of the picture's side; the origin is the upper left corner."""

    left: float
    top: float
    width: float
    height: float

    @property
    def bottom(self) -> float:
        return self.top + self.height


def place(scene: Scene, rng: np.random.Generator) -> Iterator[tuple[int, Box]]:
    """(index of a thing, box) in the order in which they are drawn, one box for each of a thing's count."""
    for column in range(scene.columns):
        members = [index for index, thing in enumerate(scene.things) if thing.column == column]
        span = 1.0 / scene.columns
        middle = span * (column + 0.5) + float(rng.uniform(-0.02, 0.02))
        ground = GROUND - float(rng.uniform(0.0, 0.04))
        base, relation, other = _pair(scene, members)
        if other is None:
            yield from _row(scene, base, middle, _rest(scene, base, ground, rng), 0.96 * span)
            continue
        yield from _two(scene, base, relation, other, middle, ground, span, rng)


def _pair(scene: Scene, members: list[int]) -> tuple[int, str, int | None]:
    """The thing that stands on the ground, and what stands to it how."""
    for first, name, second in scene.relations:
        if first in members:
            return second, name, first
    return members[0], "", None


def _rest(scene: Scene, index: int, ground: float, rng: np.random.Generator) -> float:
    if not NOUNS[scene.things[index].noun].flies:
        return ground
    return float(rng.uniform(0.34, 0.48))


def _two(
    scene: Scene,
    base: int,
    relation: str,
    other: int,
    middle: float,
    ground: float,
    span: float,
    rng: np.random.Generator,
) -> Iterator[tuple[int, Box]]:  # fmt: skip
    below = NOUNS[scene.things[base].noun]
    bottom = _rest(scene, base, ground, rng)
    match relation:
        case "on":
            standing = list(_row(scene, base, middle, bottom, 0.96 * span))
            yield from standing
            seat = standing[0][1]
            level = seat.top + (below.surface or 0.0) * seat.height
            yield from _row(scene, other, middle, level + 0.008, 0.9 * seat.width, 0.46)
        case "under":
            standing = list(_row(scene, base, middle, bottom, 0.96 * span, stretch=1.25))
            seat = standing[0][1]
            yield from standing
            yield from _row(scene, other, middle, bottom, 0.72 * seat.width, below.gap * seat.height * 0.98)
        case "in":
            standing = list(_row(scene, base, middle, bottom, 0.96 * span, stretch=1.2))
            seat = standing[0][1]
            inner = list(_row(scene, other, middle, seat.top, 0.78 * seat.width, 0.3))
            for index, box in inner:
                yield index, Box(box.left, box.top + 0.35 * box.height, box.width, box.height)
            yield from standing
        case "behind":
            shift = float(rng.choice([-1.0, 1.0])) * 0.10 * span
            yield from _row(scene, other, middle + shift, bottom - 0.13, 0.72 * span)
            yield from _row(scene, base, middle - shift, bottom, 0.72 * span, 0.3)
        case _:
            if below.flies:
                bottom = 0.62
            standing = list(_row(scene, base, middle, bottom, 0.96 * span, 0.36))
            yield from standing
            yield from _row(scene, other, middle, max(0.2, standing[0][1].top - 0.07), 0.92 * span, 0.3)


def _row(
    scene: Scene, index: int, middle: float, bottom: float, width: float, height: float = 0.5, *, stretch: float = 1.0
) -> Iterator[tuple[int, Box]]:
    """The thing's count side by side, as large as it is but no larger than the room given."""
    thing: Thing = scene.things[index]
    noun = NOUNS[thing.noun]
    scale = (SMALL if thing.size == "small" else 1.0) * stretch
    gap = 0.012
    room = (width - gap * (thing.count - 1)) / thing.count
    scale = min(scale, room / noun.width, height / noun.height)
    each, tall = noun.width * scale, noun.height * scale
    left = middle - (thing.count * each + (thing.count - 1) * gap) / 2
    for step in range(thing.count):
        yield index, Box(left + step * (each + gap), bottom - tall, each, tall)
