"""Word classes, counts and WordNet to the document that the reader loads."""

from __future__ import annotations

from typing import Any

from classes import action_rows, attribute_rows
from inflect import Inflector
from nouns import Nouns
from relations import number_rows, relation_rows
from seen import Seen
from sources import Sources, split
from wordnet import WordNet

_FUNCTION_WORDS = frozenset("in on at by to of and up off out from the a".split())


def compile_lexicon(
    sources: Sources, statistics: dict[str, Any], inflector: Inflector, wordnet: WordNet
) -> dict[str, Any]:
    """The document, without format and fingerprint."""
    seen = Seen(statistics, inflector)
    nouns = Nouns(sources, seen, inflector, wordnet)
    rows = {
        "nouns": nouns.rows(),
        "attributes": attribute_rows(sources, seen),
        "actions": action_rows(sources, seen, inflector),
    }
    shared = Shared()
    indexed = {kind: [shared.row(row) for row in found] for kind, found in rows.items()}
    return {
        "sources": sources.digest,
        "words": shared.words,
        "sets": shared.sets,
        "choices": shared.choices,
        **indexed,
        "numbers": number_rows(sources),
        "relations": relation_rows(sources, seen),
        "units": unit_rows(sources, nouns, inflector),
        "frequency": {word: seen.per_million(n) for word, n in statistics["forms"].items()},
        "lemmas": _other_lemmas(statistics, inflector),
        "protected": sorted(sources.protected),
        "articles": {key: value for key, value in sources.articles.items() if key != "about"},
    }


def unit_rows(sources: Sources, nouns: Nouns, inflector: Inflector) -> list[list[str]]:
    """Every multi-word surface form once, the kind that knows most of it first."""
    units: dict[str, tuple[str, str]] = {}

    def add(surface: str, kind: str, lemma: str) -> None:
        surface = _tokenised(surface)
        if " " in surface:
            units.setdefault(surface, (kind, lemma))

    for lemma in [*nouns.lemmas, *sorted(set(sources.never) | set(sources.compounds))]:
        if lemma in nouns.senses or (_FUNCTION_WORDS.isdisjoint(lemma.split(" ")) and lemma not in sources.idioms):
            add(lemma, "noun", lemma)
            if lemma not in nouns.plural_only:
                add(inflector.plural(lemma), "noun", lemma)
    for name in sorted(name for row in sources.relations for name in split(row["names"])):
        add(name, "relation", name)
    for word in (word for row in sources.numbers["vague"] for word in split(row["words"])):
        add(word, "count", word)
    for word in sorted(word.text for one in sources.attributes for group in one.groups for word in group):
        add(word, "attribute", word)
    for idiom in [*sources.idioms, *sorted(sources.never)]:
        add(idiom, "idiom", idiom)
    rows = [[surface, kind, lemma] for surface, (kind, lemma) in units.items()]
    return sorted(rows, key=lambda row: (-row[0].count(" "), row[0]))


def _tokenised(surface: str) -> str:
    """spaCy splits words at hyphens and before a possessive."""
    return surface.replace("-", " - ").replace("'s", " 's").replace(",", " ,")


def _other_lemmas(statistics: dict[str, Any], inflector: Inflector) -> list[list[str]]:
    """Lemmas of forms that captions use, so that the run time need not guess them."""
    return [
        [form, tag, inflector.lemma(form, tag)]
        for tag, forms in sorted(statistics["tagged"].items())
        for form in sorted(forms)
        if tag != "JJ" and form.isalpha()
    ]


class Shared:
    """Word lists stored once: many words of a group have the same neighbours and the same replacements."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.sets: list[list[int]] = []
        self.choices: list[list[list[int]]] = []
        self._word_index: dict[str, int] = {}
        self._set_index: dict[tuple[int, ...], int] = {}
        self._choice_index: dict[tuple[int, ...], int] = {}

    def row(self, row: list[Any]) -> list[Any]:
        """The row with its lists of words replaced by numbers."""
        lemma, classes, group, excluded, replacements, weights, frequency, forms, extra = row
        choices = tuple(map(self._word, replacements))
        if choices not in self._choice_index:
            self._choice_index[choices] = len(self.choices)
            self.choices.append([list(choices), weights])
        sets = self._set(group), self._set(excluded)
        return [lemma, classes, *sets, self._choice_index[choices], frequency, forms, extra]

    def _set(self, words: list[str]) -> int:
        key = tuple(map(self._word, words))
        if key not in self._set_index:
            self._set_index[key] = len(self.sets)
            self.sets.append(list(key))
        return self._set_index[key]

    def _word(self, word: str) -> int:
        if word not in self._word_index:
            self._word_index[word] = len(self.words)
            self.words.append(word)
        return self._word_index[word]
