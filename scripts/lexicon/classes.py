"""Classes of attributes and actions to rows, one a word and class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import combinations
from typing import Any

from inflect import Inflector
from seen import FEWEST_SEEN, Seen, weight
from sources import Sources, WordClass, split


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


def _class_rows(
    one: WordClass, count: Callable[[str], int], seen: Seen, forms: Callable[[str], dict[str, str]]
) -> list[list[Any]]:
    """A row for each word of a class of attributes or actions."""
    near: dict[str, set[str]] = defaultdict(set)
    groups = [{word.text for word in group} for group in one.groups]
    pairs = [pair for group in groups for pair in combinations(sorted(group), 2)]
    pairs += [pair for run in one.options.get("near", []) for pair in _near_pairs(run)]
    for a, b in pairs:
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
            fixed = any(w.text == lemma and "target_only" in w.marks for g in one.groups for w in g)
            candidates = set() if fixed else {b for b in offered if b not in group} - excluded
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


def _near_pairs(run: str) -> list[tuple[str, str]]:
    """ "a | b | c" are all near one another; of "a: b | c" only a to the others."""
    left, colon, right = run.partition(":")
    if colon:
        return [(a, b) for a in split(left) for b in split(right)]
    return list(combinations(split(run), 2))
