"""Check the noun classes in rules/en/lexicon/nouns and read sample substitutions.

    python scripts/lexicon/check_nouns.py
    python scripts/lexicon/check_nouns.py --frequencies nouns.tsv --least 8
    python scripts/lexicon/check_nouns.py --captions captions.parquet --pipeline en_core_web_sm --sample 60

Validates the format, lists contradictions (two words exclude each other in one class and are near in
another), counts how much of a frequency list (`lemma<TAB>count` lines) the classes cover, and prints random
substitutions in real captions, to be read by a person: is the new caption false of every picture of the old
one, and fluent? The exit status is 1 when the format is broken.
"""

from __future__ import annotations

import argparse
import math
import random
import re
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

NOUNS = Path(__file__).resolve().parents[2] / "rules" / "en" / "lexicon" / "nouns"
MARKS = "*!~^="
WORD = re.compile(rf"[a-z0-9][a-z0-9'&. -]*[{re.escape(MARKS)}]*")
CLASS_KEYS = {"name", "about", "mass", "scene", "finer", "groups"}
PREPOSITIONS = frozenset({"in", "on", "at"})
# prepositions.toml speaks of in, on and at; these ask for the same kind of noun.
LIKE = {"inside": "in", "into": "in", "within": "in", "onto": "on", "upon": "on", "atop": "on"}
# Share of images whose captions name both words; above it the new word is too likely in the picture.
COMPANY = 0.12


@dataclass(frozen=True, slots=True)
class NounClass:
    """One [[class]] table: words of different groups exclude each other."""

    name: str
    file: str
    mass: bool
    finer: bool
    groups: tuple[tuple[tuple[str, str], ...], ...]  # (word, marks) by group


@dataclass(frozen=True, slots=True)
class Nouns:
    """All noun files, united: what may replace what."""

    classes: tuple[NounClass, ...]
    never: frozenset[str]
    fits: Mapping[str, frozenset[str]]
    replacements: Mapping[str, tuple[str, ...]]
    mass: frozenset[str]
    countable: frozenset[str]
    plural_only: frozenset[str]


def read_classes(folder: Path, problems: list[str]) -> tuple[list[NounClass], set[str], dict[str, frozenset[str]]]:
    """Read every TOML file of `folder`; whatever breaks the format goes to `problems` as file: message."""
    classes: list[NounClass] = []
    never: set[str] = set()
    fits: dict[str, frozenset[str]] = {}
    for path in sorted(folder.glob("*.toml")):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        if path.name == "never.toml":
            words = table["words"]
            problems += [f"never.toml: '{w}' stands twice" for w, n in Counter(words).items() if n > 1]
            never.update(words)
        elif path.name == "prepositions.toml":
            fits.update((word, frozenset(prepositions)) for word, prepositions in table["fits"].items())
        else:
            classes += [read_class(entry, path.name, problems) for entry in table["class"]]
    names = Counter(c.name for c in classes)
    problems += [f"class '{name}' is defined {n} times" for name, n in names.items() if n > 1]
    return classes, never, fits


def read_class(entry: dict[str, Any], file: str, problems: list[str]) -> NounClass:
    """One class; a word may stand in it once, lower case, words joined by one space."""
    name = entry.get("name", "")
    where = f"{file}: class '{name}'"
    if not re.fullmatch(r"[a-z]+(\.[a-z]+)+", name):
        problems.append(f"{where}: the name must be lower case and dotted, such as animal.farm")
    if unknown := set(entry) - CLASS_KEYS:
        problems.append(f"{where}: unknown keys {sorted(unknown)}; known are {sorted(CLASS_KEYS)}")
    groups = []
    seen: set[str] = set()
    for group in entry.get("groups", []):
        words = []
        for raw in (part.strip() for part in group.split("|")):
            if not WORD.fullmatch(raw) or "  " in raw:
                problems.append(f"{where}: '{raw}' is no lower-case word with marks from {MARKS}")
            word = raw.rstrip(MARKS).strip()
            if word in seen:
                problems.append(f"{where}: '{word}' stands twice")
            seen.add(word)
            words.append((word, raw[len(raw.rstrip(MARKS)) :]))
        groups.append(tuple(words))
    mass, finer = bool(entry.get("mass", False)), bool(entry.get("finer", False))
    return NounClass(name, file, mass, finer, tuple(groups))


def unite(classes: list[NounClass], never: set[str], fits: dict[str, frozenset[str]]) -> Nouns:
    """Replacements over all classes: other groups of the class, less every word near in any class.

    A finer class splits what a broader one holds together: only nearness in a finer class takes away from it.
    """
    near: dict[str, set[str]] = defaultdict(set)
    near_finely: dict[str, set[str]] = defaultdict(set)
    offers: dict[str, set[str]] = defaultdict(set)
    offers_finely: dict[str, set[str]] = defaultdict(set)
    mass: set[str] = set()
    countable: set[str] = set()
    plural_only: set[str] = set()
    for entry in classes:
        for i, group in enumerate(entry.groups):
            others = [
                word
                for j, other in enumerate(entry.groups)
                if j != i
                for word, marks in other
                if "*" not in marks and word not in never
            ]
            for word, marks in group:
                near[word].update(w for w, _ in group)
                if entry.finer:
                    near_finely[word].update(w for w, _ in group)
                if "!" not in marks and word not in never:
                    (offers_finely if entry.finer else offers)[word].update(others)
                if "=" in marks or "^" in marks or entry.mass:
                    mass.add(word)
                if "=" in marks or ("^" not in marks and not entry.mass):
                    countable.add(word)
                if "~" in marks:
                    plural_only.add(word)
    replacements = {}
    for word in offers.keys() | offers_finely.keys():
        kept = (offers[word] - near[word]) | (offers_finely[word] - near_finely[word])
        if word not in mass:
            kept &= countable
        if word not in countable:
            kept &= mass
        replacements[word] = tuple(sorted(kept))
    return Nouns(
        tuple(classes),
        frozenset(never),
        fits,
        replacements,
        frozenset(mass),
        frozenset(countable),
        frozenset(plural_only),
    )


def contradictions(classes: list[NounClass]) -> Iterator[str]:
    """Pairs that one class exchanges and another calls near; the builder lets nearness win."""
    near: dict[tuple[str, str], str] = {}
    for entry in classes:
        for group in entry.groups:
            for a, _ in group:
                for b, _ in group:
                    near[a, b] = entry.name
    for entry in classes:
        if entry.finer:
            continue
        for i, group in enumerate(entry.groups):
            for other in entry.groups[i + 1 :]:
                for a, marks_a in group:
                    for b, marks_b in other:
                        exchanged = ("*" not in marks_b and "!" not in marks_a) or (
                            "*" not in marks_a and "!" not in marks_b
                        )
                        if exchanged and (a, b) in near:
                            yield f"{entry.name} exchanges {a} and {b}, {near[a, b]} calls them near"


def report_coverage(nouns: Nouns, path: Path, least: int) -> None:
    """Print how many lemmas of a frequency list are in a class or never replaced, and which are missing."""
    known = {word for c in nouns.classes for group in c.groups for word, _ in group}
    missing: list[str] = []
    total = replaced = covered = 0
    for line in path.read_text(encoding="utf-8").splitlines():
        lemma, count = line.split("\t")[:2]
        if int(count) < least:
            continue
        total += int(count)
        covered += int(count) if lemma in known or lemma in nouns.never else 0
        replaced += int(count) if nouns.replacements.get(lemma) else 0
        if lemma not in known and lemma not in nouns.never:
            missing.append(f"{lemma} {count}")
    print(f"coverage of counts >= {least}: {covered / total:.1%} known, {replaced / total:.1%} replaceable")
    print(f"missing {len(missing)}: {', '.join(missing)}")


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a tagged caption."""

    text: str
    tag: str
    lemma: str
    start: int


@dataclass(frozen=True, slots=True)
class Found:
    """A noun or noun unit of a caption: tokens [first, last], lemma, whether the head is plural."""

    first: int
    last: int
    lemma: str
    plural: bool


def read_captions(path: Path, column: str) -> tuple[list[str], list[object]]:
    """Captions and image ids (or row numbers, where there are none) of a Parquet file."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    captions = [str(text) for text in table[column].to_pylist()]
    if "image_id" in table.column_names:
        return captions, table["image_id"].to_pylist()
    return captions, list(range(len(captions)))


def tag(captions: list[str], pipeline: str) -> list[list[Token]]:
    """Tag and lemmatise with a spaCy pipeline."""
    import spacy

    nlp = spacy.load(pipeline, exclude=["ner", "parser"])
    return [[Token(t.text, t.tag_, t.lemma_.lower(), t.idx) for t in doc] for doc in nlp.pipe(captions)]


def find_nouns(
    tokens: list[Token], units: Mapping[str, list[tuple[str, ...]]], plural_only: frozenset[str]
) -> list[Found]:
    """Units first, longest match; then single nouns. A noun before another noun is a modifier: left out."""
    found: list[Found] = []
    i = 0
    while i < len(tokens):
        match = None
        for words in units.get(tokens[i].text.lower(), []):
            span = tokens[i : i + len(words)]
            if len(span) < len(words):
                continue
            texts = [t.text.lower() for t in span]
            if tuple(texts) == words or (*texts[:-1], span[-1].lemma) == words:
                match = words
                break
        size = len(match) if match else 1
        last = tokens[i + size - 1]
        followed = i + size < len(tokens) and tokens[i + size].tag in {"NN", "NNS", "POS"}
        if last.tag in {"NN", "NNS"} and not followed:
            lemma = last.text.lower() if last.text.lower() in plural_only else last.lemma
            found.append(Found(i, i + size - 1, " ".join(match) if match else lemma, last.tag == "NNS"))
        i += size
    return found


def inflect(lemma: str, plural: bool, nouns: Nouns) -> str:
    """Singular or plural of a possibly multi-word noun."""
    from lemminflect import getInflection

    if not plural or lemma in nouns.plural_only:
        return lemma
    *rest, head = lemma.split(" ")
    forms = getInflection(head, tag="NNS", inflect_oov=True)
    return " ".join([*rest, forms[0] if forms else head + "s"])


def fitting(found: Found, tokens: list[Token], nouns: Nouns) -> list[str]:
    """Replacements that suit the article, number and preposition of this place in the caption."""
    options = []
    before = tokens[found.first - 1].text.lower() if found.first else ""
    start = found.first
    while start and tokens[start - 1].tag in {"DT", "JJ", "PRP$", "CD", "VBN", "JJR", "JJS", "NN"}:
        start -= 1
    phrase = {t.text.lower() for t in tokens[start : found.first]}
    preposition = tokens[start - 1].text.lower() if start else ""
    if preposition == "of" and start > 2 and tokens[start - 2].text.lower() == "top":
        preposition = "on"
    preposition = LIKE.get(preposition, preposition)
    counted = found.plural or bool(phrase & {"a", "an", "another", "each", "one", "every"})
    definite = bool(phrase & {"the", "this", "that", "his", "her", "its", "their"}) or before == "'s"
    present = {t.lemma for t in tokens} | {t.text.lower() for t in tokens}
    for word in nouns.replacements.get(found.lemma, ()):
        if word in present or word.split(" ")[-1] in present:
            continue
        if (word in nouns.plural_only) != (found.lemma in nouns.plural_only) and not found.plural:
            continue
        if counted and word not in nouns.countable:
            continue
        if not counted and not definite and word not in nouns.mass and found.lemma in nouns.mass:
            continue
        if preposition in PREPOSITIONS and preposition not in nouns.fits.get(word, PREPOSITIONS):
            continue
        options.append(word)
    return options


def company(tagged: list[list[Token]], images: list[object]) -> dict[str, Counter[str]]:
    """For each lemma, in how many of its images each other lemma is named too ('' counts the images)."""
    by_image: dict[object, set[str]] = defaultdict(set)
    for tokens, image in zip(tagged, images, strict=True):
        lemmas = [t.lemma for t in tokens]
        by_image[image].update(lemmas)
        by_image[image].update(f"{a} {b}" for a, b in pairwise(lemmas))
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for lemmas_seen in by_image.values():
        for lemma in lemmas_seen:
            counts[lemma].update(lemmas_seen)
            counts[lemma][""] += 1
    return counts


def report_samples(nouns: Nouns, arguments: argparse.Namespace) -> None:
    """Print random substitutions, one a caption, weighted by the square root of caption frequency."""
    captions, images = read_captions(arguments.captions, arguments.column)
    tagged = tag(captions, arguments.pipeline)
    frequency: Counter[str] = Counter()
    for tokens in tagged:
        frequency.update(t.lemma for t in tokens)
        frequency.update(f"{a.lemma} {b.lemma}" for a, b in pairwise(tokens))
    beside = company(tagged, images)
    units: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for lemma in {w for c in nouns.classes for g in c.groups for w, _ in g} | nouns.never:
        if " " in lemma:
            words = tuple(lemma.split(" "))
            units[words[0]].append(words)
    for candidates in units.values():
        candidates.sort(key=len, reverse=True)
    rng = random.Random(arguments.seed)
    new_words = unseen = shown = 0
    for row in rng.sample(range(len(captions)), len(captions)):
        if shown == arguments.sample:
            break
        tokens = tagged[row]
        places = [(f, fitting(f, tokens, nouns)) for f in find_nouns(tokens, units, nouns.plural_only)]
        places = [
            (f, [w for w in options if beside[f.lemma][w] <= COMPANY * max(1, beside[f.lemma][""])])
            for f, options in places
        ]
        places = [(f, options) for f, options in places if options]
        if not places:
            continue
        place, options = rng.choice(places)
        weights = [math.sqrt(max(1, frequency[word])) for word in options]
        word = rng.choices(options, weights)[0]
        shown += 1
        new_words += 1
        unseen += frequency[word] == 0
        start, last = tokens[place.first].start, tokens[place.last]
        end = last.start + len(last.text)
        new = inflect(word, place.plural, nouns)
        text = captions[row]
        print(f"{shown:3} {text[:start]}[{text[start:end]} -> {new}]{text[end:].rstrip()}")
    print(f"{unseen} of {new_words} new words never occur in these captions")


def main() -> int:
    """Run the checks that the flags ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=NOUNS)
    parser.add_argument("--frequencies", type=Path, help="lines of lemma<TAB>count")
    parser.add_argument("--least", type=int, default=8, help="ignore lemmas below this count")
    parser.add_argument("--contradictions", action="store_true", help="list every contradiction")
    parser.add_argument("--captions", type=Path, help="Parquet file with a caption column")
    parser.add_argument("--column", default="caption")
    parser.add_argument("--pipeline", default="en_core_web_sm", help="spaCy pipeline, by name or path")
    parser.add_argument("--sample", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", nargs="*", default=[], help="print the replacements of these nouns")
    arguments = parser.parse_args()

    problems: list[str] = []
    classes, never, fits = read_classes(arguments.folder, problems)
    nouns = unite(classes, never, fits)
    words = {word for c in classes for group in c.groups for word, _ in group}
    problems += [f"'{word}' is in a class and in never.toml" for word in sorted(words & never)]
    problems += [f"prepositions.toml: '{word}' is in no class" for word in sorted(set(fits) - words)]
    clashes = sorted(set(contradictions(classes)))
    active = sum(1 for options in nouns.replacements.values() if options)
    offered = {word for options in nouns.replacements.values() for word in options}
    print(f"{len(classes)} classes, {len(words)} nouns: {active} replaceable, {len(offered)} offered")
    print(f"{len(never)} words never touched")
    print(f"{len(clashes)} contradictions" + (":" if arguments.contradictions and clashes else ""))
    if arguments.contradictions:
        print("\n".join(clashes))
    for word in arguments.show:
        print(f"{word}: {', '.join(nouns.replacements.get(word, ()))}")
    if arguments.frequencies:
        report_coverage(nouns, arguments.frequencies, arguments.least)
    if arguments.captions and not problems:
        report_samples(nouns, arguments)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
