"""Decoding of many prompts at once by a causal language model of transformers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch

from negagen.errors import LanguageModelError
from negagen.llm.backends.grammar import Grammars
from negagen.seeding import key_of, uniforms

_KEPT_BEGINNINGS: Final = 24
_COMPACT_AT: Final = 0.75


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids to go on from. The first `shared` of them, fewer than all, stand in other prompts too."""

    ids: tuple[int, ...]
    shared: int
    max_tokens: int
    temperature: float
    seed: int
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """The tokens of an answer without the one that ended it; `ended` is False where `max_tokens` did."""

    ids: list[int]
    ended: bool


class Decoder:
    """Greedy decoding, or sampling whose draws depend on a prompt's seed alone.

    The keys and values of a shared beginning are computed once and kept (the last 24), as exact as any batching:
    a batch stands as [beginnings, padded on the left][rests, padded on the left], with padding masked and positions
    counted without it. Models with sliding windows or a recurrent state get whole prompts.

    A draw of temperature T is the inverse of the cumulative softmax of logits / T at a uniform number that seed and
    step fix. Rows that have ended leave the batch.

    Raises `LanguageModelError` if the model keeps no keys and values.
    """

    def __init__(self, model: Any, ends: Sequence[int], grammars: Grammars | None) -> None:
        import inspect

        self._model, self._ends, self._grammars = model, frozenset(ends), grammars
        self._device = model.device
        taken = inspect.signature(model.forward).parameters
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in taken else {}
        self._positions = "position_ids" in taken
        self._beginnings: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        # GPT-2 and its like look at two tokens; one that keeps nothing shows it at once.
        with torch.inference_mode():
            cache = self._forward(torch.zeros(1, 2, dtype=torch.long), torch.ones(1, 2, dtype=torch.long), None)[1]
        if not hasattr(cache, "layers"):
            raise LanguageModelError(
                f"a {type(model).__name__} keeps no keys and values. Run it behind a server, and give its --base-url."
            )
        plain = all(type(layer).__name__ == "DynamicLayer" for layer in cache.layers)
        self._shares = plain and self._positions

    @property
    def shares(self) -> bool:
        """Whether shared beginnings are computed once."""
        return self._shares

    def keeps(self, ids: tuple[int, ...]) -> bool:
        """Whether the keys and values of this beginning are kept from before."""
        return ids in self._beginnings

    @torch.inference_mode()
    def decode(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Decoded]]:
        """Each prompt's index with its answer, as soon as that has ended."""
        shared = [prompt.shared if self._shares else 0 for prompt in prompts]
        matchers = [self._matcher(prompt) for prompt in prompts]
        cache, known = self._joined([prompt.ids[:n] for prompt, n in zip(prompts, shared, strict=True)])
        rests = [prompt.ids[n:] for prompt, n in zip(prompts, shared, strict=True)]
        longest = max(map(len, rests))
        padded = [[0] * (longest - len(rest)) + list(rest) for rest in rests]
        seen = [[0] * (longest - len(rest)) + [1] * len(rest) for rest in rests]
        ids = torch.tensor(padded, device=self._device)
        known = torch.cat([known, torch.tensor(seen, device=self._device)], 1)
        said: list[list[int]] = [[] for _ in prompts]
        ended = [False] * len(prompts)
        rows, step = list(range(len(prompts))), 0
        while True:
            logits, cache = self._forward(ids, known, cache)
            self._forbid(logits, [None if ended[row] else matchers[row] for row in rows])
            chosen = self._chosen(logits, [prompts[row] for row in rows], step)
            step += 1
            alive: list[int] = []
            for place, (row, token) in enumerate(zip(rows, chosen, strict=True)):
                most, matcher = prompts[row].max_tokens, matchers[row]
                if ended[row] or len(said[row]) == most:
                    continue
                if token in self._ends:
                    ended[row] = True
                else:
                    said[row].append(token)
                    if self._grammars is not None and matcher is not None:
                        ended[row] = self._grammars.consume(matcher, token)
                if ended[row] or len(said[row]) == most:
                    yield row, Decoded(said[row], ended[row])
                else:
                    alive.append(place)
            if not alive:
                return
            ids = torch.tensor(chosen, device=self._device)[:, None]
            if len(alive) <= _COMPACT_AT * len(rows):
                kept = torch.tensor(alive, device=self._device)
                cache.reorder_cache(kept)
                ids, known, rows = ids[kept], known[kept], [rows[place] for place in alive]
            known = torch.cat([known, known.new_ones(len(rows), 1)], 1)

    def _forward(self, ids: Any, known: Any, cache: Any) -> tuple[Any, Any]:
        """Logits of the last place, float32 [B, V], and the cache with what was read."""
        ids, known = ids.to(self._device), known.to(self._device)
        places = {}
        if self._positions:
            places["position_ids"] = (known.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        out = self._model(
            input_ids=ids, attention_mask=known, past_key_values=cache, use_cache=True, **places, **self._last_only
        )
        return out.logits[:, -1].float(), getattr(out, "past_key_values", None)

    def _matcher(self, prompt: Prompt) -> Any | None:
        if self._grammars is None or prompt.schema is None:
            return None
        return self._grammars.matcher(prompt.schema)

    def _forbid(self, logits: Any, matchers: Sequence[Any | None]) -> None:
        """Leave each row's logits only to the tokens that its matcher allows."""
        if self._grammars is not None and any(matcher is not None for matcher in matchers):
            bits = torch.from_numpy(self._grammars.allowed(matchers)).to(self._device)
            each = torch.arange(32, dtype=torch.int32, device=self._device)
            allowed = (bits[:, :, None] >> each & 1).bool().flatten(1)[:, : logits.shape[1]]
            logits.masked_fill_(~allowed, -torch.inf)

    def _chosen(self, logits: Any, prompts: Sequence[Prompt], step: int) -> list[int]:
        chosen = logits.argmax(-1)
        hot = [n for n, prompt in enumerate(prompts) if prompt.temperature > 0]
        if hot:
            keys = np.array([key_of("sampling", prompts[n].seed) for n in hot], dtype=np.uint64)
            draws = torch.from_numpy(uniforms(keys, np.full(len(hot), step, dtype=np.uint64))).to(self._device)
            heat = torch.tensor([prompts[n].temperature for n in hot], device=self._device)
            mass = (logits[hot] / heat[:, None]).softmax(-1).double().cumsum(-1)
            drawn = torch.searchsorted(mass, draws[:, None] * mass[:, -1:], right=True)[:, 0]
            chosen[hot] = drawn.clamp(max=logits.shape[1] - 1)
        tokens: list[int] = chosen.tolist()
        return tokens

    def _joined(self, beginnings: Sequence[tuple[int, ...]]) -> tuple[Any, Any]:
        """The caches of beginnings side by side, padded on the left, and which of their places count."""
        longest = max(map(len, beginnings))
        known = torch.zeros(len(beginnings), longest, dtype=torch.long, device=self._device)
        if not longest:
            return None, known
        from transformers import DynamicCache

        kept = {ids: self._beginning(ids) for ids in dict.fromkeys(beginnings) if ids}
        for row, ids in enumerate(beginnings):
            known[row, longest - len(ids) :] = 1
        joined: Any = DynamicCache()
        for layer in range(len(next(iter(kept.values())))):
            one = next(iter(kept.values()))[layer]
            parts = [tensor.new_zeros(len(beginnings), tensor.shape[1], longest, tensor.shape[3]) for tensor in one]
            for ids, layers in kept.items():
                rows = torch.tensor([n for n, each in enumerate(beginnings) if each == ids], device=self._device)
                for part, tensor in zip(parts, layers[layer], strict=True):
                    part[rows, :, longest - len(ids) :] = tensor
            joined.update(*parts, layer)
        return joined, known

    def _beginning(self, ids: tuple[int, ...]) -> list[tuple[Any, Any]]:
        """Keys and values of each layer, [1, heads, len(ids), width]."""
        if ids not in self._beginnings:
            cache = self._forward(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.long), None)[1]
            self._beginnings[ids] = [(layer.keys, layer.values) for layer in cache.layers]
            if len(self._beginnings) > _KEPT_BEGINNINGS:
                self._beginnings.popitem(last=False)
        self._beginnings.move_to_end(ids)
        found: list[tuple[Any, Any]] = self._beginnings[ids]
        return found
