"""The compiled lexicon: one JSON file, read once a process, never written."""

import gc
import json
from collections.abc import Mapping
from copy import copy
from functools import cache
from importlib.resources import files
from itertools import accumulate
from types import MappingProxyType
from typing import Any, Self

from negagen.errors import ResourceError
from negagen.lexicon import decode
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
        "_offers",
        "_protected",
        "_two_way",
        "actions",
        "article",
        "attributes",
        "class_names",
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
        shared = decode.Shared(document)
        self.nouns = decode.Entries("noun", document["nouns"], shared)
        self.attributes = decode.Entries("attribute", document["attributes"], shared)
        self.actions = decode.Entries("action", document["actions"], shared)
        self.numbers = MappingProxyType({row[0]: decode.number(row) for row in document["numbers"]})
        self.relations = MappingProxyType(decode.relations(document["relations"]))
        self.units = MappingProxyType(decode.units(document["units"]))
        self._two_way = False
        self._offers: dict[tuple[str, str, tuple[str, ...]], tuple[tuple[str, ...], tuple[int, ...]]] = {}
        self._contraries: dict[tuple[str, str | None], tuple[tuple[str, ...], tuple[int, ...]]] = {}
        self._frequency: dict[str, int] = document["frequency"]
        self._lemmas = decode.lemmas(document)
        self._protected = frozenset(document["protected"])
        self._classes = decode.classes(document)
        self.class_names = decode.class_names(document)
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

    def two_way(self) -> Self:
        """The same lexicon, in which no word may stand in for another that may not stand in for it in turn.

        What is put in but never taken out, or taken out but never put in, tells negatives from captions.
        """
        lexicon = copy(self)
        lexicon._two_way, lexicon._contraries, lexicon._offers = True, {}, {}
        return lexicon

    def offers(self, entry: Entry) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """What may replace the word of `entry`, and the running sum of weights."""
        if not self._two_way:
            return entry.replacements, entry.cumulative
        key = (entry.kind, entry.lemma, entry.classes)
        if key not in self._offers:
            entries = getattr(self, f"{entry.kind}s")
            weights = {
                other: weight
                for other, weight in _weights(entry).items()
                if other in entries and entry.lemma in entries[other].replacements
            }
            self._offers[key] = tuple(weights), tuple(accumulate(weights.values()))
        return self._offers[key]

    def noun(self, lemma: str) -> Entry | None:
        return self.nouns.get(lemma)

    def alike(self, one: str, other: str) -> bool:
        """Whether two nouns, by their lemmas, may name one thing."""
        if one == other:
            return True
        entries = self.noun(one), self.noun(other)
        return any(e is not None and w in e.excluded for e, w in zip(entries, (other, one), strict=True))

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
        weights = self._offered_relations(name, target)
        if self._two_way:
            weights = {
                other: weight for other, weight in weights.items() if name in self._offered_relations(other, target)
            }
        return tuple(weights), tuple(accumulate(weights.values()))

    def _offered_relations(self, name: str, target: Entry | None) -> dict[str, int]:
        entry = self.relations.get(name)
        sense = next((sense for sense in entry.senses if sense.suits(target)), None) if entry else None
        if sense is None:
            return {}
        return {
            other: weight
            for other, weight in _weights(sense).items()
            if other in self.relations and self.relations[other].may_precede(target)
        }

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


def _weights(entry: Entry | RelationEntry) -> dict[str, int]:
    sums = entry.cumulative
    return {other: high - low for other, low, high in zip(entry.replacements, (0, *sums), sums, strict=False)}
