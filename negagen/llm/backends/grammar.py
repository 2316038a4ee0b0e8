"""JSON schemas enforced token by token, by llguidance (MIT; it also does this inside of vLLM, SGLang and llama.cpp)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from negagen.errors import LanguageModelError


class Grammars:
    """Matchers of JSON schemas for one tokenizer and a model with so many logits.

    A schema's answer is JSON without needless white space, with its properties in the schema's order; the model ends
    where the JSON does.

    Raises `LanguageModelError` if llguidance is not installed or cannot work with the tokenizer.
    """

    def __init__(self, tokenizer: Any, vocabulary: int, ends: Sequence[int]) -> None:
        try:
            import llguidance
            import llguidance.hf
            import llguidance.numpy
        except ImportError as error:
            raise LanguageModelError("answers in JSON need llguidance: pip install 'negagen[llm]'") from error
        self._library, self._masks = llguidance, llguidance.numpy
        try:
            self._tokenizer = llguidance.hf.from_tokenizer(tokenizer, n_vocab=vocabulary, eos_token=list(ends))
        except (ValueError, TypeError) as error:
            raise LanguageModelError(
                f"llguidance cannot work with a {type(tokenizer).__name__}: {error}. Ask without structured answers."
            ) from error
        self._executor = llguidance.LLExecutor()
        self._vocabulary = vocabulary
        self._made: dict[str, Any] = {}
        self.version: str = llguidance.__version__

    def matcher(self, schema: Mapping[str, Any]) -> Any:
        """A matcher at the beginning of an answer. Raises `LanguageModelError` for a schema it cannot enforce."""
        key = json.dumps(schema)
        if key not in self._made:
            matchers = self._library.LLMatcher
            compact: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
            grammar = matchers.grammar_from_json_schema(key, overrides=compact)
            made = matchers(self._tokenizer, grammar, log_level=0)
            if made.is_error():
                raise LanguageModelError(f"llguidance cannot enforce the answers' schema: {made.get_error()}")
            self._made[key] = made
        return self._made[key].deep_copy()

    def allowed(self, matchers: Sequence[Any | None]) -> Any:
        """Which tokens may come next, as bits: int32 [N, ceil(vocabulary / 32)]; all where there is no matcher."""
        masks = self._masks.allocate_token_bitmask(len(matchers), self._vocabulary)
        numbered = [(matcher, n) for n, matcher in enumerate(matchers) if matcher is not None]
        self._masks.fill_next_token_bitmask_par(self._executor, numbered, masks)
        return masks
