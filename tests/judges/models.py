"""Tiny models with random weights, made and saved by the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WORDS = "a dog cat sits on the red bed and runs blue car man woman holds with hat".split()


def save_tokenizer(folder: Path) -> int:
    """A tokenizer of whole words; the size of its vocabulary."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: n for n, word in enumerate(["<s>", "</s>", "<unk>", *WORDS])}
    made = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = Whitespace()
    wrapped: Any = PreTrainedTokenizerFast  # untyped
    wrapped(
        tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>"
    ).save_pretrained(folder)
    return len(vocabulary)


def save_causal(folder: Path) -> Path:
    """A causal language model of two layers."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    size = save_tokenizer(folder)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=size, n_positions=32, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=1,
        initializer_range=0.5,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder
