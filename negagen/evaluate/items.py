"""What a benchmark is made of: pictures, texts, and which belong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from hashlib import blake2b
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from negagen.seeding import key_of

Task = Literal["text", "image", "match"]
Role = Literal["composition", "retention"]


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: a file's name, to be found among the folders of pictures, or its bytes.

    `box` is the part that is looked at: left, top, right, bottom in pixels.
    """

    name: str
    data: bytes | None = field(default=None, repr=False)
    box: tuple[int, int, int, int] | None = None

    @property
    def key(self) -> str:
        """Equal keys are equal pictures, within one set of folders."""
        source = f"name {self.name}" if self.data is None else blake2b(self.data, digest_size=16).hexdigest()
        return source if self.box is None else f"{source} {self.box}"


@dataclass(frozen=True, slots=True)
class Item:
    """One question.

    For task "text": one picture, and `texts` of which the first `true` are true of it (the caption, then paraphrases)
    and the others are not. For "image": one text, and pictures of which the first shows it. For "match": two pictures,
    and two texts in their order. `group` tells which items share a picture, for intervals. `sets` names sets of items
    of which all must be right: pairs of (kind, name).
    """

    id: str
    category: str
    group: str
    pictures: tuple[Picture, ...]
    texts: tuple[str, ...]
    true: int = 1
    sets: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Contents:
    """What every benchmark says of the files that it was read from.

    `skipped` counts what they hold and cannot be asked, by reason; `found` is all that they hold. `notes` are counts of
    what was changed rather than skipped. `limited` tells that only a sample of them is here. `folders` are where
    pictures are looked for beside those that the user names.
    """

    name: str
    _: KW_ONLY
    found: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[str, int] = field(default_factory=dict)
    limited: bool = False
    role: Role = "retention"
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choices(Contents):
    """A benchmark of single questions.

    `headline` is the score that stands for it, `together` what it calls that all true texts are above all false ones;
    `macro` tells that scores are means over categories, of which `outside_macro` and those of fewer than `least` items
    are left out. `text_only` adds SugarCrepe++'s TOT.
    """

    task: Task
    items: tuple[Item, ...]
    headline: str
    macro: bool = False
    text_only: bool = False
    together: str = "consistency"
    outside_macro: frozenset[str] = frozenset()
    least: int = 1
    role: Role = field(default="composition", kw_only=True)

    def pictures(self) -> list[Picture]:
        """All pictures, once for each time they are used."""
        return [picture for item in self.items for picture in item.pictures]


@dataclass(frozen=True, slots=True)
class Retrieval(Contents):
    """M captions of N pictures: `owners` (int64 [M]) says whose each is."""

    images: tuple[Picture, ...]
    captions: tuple[str, ...]
    owners: NDArray[np.int64]
    categories: tuple[str, ...] = ()
    headline: str = "R@1"

    def pictures(self) -> list[Picture]:
        """The pictures."""
        return list(self.images)


@dataclass(frozen=True, slots=True)
class Classification(Contents):
    """N pictures with `labels` (int64 [N]), indices into `classes`, whose names stand in each of `templates`."""

    images: tuple[Picture, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    headline: str = "top1"

    def pictures(self) -> list[Picture]:
        """The pictures."""
        return list(self.images)


Benchmark = Choices | Retrieval | Classification


def sampled(benchmark: Benchmark, limit: int | None, seed: int = 0) -> Benchmark:
    """At most `limit` items (pictures, where there are no items), those of lowest seeded hash; None for all."""
    if isinstance(benchmark, Choices):
        kept = _lowest([item.id for item in benchmark.items], limit, seed)
        if len(kept) == len(benchmark.items):
            return benchmark
        return replace(benchmark, items=tuple(benchmark.items[index] for index in kept), limited=True)
    kept = _lowest([str(index) for index in range(len(benchmark.images))], limit, seed)
    if len(kept) == len(benchmark.images):
        return benchmark
    return only(replace(benchmark, limited=True), kept)


def only(benchmark: Benchmark, kept: Sequence[int]) -> Benchmark:
    """The benchmark with the pictures of the indices `kept` alone; of `Choices`, with those items."""
    if isinstance(benchmark, Choices):
        return replace(benchmark, items=tuple(benchmark.items[index] for index in kept))
    images = tuple(benchmark.images[index] for index in kept)
    if isinstance(benchmark, Classification):
        return replace(benchmark, images=images, labels=benchmark.labels[np.array(kept, np.int64)])
    place = {old: new for new, old in enumerate(kept)}
    texts = [row for row, owner in enumerate(benchmark.owners) if int(owner) in place]
    return replace(
        benchmark,
        images=images,
        captions=tuple(benchmark.captions[row] for row in texts),
        owners=np.array([place[int(benchmark.owners[row])] for row in texts], np.int64),
        categories=tuple(benchmark.categories[row] for row in texts) if benchmark.categories else (),
    )


def same_text(text: str) -> str:
    """What two texts have in common that differ in case and spacing alone: CLIP's tokenizer cannot tell them apart."""
    return " ".join(text.casefold().split())


class Gathering:
    """Collects the items of a benchmark as its files are read, and counts what cannot be asked."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.skipped: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.found = 0
        self._ids: set[str] = set()

    def skip(self, reason: str) -> None:
        """Count one that cannot be asked."""
        self.found += 1
        self.skipped[reason] += 1

    def add(
        self,
        name: object,
        category: object,
        pictures: Sequence[Picture],
        true: Sequence[object],
        false: Sequence[object] = (),
        *,
        group: str | None = None,
        sets: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Take the question of the id `name`; `true` and `false` texts must be strings that say something.

        False texts that say what a true one says are left out and counted; without any left so is the item. Items of
        an id seen before are left out and counted.
        """
        texts = [*true, *false]
        if not true or not all(isinstance(text, str) and text.strip() for text in texts):
            self.skip("a text is missing")
            return
        if str(name) in self._ids:
            self.skip("its id came before")
            return
        said = {same_text(str(text)) for text in true}
        left = [str(text) for text in dict.fromkeys(false) if same_text(str(text)) not in said]
        if len(false) and not left:
            self.skip("caption and negative are the same text")
            return
        if dropped := len(dict.fromkeys(false)) - len(left):
            self.notes["negatives that say what their caption says, left out"] += dropped
        self.found += 1
        self._ids.add(str(name))
        named = tuple(str(text) for text in true)
        kind = "" if category is None else str(category)
        self.items.append(
            Item(str(name), kind, group or pictures[0].key, tuple(pictures), (*named, *left), len(named), sets)
        )


def _lowest(ids: Sequence[str], limit: int | None, seed: int) -> list[int]:
    if limit is None or len(ids) <= limit:
        return list(range(len(ids)))
    return sorted(sorted(range(len(ids)), key=lambda index: key_of("sample", seed, ids[index]))[:limit])
