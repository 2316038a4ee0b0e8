"""CLIC's batches: two pictures side by side, with what is said of both (arXiv 2505.24424).

The picture of a row and that of the next row of the batch that shows another one are each squashed to half their width.
Four texts are true of the whole: the two captions joined in either order, and twice two further captions of the same
pictures. One is false: the captions with a word of the one and a word of the other exchanged.

Two things are not as published. The words of one part of speech are not found by a parser, which training does without,
but among those that the rows' own negatives have edited; an exchange that breaks number, or a and an, is not made, and
where none is left, the false text has a stored negative of one of the two in the place of its caption. And the further
sentences, which the paper takes from long captions, are sibling captions; where a picture has no other caption they are
its stored positives, and where there are none either, the caption again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from negagen.data.batch import Batch
from negagen.data.concatenation import Joined, Joiner, spoken
from negagen.data.order import Step
from negagen.data.prepared import Prepared
from negagen.data.tokens import Tokenizer
from negagen.errors import DataError
from negagen.seeding import Stream, key_of
from negagen.types import CATEGORIES

_ROLES = {
    "swap_obj": "object",
    "swap_role": "object",
    "replace_obj": "object",
    "swap_att": "attribute",
    "replace_att": "attribute",
    "replace_rel": "relation",
    "replace_count": "count",
}
# What is plural without an s, of what captions speak of.
_PLURALS = ("men", "people", "children", "feet", "teeth", "geese", "mice", "sheep", "cattle")

_KINDS = {"object": CATEGORIES.index("swap_obj"), "attribute": CATEGORIES.index("swap_att")}


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a caption, at code points `[start, end)`, and what it must have in common with one to change with."""

    text: str
    start: int
    end: int
    role: str
    form: str


class Exchange:
    """Makes CLIC's batches: a function of the step alone.

    Args:
        prepared: what to train on.
        tokenizer: for the joined texts.
        seed: of the words exchanged and the sentences taken.

    Raises:
        DataError: no caption has a negative with one edited word, so that nothing can be exchanged.
    """

    def __init__(self, prepared: Prepared, tokenizer: Tokenizer, seed: int = 0) -> None:
        self._prepared, self._seed = prepared, seed
        data = prepared.data
        if not (data.negatives.starts >= 0).any():
            raise DataError(
                f"{data.source}: the layout 'clic' exchanges words that negatives have edited, and there is none with"
                " its edit on record. Make them with `negagen generate`."
            )
        self._tokens = Joiner(prepared, tokenizer)
        groups = data.groups[prepared.rows]
        order = np.argsort(groups, kind="stable")
        self._by_group, self._groups = prepared.rows[order], groups[order]

    def partners(self, step: Step) -> NDArray[np.int64]:
        """For each of this rank's rows the next of the whole batch, in a circle, that shows another picture.

        Raises `DataError` if all rows of the batch show one picture.
        """
        groups = self._prepared.data.groups[step.rows]
        size = len(groups)
        own = np.arange(step.start, step.stop)
        other = (own + 1) % size
        for _ in range(size):
            same = groups[own] == groups[other]
            if not same.any():
                return step.rows[other]
            other[same] = (other[same] + 1) % size
        raise DataError(f"step {step.number}: all {size} rows show one picture: make batch.size larger.")

    def __call__(self, step: Step, left: Tensor | None, right: Tensor | None) -> Batch:
        """The batch of the step: `left` and `right` are uint8 [B, 3, S, S], of its rows and of their partners.

        `positives` is [B, 4], of which the first is the caption and the second the same two captions in the other
        order; `negatives` is [B, 1].
        """
        rows, partners = step.own, self.partners(step)
        data = self._prepared.data
        known: dict[Joined, int] = {}
        positives = np.empty((len(rows), 4), np.int64)
        negatives = np.full((len(rows), 1), -1, np.int64)
        kinds = np.full((len(rows), 1), -1, np.int64)
        for index, (row, partner) in enumerate(zip(rows.tolist(), partners.tolist(), strict=True)):
            stream = Stream(key_of("clic", self._seed, step.epoch, row, partner))
            one, two = int(data.captions[row]), int(data.captions[partner])
            further = [self._further(row, stream), self._further(partner, stream)]
            texts = [(one, two), (two, one), (further[0][0], further[1][0]), (further[1][1], further[0][1])]
            positives[index] = [known.setdefault(pair, len(known)) for pair in texts]
            false = self._exchanged(row, partner, stream) or self._stored(row, partner, stream)
            if false is not None:
                text, kinds[index] = false
                negatives[index] = known.setdefault(text, len(known))
        tokens = self._tokens(list(known))
        # Cut off, the exchange is none.
        there = negatives[:, 0] >= 0
        same = (tokens.ids[positives[there, 0]] == tokens.ids[negatives[there, 0]]).all(dim=1).numpy()
        for values in (negatives, kinds):
            values[np.flatnonzero(there)[same]] = -1
        pair = data.groups[rows].view(np.uint64) + data.groups[partners].view(np.uint64)
        return Batch(
            rows=torch.from_numpy(np.array(rows)),
            groups=torch.from_numpy(pair.view(np.int64)),
            pixels=None if left is None or right is None else side_by_side(left, right),
            texts=tokens,
            captions=torch.from_numpy(positives[:, 0].copy()),
            negatives=torch.from_numpy(negatives),
            positives=torch.from_numpy(positives),
            weights=torch.from_numpy((negatives >= 0).astype(np.float32)),
            kinds=torch.from_numpy(kinds),
        )

    def _further(self, row: int, stream: Stream) -> tuple[int, int]:
        """Two further texts, by number, that are true of the picture of `row`."""
        data = self._prepared.data
        first, last = (np.searchsorted(self._groups, data.groups[row], side) for side in ("left", "right"))
        said = data.captions[self._by_group[first:last]]
        texts = said[said != data.captions[row]].tolist()
        if len(texts) < 2:
            start, stop = data.positives.offsets[row : row + 2].tolist()
            texts += data.positives.texts[start:stop].tolist()
        if not texts:
            texts = [int(data.captions[row])]
        texts = stream.shuffled(texts)
        return texts[0], texts[-1]

    def _exchanged(self, one: int, two: int, stream: Stream) -> tuple[Joined, int] | None:
        """The joined captions with a word of each in the place of the other, and the kind of that; None for none."""
        first, second = self._prepared.data.caption_texts(np.array([one, two]))
        theirs = stream.shuffled(self._words(two, second))
        for word in stream.shuffled(self._words(one, first)):
            for other in theirs:
                if may_change(word, first, other, second):
                    texts = (_replaced(first, word, other.text), _replaced(second, other, word.text))
                    return spoken(*texts), _KINDS.get(word.role, -1)
        return None

    def _stored(self, one: int, two: int, stream: Stream) -> tuple[Joined, int] | None:
        """The joined captions, in the place of one of them a negative of its own, and its kind; None for none."""
        data = self._prepared.data
        found = [
            (place, index)
            for place, row in enumerate((one, two))
            for index in range(*data.negatives.offsets[row : row + 2].tolist())
            if not self._prepared.tokens.same_negatives[index]
        ]
        if not found:
            return None
        place, index = found[stream.below(len(found))]
        text = int(data.negatives.texts[index])
        pair = (text, int(data.captions[two])) if place == 0 else (int(data.captions[one]), text)
        return pair, int(data.negatives.kinds[index])

    def _words(self, row: int, caption: str) -> list[Word]:
        """Single words that negatives of the row replace."""
        choices = self._prepared.data.negatives
        start, stop = choices.offsets[row : row + 2].tolist()
        words = {}
        for kind, begin, end in zip(
            choices.kinds[start:stop].tolist(),
            choices.starts[start:stop].tolist(),
            choices.ends[start:stop].tolist(),
            strict=True,
        ):
            text = caption[begin:end]
            role = _ROLES.get(CATEGORIES[kind], "") if kind >= 0 else ""
            if role and begin >= 0 and text.isalpha():
                words[begin, end] = Word(text, begin, end, role, _form(text, role))
        return list(words.values())


def may_change(word: Word, caption: str, other: Word, other_caption: str) -> bool:
    """Whether the two words may take each other's place: of one role and form, new to the other caption, after a or an
    only if both fit it."""
    if (word.role, word.form) != (other.role, other.form):
        return False
    if word.text.lower() in other_caption.lower().split() or other.text.lower() in caption.lower().split():
        return False
    vowels = [one.text[0].lower() in "aeiou" for one in (word, other)]
    return vowels[0] == vowels[1] or not (_after_article(caption, word) or _after_article(other_caption, other))


def _form(text: str, role: str) -> str:
    """What of a word shows in its ending: number of a noun, form of a verb."""
    text = text.lower()
    if role == "object":
        return "s" if text.endswith(_PLURALS) or (text.endswith("s") and not text.endswith("ss")) else ""
    if role == "relation":
        return next((ending for ending in ("ing", "ed", "s") if text.endswith(ending)), text)
    if role == "count":
        return "one" if text in ("a", "an", "one") else ""
    return ""


def _after_article(caption: str, word: Word) -> bool:
    before = caption[: word.start].lower().split()
    return bool(before) and before[-1] in ("a", "an")


def _replaced(caption: str, word: Word, text: str) -> str:
    text = text.capitalize() if word.text.istitle() else text.lower() if word.text.islower() else text
    return caption[: word.start] + text + caption[word.end :]


def side_by_side(left: Tensor, right: Tensor) -> Tensor:
    """Pictures, uint8 [B, 3, H, W], each squashed to half its width and put beside another: the same shape."""
    width = left.shape[3]
    halves = (width // 2, width - width // 2)
    return torch.cat([_squashed(image, half) for image, half in zip((left, right), halves, strict=True)], dim=3)


def _squashed(image: Tensor, width: int) -> Tensor:
    if image.shape[3] == 2 * width:
        return ((image[..., ::2].short() + image[..., 1::2] + 1) >> 1).to(torch.uint8)
    size = (image.shape[2], width)
    return functional.interpolate(image.float(), size, mode="area").round().to(torch.uint8)
