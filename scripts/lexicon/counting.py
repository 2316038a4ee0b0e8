"""Counts words of captions: how often each form and lemma occurs, and which nouns keep company.

The result is small and committed, so that the lexicon can be rebuilt without the captions.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import spacy
from inflect import Inflector

FEWEST = 2  # forms and lemmas seen once are as often misspelt as rare
COMPANY_RATE, COMPANY_IMAGES = 0.06, 3
COMMON_TAG = {"NNP": "NN", "NNPS": "NNS", "VBP": "VB"}
TAGS = ("NN", "NNS", "VB", "VBZ", "VBG", "VBD", "VBN", "JJ")


def count(captions: Path, pipeline: str, units: Iterable[str], inflector: Inflector) -> dict[str, Any]:
    """Statistics of a Parquet file with columns ``caption`` and ``image_id``.

    `units` are multi-word surface forms to count besides single words.
    """
    table = pq.read_table(captions, columns=["caption", "image_id"])
    texts = [text or "" for text in table["caption"].to_pylist()]
    images = table["image_id"].to_pylist()
    by_first: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for unit in units:
        words = tuple(unit.split(" "))
        by_first[words[0]].append(words)
    forms: Counter[str] = Counter()
    tagged: dict[str, Counter[str]] = {tag: Counter() for tag in TAGS}
    spans: Counter[str] = Counter()
    nouns: list[set[str]] = []
    for tokens in _tagged(texts, pipeline):
        words_here = [word for word, _ in tokens]
        forms.update(word for word in words_here if any(c.isalnum() for c in word))
        found = list(_spans(words_here, by_first))
        spans.update(found)
        here = {inflector.lemma(word, tag) for word, tag in tokens if tag in ("NN", "NNS")}
        nouns.append(here | set(found))
        for word, tag in tokens:
            if tag in tagged:
                tagged[tag][word] += 1
    return {
        "source": "COCO 2017 validation captions, cocodataset.org, CC BY 4.0; counts only",
        "pipeline": Path(pipeline).name,
        "captions": len(texts),
        "words": forms.total(),
        "forms": _kept(forms),
        "tagged": {tag: _kept(counts) for tag, counts in tagged.items()},
        "units": _kept(spans),
        "company": _company(nouns, images),
    }


def write(statistics: dict[str, Any], path: Path) -> None:
    """One line a table row, keys in order: a diff shows which counts moved."""
    lines = ["{"]
    for key, value in statistics.items():
        lines.append(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))},")
    lines[-1] = lines[-1].removesuffix(",")
    path.write_text("\n".join([*lines, "}"]) + "\n", encoding="utf-8")


def _tagged(texts: list[str], pipeline: str) -> Iterator[list[tuple[str, str]]]:
    nlp = spacy.load(pipeline, exclude=["ner", "parser", "lemmatizer"])
    for doc in nlp.pipe(texts, batch_size=500):
        yield [(t.lower_, COMMON_TAG.get(t.tag_, t.tag_)) for t in doc if not t.is_space]


def _spans(words: list[str], by_first: dict[str, list[tuple[str, ...]]]) -> Iterator[str]:
    for index, word in enumerate(words):
        for unit in by_first.get(word, ()):
            if tuple(words[index : index + len(unit)]) == unit:
                yield " ".join(unit)


def _kept(counts: Counter[str]) -> dict[str, int]:
    return {word: n for word, n in sorted(counts.items()) if n >= FEWEST}


def _company(nouns: list[set[str]], images: list[Any]) -> dict[str, dict[str, list[int]]]:
    """For a: {b: [images where a caption has a and another one has b, images with a]}.

    Only pairs above a low rate are kept, and only those at least three times likelier than by chance.
    """
    by_image: dict[Any, list[set[str]]] = defaultdict(list)
    for image, words in zip(images, nouns, strict=True):
        by_image[image].append(words)
    having: Counter[str] = Counter()
    together: Counter[tuple[str, str]] = Counter()
    for siblings in by_image.values():
        pairs: set[tuple[str, str]] = set()
        for index, words in enumerate(siblings):
            others = set(chain.from_iterable(siblings[:index] + siblings[index + 1 :]))
            pairs.update((a, b) for a in words for b in others - words)
        together.update(pairs)
        having.update(set(chain.from_iterable(siblings)))
    company: dict[str, dict[str, list[int]]] = defaultdict(dict)
    for (a, b), n in sorted(together.items()):
        rate = n / having[a]
        if n >= COMPANY_IMAGES and rate >= COMPANY_RATE and rate * len(by_image) >= 3 * having[b]:
            company[a][b] = [n, having[a]]
    return dict(company)
