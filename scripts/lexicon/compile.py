"""Word classes, counts and WordNet to the document that the reader loads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations
from math import sqrt
from typing import Any

from inflect import Inflector
from sources import Sources, WordClass, split
from wordnet import WordNet

FEWEST_SEEN = 2  # a word that captions hardly know would give the negative away
COMPANY_RATE = 0.25  # see README.md: what is excluded at this rate, and what at half of it
FEWEST_DERIVED = 3
OPEN_END = 1_000_000
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
    words = sorted({word for kind in rows.values() for row in kind for word in _words_of(row)})
    index = {word: number for number, word in enumerate(words)}
    return {
        "sources": sources.digest,
        "words": words,
        **{kind: [_indexed(row, index) for row in found] for kind, found in rows.items()},
        "numbers": number_rows(sources),
        "relations": relation_rows(sources, seen),
        "units": unit_rows(sources, nouns, inflector),
        "frequency": {word: seen.per_million(n) for word, n in statistics["forms"].items()},
        "lemmas": _other_lemmas(statistics, inflector),
        "protected": sorted(sources.protected),
        "fits": {noun: sources.fits[noun] for noun in sorted(sources.fits)},
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
        self.classes: dict[str, list[WordClass]] = defaultdict(list)
        self.marks: dict[str, set[str]] = defaultdict(set)
        self.near: dict[str, set[str]] = defaultdict(set)
        for one in sources.nouns:
            for group in one.groups:
                texts = {word.text for word in group}
                for word in group:
                    self.classes[word.text].append(one)
                    self.near[word.text] |= texts
                    self.marks[word.text] |= word.marks - {"source_only", "target_only"}
                    self.marks[word.text].add("mass" if one.options.get("mass") and not word.marks else "said")
        for run in sources.near:
            for word in run:
                self.near[word] |= set(run)
        self.senses = {lemma: self._senses(lemma) for lemma in self.classes}
        self.parents = {lemma: set().union(*map(wordnet.parents, found)) for lemma, found in self.senses.items()}
        self.derived = self._derived()
        self.excluded = {lemma: self._excluded(lemma) for lemma in [*self.classes, *self.derived]}

    def frequency(self, lemma: str) -> int:
        if " " in lemma:
            n = sum(self.seen.units.get(form, 0) for form in {lemma, self.inflector.plural(lemma)})
        else:
            n = self.seen.nouns.get(lemma, 0)
        return self.seen.per_million(n)

    def rows(self) -> list[list[Any]]:
        return [self._row(lemma) for lemma in sorted({*self.classes, *self.derived})]

    def _row(self, lemma: str) -> list[Any]:
        derived = self.derived.get(lemma)
        classes = [derived] if derived else self.classes[lemma]
        mass, countable, plural_only = self.countability(lemma)
        offered = {b for one in classes for b in self._offered(lemma, one)} - self.excluded[lemma]
        replacements = sorted(
            (b for b in offered if self._same_number(lemma, b)), key=lambda b: (-self.frequency(b), b)
        )
        extra: dict[str, Any] = {}
        for name, value in (("mass", mass), ("plural_only", plural_only), ("derived", bool(derived))):
            if value:
                extra[name] = True
        if not countable:
            extra["countable"] = False
        if any(one.options.get("scene") for one in classes):
            extra["scene"] = True
        if derived or not any(self._offers(lemma, one) for one in classes):
            extra["offered"] = False
        return [
            lemma,
            [one.name for one in classes],
            sorted(self.near[lemma] | {lemma}),
            sorted(b for b in self.excluded[lemma] if b in self.classes or b in self.seen.nouns),
            replacements,
            [weight(self.frequency(b)) for b in replacements],
            self.frequency(lemma),
            self.inflector.noun(lemma, singular=not plural_only, plural=countable),
            extra,
        ]

    def countability(self, lemma: str) -> tuple[bool, bool, bool]:
        """(mass, countable, plural only); a word said to be both is both."""
        marks, inflector = self.marks.get(lemma, set()), self.inflector
        plural_only = "plural_only" in marks or lemma in inflector.plural_only
        if "both" in marks or {"mass", "said"} <= marks:
            return "both" in marks or "mass" in marks, True, plural_only
        mass = "mass" in marks or (lemma in inflector.mass and not self.classes.get(lemma))
        return mass, not mass, plural_only

    def _same_number(self, a: str, b: str) -> bool:
        mass_a, countable_a, plural_a = self.countability(a)
        mass_b, countable_b, plural_b = self.countability(b)
        return (mass_a and mass_b) or (countable_a and countable_b) or (plural_a and plural_b)

    def _offered(self, lemma: str, one: WordClass) -> Iterable[str]:
        for group in one.groups:
            if any(word.text == lemma and "target_only" not in word.marks for word in group):
                others = (g for g in one.groups if g is not group)
                return [w.text for g in others for w in g if self._offers(w.text, one)]
        if lemma in self.derived:
            return [w.text for g in one.groups for w in g if self._offers(w.text, one)]
        return []

    def _offers(self, lemma: str, one: WordClass) -> bool:
        marks = next(word.marks for group in one.groups for word in group if word.text == lemma)
        return (
            "source_only" not in marks
            and len(one.groups) > 1
            and self.frequency(lemma) >= self.seen.per_million(FEWEST_SEEN)
            and lemma not in self.sources.never
        )

    def _senses(self, lemma: str) -> list[Any]:
        families = {one.family for one in self.classes[lemma]}
        found = []
        for family in sorted(families):
            anchors = self.sources.anchors.get(family, [])
            found += self.wordnet.senses(lemma, anchors)[:2]
        return found

    def _excluded(self, lemma: str) -> set[str]:
        excluded = {lemma} | self.near[lemma]
        for sense in self.senses.get(lemma, []):
            excluded |= self.wordnet.near(sense)
        excluded |= {
            b
            for b, (together, images) in self.seen.company.get(lemma, {}).items()
            if together / images >= COMPANY_RATE
        }
        return excluded

    def _derived(self) -> dict[str, WordClass]:
        """Nouns that captions use and no class has, where WordNet leaves no doubt of the class."""
        found: dict[str, WordClass] = {}
        if not self.classes:
            return found
        for lemma, n in sorted(self.seen.nouns.items()):
            if n < FEWEST_DERIVED or lemma in self.classes or len(lemma) < 3:
                continue
            if lemma in self.sources.never or lemma in self.sources.protected or not lemma.isalpha():
                continue
            sense = self.wordnet.first(lemma)
            if sense is None:
                continue
            mates = defaultdict(int)
            for one in self.sources.nouns:
                if len(one.groups) > 2:
                    for group in one.groups:
                        for word in group:
                            if self.parents[word.text] & self.wordnet.parents(sense):
                                mates[one.name] += 1
            best = max(mates.values(), default=0)
            names = [name for name, count in mates.items() if count == best]
            if best >= 3 and len({name.partition(".")[0] for name in mates}) == 1:
                found[lemma] = next(one for one in self.sources.nouns if one.name == names[0])
                self.senses[lemma] = [sense]
        return found


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
                rows.append([word, [one.name], [word], [word], [], [], seen.per_million(forms.get(word, 0)), {"JJ": word}, options])
    for word in sources.viewpoint_attributes:
        rows.append([word, ["viewpoint"], [word], [word], [], [], seen.per_million(forms.get(word, 0)), {"JJ": word}, {"offered": False}])
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
            rows.append([lemma, [one.name], sorted(group), sorted(excluded), replacements, weights, frequency, forms(lemma), extra])
    return rows


def _options(one: WordClass) -> dict[str, Any]:
    keys = ("applies", "avoids", "subjects", "frame", "prepositions")
    return {key: one.options[key] for key in keys if one.options.get(key)}


def number_rows(sources: Sources) -> list[list[Any]]:
    """Small exact numbers, words to words and digits to digits; vague ones are never replaced."""
    table = sources.numbers
    small = range(1, table["largest_drawn"] + 1)
    words = table["exact"]["words"]
    rows = []
    for value, word in enumerate(words, 1):
        others = [words[n - 1] for n in small if n != value]
        rows.append([word, value, value, value, False, value != 1, False, others, _number_weights(value, small)])
    for word, value in table["exact"]["more"].items():
        others = [other for n, other in enumerate(words, 1) if n in small and n > 1]
        rows.append([word, value, value, value, False, True, False, others, [1] * len(others)])
    for value in table["exact"]["digits"]:
        others = [str(n) for n in small if n != value]
        rows.append([str(value), value, value, value, False, value != 1, True, others, _number_weights(value, small)])
    for row in table["vague"]:
        for word in split(row["words"]):
            low, high = row["low"], row["high"] or OPEN_END
            value = low if low == high else None
            contrary = [n for n in small if (n < low or n > high) and (n > 1 or not row["plural"])]
            others = [words[n - 1] for n in contrary] if value else []
            rows.append([word, value, low, high, value is None, row["plural"], False, others, [1] * len(others)])
    return rows


def _number_weights(value: int, small: range) -> list[int]:
    """Near counts are the harder ones: "three" becomes "four" more often than "six"."""
    return [12 // abs(n - value) if abs(n - value) <= 12 else 1 for n in small if n != value]


def relation_rows(sources: Sources, seen: Seen) -> list[dict[str, Any]]:
    """A row for each name; names of one relation share everything."""

    def frequency(name: str) -> int:
        return seen.per_million(seen.units.get(name, 0) if " " in name else seen.forms.get(name, 0))

    names = {name: row for row in sources.relations for name in split(row["names"])}
    rows = []
    for name, row in names.items():
        own = set(split(row["names"]))
        overlaps = set(row.get("overlaps", [])) | own
        viewpoint = row.get("viewpoint", False)
        contraries = [
            b
            for b in row.get("contraries", [])
            if b not in overlaps and not names.get(b, {}).get("viewpoint", False) and not viewpoint
        ]
        symmetric = row.get("symmetric", False)
        rows.append(
            {
                "name": name,
                "kind": row["kind"],
                "symmetric": symmetric,
                "converse": name if symmetric else row.get("converse"),
                "entails": sorted(row.get("entails", [])),
                "overlaps": sorted(overlaps - {name}),
                "replacements": contraries,
                "weights": [weight(frequency(b)) for b in contraries],
                "viewpoint": viewpoint,
                "frequency": frequency(name),
                "applies": row.get("applies", []),
                "avoids": row.get("avoids", []),
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

    for lemma in sorted({*nouns.classes, *sources.never}):
        if " " in lemma or "-" in lemma:
            add(lemma, "noun", lemma)
            add(inflector.plural(lemma), "noun", lemma)
    for name in sorted(name for row in sources.relations for name in split(row["names"])):
        add(name, "relation", name)
    for word in (word for row in sources.numbers["vague"] for word in split(row["words"])):
        add(word, "count", word)
    for word in sorted(word.text for one in sources.attributes for group in one.groups for word in group):
        add(word, "attribute", word)
    for idiom in sources.idioms:
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


def _words_of(row: list[Any]) -> Iterable[str]:
    return [*row[2], *row[3], *row[4]]


def _indexed(row: list[Any], index: dict[str, int]) -> list[Any]:
    lemma, classes, group, excluded, replacements, weights, frequency, forms, extra = row
    numbered = [[index[word] for word in words] for words in (group, excluded, replacements)]
    return [lemma, classes, *numbered, weights, frequency, forms, extra]
