"""Words that tell no picture from another ("thing", "someone", "very", "have"), and how English uses some others.

They concern what a language model says: rules draw from classes of words in which none of them stands.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from negagen.errors import ResourceError

FILE_NAME: Final = "general.toml"


@dataclass(frozen=True, slots=True)
class General:
    """The lists of general.toml, which says of each what is in it. `fingerprint` changes with the file."""

    vague: frozenset[str]
    anything: frozenset[str]
    unseen: frozenset[str]
    seen: frozenset[str]
    broad: frozenset[str]
    lifeless: frozenset[str]
    holds: frozenset[frozenset[str]]
    materials: frozenset[str]
    made: frozenset[str]
    families: Mapping[str, frozenset[str]]
    alike: Mapping[str, frozenset[str]]
    anybody: frozenset[str]
    anyones: frozenset[str]
    disguises: frozenset[str]
    trades: frozenset[str]
    male: frozenset[str]
    female: frozenset[str]
    child: frozenset[str]
    adult: frozenset[str]
    animals: frozenset[str]
    mass: frozenset[str]
    plural: frozenset[str]
    empty: frozenset[str]
    opinion: frozenset[str]
    degrees: frozenset[str]
    alone: frozenset[tuple[str, str]]
    light: frozenset[str]
    denominal: frozenset[str]
    apart: frozenset[frozenset[str]]
    together: Mapping[str, frozenset[str]]
    fingerprint: str


@cache
def load_general() -> General:
    """The lists of the installed package. Raises `ResourceError` when the file is missing or damaged."""
    path = files("negagen.lexicon") / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
        return _general(tomllib.loads(text), blake2b(text.encode(), digest_size=8).hexdigest())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResourceError(f"{path}: not a file of general words ({error!r}); reinstall negagen") from error


def _general(document: Mapping[str, Any], fingerprint: str) -> General:
    things, people, numbers = document["things"], document["people"], document["numbers"]
    attributes, actions = document["attributes"], document["actions"]
    return General(
        **{
            name: _words(things[name])
            for name in ("vague", "anything", "unseen", "seen", "broad", "lifeless", "materials")
        },
        holds=frozenset(frozenset(pair) for pair in things["holds"]),
        made=frozenset(things["made"]),
        families=MappingProxyType({word: frozenset(families) for word, families in things["of"].items()}),
        alike=_named(things["alike"]),
        **{
            name: _words(people[name])
            for name in ("anybody", "anyones", "disguises", "trades", "male", "female", "child", "adult")
        },
        animals=_words(document["animals"]["any"]),
        mass=_words(numbers["mass"]),
        plural=_words(numbers["plural"]),
        **{name: _words(attributes[name]) for name in ("empty", "opinion", "degrees")},
        alone=frozenset((one, other) for one, other in attributes["alone"]),
        light=_words(actions["light"]),
        denominal=_words(actions["denominal"]),
        apart=frozenset(frozenset(pair) for pair in actions["apart"]),
        together=_named(actions["together"]),
        fingerprint=fingerprint,
    )


def _words(text: str) -> frozenset[str]:
    words = text.split()
    found = frozenset(words)
    if len(found) < len(words):
        raise ValueError(f"twice in one list: {', '.join(sorted(word for word in found if words.count(word) > 1))}")
    return found


def _named(table: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
    return MappingProxyType({name: _words(text) for name, text in table.items()})
