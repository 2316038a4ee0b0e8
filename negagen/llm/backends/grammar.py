"""JSON schemas enforced token by token, by llguidance (MIT; it also does this inside of vLLM, SGLang and llama.cpp)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from negagen.errors import LanguageModelError

_PROBE: Final = '{"edits": [{"span": 1, "replacement": "two white caf\u00e9s", "plausible": true}]}'


class Grammars:
    """Matchers of JSON schemas for one tokenizer and a model with so many logits.

    A schema's answer is JSON without needless white space, with its properties in the schema's order; the model ends
    where the JSON does.

    Raises `LanguageModelError` if llguidance is not installed or cannot work with the tokenizer.
    """

    def __init__(self, tokenizer: Any, vocabulary: int, ends: Sequence[int]) -> None:
        try:
            import llguidance
            import llguidance.numpy
        except ImportError as error:
            raise LanguageModelError("answers in JSON need llguidance: pip install 'negagen[llm]'") from error
        self._library, self._masks = llguidance, llguidance.numpy
        self._tokenizer = self._known(tokenizer, vocabulary, ends)
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

    def consume(self, matcher: Any, token: int) -> bool:
        """Tell a matcher the next token; gives whether the answer is complete.

        Raises `LanguageModelError` if the token was not allowed.
        """
        if not matcher.consume_token(token):
            raise LanguageModelError(f"llguidance cannot go on after token {token}: {matcher.get_error()}")
        complete: bool = matcher.is_stopped()
        return complete

    def allowed(self, matchers: Sequence[Any | None]) -> Any:
        """Which tokens may come next, as bits: int32 [N, ceil(vocabulary / 32)]; all where there is no matcher."""
        masks = self._masks.allocate_token_bitmask(len(matchers), self._vocabulary)
        numbered = [(matcher, n) for n, matcher in enumerate(matchers) if matcher is not None]
        self._masks.fill_next_token_bitmask_par(self._executor, numbered, masks)
        return masks

    def _known(self, tokenizer: Any, vocabulary: int, ends: Sequence[int]) -> Any:
        """The tokenizer as llguidance knows it, tried on a text."""
        name = type(tokenizer).__name__
        instead = "Run it behind a server, and give its --base-url."
        if not getattr(tokenizer, "is_fast", False):
            raise LanguageModelError(f"llguidance cannot work with a {name}: it is no fast tokenizer. {instead}")
        try:
            known = self._library.LLTokenizer(_description(tokenizer), n_vocab=vocabulary, eos_token=list(ends))
        except ValueError as error:
            raise LanguageModelError(f"llguidance cannot work with a {name}: {error}. {instead}") from error
        ids = tokenizer(_PROBE, add_special_tokens=False)["input_ids"]
        told = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        if known.decode_str(ids).strip() != told.strip():
            raise LanguageModelError(f"llguidance reads a {name} as {known.decode_str(ids)!r}, not {told!r}. {instead}")
        return known


def _description(tokenizer: Any) -> str:
    """A fast tokenizer as JSON, its decoder told as the one that llguidance knows its kind by.

    For a byte-level tokenizer of a .gguf file transformers 5.17 puts the decoders of SentencePiece and of bytes in a
    row. llguidance goes by the first, and then takes "\u0120" for a letter instead of a space.
    """
    told: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    told["padding"] = told["truncation"] = None
    if _byte_level(told.get("pre_tokenizer")):
        told["decoder"] = _byte_level(told.get("decoder")) or told["decoder"]
    return json.dumps(told)


def _byte_level(part: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The part of a pre-tokenizer or decoder that knows bytes, itself or in a sequence."""
    if part is None:
        return None
    inside = [part, *part.get("pretokenizers", ()), *part.get("decoders", ())]
    return next((each for each in inside if each["type"] == "ByteLevel"), None)
