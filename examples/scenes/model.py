"""A small CLIP of random weights with its tokenizer and image processor, as a directory that transformers loads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import pre_tokenizers
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from examples.scenes.parse import LOOKS, RELATION_WORDS, SINGULAR
from examples.scenes.vocabulary import NUMBERS

__all__ = ["PRESETS", "Size", "create", "tokenizer"]

MEAN: Final = [0.7, 0.7, 0.7]
STD: Final = [0.25, 0.25, 0.25]
CONTEXT: Final = 96  # two captions one after the other (CLIC) fit


@dataclass(frozen=True, slots=True)
class Size:
    """Sides in pixels; widths and layers of the two towers; the features' dimension."""

    side: int
    patch: int
    vision: tuple[int, int]
    text: tuple[int, int]
    features: int


PRESETS: Final[dict[str, Size]] = {
    "full": Size(side=112, patch=8, vision=(256, 6), text=(256, 3), features=256),
    "coarse": Size(side=112, patch=14, vision=(256, 4), text=(256, 3), features=256),
    "speck": Size(side=112, patch=28, vision=(32, 1), text=(32, 1), features=32),
    "tiny": Size(side=80, patch=16, vision=(96, 4), text=(96, 3), features=96),
}


def create(folder: Path, size: Size, *, words: Iterable[str] = (), seed: int = 0) -> Path:
    """Saves the model to `folder`; `words` are one token each beside those of this world, others fall into letters."""
    marks = tokenizer(words)
    torch.manual_seed(seed)
    text = _tower(*size.text) | {
        "vocab_size": len(marks),
        "max_position_embeddings": CONTEXT,
        "bos_token_id": marks.bos_token_id,
        "eos_token_id": marks.eos_token_id,
        "pad_token_id": marks.pad_token_id,
    }
    vision = _tower(*size.vision) | {"image_size": size.side, "patch_size": size.patch}
    model: Any = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=size.features))
    model.eval().save_pretrained(folder)
    marks.save_pretrained(folder)
    square = {"height": size.side, "width": size.side}
    settings: dict[str, Any] = {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True, "size": {"shortest_edge": size.side}, "resample": 3,
        "do_center_crop": True, "crop_size": square, "do_rescale": True, "rescale_factor": 1 / 255,
        "do_normalize": True, "do_convert_rgb": True, "image_mean": MEAN, "image_std": STD,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    return folder


def _tower(width: int, layers: int) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, width // 32),
    }


def tokenizer(words: Iterable[str] = ()) -> Any:
    """CLIP's kind of tokenizer: a known word is one token, others are spelt out."""
    known = {part for name in (*SINGULAR, *LOOKS, *RELATION_WORDS, *NUMBERS) for part in re.findall("[a-z]+", name)}
    known |= {"there", "is", "are", "picture", "photo", "image", "no", "not", "and", "with", "without", "couple"}
    known |= {word for word in words if word.isalpha() and word.isascii()}
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges: dict[tuple[str, str], None] = {}
    for word in sorted(known):
        parts = [*word[:-1], word[-1] + "</w>"]
        # Joined from the end: what is joined never begins another word, so a known word is always one token.
        while len(parts) > 1:
            merges[parts[-2], parts[-1]] = None
            parts[-2:] = [parts[-2] + parts[-1]]
    pieces = [*letters, *(letter + "</w>" for letter in letters), *(left + right for left, right in merges)]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    for mark in ("<|startoftext|>", "<|endoftext|>"):
        vocabulary[mark] = len(vocabulary)
    make: Any = CLIPTokenizer
    return make(vocab=vocabulary, merges=list(merges), model_max_length=CONTEXT)
