"""Tiny models with random weights, saved as `save_pretrained` does: model, tokenizer and image processor, all offline.

`clip(folder)`, `siglip(folder)` and `dual_encoder(folder)` write a directory that `negagen finetune` and
`transformers` load. Every word of WORDS is one token; other words fall apart into letters (CLIP) or become unknown.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPModel,
    CLIPTokenizer,
    EfficientNetConfig,
    EfficientNetModel,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipModel,
    VisionTextDualEncoderModel,
    ViTConfig,
    ViTModel,
)

WORDS = (
    "a an the two three four one is are in on of and with under left right next to above behind near no not without "
    "photo picture image cat dog man woman child horse bird ball cube cone ring star tree car bench table box cup red "
    "blue green yellow black white small large big old young wooden metal striped holding riding sitting standing "
    "running eating street grass water park ."
).split()
MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]


def clip(folder: Path, *, image_size: int = 32, width: int = 32, layers: int = 2, seed: int = 0, **config: Any) -> Path:
    """Save a CLIPModel of two small towers with its tokenizer and image processor; returns `folder`.

    `config` goes to both towers' configurations (hidden_act, ...). The end-of-text token is the last id, as in CLIP.
    """
    tokenizer = _clip_tokenizer(context=77)
    torch.manual_seed(seed)
    common = _tower(width, layers) | config
    text = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 77,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    model = CLIPModel(
        CLIPConfig(
            text_config=common | text,
            vision_config=common | {"image_size": image_size, "patch_size": 8},
            projection_dim=24,
        )
    )
    return _save(folder, model, tokenizer, image_size, "CLIPImageProcessor", crop=True)


def siglip(folder: Path, *, image_size: int = 32, width: int = 32, layers: int = 2, seed: int = 0) -> Path:
    """Save a SiglipModel (text padded to 16 tokens, pooled at the last) with tokenizer and image processor."""
    tokenizer = _word_tokenizer("$A </s>", pad="</s>", eos="</s>", context=16)
    torch.manual_seed(seed)
    common = _tower(width, layers)
    text = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 16,
        "projection_size": width,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": None,
    }
    model = SiglipModel(
        SiglipConfig(text_config=common | text, vision_config=common | {"image_size": image_size, "patch_size": 8})
    )
    with torch.no_grad():
        model.logit_scale.fill_(2.3)
        model.logit_bias.fill_(-10.0)
    return _save(folder, model, tokenizer, image_size, "SiglipImageProcessor", crop=False)


def dual_encoder(
    folder: Path,
    *,
    image_size: int = 32,
    width: int = 32,
    layers: int = 2,
    seed: int = 0,
    dropout: float = 0.0,
    convolutions: bool = False,
) -> Path:
    """Save a VisionTextDualEncoderModel of a small ViT and a small BERT with tokenizer and image processor.

    With `convolutions` the ViT is an EfficientNet, whose norms are over the batch.
    """
    tokenizer = _word_tokenizer("[CLS] $A [SEP]", pad="[PAD]", eos="[SEP]", context=40, cls="[CLS]")
    torch.manual_seed(seed)
    common = _tower(width, layers) | {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": 0.0}
    vision = (
        _efficientnet(image_size)
        if convolutions
        else ViTModel(ViTConfig(**common, image_size=image_size, patch_size=8))
    )
    text = BertModel(
        BertConfig(
            **common,
            vocab_size=len(tokenizer),
            max_position_embeddings=40,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    model = VisionTextDualEncoderModel(vision_model=vision, text_model=text)
    return _save(folder, model, tokenizer, image_size, "ViTImageProcessor", crop=False)


def _efficientnet(image_size: int) -> Any:
    """The smallest that it comes in; a dual encoder asks for the `hidden_size` that its configuration does not have."""
    make: Any = EfficientNetConfig
    tower = EfficientNetModel(
        make(image_size=image_size, width_coefficient=0.1, depth_coefficient=0.1, hidden_dim=128, hidden_size=128)
    )
    for module in tower.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)  # drawn around 0 the gains let nothing through
        elif isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    return tower


def _tower(width: int, layers: int) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
    }


def _clip_tokenizer(context: int) -> CLIPTokenizer:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*letters, *(letter + "</w>" for letter in letters)]
    merges: dict[Any, None] = {}
    for word in WORDS:
        parts = [*word[:-1], word[-1] + "</w>"]
        # Merged from the right: no merge is the start of another word's, so a listed word is always one token.
        while len(parts) > 1:
            merges[parts[-2], parts[-1]] = None
            parts[-2:] = [parts[-2] + parts[-1]]
    pieces += [left + right for left, right in merges]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    for mark in ("<|startoftext|>", "<|endoftext|>"):
        vocabulary[mark] = len(vocabulary)
    return CLIPTokenizer(vocab=vocabulary, merges=list(merges), model_max_length=context)


def _word_tokenizer(template: str, *, pad: str, eos: str, context: int, cls: str | None = None) -> Any:
    marks = list(dict.fromkeys([pad, eos, "[UNK]", *([cls] if cls else [])]))
    vocabulary = {token: number for number, token in enumerate([*marks, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=template, special_tokens=[(mark, vocabulary[mark]) for mark in marks if mark in template]
    )
    make: Any = PreTrainedTokenizerFast
    return make(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token=pad,
        eos_token=eos,
        cls_token=cls,
        model_max_length=context,
    )


def _save(folder: Path, model: Any, tokenizer: Any, image_size: int, processor: str, *, crop: bool) -> Path:
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    square = {"height": image_size, "width": image_size}
    settings: dict[str, Any] = {
        "image_processor_type": processor,
        "do_resize": True,
        "size": {"shortest_edge": image_size} if crop else square,
        "resample": 3,
        "do_center_crop": crop,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "do_convert_rgb": True,
        "image_mean": MEAN,
        "image_std": STD,
    }
    if crop:
        settings["crop_size"] = square
    (folder / "preprocessor_config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
    return folder
