"""Captions and their negatives as columns, and which of a big file's captions are looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from negagen.errors import InputError
from negagen.seeding import key_of


@dataclass(frozen=True, slots=True)
class Pairs:
    """N (caption, negative) pairs of M captions.

    `captions` and `groups` (which captions show one picture: int64 [M], numbered from 0) have an entry for each
    caption, those without a negative too. `caption_of` (int64 [N]) says whose each of `negatives` is;
    `categories` and `rules` have "" where the file names none. `rows` were read from `source`, `omitted` counts
    what could not be used, by reason. `sampled` tells that only some of the captions are here.
    `complete` is False where the file leaves out captions that have no negative, so that nothing is known of them.
    """

    captions: Sequence[str]
    groups: NDArray[np.int64]
    caption_of: NDArray[np.int64]
    negatives: Sequence[str]
    categories: Sequence[str]
    rules: Sequence[str]
    source: str = "the pairs"
    layout: str = "pairs"
    rows: int = 0
    omitted: Mapping[str, int] = field(default_factory=dict)
    sampled: bool = False
    complete: bool = True

    def __len__(self) -> int:
        return len(self.negatives)

    @property
    def group_of(self) -> NDArray[np.int64]:
        """The group of each pair, int64 [N]."""
        return self.groups[self.caption_of]

    def own_captions(self) -> list[str]:
        """The caption of each pair, [N]."""
        return [self.captions[index] for index in self.caption_of]

    @classmethod
    def of(
        cls,
        captions: Sequence[str],
        negatives: Sequence[str],
        *,
        categories: Sequence[str] | None = None,
        rules: Sequence[str] | None = None,
        groups: Sequence[object] | None = None,
    ) -> Pairs:
        """Pairs from parallel columns, one entry a pair; equal captions of one group are one caption.

        Without `groups`, pairs of equal captions are a group.

        Raises:
            InputError: the columns are of different lengths, or a text is empty or no string.
        """
        columns = {"captions": captions, "negatives": negatives, "categories": categories, "rules": rules}
        for name, column in {**columns, "groups": groups}.items():
            if column is not None and len(column) != len(captions):
                raise InputError(f"{len(captions)} captions, but {len(column)} {name}: give one of each for each pair.")
        gathered = Gathered("the pairs", "pairs")
        for row, (caption, negative) in enumerate(zip(captions, negatives, strict=True)):
            for name, text in (("caption", caption), ("negative", negative)):
                if not isinstance(text, str) or not text.strip():
                    raise InputError(f"pair {row}: the {name} is {text!r}, but should be a text. Leave the pair out.")
            made = (negative, categories[row] if categories else "", rules[row] if rules else "")
            gathered.add(caption, groups[row] if groups else None, [made], merge=True)
        return gathered.pairs()


Made = tuple[str | None, str | None, str | None]
"""A negative with its category and rule; None where the file has none."""


@dataclass(slots=True)
class _Caption:
    order: int
    text: str
    group: str
    negatives: list[Made]


class Gathered:
    """Collects captions as they are read; of more than `limit` it keeps the `limit` of lowest seeded hash.

    A caption's hash is of the seed, its group and its text, so that the sample depends neither on order nor on
    layout, and memory is bounded by about twice the sample.
    """

    def __init__(self, source: str, layout: str, limit: int | None = None, seed: int = 0) -> None:
        if limit is not None and limit < 1:
            raise InputError(f"a sample of {limit} captions: take at least 1, or None for all.")
        self._source, self._layout, self._limit, self._seed = source, layout, limit, seed
        self._kept: dict[int, list[_Caption]] = {}
        self._threshold = 1 << 64
        self._rows = 0
        self.complete = True
        self.omitted: Counter[str] = Counter()

    def add(self, caption: str | None, group: object, negatives: Sequence[Made], merge: bool) -> None:
        """Take one row. With `merge`, rows of equal caption and group are one caption."""
        self._rows += 1
        if caption is None or not caption.strip():
            self.omitted["rows without a caption"] += 1
            return
        # A missing group must not make strangers siblings: then the caption stands for its picture.
        name = f"caption {caption}" if group is None or group == "" else f"group {group}"
        key = key_of(self._seed, name, caption)
        if key >= self._threshold:
            return
        rows = self._kept.setdefault(key, [])
        if rows and merge:
            rows[0].negatives.extend(negatives)
        else:
            rows.append(_Caption(self._rows, caption, name, list(negatives)))
        if self._limit is not None and len(self._kept) > 2 * self._limit:
            self._prune(self._limit)

    def _prune(self, limit: int) -> None:
        kept = sorted(self._kept)
        self._threshold = kept[limit]
        for key in kept[limit:]:
            del self._kept[key]

    def pairs(self) -> Pairs:
        """What was gathered, in the order of the file."""
        if self._limit is not None and len(self._kept) > self._limit:
            self._prune(self._limit)
        captions = sorted((one for rows in self._kept.values() for one in rows), key=lambda one: one.order)
        numbers: dict[str, int] = {}
        groups = [numbers.setdefault(one.group, len(numbers)) for one in captions]
        owner: list[int] = []
        made: list[tuple[str, str, str]] = []
        for index, one in enumerate(captions):
            for text, category, rule in one.negatives:
                if text is None or not text.strip():
                    self.omitted["empty negatives"] += 1
                    continue
                owner.append(index)
                made.append((text, category or "", rule or ""))
        return Pairs(
            captions=[one.text for one in captions],
            groups=np.array(groups, np.int64),
            caption_of=np.array(owner, np.int64),
            negatives=[text for text, _, _ in made],
            categories=[category for _, category, _ in made],
            rules=[rule for _, _, rule in made],
            source=self._source,
            layout=self._layout,
            rows=self._rows,
            omitted=dict(self.omitted),
            sampled=self._threshold < 1 << 64,
            complete=self.complete,
        )
