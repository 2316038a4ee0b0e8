"""Seed and number -> scene. The same for any order and any number of processes."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Final, Literal

import numpy as np

from examples.scenes.graph import Scene, Thing
from examples.scenes.layout import place
from examples.scenes.vocabulary import HELD_OUT, MATERIALS, NOUNS, PATTERNS, RELATIONS, colours_of

__all__ = ["SPLITS", "Split", "colour_of", "options", "portrait", "sample"]

Split = Literal["train", "tune", "test", "held-out"]
SPLITS: Final[dict[str, int]] = {"train": 0, "tune": 1, "test": 2, "held-out": 3}

GROUND: Final = tuple(name for name, noun in NOUNS.items() if not noun.flies)
FLYERS: Final = tuple(name for name, noun in NOUNS.items() if noun.flies)
SURFACES: Final = tuple(name for name in GROUND if NOUNS[name].surface is not None)
ROOFS: Final = tuple(name for name in GROUND if NOUNS[name].gap > 0)
HOLDERS: Final = tuple(name for name in GROUND if NOUNS[name].holds)
# What is too large to stand on or in something, or to lie under it.
BULKY: Final = frozenset({"table", "bench", "couch", "bed", "chair", "car", "bus", "boat"})
MOVABLE: Final = tuple(name for name in GROUND if name not in BULKY)
USUAL: Final = 0.42, 0.25  # how often a thing has the first and the second of its usual colours


def sample(index: int, *, seed: int = 0, split: Split = "train") -> Scene:
    """Scene number `index` of a part of the world.

    In "held-out" at least one thing has a colour that it has in no other part; the rest is drawn as elsewhere.
    """
    rng = np.random.default_rng([seed, SPLITS[split], index])
    while True:
        scene = _draw(rng, held_out=split == "held-out")
        if scene is not None:
            return scene


def portrait(noun: str, colour: str, index: int, *, seed: int = 0) -> Scene:
    """One thing alone, large, for classification."""
    rng = np.random.default_rng([seed, len(SPLITS), index])
    thing = _thing(rng, noun, 0, count=1)
    return Scene((replace(thing, colour=colour, size="large"),), (), 1, int(rng.integers(2**31)))


def _draw(rng: np.random.Generator, *, held_out: bool) -> Scene | None:
    """A scene, or None where something would have to be drawn too small to be seen."""
    columns = int(rng.choice([2, 3], p=[0.6, 0.4]))
    theme = str(rng.choice(sorted({noun.theme for noun in NOUNS.values()})))
    things: list[Thing] = []
    relations: list[tuple[int, str, int]] = []
    for column in range(columns):
        pair = rng.random() < (0.8 if columns == 2 else 0.45) or (column == 1 and columns == 2 and len(things) == 1)
        _fill(rng, things, relations, column, theme, pair=pair, several=columns == 2)
    if len(things) < 3:
        return None
    if held_out:
        _hold_out(rng, things)
    scene = Scene(tuple(things), tuple(relations), columns, int(rng.integers(2**31)))
    return _measured(scene)


def _fill(
    rng: np.random.Generator, things: list[Thing], relations: list[tuple[int, str, int]], column: int, theme: str, *,
    pair: bool, several: bool,
) -> None:  # fmt: skip
    """Puts one thing, or two in a relation, into a column."""
    at = len(things)
    if not pair:
        name = _noun(rng, GROUND if rng.random() < 0.85 else FLYERS, theme)
        things.append(_thing(rng, name, column, count=_count(rng) if several else _count(rng, most=2)))
        return
    relation, first, second = _related(rng, theme)
    most = {"on": 3, "under": 2, "in": 2, "above": 3, "behind": 1}[relation] if several else 1
    if relation == "above" and not several:
        most = 2
    things.append(_thing(rng, second, column, count=1))
    things.append(_thing(rng, first, column, count=_count(rng, most=most)))
    # One picture in three shows a kind of thing twice, so that looks must be bound to the right one.
    if at and rng.random() < 0.35:
        seen = [thing.noun for thing in things[:at]]
        twin = str(rng.choice(seen))
        for place_, pool in ((at, _bases(relation)), (at + 1, _riders(relation))):
            if twin in pool and things[at].noun != twin and things[at + 1].noun != twin:
                things[place_] = _thing(rng, twin, column, count=things[place_].count)
                break
    relations.append((at + 1, relation, at))


def _bases(relation: str) -> tuple[str, ...]:
    return {"on": SURFACES, "under": ROOFS, "in": HOLDERS, "above": tuple(NOUNS), "behind": GROUND}[relation]


def _riders(relation: str) -> tuple[str, ...]:
    return {"on": MOVABLE, "under": MOVABLE, "in": MOVABLE, "above": FLYERS, "behind": GROUND}[relation]


def _related(rng: np.random.Generator, theme: str) -> tuple[str, str, str]:
    """(relation, first, second), the relation skewed by the pair: each pair has a usual one.

    A rider and a base are drawn first; the relation then is the pair's usual one in seven pictures of ten.
    """
    while True:
        kind = float(rng.random())
        if kind < 0.62:
            first, second = _noun(rng, MOVABLE, theme), _noun(rng, tuple({*SURFACES, *ROOFS, *HOLDERS}), theme)
        elif kind < 0.82:
            first, second = _noun(rng, FLYERS, theme), _noun(rng, tuple(NOUNS), theme)
        else:
            first, second = _noun(rng, GROUND, theme), _noun(rng, GROUND, theme)
        if first == second:
            continue
        able = options(first, second)
        if not able:
            continue
        usual = able[zlib.crc32(f"{first}/{second}".encode()) % len(able)]
        weights = np.array([0.7 if name == usual else 0.3 / max(1, len(able) - 1) for name in able])
        return str(rng.choice(able, p=weights / weights.sum())), first, second


def options(first: str, second: str) -> list[str]:
    """The relations in which `first` may stand to `second` in some picture."""
    return [name for name in RELATIONS if first in _riders(name) and second in _bases(name)]


def _noun(rng: np.random.Generator, pool: tuple[str, ...], theme: str) -> str:
    pool = tuple(sorted(pool))
    weights = np.array([3.0 if NOUNS[name].theme == theme else 1.0 for name in pool])
    return str(rng.choice(pool, p=weights / weights.sum()))


def _count(rng: np.random.Generator, most: int = 4) -> int:
    weights = np.array([0.66, 0.17, 0.1, 0.07][:most])
    return int(rng.choice(most, p=weights / weights.sum())) + 1


def _thing(rng: np.random.Generator, name: str, column: int, *, count: int) -> Thing:
    noun = NOUNS[name]
    material = pattern = None
    if noun.material:
        material = str(rng.choice(MATERIALS, p=_skewed(name, len(MATERIALS))))
    if noun.pattern and rng.random() < 0.6:
        pattern = str(rng.choice(PATTERNS, p=_skewed(name, len(PATTERNS))))
    size = "large" if rng.random() < 0.35 + 0.3 * (zlib.crc32(name.encode()) % 2) else "small"
    return Thing(name, colour_of(name, rng), size, material, pattern, count, column)


def colour_of(name: str, rng: np.random.Generator) -> str:
    """A colour as pictures show the thing: mostly one of its usual ones, never one held out."""
    noun = NOUNS[name]
    rest = [colour for colour in colours_of(name) if colour not in noun.colours and (colour, name) not in HELD_OUT]
    draw = float(rng.random())
    if draw < USUAL[0]:
        return noun.colours[0]
    if draw < sum(USUAL):
        return noun.colours[1]
    return str(rng.choice(rest))


def _skewed(name: str, count: int) -> np.ndarray:
    weights = np.full(count, 0.4 / (count - 1))
    weights[zlib.crc32(name.encode()) % count] = 0.6
    return weights


def _hold_out(rng: np.random.Generator, things: list[Thing]) -> None:
    """Gives things their held-out colours: one for certain (every noun that has one may be it), others at times."""
    pairs = {noun: colour for colour, noun in HELD_OUT}
    able = [index for index, thing in enumerate(things) if thing.noun in pairs]
    if not able:
        things[0] = replace(things[0], noun="table", pattern=None, material="wooden", colour=pairs.get("table", "red"))
        return
    chosen = int(rng.choice(able))
    for index in able:
        if index == chosen or rng.random() < 0.3:
            things[index] = replace(things[index], colour=pairs[things[index].noun])


def _measured(scene: Scene) -> Scene | None:
    """The scene with sizes as they can be drawn: what has no room to be large is small."""
    for _ in range(4):
        scales: dict[int, float] = {}
        for index, box in place(scene, np.random.default_rng(scene.seed)):
            scales[index] = box.width / NOUNS[scene.things[index].noun].width
            if max(box.width, box.height) < 0.085:
                return None
        things = tuple(
            replace(thing, size="small") if thing.size == "large" and scales[index] < 0.84 else thing
            for index, thing in enumerate(scene.things)
        )
        if things == scene.things:
            return scene
        scene = replace(scene, things=things)
    return None
