"""Questions whose answers are known: a true caption, one false in a single respect, and the true one in other words.

These are made from the scene, not by negagen, so that they measure composition and not the generator's habits. Where a
word is exchanged for another, the other is drawn as the world draws it, so that the wording tells little: "a red
banana" against "a yellow banana" is asked also where the true one is the rarer. Each pair's truth is computed twice: by
the way it is made, and by `truth` of both texts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from examples.scenes.captions import noun_phrase
from examples.scenes.graph import Scene, Thing
from examples.scenes.sample import Split, colour_of, options, sample
from examples.scenes.truth import is_true
from examples.scenes.vocabulary import ALSO_SAID, HELD_OUT, MATERIALS, NOUNS, PATTERNS

__all__ = ["CATEGORIES", "Probe", "probes"]

CATEGORIES: Final = (
    "swap_att", "swap_obj", "replace_obj", "replace_att", "replace_rel", "replace_count", "replace_side"
)  # fmt: skip
CONVERSE: Final = {"above": "below", "behind": "in front of", "left of": "right of", "next to": "next to"}
SAID: Final = {"left of": "to the left of", "right of": "to the right of"}


@dataclass(frozen=True, slots=True)
class Probe:
    """`caption` and `reworded` are true of scene `index` of the part, `foil` is not. `held_out`: it turns on a pair of
    colour and thing that no training picture shows."""

    index: int
    category: str
    caption: str
    foil: str
    reworded: str
    held_out: bool


@dataclass(frozen=True, slots=True)
class _Said:
    """What is said of one thing: looks in order of speech, each with the kind it is of."""

    count: int
    looks: tuple[tuple[str, str], ...]
    noun: str

    def __str__(self) -> str:
        return noun_phrase(self.count, [word for _, word in self.looks], self.noun)

    def look(self, kind: str) -> str | None:
        return dict(self.looks).get(kind)

    def with_look(self, kind: str, word: str) -> _Said:
        return replace(self, looks=tuple((name, word if name == kind else old) for name, old in self.looks))


@dataclass(frozen=True, slots=True)
class _Sentence:
    first: _Said
    relation: str
    second: _Said

    def __str__(self) -> str:
        text = f"{self.first} {SAID.get(self.relation, self.relation)} {self.second}"
        return text[0].upper() + text[1:]


def probes(count: int, *, seed: int = 0, split: Split = "test", category: str) -> list[Probe]:
    """The first `count` probes of a category that the part's scenes allow, at most one a scene."""
    found: list[Probe] = []
    index = 0
    while len(found) < count:
        rng = np.random.default_rng([seed, CATEGORIES.index(category), index, 77])
        made = _probe(sample(index, seed=seed, split=split), index, category, rng, held_out=split == "held-out")
        if made is not None:
            found.append(made)
        index += 1
    return found


def _probe(scene: Scene, index: int, category: str, rng: np.random.Generator, *, held_out: bool) -> Probe | None:
    facts = _facts(scene, category)
    for number in rng.permutation(len(facts)):
        first, relation, second = facts[int(number)]
        things = scene.things
        if held_out and not any(_rare(things[index]) for index in (first, second)):
            continue
        sentence = _Sentence(_say(things[first], rng), relation, _say(things[second], rng))
        if held_out:
            sentence = _Sentence(
                _coloured(things[first], sentence.first), relation, _coloured(things[second], sentence.second)
            )
        foil = _FOILS[category](sentence, things[first], things[second], rng)
        if foil is None:
            continue
        caption, false, other = str(sentence), str(foil), _reword(sentence, rng)
        if is_true(caption, scene) and is_true(other, scene) and is_true(false, scene) is False:
            return Probe(index, category, caption, false, other, held_out)
    return None


def _facts(scene: Scene, category: str) -> list[tuple[int, str, int]]:
    """The relations that a caption of the category may be about."""
    beside = []
    for column in range(1, scene.columns):
        bases = [
            next(index for index, thing in enumerate(scene.things) if thing.column == at) for at in (column - 1, column)
        ]
        beside.append((bases[0], bases[1]))
    if category == "replace_side":
        return [(a, "left of", b) for a, b in beside] + [(b, "right of", a) for a, b in beside]
    if category == "swap_obj":
        return [
            (a, name, b)
            for a, name, b in scene.relations
            if name in options(scene.things[b].noun, scene.things[a].noun)
        ]
    facts = list(scene.relations)
    if category != "replace_rel":
        facts += [(a, "next to", b) for a, b in beside]
    return facts


def _say(thing: Thing, rng: np.random.Generator) -> _Said:
    looks: list[tuple[str, str]] = []
    if rng.random() < 0.3:
        looks.append(("size", thing.size))
    if thing.pattern and rng.random() < 0.5:
        looks.append(("pattern", thing.pattern))
    if rng.random() < 0.8:
        looks.append(("colour", thing.colour))
    if thing.material and rng.random() < 0.5:
        looks.append(("material", thing.material))
    return _Said(thing.count, tuple(looks), thing.noun)


def _rare(thing: Thing) -> bool:
    return (thing.colour, thing.noun) in HELD_OUT


def _coloured(thing: Thing, said: _Said) -> _Said:
    """With its colour told, if that is what is asked about."""
    if not _rare(thing) or said.look("colour"):
        return said
    return replace(said, looks=tuple(sorted([*said.looks, ("colour", thing.colour)], key=lambda look: _ORDER[look[0]])))


_ORDER: Final = {"size": 0, "pattern": 1, "colour": 2, "material": 3}
# Each takes the sentence, the two things it is of, and a source of chance.
_Foil = Callable[[_Sentence, Thing, Thing, np.random.Generator], _Sentence | None]


def _swap_att(sentence: _Sentence, first: Thing, second: Thing, rng: np.random.Generator) -> _Sentence | None:
    kinds = [
        kind
        for kind, word in sentence.first.looks
        if (other := sentence.second.look(kind)) is not None and other != word
    ]
    if _rare(first) or _rare(second):
        kinds = [kind for kind in kinds if kind == "colour"]
    if not kinds:
        return None
    kind = kinds[int(rng.integers(len(kinds)))]
    one, other = sentence.first.look(kind) or "", sentence.second.look(kind) or ""
    return replace(sentence, first=sentence.first.with_look(kind, other), second=sentence.second.with_look(kind, one))


def _swap_obj(sentence: _Sentence, *_: object) -> _Sentence:
    return replace(sentence, first=sentence.second, second=sentence.first)


def _replace_obj(sentence: _Sentence, first: Thing, second: Thing, rng: np.random.Generator) -> _Sentence | None:
    """Another thing that may stand there in this world and may look so."""
    ahead = bool(rng.random() < 0.5)
    said, other = (sentence.first, second) if ahead else (sentence.second, first)
    if sentence.relation == "next to":
        able = [name for name, noun in NOUNS.items() if noun.flies == NOUNS[said.noun].flies]
    else:
        able = [
            name
            for name in NOUNS
            if sentence.relation in (options(name, other.noun) if ahead else options(other.noun, name))
        ]
    kinds = {kind for kind, _ in said.looks}
    able = [
        name
        for name in able
        if name != said.noun
        and ("material" not in kinds or NOUNS[name].material)
        and ("pattern" not in kinds or NOUNS[name].pattern)
    ]
    if not able:
        return None
    new = replace(said, noun=able[int(rng.integers(len(able)))])
    return replace(sentence, first=new) if ahead else replace(sentence, second=new)


def _replace_att(sentence: _Sentence, first: Thing, second: Thing, rng: np.random.Generator) -> _Sentence | None:
    places = [(ahead, kind) for ahead in (True, False) for kind, _ in _part(sentence, ahead).looks]
    rare = [(ahead, "colour") for ahead, thing in ((True, first), (False, second)) if _rare(thing)]
    places = rare or places
    if not places:
        return None
    ahead, kind = places[int(rng.integers(len(places)))]
    said = _part(sentence, ahead)
    match kind:
        case "size":
            word = "small" if said.look("size") == "large" else "large"
        case "colour":
            word = colour_of(said.noun, rng)
        case "material":
            word = str(rng.choice(MATERIALS))
        case _:
            word = str(rng.choice(PATTERNS))
    if word == said.look(kind):
        return None
    new = said.with_look(kind, word)
    return replace(sentence, first=new) if ahead else replace(sentence, second=new)


def _part(sentence: _Sentence, ahead: bool) -> _Said:
    return sentence.first if ahead else sentence.second


def _replace_rel(sentence: _Sentence, first: Thing, second: Thing, rng: np.random.Generator) -> _Sentence | None:
    able = [name for name in options(first.noun, second.noun) if name != sentence.relation]
    return replace(sentence, relation=str(rng.choice(able))) if able else None


def _replace_count(sentence: _Sentence, first: Thing, second: Thing, rng: np.random.Generator) -> _Sentence | None:
    """A larger number: three cups are two cups, too. Of things that come in numbers only."""
    del second
    if sentence.relation not in {"on", "above"} or first.count >= 3:
        return None
    return replace(sentence, first=replace(sentence.first, count=int(rng.integers(first.count + 1, 4))))


def _replace_side(sentence: _Sentence, *_: object) -> _Sentence:
    return replace(sentence, relation="right of" if sentence.relation == "left of" else "left of")


_FOILS: Final[dict[str, _Foil]] = {
    "swap_att": _swap_att, "swap_obj": _swap_obj, "replace_obj": _replace_obj, "replace_att": _replace_att,
    "replace_rel": _replace_rel, "replace_count": _replace_count, "replace_side": _replace_side,
}  # fmt: skip


def _reword(sentence: _Sentence, rng: np.random.Generator) -> str:
    """The same said otherwise: from the other side where there is one, else with other words or another opening."""
    if sentence.relation in CONVERSE and rng.random() < 0.6:
        return str(_Sentence(sentence.second, CONVERSE[sentence.relation], sentence.first))
    words = str(sentence)
    changed = words[0].lower() + words[1:]
    for word, others in ALSO_SAID.items():
        if f" {word} " in f" {changed} ":
            new = others[int(rng.integers(len(others)))]
            changed = f" {changed} ".replace(f" {word} ", f" {new} ").strip()
            break
    else:
        changed = "a picture of " + changed
    return changed[0].upper() + changed[1:]
