"""Word classes, counts and WordNet to the document that the reader loads."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from math import sqrt
from typing import Any

from inflect import Inflector
from sources import Sources, WordClass, split
from wordnet import WordNet

FEWEST_SEEN = 2  # a word that captions hardly know would give the negative away
COMPANY_RATE = 0.12  # README.md says what this removes
OPEN_END = 1_000_000
_FUNCTION_WORDS = frozenset("in on at by to of and up off out from the a".split())
TAG_KIND = {"NN": "n", "NNS": "n", "VB": "v", "VBZ": "v", "VBG": "v", "VBD": "v", "VBN": "v", "JJ": "a"}


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


class Seen:
    """How often captions use a lemma, by part of speech."""

    def __init__(self, statistics: dict[str, Any], inflector: Inflector) -> None:
        self._words: int = statistics["words"]
        self.forms: dict[str, int] = statistics["forms"]
        self.units: dict[str, int] = statistics["units"]
        self.company: dict[str, dict[str, list[int]]] = statistics["company"]
        self.nouns: dict[str, int] = defaultdict(int)
        self.verbs: dict[str, int] = defaultdict(int)
        for tag, forms in statistics["tagged"].items():
            for form, n in forms.items():
                if TAG_KIND[tag] == "n":
                    self.nouns[inflector.lemma(form, tag)] += n
                elif TAG_KIND[tag] == "v":
                    self.verbs[inflector.lemma(form, tag)] += n

    def per_million(self, n: int) -> int:
        return round(n * 1_000_000 / self._words)


def weight(frequency: int) -> int:
    """Square-root sampling: common words more often, but not only those."""
    return max(1, round(sqrt(frequency)))


class Nouns:
    """Noun entries: classes united, WordNet's near words and sibling company excluded."""

    def __init__(self, sources: Sources, seen: Seen, inflector: Inflector, wordnet: WordNet) -> None:
        self.sources, self.seen, self.inflector, self.wordnet = sources, seen, inflector, wordnet
        self.never = frozenset(sources.never)
        self.classes: dict[str, list[WordClass]] = defaultdict(
            list
        )  # a word merely offered in a class is no member
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
            {
                word.text
                for word in group
                if "source_only" not in word.marks and self._may_be_offered(word.text)
            }
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


def attribute_rows(sources: Sources, seen: Seen) -> list[list[Any]]:
    """One row a word and class; words under ``open`` have no replacements."""
    forms = seen.forms
    rows = []
    for one in sources.attributes:
        rows += _class_rows(one, lambda word: forms.get(word, 0), seen, lambda word: {"JJ": word})
        known = {word.text for group in one.groups for word in group}
        for word in one.options.get("open", []):
            if word not in known:
                options = _options(one)
                options["offered"] = False
                rows.append(
                    [
                        word,
                        [one.name],
                        [word],
                        [word],
                        [],
                        [],
                        seen.per_million(forms.get(word, 0)),
                        {"JJ": word},
                        options,
                    ]
                )
    for word in sources.viewpoint_attributes:
        rows.append(
            [
                word,
                ["viewpoint"],
                [word],
                [word],
                [],
                [],
                seen.per_million(forms.get(word, 0)),
                {"JJ": word},
                {"offered": False},
            ]
        )
    return sorted(rows, key=lambda row: row[0])


def action_rows(sources: Sources, seen: Seen, inflector: Inflector) -> list[list[Any]]:
    rows = []
    for one in sources.actions:
        rows += _class_rows(one, lambda word: seen.verbs.get(word, 0), seen, inflector.verb)
    return sorted(rows, key=lambda row: row[0])


def _class_rows(one: WordClass, count: Any, seen: Seen, forms: Any) -> list[list[Any]]:
    """A row for each word of a class of attributes or actions."""
    near: dict[str, set[str]] = defaultdict(set)
    runs = [{word.text for word in group} for group in one.groups]
    runs += [set(split(run)) for run in one.options.get("near", [])]
    groups = runs[: len(one.groups)]
    for run in runs:
        # A near pair brings its groups along: "red | orange" keeps crimson from orange too.
        for a, b in combinations(sorted(run), 2):
            near[a].add(b)
            near[b].add(a)
    offered = {
        word.text
        for group in one.groups
        for word in group
        if "source_only" not in word.marks and count(word.text) >= FEWEST_SEEN
    }
    rows = []
    for group in groups:
        for lemma in sorted(group):
            excluded = {lemma} | near[lemma]
            candidates = {b for b in offered if b not in group} - excluded
            replacements = sorted(candidates, key=lambda b: (-count(b), b))
            weights = [weight(seen.per_million(count(b))) for b in replacements]
            extra = _options(one)
            if lemma not in offered:
                extra["offered"] = False
            frequency = seen.per_million(count(lemma))
            rows.append(
                [
                    lemma,
                    [one.name],
                    sorted(group),
                    sorted(excluded),
                    replacements,
                    weights,
                    frequency,
                    forms(lemma),
                    extra,
                ]
            )
    return rows


def _options(one: WordClass) -> dict[str, Any]:
    keys = ("applies", "avoids", "subjects", "never_subjects", "frame", "prepositions")
    return {key: one.options[key] for key in keys if one.options.get(key)}


def number_rows(sources: Sources) -> list[list[Any]]:
    """Small exact numbers, words to words and digits to digits; vague ones are never replaced."""
    table = sources.numbers
    small = range(1, table["largest_drawn"] + 1)
    words = table["exact"]["words"]
    rows = []
    for value, word in enumerate(words, 1):
        others = [words[n - 1] for n in small if n != value]
        rows.append(
            [word, value, value, value, False, value != 1, False, others, _number_weights(value, small)]
        )
    for word, value in table["exact"]["more"].items():
        others = [other for n, other in enumerate(words, 1) if n in small and n > 1]
        rows.append([word, value, value, value, False, True, False, others, [1] * len(others)])
    for value in table["exact"]["digits"]:
        others = [str(n) for n in small if n != value]
        rows.append(
            [str(value), value, value, value, False, value != 1, True, others, _number_weights(value, small)]
        )
    for row in table["vague"]:
        for word in split(row["words"]):
            low, high = row["low"], row["high"] or OPEN_END
            value = low if low == high else None
            contrary = [n for n in small if (n < low or n > high) and (n > 1 or not row["plural"])]
            others = [words[n - 1] for n in contrary] if value else []
            rows.append(
                [word, value, low, high, value is None, row["plural"], False, others, [1] * len(others)]
            )
    return rows


def _number_weights(value: int, small: range) -> list[int]:
    """Near counts are the harder ones: "three" becomes "four" more often than "six"."""
    return [12 // abs(n - value) if abs(n - value) <= 12 else 1 for n in small if n != value]


def relation_rows(sources: Sources, seen: Seen) -> list[dict[str, Any]]:
    """A row for each name and sense; names of one relation share everything."""

    def frequency(name: str) -> int:
        return seen.per_million(seen.units.get(name, 0) if " " in name else seen.forms.get(name, 0))

    viewpoint = {
        name for row in sources.relations if row.get("viewpoint", False) for name in split(row["names"])
    }
    rows = []
    for row in sources.relations:
        own = split(row["names"])
        overlaps = {*row.get("overlaps", []), *row.get("entails", []), *own}
        for name in own:
            kept = [
                b
                for b in row["contraries"]
                if b not in overlaps and b not in viewpoint and name not in viewpoint
            ]
            symmetric = row.get("symmetric", False)
            rows.append(
                {
                    "name": name,
                    "kind": row["kind"],
                    "symmetric": symmetric,
                    "converse": name if symmetric else row.get("converse"),
                    "entails": row.get("entails", []),
                    "overlaps": sorted(overlaps - {name}),
                    "replacements": kept,
                    "weights": [weight(frequency(b)) for b in kept],
                    "viewpoint": name in viewpoint,
                    "frequency": frequency(name),
                    "applies": row.get("applies", []),
                    "avoids": row.get("avoids", []),
                    "objects": sources.relation_objects.get(name, []),
                }
            )
    return sorted(rows, key=lambda row: str(row["name"]))


def unit_rows(sources: Sources, nouns: Nouns, inflector: Inflector) -> list[list[str]]:
    """Every multi-word surface form once, the kind that knows most of it first."""
    units: dict[str, tuple[str, str]] = {}

    def add(surface: str, kind: str, lemma: str) -> None:
        surface = _tokenised(surface)
        if " " in surface:
            units.setdefault(surface, (kind, lemma))

    for lemma in [*nouns.lemmas, *sorted(set(sources.never) | set(sources.compounds))]:
        if lemma in nouns.senses or (
            _FUNCTION_WORDS.isdisjoint(lemma.split(" ")) and lemma not in sources.idioms
        ):
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
