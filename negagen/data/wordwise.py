"""Texts tokenised word by word: each word once, its tokens kept, wherever a tokenizer looks no further than a blank.

CLIP's and BERT's do: they split at white space before they look for pieces. Captions and their negatives have nearly
all words in common, so that most of the work is a look-up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

_MOST: Final = 100_000  # words kept; a word takes about 250 bytes
_CLIP: Final = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_CLIP_MARKS: Final = r"<\|startoftext\|>|<\|endoftext\|>|"
_NORMALIZERS: Final = frozenset(["NFC", "NFD", "Lowercase", "StripAccents", "BertNormalizer"])
_SPLITTERS: Final = frozenset(["Whitespace", "WhitespaceSplit", "BertPreTokenizer"])


class Wordwise:
    """Gives what `inner`, a `tokenizers.Tokenizer` set to cut at `context_length`, gives for each text.

    Only for one of which `is_local` is true. May be used by several threads at a time.
    """

    def __init__(self, inner: Any, context_length: int) -> None:
        self._inner = inner
        whole, body = inner.encode("a").ids, inner.encode("a", add_special_tokens=False).ids
        first = next(at for at in range(len(whole)) if whole[at : at + len(body)] == body)
        self._before, self._after = whole[:first], whole[first + len(body) :]
        self._end = context_length - len(self._after)
        self._known: dict[str, list[int]] = {}

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        # At the blank alone: what else is white space, the tokenizer must say, which sees it inside a word.
        split = [text.split(" ") for text in texts]
        words = set(chain.from_iterable(split))
        known = self._known
        new = list(words.difference(known))
        if len(known) + len(new) > _MOST:
            known, new = {}, list(words)
        if new:
            made = self._inner.encode_batch_fast(new, add_special_tokens=False)
            known.update(zip(new, [one.ids for one in made], strict=True))
        self._known = known
        before, after, end = self._before, self._after, self._end
        out = [[*before, *chain.from_iterable(map(known.__getitem__, parts)), *after] for parts in split]
        for ids in out:
            if len(ids) > end + len(after):
                ids[end:] = after
        return out


def is_local(inner: Any) -> bool:
    """Whether the tokens of a text are those of its words, cut off at the end: for some definitions that are known."""
    state = json.loads(inner.to_str())
    cut = state["truncation"]
    marks = all(
        not (mark["single_word"] or mark["lstrip"] or mark["rstrip"] or " " in mark["content"])
        for mark in state["added_tokens"]
    )
    steps = _flat(state["pre_tokenizer"], "pretokenizers")
    return (
        marks
        and (cut is None or cut["direction"] == "Right")
        and state["padding"] is None
        and not state["model"].get("dropout")
        and all(_normalizes_locally(step) for step in _flat(state["normalizer"], "normalizers"))
        and bool(steps)
        and _splits_at_blanks(steps[0])
        and all(_splits_at_blanks(step) or _is_bytes(step) for step in steps)
        and _frames(state["post_processor"])
    )


def _flat(step: Mapping[str, Any] | None, name: str) -> list[Mapping[str, Any]]:
    if step is None:
        return []
    return [one for inner in step[name] for one in _flat(inner, name)] if step["type"] == "Sequence" else [step]


def _normalizes_locally(step: Mapping[str, Any]) -> bool:
    blanks = step["type"] == "Replace" and step["pattern"] == {"Regex": r"\s+"} and step["content"] == " "
    return blanks or step["type"] in _NORMALIZERS


def _splits_at_blanks(step: Mapping[str, Any]) -> bool:
    if step["type"] != "Split":
        return step["type"] in _SPLITTERS
    pattern = step["pattern"].get("Regex", "").removeprefix(_CLIP_MARKS)
    return pattern == _CLIP and step["behavior"] == "Removed" and bool(step["invert"])


def _frames(step: Mapping[str, Any] | None) -> bool:
    """Whether all that is added to a text stands before and after it."""
    if step is None or step["type"] != "TemplateProcessing":
        return step is None or step["type"] in ("RobertaProcessing", "BertProcessing")
    return sum("Sequence" in part for part in step["single"]) == 1


def _is_bytes(step: Mapping[str, Any]) -> bool:
    return step["type"] == "ByteLevel" and not step["add_prefix_space"]
