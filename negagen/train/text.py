"""Texts packed for a causal text tower: a beginning that several texts share is computed once.

A causal tower that pools at the end-of-text token computes for every token a state that depends on the tokens before
it alone. Two texts that begin alike have, so far, the same states. Sorted, the texts of a batch are a tree of tokens;
`pack` cuts the tree into groups small enough for one attention tile and lays each group out in depth-first order.
There token j is an ancestor of token i, and may be attended to, exactly if j <= i < exits[j].

The result is exact: the same features and gradients as from texts padded to the context's length. Padding costs
nothing, and a negative that differs from its caption in one word costs what comes after that word.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from negagen.data.batch import Texts

GROUP = 64  # tokens attended to together: one tile of the attention kernel
ROUND = 256  # the number of tokens is rounded up to this: matrix products run best on round sizes


@dataclass(frozen=True, slots=True)
class PackedTexts:
    """Texts as the tokens that remain to be computed, made by `pack`; all int64 but for the int32 that kernels read.

    ids, positions [N]: token ids and places in their text, groups one after another, filled up to a round N.
    exits int32 [N]: the packed index at which the subtree of a token ends.
    starts int32 [G+1]: where each group begins; `starts[-1]` is N.
    ends [T]: the packed index of the token at which each text is pooled.
    tile: a power of two that no group is larger than; the attention kernel works on tiles of this size.
    """

    ids: Tensor
    positions: Tensor
    exits: Tensor
    starts: Tensor
    ends: Tensor
    tile: int

    def to(self, device: torch.device | str, *, non_blocking: bool = True) -> PackedTexts:
        """Return the same texts on `device`."""
        moved = {
            field.name: getattr(self, field.name).to(device, non_blocking=non_blocking)
            for field in fields(self)
            if field.name != "tile"
        }
        return PackedTexts(**moved, tile=self.tile)

    def pin_memory(self) -> PackedTexts:
        """Return the same texts in page-locked memory, from which copies to a GPU run beside its work."""
        pinned = {field.name: getattr(self, field.name).pin_memory() for field in fields(self) if field.name != "tile"}
        return PackedTexts(**pinned, tile=self.tile)


def pack(texts: Texts, *, group: int = GROUP, round_to: int = ROUND, share: bool = True) -> PackedTexts:
    """Lay texts out for a causal tower; runs on the CPU, in one or two milliseconds per thousand texts.

    A group holds at most `group` tokens, or one text if that is longer. With `share` false every text is computed
    from its first token on: packed, but sharing nothing.
    """
    ids, lengths = texts.ids.numpy(), texts.lengths.numpy()
    order = np.lexsort(ids.T[::-1]) if share else np.argsort(-lengths, kind="stable")
    ids, lengths = ids[order], lengths[order]
    known = _shared_with_previous(ids, lengths) if share else np.zeros(len(ids), dtype=np.int64)
    first = _cut(lengths.tolist(), known.tolist(), group)
    known[first] = 0

    columns = np.arange(ids.shape[1])
    rows, positions = np.nonzero((columns >= known[:, None]) & (columns < lengths[:, None]))
    offsets = np.concatenate([[0], np.cumsum(lengths - known)])
    size = int(offsets[-1])
    exits = offsets[_next_branch(known, ids.shape[1])[rows, positions]]
    starts = np.append(offsets[:-1][first], size)

    filling = -size % round_to
    if filling:  # each filler is alone in its subtree and attends to itself: finite, and of no effect
        rest = np.arange(size, size + filling)
        starts = np.concatenate([starts, np.append(rest[group::group], size + filling)])
        exits = np.concatenate([exits, rest + 1])
    ends = np.empty(len(order), dtype=np.int64)
    ends[order] = offsets[1:] - 1
    return PackedTexts(
        ids=torch.from_numpy(np.concatenate([ids[rows, positions], np.zeros(filling, dtype=np.int64)])),
        positions=torch.from_numpy(np.concatenate([positions, np.zeros(filling, dtype=np.int64)])),
        exits=torch.from_numpy(exits.astype(np.int32)),
        starts=torch.from_numpy(starts.astype(np.int32)),
        ends=torch.from_numpy(ends),
        tile=max(group, 1 << (int(np.diff(starts).max()) - 1).bit_length()),
    )


def _shared_with_previous(ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return int64 [T]: how many first tokens a text has in common with the one before; the whole length if equal."""
    shared = np.zeros(len(ids), dtype=np.int64)
    same = np.logical_and.accumulate(ids[1:] == ids[:-1], axis=1).sum(axis=1)
    shared[1:] = np.minimum(same, np.minimum(lengths[1:], lengths[:-1]))
    return shared


def _cut(lengths: list[int], known: list[int], group: int) -> np.ndarray:
    """Return the first text of each group, which is computed from its first token on.

    Where texts outgrow a group it ends before the text, of those in it, that shares least with the one before: room
    that is left costs nothing, since groups lie side by side, and a beginning that is torn is computed twice.
    """
    first = [0]
    used = lengths[0]
    for number in range(1, len(lengths)):
        used += lengths[number] - known[number]
        while used > group and first[-1] < number:
            start = min(range(number, first[-1], -1), key=known.__getitem__)
            first.append(start)
            used = lengths[start] + sum(lengths[start + 1 : number + 1]) - sum(known[start + 1 : number + 1])
    return np.array(first, dtype=np.int64)


def _next_branch(known: np.ndarray, depth: int) -> np.ndarray:
    """Return int64 [T, depth]: the first later text that does not pass through a text's token at that depth, or T."""
    count = len(known)
    leaves = np.where(known[:, None] <= np.arange(depth), np.arange(count)[:, None], count)
    after = np.concatenate([leaves[1:], np.full((1, depth), count)])
    return np.minimum.accumulate(after[::-1], axis=0)[::-1]
