"""Whether a caption is true of a scene: computed, not asked.

"Two red cups" are there when at least two are; a thing has a colour, a size, a material or a pattern or has not (what
has no pattern is neither striped nor checkered). What no picture shows is not there.
"""

from __future__ import annotations

from collections.abc import Iterator

from examples.scenes.graph import Scene, Thing
from examples.scenes.parse import Meaning, Part, Phrase, parse_caption

__all__ = ["holds", "is_true"]


def holds(meaning: Meaning, scene: Scene) -> bool:
    """True where all that the caption says is so."""
    return all(_part(part, scene) for part in meaning.parts)


def is_true(text: str, scene: Scene) -> bool | None:
    """`holds` of a text; None where it cannot be read."""
    meaning = parse_caption(text)
    return None if meaning is None else holds(meaning, scene)


def _part(part: Part, scene: Scene) -> bool:
    if part.relation is None or part.object is None:
        return _there(part.subject, scene) is not part.denied
    if part.denied and part.subject.count and part.object.count:
        # "A cup not on a table": there is a cup that is on none.
        return _related(part, scene, denied=True)
    return _related(part, scene, denied=False)


def _there(phrase: Phrase, scene: Scene) -> bool:
    number = sum(scene.things[index].count for index in _fitting(phrase, scene))
    return number >= phrase.count if phrase.count else number == 0


def _related(part: Part, scene: Scene, *, denied: bool) -> bool:
    """Whether enough subjects stand so to enough objects ("no": to none; denied: those that do not are counted)."""
    things = part.object
    if things is None or part.relation is None:
        return False
    number = 0
    for first in _fitting(part.subject, scene):
        met = sum(
            scene.things[second].count
            for second in _fitting(things, scene)
            if scene.holds(first, part.relation, second)
        )
        enough = met >= things.count if things.count else met == 0
        if enough is not denied:
            number += scene.things[first].count
    return number >= part.subject.count if part.subject.count else number == 0


def _fitting(phrase: Phrase, scene: Scene) -> Iterator[int]:
    for index, thing in enumerate(scene.things):
        if thing.noun == phrase.noun and phrase.looks <= _looks(thing):
            yield index


def _looks(thing: Thing) -> frozenset[str]:
    return frozenset(look for look in (thing.colour, thing.size, thing.material, thing.pattern) if look is not None)
