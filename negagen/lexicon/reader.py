"""The compiled lexicon: one JSON file, read once a process, never written."""

import gc
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import Any

from negagen.errors import ResourceError
from negagen.lexicon.articles import Articles
from negagen.lexicon.values import Entry, NumberEntry, RelationEntry, Unit

FILE_NAME = "en.json"
FORMAT = 1
_COMMON_TAG = {"NNP": "NN", "NNPS": "NNS", "VBP": "VB"}


class Lexicon:
    """Everything negagen knows of caption words. Immutable; every look-up takes constant time.

    Lemmas and surface forms are lower-case, the words of a multi-word one joined by single spaces.
    """

    __slots__ = (
        "_classes",
        "_contraries",
        "_frequency",
        "_lemmas",
        "_protected",
        "actions",
        "article",
        "attributes",
        "fingerprint",
        "nouns",
        "numbers",
        "relations",
        "sources",
        "units",
    )

    nouns: Mapping[str, Entry]
    attributes: Mapping[str, Entry]
    actions: Mapping[str, Entry]
    numbers: Mapping[str, NumberEntry]
    relations: Mapping[str, RelationEntry]
    units: Mapping[str, tuple[Unit, ...]]
    article: Articles
    fingerprint: str
    sources: str

    def __init__(self, document: Mapping[str, Any]) -> None:
        """`document` is what ``scripts/lexicon/build.py`` writes."""
        shared = _Shared(document)
        self.nouns = MappingProxyType(_entries("noun", document["nouns"], shared))
        self.attributes = MappingProxyType(_entries("attribute", document["attributes"], shared))
        self.actions = MappingProxyType(_entries("action", document["actions"], shared))
        self.numbers = MappingProxyType({row[0]: _number(row) for row in document["numbers"]})
        self.relations = MappingProxyType(_relations(document["relations"]))
        self.units = MappingProxyType(_units(document["units"]))
        self._contraries: dict[tuple[str, str | None], tuple[tuple[str, ...], tuple[int, ...]]] = {}
        self._frequency: dict[str, int] = document["frequency"]
        self._lemmas = _lemmas(self.nouns, self.actions, self.attributes, document["lemmas"])
        self._protected = frozenset(document["protected"])
        self._classes = _classes(self.nouns, self.attributes, self.actions)
        articles = document["articles"]
        self.article = Articles(
            frozenset(articles["a_words"]),
            frozenset(articles["an_words"]),
            tuple(articles["a_prefixes"]),
            tuple(articles["an_prefixes"]),
            frozenset(articles["vowel_letters"]),
            self._frequency,
        )
        self.fingerprint = document["fingerprint"]
        self.sources = document["sources"]

    def noun(self, lemma: str) -> Entry | None:
        return self.nouns.get(lemma)

    def attribute(self, word: str) -> Entry | None:
        return self.attributes.get(word)

    def action(self, lemma: str) -> Entry | None:
        return self.actions.get(lemma)

    def number(self, word: str) -> NumberEntry | None:
        """The count expression `word`: "two", "2", "a couple of"."""
        return self.numbers.get(word)

    def relation(self, name: str) -> RelationEntry | None:
        return self.relations.get(name)

    def contraries(self, name: str, target: Entry | None) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """What may replace relation `name` before the noun `target`, and the running sum of weights.

        Both are empty for an unknown relation and for an object before which it is left alone.
        """
        key = (name, None if target is None else target.lemma)
        if key not in self._contraries:
            self._contraries[key] = self._find_contraries(name, target)
        return self._contraries[key]

    def _find_contraries(self, name: str, target: Entry | None) -> tuple[tuple[str, ...], tuple[int, ...]]:
        entry = self.relations.get(name)
        sense = next((sense for sense in entry.senses if sense.suits(target)), None) if entry else None
        if sense is None:
            return (), ()
        weights = {
            other: high - low
            for other, (low, high) in zip(sense.replacements, pairwise((0, *sense.cumulative)), strict=True)
            if other in self.relations and self.relations[other].may_precede(target)
        }
        return tuple(weights), tuple(accumulate(weights.values()))

    def lemma(self, form: str, tag: str) -> str | None:
        """The lemma of a known lower-case form under a Penn tag, else None."""
        return self._lemmas.get((form, _COMMON_TAG.get(tag, tag)))

    def frequency(self, word: str) -> int:
        """How often per million caption words the lower-case form occurs; 0 when hardly ever."""
        return self._frequency.get(word, 0)

    def protected(self, word: str) -> bool:
        """Whether `word` is a pronoun or the like, never a noun to edit ("it", "others", "something")."""
        return word in self._protected

    def members(self, kind: str, name: str) -> tuple[str, ...]:
        """The words of class `name` that may be offered as replacements, most frequent first."""
        return self._classes.get((kind, name), ())


@cache
def load() -> Lexicon:
    """The lexicon of the installed package, read on first use.

    Raises `ResourceError` when the compiled file is missing, damaged or of another format.
    """
    path = files("negagen.lexicon") / FILE_NAME
    collecting = gc.isenabled()
    gc.disable()  # nothing here becomes garbage, and scanning it all doubles the time
    try:
        document = json.loads(path.read_bytes())
        if document.get("format") != FORMAT:
            raise ResourceError(
                f"{path}: expected lexicon format {FORMAT}, found {document.get('format')}; reinstall negagen"
            )
        return Lexicon(document)
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ResourceError(f"{path}: not a compiled lexicon ({error!r}); reinstall negagen") from error
    finally:
        if collecting:
            gc.enable()


class _Shared:
    """Word lists that many entries have in common, each made once."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        named = document["words"].__getitem__
        self.sets = [frozenset(map(named, members)) for members in document["sets"]]
        self.choices = [
            (tuple(map(named, words)), tuple(accumulate(weights))) for words, weights in document["choices"]
        ]


def _entries(kind: str, rows: list[list[Any]], shared: _Shared) -> dict[str, Entry]:
    """Entries by lemma; several rows of a lemma are its senses."""
    if kind == "noun":
        return {row[0]: _entry(kind, row, shared) for row in rows}
    senses: dict[str, list[Entry]] = {}
    for row in rows:
        senses.setdefault(row[0], []).append(_entry(kind, row, shared))
    return {lemma: _united(found) for lemma, found in senses.items()}


def _entry(kind: str, row: list[Any], shared: _Shared) -> Entry:
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
        forms,
        names=_names(lemma, classes),
        **options,
    )


def _united(senses: list[Entry]) -> Entry:
    """The word in all its senses: what one excludes all exclude, constraints stay with the senses."""
    weights: dict[str, int] = {}
    excluded: frozenset[str] = frozenset().union(*(sense.excluded for sense in senses))
    for sense in senses:
        for word, (low, high) in zip(sense.replacements, pairwise((0, *sense.cumulative)), strict=True):
            if word not in excluded:
                weights[word] = high - low
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


def _names(lemma: str, classes: list[str]) -> frozenset[str]:
    """What constraints may call a word by: itself, its classes, and their families."""
    found = {lemma}
    for name in classes:
        found.update(_prefixes(name))
    return frozenset(found)


@cache
def _prefixes(name: str) -> tuple[str, ...]:
    """ "a.b.c" is a, a.b and a.b.c."""
    parts = name.split(".")
    return tuple(".".join(parts[:stop]) for stop in range(1, len(parts) + 1))


def _number(row: list[Any]) -> NumberEntry:
    word, value, low, high, vague, plural, digits, replacements, weights = row
    return NumberEntry(
        word, value, low, high, vague, plural, digits, tuple(replacements), tuple(accumulate(weights))
    )


def _relations(rows: list[dict[str, Any]]) -> dict[str, RelationEntry]:
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


def _units(rows: list[list[str]]) -> dict[str, tuple[Unit, ...]]:
    """Units by their first word; the file holds longer ones first."""
    by_first: dict[str, list[Unit]] = {}
    for surface, kind, lemma in rows:
        words = tuple(surface.split(" "))
        by_first.setdefault(words[0], []).append(Unit(words, kind, lemma))
    return {first: tuple(units) for first, units in by_first.items()}


def _lemmas(
    nouns: Mapping[str, Entry],
    actions: Mapping[str, Entry],
    attributes: Mapping[str, Entry],
    others: list[list[str]],
) -> dict[tuple[str, str], str]:
    """(form, tag) to lemma; an entry's forms win over those merely seen in captions.

    Where two entries share a form ("people"), it is that of the one it names, else of the commoner one.
    """
    table = {(form, tag): lemma for form, tag, lemma in others}
    for entries in (attributes, actions, nouns):
        for entry in sorted(entries.values(), key=_frequency):
            for tag, form in entry.forms.items():
                table[form, tag] = entry.lemma
    for entry in nouns.values():
        if entry.plural_only:
            table[entry.lemma, "NNS"] = entry.lemma
    return table


def _frequency(entry: Entry) -> int:
    return entry.frequency


def _classes(*kinds: Mapping[str, Entry]) -> dict[tuple[str, str], tuple[str, ...]]:
    members: dict[tuple[str, str], list[Entry]] = {}
    for entries in kinds:
        for entry in entries.values():
            if entry.offered:
                for name in entry.classes:
                    members.setdefault((entry.kind, name), []).append(entry)
    return {
        key: tuple(e.lemma for e in sorted(found, key=lambda e: (-e.frequency, e.lemma)))
        for key, found in members.items()
    }
