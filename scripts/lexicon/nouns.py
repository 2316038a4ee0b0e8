"""Noun classes, WordNet and sibling captions to noun rows."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from inflect import Inflector
from seen import FEWEST_SEEN, Seen, weight
from sources import Sources, WordClass
from wordnet import WordNet

COMPANY_RATE = 0.12  # README.md says what this removes


class Nouns:
    """Noun entries: classes united, WordNet's near words and sibling company excluded."""

    def __init__(self, sources: Sources, seen: Seen, inflector: Inflector, wordnet: WordNet) -> None:
        self.sources, self.seen, self.inflector, self.wordnet = sources, seen, inflector, wordnet
        self.never = frozenset(sources.never)
        self.classes: dict[str, list[WordClass]] = defaultdict(list)  # a word merely offered in a class is no member
        self.mass: set[str] = set(inflector.mass)
        self.countable: set[str] = set()
        self.plural_only: set[str] = set(inflector.plural_only)
        self._near: dict[bool, dict[str, set[str]]] = {False: defaultdict(set), True: defaultdict(set)}
        self._offers: dict[bool, dict[str, set[str]]] = {False: defaultdict(set), True: defaultdict(set)}
        self.offered: set[str] = set()
        for one in sources.nouns:
            self._take_class(one)
        for run in sources.near:
            for word in run:
                self._near[False][word] |= set(run)
                self._near[True][word] |= set(run)
        self.lemmas = sorted({word.text for one in sources.nouns for group in one.groups for word in group})
        self.senses = {lemma: self._senses(lemma) for lemma in self.lemmas}
        self._relatives = self._related()

    def _take_class(self, one: WordClass) -> None:
        mass_class = bool(one.options.get("mass"))
        finer = bool(one.options.get("finer"))
        offered = [
            {word.text for word in group if "source_only" not in word.marks and self._may_be_offered(word.text)}
            for group in one.groups
        ]
        for number, group in enumerate(one.groups):
            others = set().union(*(words for other, words in enumerate(offered) if other != number))
            if len(one.groups) > 1:
                self.offered |= offered[number]
            texts = {word.text for word in group}
            for word in group:
                self._near[False][word.text] |= texts
                if finer:
                    self._near[True][word.text] |= texts
                if "target_only" not in word.marks:
                    self.classes[word.text].append(one)
                    if word.text not in self.never:
                        self._offers[finer][word.text] |= others
                marks = word.marks
                if marks & {"both", "mass"} or mass_class:
                    self.mass.add(word.text)
                if "both" in marks or ("mass" not in marks and not mass_class):
                    self.countable.add(word.text)
                if "plural_only" in marks:
                    self.plural_only.add(word.text)

    def _may_be_offered(self, lemma: str) -> bool:
        return lemma not in self.never and self.count(lemma) >= FEWEST_SEEN

    def count(self, lemma: str) -> int:
        """Times captions use the noun, in either number."""
        if " " in lemma:
            return sum(self.seen.units.get(form, 0) for form in {lemma, self.inflector.plural(lemma)})
        return self.seen.nouns.get(lemma, 0)

    def rows(self) -> list[list[Any]]:
        return [self._row(lemma) for lemma in self.lemmas]

    def _row(self, lemma: str) -> list[Any]:
        excluded = self._excluded(lemma)
        kept = (self._offers[False][lemma] - self._near[False][lemma]) | (
            self._offers[True][lemma] - self._near[True][lemma]
        )
        replacements = sorted(
            (b for b in kept - excluded if self._same_number(lemma, b)), key=lambda b: (-self.count(b), b)
        )
        extra: dict[str, Any] = {}
        mass, countable = self.countability(lemma)
        plural_only = lemma in self.plural_only
        if mass:
            extra["mass"] = True
        if not countable:
            extra["countable"] = False
        if plural_only:
            extra["plural_only"] = True
        if any(one.options.get("scene") for one in self.classes[lemma]):
            extra["scene"] = True
        if lemma not in self.offered:
            extra["offered"] = False
        if lemma in self.sources.fits:
            extra["prepositions"] = sorted(self.sources.fits[lemma]) or [""]
        return [
            lemma,
            [one.name for one in self.classes[lemma]],
            sorted(self._near[True][lemma] | {lemma}),
            sorted(excluded),
            replacements,
            [weight(self.seen.per_million(self.count(b))) for b in replacements],
            self.seen.per_million(self.count(lemma)),
            self.inflector.noun(lemma, singular=not plural_only, plural=countable),
            extra,
        ]

    def countability(self, lemma: str) -> tuple[bool, bool]:
        """(mass, countable): what the classes say, else what inflection.toml says of the word."""
        if lemma in self.countable:
            return lemma in self.mass and self._said_mass(lemma), True
        return lemma in self.mass, lemma not in self.mass

    def _said_mass(self, lemma: str) -> bool:
        return any(
            one.options.get("mass")
            or any(w.text == lemma and w.marks & {"both", "mass"} for g in one.groups for w in g)
            for one in self.sources.nouns
        )

    def _same_number(self, a: str, b: str) -> bool:
        mass_a, countable_a = self.countability(a)
        mass_b, countable_b = self.countability(b)
        return (mass_a and mass_b) or (countable_a and countable_b)

    def _senses(self, lemma: str) -> list[Any]:
        """The commonest sense of the word below each of its families' anchors, or as anchors.toml says."""
        if lemma in self.sources.senses:
            return [self.wordnet.synset(name) for name in self.sources.senses[lemma]]
        families = sorted({one.family for one in self.classes[lemma]})
        senses = [self.wordnet.senses(lemma, self.sources.anchors.get(family, []))[:1] for family in families]
        return [sense for found in senses for sense in found]

    def _related(self) -> dict[str, set[str]]:
        """For each lemma those whose sense here is the same, a kind of it, or what it is a kind of."""
        by_sense: dict[Any, set[str]] = defaultdict(set)
        for lemma, senses in self.senses.items():
            for sense in senses:
                by_sense[sense].add(lemma)
        apart: dict[str, set[str]] = defaultdict(set)
        for run in self.sources.apart:
            for word in run:
                apart[word] |= set(run)
        related: dict[str, set[str]] = defaultdict(set)
        for lemma, senses in self.senses.items():
            for sense in senses:
                for other in self.wordnet.near(sense):
                    for b in by_sense.get(other, ()):
                        if b not in apart[lemma]:
                            related[lemma].add(b)
                            related[b].add(lemma)
        return related

    def _excluded(self, lemma: str) -> set[str]:
        """Words that may not stand in: near ones, WordNet's relatives either way, company."""
        excluded = {lemma} | self._relatives[lemma]
        excluded |= self._near[True][lemma] if self._offers[True][lemma] else self._near[False][lemma]
        for b, (together, images) in self.seen.company.get(lemma, {}).items():
            if b in self.offered and together / images >= COMPANY_RATE:
                excluded.add(b)
        return excluded
