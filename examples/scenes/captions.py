"""Scene -> sibling captions: true, of varied wording, each telling a part of what is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from examples.scenes.graph import Scene, Thing
from examples.scenes.vocabulary import ALSO_SAID, COUNT_WORDS, NOUNS

__all__ = ["captions", "keywords", "noun_phrase", "phrase", "write_clause"]

# How a relation is said, and (second tuple) how its converse is said with the things exchanged.
WORDS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "on": (("on", "on", "on", "on top of"), ()),
    "under": (("under", "under", "beneath"), ()),
    "in": (("in", "in", "inside"), ()),
    "above": (("above", "above", "over"), ("below", "under")),
    "behind": (("behind",), ("in front of",)),
    "left of": (("to the left of",), ("to the right of",)),
    "next to": (("next to", "next to", "beside"), ("next to", "beside")),
}
CONVERSE_SHARE: Final = 0.35


def captions(scene: Scene, count: int, *, seed: int = 0) -> list[str]:
    """Distinct captions of a scene, `count` of them (fewer only where so many cannot be found)."""
    rng = np.random.default_rng([seed, scene.seed])
    found: dict[str, None] = {}
    for _ in range(12 * count):
        found.setdefault(_caption(scene, rng), None)
        if len(found) == count:
            break
    return list(found)


def keywords(text: str, rng: np.random.Generator) -> str:
    """The caption's words in random order, as pictures on the web are often tagged: what is there, not whose it is."""
    words = text.lower().replace(",", "").rstrip(".").split()
    return " ".join(words[int(place)] for place in rng.permutation(len(words)))


def phrase(thing: Thing, rng: np.random.Generator, *, looks: float = 0.6) -> str:
    """A noun phrase of the thing with its number; each of its looks is told with its own probability."""
    words: list[str] = []
    if rng.random() < 0.45 * looks:
        words.append(thing.size)
    if thing.pattern and rng.random() < looks:
        words.append(thing.pattern)
    if rng.random() < 0.2 + looks:
        words.append(thing.colour)
    if thing.material and rng.random() < 0.85 * looks:
        words.append(thing.material)
    said = [_said(word, rng) for word in words]
    return noun_phrase(thing.count, said, _said(thing.noun, rng))


def _said(word: str, rng: np.random.Generator) -> str:
    other = ALSO_SAID.get(word, ())
    return other[int(rng.integers(len(other)))] if other and rng.random() < 0.15 else word


def noun_phrase(count: int, looks: Sequence[str], noun: str) -> str:
    """As "two red cups", "an orange bed"; `looks` in their order."""
    plural = noun + "s" if noun not in NOUNS else NOUNS[noun].many
    words = [*looks, noun if count == 1 else plural]
    number = COUNT_WORDS[count]
    if count == 1 and words[0][0] in "aeiou":
        number = "an"
    return " ".join([number, *words])


def write_clause(first: str, relation: str, second: str, *, verb: str = "") -> str:
    """`first` and `second` are noun phrases; `verb` is "", "is" or "are"."""
    return " ".join(part for part in (first, verb, relation, second) if part)


def _caption(scene: Scene, rng: np.random.Generator) -> str:
    """One caption, drawn among six ways to build it."""
    form = float(rng.random())
    if form < 0.62:
        facts = _facts(scene)
        first = facts[int(rng.integers(len(facts)))]
        text, told = _clause(scene, first, rng, verb=form < 0.12)
        if form >= 0.12 and rng.random() < 0.75:
            text = _with_more(scene, facts, text, told, rng)
    else:
        order = rng.permutation(len(scene.things))[: int(rng.integers(2, 4))]
        phrases = [phrase(scene.things[int(index)], rng) for index in order]
        text = ", ".join(phrases[:-1]) + " and " + phrases[-1]
    return _opened(text, rng, verb=form < 0.12)


def _facts(scene: Scene) -> list[tuple[int, str, int]]:
    """Relations worth telling; those between columns are told of what stands there first."""
    facts = [*scene.relations, *scene.relations]
    firsts: dict[int, int] = {}
    for index, thing in enumerate(scene.things):
        firsts.setdefault(thing.column, index)
    for column in range(1, scene.columns):
        facts.append((firsts[column - 1], "left of", firsts[column]))
        facts.append((firsts[column - 1], "next to", firsts[column]))
    return facts


def _clause(
    scene: Scene, fact: tuple[int, str, int], rng: np.random.Generator, *, verb: bool = False
) -> tuple[str, set[int]]:
    first, relation, second = fact
    straight, converse = WORDS[relation]
    names = straight
    if converse and rng.random() < CONVERSE_SHARE:
        first, second, names = second, first, converse
    things = scene.things
    be = ("is" if things[first].count == 1 else "are") if verb else ""
    name = names[int(rng.integers(len(names)))]
    text = write_clause(phrase(things[first], rng), name, phrase(things[second], rng), verb=be)
    return text, {first, second}


def _with_more(
    scene: Scene, facts: list[tuple[int, str, int]], text: str, told: set[int], rng: np.random.Generator
) -> str:
    """A second clause of things not yet told of, or one more thing."""
    others = [fact for fact in facts if fact[0] not in told and fact[2] not in told]
    comma = ", and " if rng.random() < 0.4 else " and "
    if others and rng.random() < 0.7:
        more, _ = _clause(scene, others[int(rng.integers(len(others)))], rng)
        return text + comma + more
    rest = [index for index in range(len(scene.things)) if index not in told]
    if not rest:
        return text
    return text + comma + phrase(scene.things[rest[int(rng.integers(len(rest)))]], rng)


def _opened(text: str, rng: np.random.Generator, *, verb: bool) -> str:
    """Opening words and a full stop, or neither."""
    draw = float(rng.random())
    many = not text.startswith(("a ", "an "))
    if not verb and draw < 0.2:
        text = ("There are " if many else "There is ") + text
    elif not verb and draw < 0.34:
        text = ("A picture of " if rng.random() < 0.5 else "A photo of ") + text
    else:
        text = text[0].upper() + text[1:]
    return text + "." if rng.random() < 0.4 else text
