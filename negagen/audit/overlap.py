"""How much of a file stands in a benchmark: training on what one is tested with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.fuzz import token_sort_ratio

from negagen.audit.formats import Columns, load, read_objects
from negagen.audit.pairs import Pairs
from negagen.audit.tokens import folded
from negagen.batch.opening import explained
from negagen.batch.readers import batches, survey
from negagen.batch.schema import is_text
from negagen.errors import InputError
from negagen.seeding import key_of

NEAR = 95.0
"""rapidfuzz's `token_sort_ratio` from which two texts are near duplicates."""
_NAMES = ("caption", "title", "text", "sentence", "positive", "caption1")
_NEGATIVES = ("negative_caption", "negative", "foil")


@dataclass(frozen=True, slots=True)
class Shared:
    """Of `texts` texts, `exact` say what a benchmark text says, without case and marks; `near` are near duplicates."""

    texts: int
    exact: int
    near: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a file has in common with the `texts` distinct texts (captions and negatives) of a benchmark.

    `touched` of these have an exact or near duplicate in the file.
    """

    benchmark: str
    texts: int
    touched: int
    captions: Shared
    negatives: Shared

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def overlap(pairs: Pairs, benchmark: Path | str) -> Overlap:
    """Compare the captions and the negatives of `pairs` with the texts of the file `benchmark`.

    Near duplicates are looked for among texts that have all words but one, on either side, in common.

    Raises:
        InputError: the benchmark cannot be read.
    """
    path = Path(benchmark)
    index = _Index(sorted(set(folded(texts_of(path))) - {""}))
    touched: set[int] = set()
    captions = _shared(index, pairs.captions, touched)
    negatives = _shared(index, pairs.negatives, touched)
    return Overlap(str(path), len(index.texts), len(touched), captions, negatives)


def texts_of(path: Path) -> list[str]:
    """All texts of a file: pairs in any layout that `load` knows, a text a line (.txt), or a column of captions.

    Raises `InputError` if no column is clearly the captions.
    """
    kind = path.suffix.lower()
    if kind == ".txt":
        with explained(path):
            return path.read_text(encoding="utf-8-sig").splitlines()
    if kind == ".json":
        rows = read_objects(path)
        known = {name for row in rows for name in row}
        columns = [name for name in (*_NAMES, "caption2", *_NEGATIVES) if name in known]
        if not columns:
            raise InputError(f"{path}: its objects have none of the fields {', '.join((*_NAMES, *_NEGATIVES))}.")
        return [row[name] for row in rows for name in columns if isinstance(row.get(name), str)]
    file = survey(path)
    names = [field.name for field in file.schema if is_text(field.type)]
    if {"title", "neg_caption"} <= set(names) or "negatives" in file.schema.names:
        pairs = load(path, Columns())
        return [*pairs.captions, *pairs.negatives]
    found = [name for name in (*_NAMES, *_NEGATIVES) if name in names] or (names if len(names) == 1 else [])
    if not found:
        raise InputError(
            f"{path}: none of its columns {names} is named {', '.join(_NAMES)}. Rename the captions' column."
        )
    out: list[str] = []
    for batch in batches(file, columns=[name for name in file.schema.names if name in found]):
        for column in batch.columns:
            out += [text for text in column.to_pylist() if text]
    return out


class _Index:
    """Folded texts, found again by their words or by all their words but one."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.exact = {text: number for number, text in enumerate(texts)}
        self._word_keys: dict[str, int] = {}
        owners, keys = self.signatures(texts)
        order = np.argsort(keys, kind="stable")
        self._keys, self._owners = keys[order], owners[order]

    def signatures(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """For each text the sum of its words' keys, and each such sum less one word: (number of the text, key)."""
        known = self._word_keys
        words = [text.split() for text in texts]
        lengths = np.array([len(some) for some in words], np.int64)
        flat = [word for some in words for word in some]
        keys = np.array([known[w] if w in known else known.setdefault(w, key_of(w)) for w in flat], np.uint64)
        owners = np.repeat(np.arange(len(texts)), lengths)
        sums = np.zeros(len(texts), np.uint64)
        np.add.at(sums, owners, keys)
        return np.concatenate([np.arange(len(texts)), owners]), np.concatenate([sums, sums[owners] - keys])

    def candidates(self, texts: Sequence[str]) -> dict[int, set[int]]:
        """Numbers of indexed texts that may be near to each text, by the number of that text."""
        found: dict[int, set[int]] = defaultdict(set)
        if not len(self._keys):
            return found
        owners, keys = self.signatures(texts)
        starts, stops = np.searchsorted(self._keys, keys, "left"), np.searchsorted(self._keys, keys, "right")
        for at in np.flatnonzero(stops > starts):
            found[int(owners[at])].update(self._owners[starts[at] : stops[at]].tolist())
        return found


def _shared(index: _Index, texts: Sequence[str], touched: set[int]) -> Shared:
    own = folded(texts)
    exact = {number for number, text in enumerate(own) if text in index.exact}
    touched.update(index.exact[own[number]] for number in exact)
    others = [number for number in range(len(own)) if number not in exact and own[number]]
    near = 0
    for place, candidates in index.candidates([own[number] for number in others]).items():
        text = own[others[place]]
        hits = [one for one in candidates if token_sort_ratio(text, index.texts[one], score_cutoff=NEAR) >= NEAR]
        near += bool(hits)
        touched.update(hits)
    return Shared(len(own), len(exact), near)
