"""Tiny models with random weights, made and saved by the tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WORDS = "a dog cat sits on the red bed and runs blue car man woman holds with hat".split()


def save_tokenizer(folder: Path, *, marks: bool = False) -> int:
    """A tokenizer of whole words; the size of its vocabulary. With `marks` it adds those of begin and end."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: n for n, word in enumerate(["<s>", "</s>", "<unk>", *WORDS])}
    made = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = Whitespace()
    if marks:
        made.post_processor = TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
        )
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


def save_nli(
    folder: Path,
    logits: Sequence[float] | None = None,
    labels: Sequence[str] = ("CONTRADICTION", "NEUTRAL", "ENTAILMENT"),
) -> Path:
    """A classifier of pairs; with `logits`, one that answers with these to everything."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    size = save_tokenizer(folder, marks=True)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=size, max_position_embeddings=24, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, initializer_range=0.8, pad_token_id=1, id2label=dict(enumerate(labels)),
        label2id={label: n for n, label in enumerate(labels)},
    )  # fmt: skip
    model: Any = BertForSequenceClassification(config)
    if logits is not None:
        with torch.no_grad():
            model.classifier.weight.zero_()
            model.classifier.bias.copy_(torch.tensor(logits))
    model.save_pretrained(folder)
    return folder


def save_masked(folder: Path) -> Path:
    """A language model that looks both ways."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    size = save_tokenizer(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=size, max_position_embeddings=24, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, initializer_range=0.8, pad_token_id=1,
    )  # fmt: skip
    BertForMaskedLM(config).save_pretrained(folder)
    return folder


def save_clip(folder: Path) -> Path:
    """A CLIP of one layer a tower, which reads 12 tokens."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    size = save_tokenizer(folder, marks=True)
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    text = {"vocab_size": size, "max_position_embeddings": 12, "eos_token_id": 1, "bos_token_id": 0, "pad_token_id": 1}
    config = CLIPConfig(
        text_config={**shape, **text}, vision_config={**shape, "image_size": 32, "patch_size": 8}, projection_dim=8
    )
    model: Any = CLIPModel(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.5)
    model.save_pretrained(folder)
    processor = {
        "image_processor_type": "CLIPImageProcessor", "do_resize": True, "size": {"shortest_edge": 32},
        "do_center_crop": True, "crop_size": {"height": 32, "width": 32}, "do_convert_rgb": True,
        "do_normalize": True, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder
