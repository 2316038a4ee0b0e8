"""Each caption with its negatives beside it as one block of tokens, for trainers of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan, nan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate

from negagen.collector import uncollected
from negagen.data.batch import Batch, Texts
from negagen.data.draw import Draw
from negagen.data.tokens import Tokenizer, encode
from negagen.data.trainingset import Choices
from negagen.errors import DataError
from negagen.seeding import key_of
from negagen.types import CATEGORIES, Negative

if TYPE_CHECKING:
    from negagen.data.augmentation import NegativeAugmentation

_KINDS = {name: number for number, name in enumerate(CATEGORIES)}


@dataclass(frozen=True, slots=True)
class Grouped:
    """B captions with up to K negatives each.

    Attributes:
        tokens: int64 [B, 1 + K, L], the caption first, L the tokens of the longest text; where there is no negative,
            the caption's once more.
        mask: bool [B, 1 + K], which texts exist; the caption always does.
        weights: float32 [B, K], confidence that a negative is false, 0 where there is none.
        kinds: int64 [B, K], index into `negagen.types.CATEGORIES`; -1 where there is none, or no named category.
        spans: int64 [B, K, 2], the tokens `[start, stop)` of each negative that are not its caption's; (0, 0) where
            there is none. Of an edit in two places, and where both texts are cut off at the context's length and
            differ in length before, all between is in it.
        caption_spans: int64 [B, K, 2], the tokens of the caption that stand in their place; empty for an insertion.
        cut: negatives that are masked since their tokens are the caption's: the edit is cut off by the context's
            length, or the tokenizer does not see it.
        others: further columns, as `torch.utils.data.default_collate` joins them.
    """

    tokens: Tensor
    mask: Tensor
    weights: Tensor
    kinds: Tensor
    spans: Tensor
    caption_spans: Tensor
    cut: int = 0
    others: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.tokens.shape[0])

    def to(self, device: torch.device | str, non_blocking: bool = True) -> Grouped:
        """The same on `device`."""
        return self._mapped(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Grouped:
        """The same in page-locked memory; torch's `DataLoader(pin_memory=True)` calls this."""
        return self._mapped(lambda tensor: tensor.pin_memory())

    def _mapped(self, function: Callable[[Tensor], Tensor]) -> Grouped:
        names = ("tokens", "mask", "weights", "kinds", "spans", "caption_spans")
        others = {name: function(one) if isinstance(one, Tensor) else one for name, one in self.others.items()}
        tensors: dict[str, Any] = {name: function(getattr(self, name)) for name in names}
        return replace(self, others=others, **tensors)


def grouped(batch: Batch) -> Grouped:
    """The captions and negatives of `batch`, as `Batches` makes it; its `rows`, `groups` and `pixels` are `others`."""
    others = {name: getattr(batch, name) for name in ("rows", "groups", "pixels")}
    found = _grouped(batch.texts, batch.captions, batch.negatives, batch.weights, batch.kinds)
    return replace(found, others={name: value for name, value in others.items() if value is not None})


def _grouped(texts: Texts, captions: Tensor, negatives: Tensor, weights: Tensor, kinds: Tensor) -> Grouped:
    there = negatives >= 0
    indices = torch.cat([captions[:, None], torch.where(there, negatives, captions[:, None])], dim=1)
    tokens, lengths = texts.ids[indices], texts.lengths[indices]
    before, after = _common(tokens, lengths)
    length, own = lengths[:, 1:], lengths[:, :1]
    same = there & (before == length) & (before == own)
    mask = there & ~same
    spans, caption_spans = (
        torch.stack([before, whole - after], dim=-1) * mask[..., None] for whole in (length, own.expand_as(length))
    )
    return Grouped(
        tokens=tokens,
        mask=torch.cat([torch.ones_like(captions, dtype=torch.bool)[:, None], mask], dim=1),
        weights=weights * mask,
        kinds=torch.where(mask, kinds, -1),
        spans=spans,
        caption_spans=caption_spans,
        cut=int(same.sum()),
    )


def _common(tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """How many tokens each negative begins and, of the rest, ends with in common with its caption: int64 [B, K]."""
    caption, negative = tokens[:, :1], tokens[:, 1:]
    own, length = lengths[:, :1, None], lengths[:, 1:, None]
    place = torch.arange(tokens.shape[2], device=tokens.device)
    shorter = torch.minimum(own, length)
    before = ((caption == negative) & (place < shorter)).long().cumprod(-1).sum(-1)
    # From the end.
    ends = (
        texts.gather(2, (size - 1 - place).clamp(min=0).expand_as(negative))
        for texts, size in ((caption.expand_as(negative), own), (negative, length))
    )
    last_own, last = ends
    after = ((last_own == last) & (place < shorter - before[..., None])).long().cumprod(-1).sum(-1)
    return before, after


class Collator:
    """Makes a `Grouped` of samples: a `collate_fn` of torch's `DataLoader`, a `map` of WebDataset's pipelines.

    A sample is a mapping with a caption and its negatives: texts, `negagen.Negative`s, or mappings with `text` and, if
    there, `weight` and `category`, as `negagen generate` writes them and `HardNegatives.samples` gives them. The first
    k are taken; of a pool (`generate --pool`) k are drawn, as `negagen.data.draw.Draw` does, by seed, `epoch` and the
    sample's key. `epoch`, set in the process that made the collator, holds in all workers.

    Args:
        tokenizer: see `negagen.data.Tokenizer`.
        k: negatives a caption.
        caption: the samples' key of the caption.
        negatives: their key of the negatives.
        augment: makes the negatives, where samples have none; `epoch` is then its own.
        key: the samples' key that tells apart rows of equal captions, for draws and for `augment`.
        seed: of draws from pools.
        others: further keys to join.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        k: int = 4,
        *,
        caption: str = "caption",
        negatives: str = "negatives",
        augment: NegativeAugmentation | None = None,
        key: str | None = None,
        seed: int = 0,
        others: Sequence[str] = (),
    ) -> None:
        self._tokenizer, self._k, self._augment, self._seed = tokenizer, k, augment, seed
        self._epoch = torch.tensor([0]).share_memory_()  # type: ignore[no-untyped-call]
        self._caption, self._negatives, self._key, self._others = caption, negatives, key, tuple(others)

    @property
    def epoch(self) -> int:
        """What draws depend on beside seed and key; set it before each pass."""
        return int(self._epoch[0]) if self._augment is None else self._augment.epoch

    @epoch.setter
    def epoch(self, value: int) -> None:
        if self._augment is None:
            self._epoch[0] = value
        else:
            self._augment.epoch = value

    def __call__(self, samples: Sequence[Mapping[str, Any]]) -> Grouped:
        """The samples as one. Raises `DataError` for one that lacks a key or whose negatives are none, and if there are
        no samples."""
        if not len(samples):
            raise DataError("a batch of no samples: a Collator makes a block of one sample or more.")
        with uncollected():
            return self._joined(samples)

    def _joined(self, samples: Sequence[Mapping[str, Any]]) -> Grouped:
        captions = [self._of(sample, self._caption, at) for at, sample in enumerate(samples)]
        for at, caption in enumerate(captions):
            if not isinstance(caption, str):
                raise DataError(f"sample {at}: {self._caption!r} is {type(caption).__name__}, but a caption is text.")
        keys = None if self._key is None else [self._of(one, self._key, at) for at, one in enumerate(samples)]
        if self._augment is None:
            given = [self._of(sample, self._negatives, at) for at, sample in enumerate(samples)]
            lists = self._chosen(
                [[_taken(one, at) for one in found] for at, found in enumerate(given)], keys or captions
            )
        else:
            lists = [[_taken(one, at) for one in found] for at, found in enumerate(self._augment(captions, keys))]
        numbers = {text: number for number, text in enumerate(dict.fromkeys(captions))}
        shape = len(samples), self._k
        negatives, weights, kinds = (
            np.full(shape, -1, np.int64),
            np.zeros(shape, np.float32),
            np.full(shape, -1, np.int64),
        )
        counts = np.fromiter((min(len(found), self._k) for found in lists), np.int64, len(lists))
        there = np.arange(self._k) < counts[:, None]
        flat = [one for found in lists for one in found[: self._k]]
        negatives[there] = [numbers.setdefault(one.text, len(numbers)) for one in flat]
        weights[there] = [one.weight for one in flat]
        kinds[there] = [one.kind for one in flat]
        own = torch.tensor([numbers[text] for text in captions], dtype=torch.int64)
        found = (torch.from_numpy(values) for values in (negatives, weights, kinds))
        made = _grouped(encode(self._tokenizer, list(numbers)), own, *found)
        joined = {
            name: default_collate([self._of(sample, name, at) for at, sample in enumerate(samples)])
            for name in self._others
        }
        return replace(made, others=joined)

    def _chosen(self, lists: list[list[_Taken]], keys: Sequence[object]) -> list[list[_Taken]]:
        """`lists`, those of pools replaced by what is drawn from them."""
        rows = [row for row, found in enumerate(lists) if any(not isnan(one.draw) for one in found)]
        if not rows:
            return lists
        flat = [one for row in rows for one in lists[row]]
        choices = Choices(
            offsets=np.cumsum([0, *(len(lists[row]) for row in rows)], dtype=np.int64),
            texts=np.arange(len(flat), dtype=np.int32),
            weights=np.array([one.weight for one in flat], np.float32),
            kinds=np.array([one.kind for one in flat], np.int8),
            starts=np.full(len(flat), -1, np.int32),
            ends=np.full(len(flat), -1, np.int32),
            draws=np.array([one.draw for one in flat], np.float32),
        )
        numbers = np.array([key_of("sample", keys[row]) for row in rows], np.uint64)
        found, forced = Draw(choices, self._k, seed=self._seed, numbers=numbers).drawn(np.arange(len(rows)), self.epoch)
        out = list(lists)
        for row, indices, alone in zip(rows, found.tolist(), forced.tolist(), strict=True):
            mine = [flat[index] for index in indices if index >= 0]
            out[row] = [one._replace(weight=one.weight / 2) for one in mine] if alone else mine
        return out

    def _of(self, sample: Mapping[str, Any], name: str, at: int) -> Any:
        try:
            return sample[name]
        except (KeyError, TypeError, IndexError) as error:
            keys = ", ".join(map(repr, sample)) if isinstance(sample, Mapping) else f"a {type(sample).__name__}"
            raise DataError(f"sample {at} has no {name!r}; it has {keys}.") from error


class _Taken(NamedTuple):
    text: str
    weight: float = 1.0
    kind: int = -1
    draw: float = nan


def _taken(one: Any, at: int) -> _Taken:
    if isinstance(one, str):
        return _Taken(one)
    if isinstance(one, Negative):
        return _Taken(one.text, one.weight, _KINDS.get(one.category, -1), one.scores.get("draw", nan))
    if isinstance(one, Mapping) and isinstance(one.get("text"), str):
        weight, draw = one.get("weight"), (one.get("scores") or {}).get("draw")
        kind = _KINDS.get(str(one.get("category")), -1)
        return _Taken(one["text"], 1.0 if weight is None else float(weight), kind, nan if draw is None else float(draw))
    raise DataError(f"sample {at}: a negative is {one!r}, but should be a text, or a mapping with a text in 'text'.")
