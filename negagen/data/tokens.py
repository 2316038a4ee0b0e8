"""Texts as tokens: tokenised once, kept flat, and padded only when a batch asks for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from negagen.data import store
from negagen.data.batch import Texts
from negagen.data.strings import Strings
from negagen.data.trainingset import Choices, TrainingSet
from negagen.data.wordwise import Wordwise, is_local
from negagen.errors import ModelError

VERSION = 1
_BATCH = 8192


class Tokenizer(Protocol):
    """Makes tokens of texts. Bring your own, or wrap that of a model (`HuggingFaceTokenizer`).

    `fingerprint` must change with everything that changes the tokens; `context_length` is the most that a text may
    have.
    """

    @property
    def fingerprint(self) -> str:
        """Equal for two tokenizers exactly if they give the same tokens."""
        ...

    @property
    def pad_id(self) -> int:
        """What shorter texts are filled up with."""
        ...

    @property
    def context_length(self) -> int:
        """The most tokens of a text, its marks of start and end included."""
        ...

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text with its marks, cut to `context_length` so that the mark of the end stays."""
        ...


class HuggingFaceTokenizer:
    """A tokenizer of `transformers`, fast or slow.

    Raises:
        ModelError: it has no token for padding.
    """

    def __init__(self, tokenizer: Any, context_length: int) -> None:
        pad = tokenizer.pad_token_id
        if pad is None:
            pad = tokenizer.eos_token_id
        if pad is None:
            raise ModelError(
                f"the tokenizer {type(tokenizer).__name__} has neither a token for padding nor one for the end of a"
                " text: set `pad_token` in its tokenizer_config.json."
            )
        self._tokenizer = tokenizer
        self._pad_id = int(pad)
        self._context_length = context_length
        self._fingerprint = store.digest(repr((_described(tokenizer), context_length, pad)))
        self._inner = _inner(tokenizer, context_length)
        local = self._inner is not None and is_local(self._inner)
        self._wordwise = Wordwise(self._inner, context_length) if local else None
        self._lock = Lock()

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    @property
    def pad_id(self) -> int:
        return self._pad_id

    @property
    def context_length(self) -> int:
        return self._context_length

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        if self._wordwise is not None:
            return self._wordwise(texts)
        if self._inner is not None:
            return [found.ids for found in self._inner.encode_batch_fast(list(texts))]
        # The tokenizer keeps its way of truncation as state, which two threads must not set at a time.
        with self._lock:
            found = self._tokenizer(
                list(texts), truncation=True, max_length=self._context_length, return_attention_mask=False
            )
        ids: list[list[int]] = found["input_ids"]
        return ids

    def __reduce__(self) -> tuple[Any, ...]:
        return HuggingFaceTokenizer, (self._tokenizer, self._context_length)


def _inner(tokenizer: Any, context_length: int) -> Any:
    """A copy of the compiled tokenizer inside one of `transformers`, set to cut; None where there is none.

    Asked directly it gives the same tokens in two thirds of the time, since nothing else is made: no offsets, no masks.
    None also where the class has its own way of calling it.
    """
    inner = getattr(tokenizer, "backend_tokenizer", None)
    ways = [getattr(type(tokenizer), name, None) for name in ("__call__", "_encode_plus", "_batch_encode_plus")]
    if inner is None or any(way and not way.__module__.startswith("transformers.tokenization_utils") for way in ways):
        return None
    copy = type(inner).from_str(inner.to_str())
    copy.no_padding()
    copy.enable_truncation(context_length, direction=tokenizer.truncation_side)
    copy.encode_special_tokens = tokenizer.split_special_tokens
    return copy


def _described(tokenizer: Any) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        state = json.loads(backend.to_str())
        # What the last call asked for, not what the tokenizer is.
        state.pop("truncation", None)
        state.pop("padding", None)
        return json.dumps(state, sort_keys=True)
    return f"{type(tokenizer).__name__} {sorted(tokenizer.get_vocab().items())} {tokenizer.special_tokens_map}"


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> Texts:
    """`texts`, tokenised and padded to the longest."""
    ids = tokenizer(texts)
    lengths = np.fromiter(map(len, ids), np.int64, len(ids))
    flat = np.fromiter(chain.from_iterable(ids), np.int64, int(lengths.sum()))
    return padded(flat, np.cumsum(lengths) - lengths, lengths, tokenizer.pad_id)


def padded(flat: NDArray[np.integer], starts: NDArray[np.int64], lengths: NDArray[np.int64], pad_id: int) -> Texts:
    """Texts whose tokens are `flat[start : start + length]`, filled up with `pad_id` to the longest."""
    width = int(lengths.max()) if len(lengths) else 0
    columns = np.arange(width)
    inside = columns < lengths[:, None]
    ids = np.full(inside.shape, pad_id, np.int64)
    ids[inside] = flat[(starts[:, None] + columns)[inside]]
    return Texts(torch.from_numpy(ids), torch.from_numpy(lengths))


@dataclass(frozen=True, slots=True)
class TokenTable:
    """The tokens of T texts: those of text t are `ids[offsets[t] : offsets[t + 1]]` (uint16 or int32), mapped.

    `same_negatives` and `same_positives` (bool, as long as the set's choices) tell which of them have the very tokens
    of their caption: their edit is cut off by `context_length`, or the tokenizer does not see it.
    """

    ids: NDArray[np.integer]
    offsets: NDArray[np.int64]
    same_negatives: NDArray[np.bool_]
    same_positives: NDArray[np.bool_]
    pad_id: int
    context_length: int
    fingerprint: str
    folder: Path | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __reduce__(self) -> tuple[Any, ...]:
        """A process that is started maps the files anew."""
        if self.folder is not None:
            return TokenTable.open, (self.folder,)
        names = ("ids", "offsets", "same_negatives", "same_positives", "pad_id", "context_length", "fingerprint")
        return TokenTable, tuple(getattr(self, name) for name in names)

    def take(self, texts: NDArray[np.integer]) -> Texts:
        """The tokens of `texts`, padded to the longest of them."""
        starts = self.offsets[texts]
        return padded(self.ids, starts, self.offsets[np.asarray(texts) + 1] - starts, self.pad_id)

    @classmethod
    def open(cls, folder: Path) -> TokenTable:
        """What `tokenise` has written. Raises `DataError`."""
        arrays, about = store.load(folder)
        return cls(
            ids=arrays["ids"],
            offsets=arrays["offsets"],
            same_negatives=arrays["same_negatives"],
            same_positives=arrays["same_positives"],
            pad_id=about["pad_id"],
            context_length=about["context_length"],
            fingerprint=about["fingerprint"],
            folder=folder,
        )


def tokenise(
    data: TrainingSet, tokenizer: Tokenizer, folder: Path, tell: Callable[[int, int], None] | None = None
) -> TokenTable:
    """The tokens of all texts of `data`, in a folder under `folder`; made unless it is there.

    `tell` hears how many texts are done, of how many. Raises `OutputError`.
    """
    fingerprint = store.digest(repr((VERSION, data.fingerprint, tokenizer.fingerprint)))
    place = folder / fingerprint
    with store.locked(folder / f"{fingerprint}.lock"):
        if not place.exists():
            ids, offsets = _all_tokens(data.texts, tokenizer, tell)
            arrays = {
                "ids": ids,
                "offsets": offsets,
                "same_negatives": _same(ids, offsets, data.captions, data.negatives),
                "same_positives": _same(ids, offsets, data.captions, data.positives),
            }
            length = tokenizer.context_length
            about = {"pad_id": tokenizer.pad_id, "context_length": length, "fingerprint": fingerprint}
            store.save(place, arrays, about)
    return TokenTable.open(place)


def _all_tokens(
    texts: Strings, tokenizer: Tokenizer, tell: Callable[[int, int], None] | None
) -> tuple[NDArray[np.integer], NDArray[np.int64]]:
    lengths = np.zeros(len(texts) + 1, np.int64)
    parts: list[NDArray[np.integer]] = []
    for start in range(0, len(texts), _BATCH):
        stop = min(start + _BATCH, len(texts))
        made = tokenizer(texts.take(np.arange(start, stop)))
        lengths[start + 1 : stop + 1] = [len(ids) for ids in made]
        flat = np.fromiter(chain.from_iterable(made), np.int32, int(lengths[start + 1 : stop + 1].sum()))
        parts.append(flat.astype(np.uint16) if not len(flat) or flat.max() < 1 << 16 else flat)
        if tell is not None:
            tell(stop, len(texts))
    return np.concatenate(parts), np.cumsum(lengths)


def _same(
    ids: NDArray[np.integer], offsets: NDArray[np.int64], captions: NDArray[np.int32], choices: Choices
) -> NDArray[np.bool_]:
    """Which of `choices` have the same tokens as their caption."""
    own = captions[choices.owners()]
    lengths = np.diff(offsets)
    same: NDArray[np.bool_] = lengths[own] == lengths[choices.texts]
    left = np.flatnonzero(same)
    at = 0
    # Token by token: nearly all are out after a few.
    while len(left):
        left = left[lengths[own[left]] > at]
        differ = ids[offsets[own[left]] + at] != ids[offsets[choices.texts[left]] + at]
        same[left[differ]] = False
        left = left[~differ]
        at += 1
    return same
