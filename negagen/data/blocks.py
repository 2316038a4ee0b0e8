"""Each caption with its negatives beside it as one block of tokens, for trainers of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import default_collate

from negagen.data.batch import Batch, Texts
from negagen.data.tokens import Tokenizer, encode
from negagen.errors import DataError
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
    k are taken.

    Args:
        tokenizer: see `negagen.data.Tokenizer`.
        k: negatives a caption.
        caption: the samples' key of the caption.
        negatives: their key of the negatives.
        augment: makes the negatives, where samples have none.
        key: with `augment`, the samples' key that tells apart rows of equal captions.
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
        others: Sequence[str] = (),
    ) -> None:
        self._tokenizer, self._k, self._augment = tokenizer, k, augment
        self._caption, self._negatives, self._key, self._others = caption, negatives, key, tuple(others)

    def __call__(self, samples: Sequence[Mapping[str, Any]]) -> Grouped:
        """The samples as one. Raises `DataError` for one that lacks a key or whose negatives are none."""
        captions = [self._of(sample, self._caption, at) for at, sample in enumerate(samples)]
        for at, caption in enumerate(captions):
            if not isinstance(caption, str):
                raise DataError(f"sample {at}: {self._caption!r} is {type(caption).__name__}, but a caption is text.")
        if self._augment is None:
            lists = [self._of(sample, self._negatives, at) for at, sample in enumerate(samples)]
        else:
            keys = None if self._key is None else [self._of(one, self._key, at) for at, one in enumerate(samples)]
            lists = self._augment(captions, keys)
        numbers = {text: number for number, text in enumerate(dict.fromkeys(captions))}
        negatives = torch.full((len(samples), self._k), -1, dtype=torch.int64)
        weights = torch.zeros((len(samples), self._k))
        kinds = torch.full((len(samples), self._k), -1, dtype=torch.int64)
        for at, found in enumerate(lists):
            for place, one in enumerate(list(found)[: self._k]):
                text, weight, category = _taken(one, at)
                negatives[at, place] = numbers.setdefault(text, len(numbers))
                weights[at, place] = weight
                kinds[at, place] = _KINDS.get(category, -1)
        own = torch.tensor([numbers[text] for text in captions], dtype=torch.int64)
        made = _grouped(encode(self._tokenizer, list(numbers)), own, negatives, weights, kinds)
        joined = {
            name: default_collate([self._of(sample, name, at) for at, sample in enumerate(samples)])
            for name in self._others
        }
        return replace(made, others=joined)

    def _of(self, sample: Mapping[str, Any], name: str, at: int) -> Any:
        try:
            return sample[name]
        except (KeyError, TypeError, IndexError) as error:
            keys = ", ".join(map(repr, sample)) if isinstance(sample, Mapping) else f"a {type(sample).__name__}"
            raise DataError(f"sample {at} has no {name!r}; it has {keys}.") from error


def _taken(one: Any, at: int) -> tuple[str, float, str]:
    """Text, weight and category of a negative."""
    if isinstance(one, str):
        return one, 1.0, ""
    if isinstance(one, Negative):
        return one.text, one.weight, one.category
    if isinstance(one, Mapping) and isinstance(one.get("text"), str):
        weight = one.get("weight")
        return one["text"], 1.0 if weight is None else float(weight), str(one.get("category") or "")
    raise DataError(f"sample {at}: a negative is {one!r}, but should be a text, or a mapping with a text in 'text'.")
