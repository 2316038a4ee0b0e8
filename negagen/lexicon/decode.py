"""Rows of the compiled file to entries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import Any

from negagen.lexicon.values import Entry, NumberEntry, RelationEntry, Unit

_FREQUENCY, _FORMS, _EXTRA = 5, 6, 7  # columns of an entry's row


class Shared:
    """Word lists that many entries have in common, each made once."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        named = document["words"].__getitem__
        self.sets = [frozenset(map(named, members)) for members in document["sets"]]
        self.choices = [
            (tuple(map(named, words)), tuple(accumulate(weights))) for words, weights in document["choices"]
        ]


class Entries(Mapping[str, Entry]):
    """Entries by lemma, each made when first asked for: a run meets few of them.

    Several rows of an attribute or action are its senses.
    """

    __slots__ = ("_families", "_kind", "_made", "_rows", "_shared")

    def __init__(self, kind: str, rows: list[list[Any]], shared: Shared) -> None:
        self._kind = kind
        self._shared = shared
        self._rows: dict[str, list[list[Any]]] = {}
        for row in rows:
            self._rows.setdefault(row[0], []).append(row)
        self._families = frozenset(_prefixes(name)[0] for row in rows for name in row[1])
        self._made: dict[str, Entry] = {}

    def __getitem__(self, lemma: str) -> Entry:
        entry = self._made.get(lemma)
        if entry is None:
            found = [_entry(self._kind, row, self._shared, self._families) for row in self._rows[lemma]]
            entry = self._made[lemma] = found[0] if self._kind == "noun" else _united(found)
        return entry

    def get(self, lemma: str, default: Any = None) -> Any:
        """As for any mapping; without the cost of an exception for unknown words."""
        entry = self._made.get(lemma)
        if entry is not None:
            return entry
        return self[lemma] if lemma in self._rows else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def _entry(kind: str, row: list[Any], shared: Shared, families: frozenset[str]) -> Entry:
    """One row of the file; lists of words are stored as indices into `shared`."""
    lemma, classes, group, excluded, choice, frequency, forms, extra = row
    replacements, cumulative = shared.choices[choice]
    options: dict[str, Any] = extra and {
        key: frozenset(value) if isinstance(value, list) else value for key, value in extra.items()
    }
    return Entry(
        lemma,
        kind,
        tuple(classes),
        shared.sets[group],
        shared.sets[excluded],
        replacements,
        cumulative,
        frequency,
        MappingProxyType(forms),
        names=_names(lemma, classes, families),
        **options,
    )


def _united(senses: list[Entry]) -> Entry:
    """The word in all its senses: replacements of any, and excluded what one excludes and none offers.

    Constraints stay with the senses.
    """
    weights: dict[str, int] = {}
    for sense in senses:
        for word, (low, high) in zip(sense.replacements, pairwise((0, *sense.cumulative)), strict=True):
            weights[word] = high - low
    excluded: frozenset[str] = frozenset().union(*(sense.excluded for sense in senses)).difference(weights)
    first = senses[0]
    if len(senses) == 1:
        return replace(first, senses=(first,))
    return Entry(
        first.lemma,
        first.kind,
        tuple(name for sense in senses for name in sense.classes),
        frozenset().union(*(sense.group for sense in senses)),
        excluded,
        tuple(weights),
        tuple(accumulate(weights.values())),
        first.frequency,
        first.forms,
        offered=any(sense.offered for sense in senses),
        frame=first.frame if len({sense.frame for sense in senses}) == 1 else "both",
        names=frozenset().union(*(sense.names for sense in senses)),
        senses=tuple(senses),
    )


def _names(lemma: str, classes: list[str], families: frozenset[str]) -> frozenset[str]:
    """What constraints may call a word by: its classes, their families, and itself.

    A word that is called like a family is not of it for that: a kitchen is a room, no kitchenware.
    """
    found = set() if lemma in families else {lemma}
    for name in classes:
        found.update(_prefixes(name))
    return frozenset(found)


@cache
def _prefixes(name: str) -> tuple[str, ...]:
    """ "a.b.c" is a, a.b and a.b.c."""
    parts = name.split(".")
    return tuple(".".join(parts[:stop]) for stop in range(1, len(parts) + 1))


def number(row: list[Any]) -> NumberEntry:
    """One count expression."""
    word, value, low, high, vague, plural, digits, replacements, weights = row
    return NumberEntry(word, value, low, high, vague, plural, digits, tuple(replacements), tuple(accumulate(weights)))


def relations(rows: list[dict[str, Any]]) -> dict[str, RelationEntry]:
    """Relations by name; the first of several senses speaks for the word, with all their replacements."""
    senses: dict[str, list[RelationEntry]] = {}
    for row in rows:
        senses.setdefault(row["name"], []).append(_relation(row))
    return {name: _united_relation(found) for name, found in senses.items()}


def _united_relation(senses: list[RelationEntry]) -> RelationEntry:
    weights: dict[str, int] = {}
    for sense in senses:
        for name, (low, high) in zip(sense.replacements, pairwise((0, *sense.cumulative)), strict=True):
            weights[name] = high - low
    return replace(
        senses[0],
        converse=next((sense.converse for sense in senses if sense.converse), None),
        overlaps=frozenset().union(*(sense.overlaps for sense in senses)),
        replacements=tuple(weights),
        cumulative=tuple(accumulate(weights.values())),
        applies=frozenset(),
        avoids=frozenset(),
        senses=tuple(senses),
    )


def _relation(row: dict[str, Any]) -> RelationEntry:
    return RelationEntry(
        row["name"],
        tuple(row["name"].split(" ")),
        row["kind"],
        row["symmetric"],
        row["converse"],
        frozenset(row["entails"]),
        frozenset(row["overlaps"]),
        tuple(row["replacements"]),
        tuple(accumulate(row["weights"])),
        row["viewpoint"],
        row["frequency"],
        frozenset(row["applies"]),
        frozenset(row["avoids"]),
        frozenset(row["objects"]),
    )


def units(rows: list[list[str]]) -> dict[str, tuple[Unit, ...]]:
    """Units by their first word; the file holds longer ones first."""
    by_first: dict[str, list[Unit]] = {}
    for surface, kind, lemma in rows:
        words = tuple(surface.split(" "))
        by_first.setdefault(words[0], []).append(Unit(words, kind, lemma))
    return {first: tuple(units) for first, units in by_first.items()}


def lemmas(document: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """(form, tag) to lemma; an entry's forms win over those merely seen in captions.

    Where two entries share a form ("people"), it is that of the one it names, else of the commoner one.
    """
    table = {(form, tag): lemma for form, tag, lemma in document["lemmas"]}
    for kind in ("attributes", "actions", "nouns"):
        for row in sorted(document[kind], key=_frequency):
            for tag, form in row[_FORMS].items():
                table[form, tag] = row[0]
    for row in document["nouns"]:
        if row[_EXTRA].get("plural_only"):
            table[row[0], "NNS"] = row[0]
    return table


def classes(document: Mapping[str, Any]) -> dict[tuple[str, str], tuple[str, ...]]:
    """The words of each kind's classes that may be offered, most frequent first."""
    members: dict[tuple[str, str], list[str]] = {}
    for kind in ("attribute", "action", "noun"):
        for row in sorted(document[f"{kind}s"], key=_frequency, reverse=True):
            if row[_EXTRA].get("offered", True):
                for name in row[1]:
                    members.setdefault((kind, name), []).append(row[0])
    return {key: tuple(words) for key, words in members.items()}


def class_names(document: Mapping[str, Any]) -> frozenset[str]:
    """Every class and what it belongs to: "animal.farm" and "animal"."""
    names = {name for kind in ("nouns", "attributes", "actions") for row in document[kind] for name in row[1]}
    return frozenset(prefix for name in names for prefix in _prefixes(name))


def _frequency(row: list[Any]) -> int:
    frequency: int = row[_FREQUENCY]
    return frequency
