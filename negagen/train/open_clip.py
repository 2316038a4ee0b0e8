"""Models of open_clip, through the extra `open-clip`: loaded, encoded and saved in its own format.

The vision tower runs as open_clip runs it. A text tower that is causal and pools at the end of text (all of OpenAI's
and LAION's are) is computed from packed texts; any other is given texts padded as it was trained.

What is saved holds the configuration the model was made with, its activation included: OpenAI's weights need
QuickGELU, which an architecture's name does not tell ("ViT-B-32" has none, its OpenAI weights do).
"""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from negagen.errors import ModelError
from negagen.train.attention import causal_attention, tree_attention
from negagen.train.blocks import feed_forward, run_blocks
from negagen.train.models import OPEN_CLIP, ContrastiveModel
from negagen.train.text import PackedTexts
from negagen.train.towers import Side

if TYPE_CHECKING:
    from negagen.data.batch import Texts

CONFIG = "open_clip_config.json"


def load_open_clip(name: str) -> ContrastiveModel:
    """Load "open-clip:ARCHITECTURE/PRETRAINED" or a directory that open_clip wrote; raises as `models.load`."""
    library = _library()
    try:
        network, tokenizer, config = _read_folder(library, name) if Path(name).is_dir() else _read_named(library, name)
    except ModelError:
        raise
    except Exception as error:  # open_clip raises whatever its parts raise
        raise ModelError(f"{name}: open_clip cannot load it: {error}") from error
    network = network.float()
    visual = network.visual
    settings = getattr(visual, "preprocess_cfg", {})
    size = visual.image_size[0] if isinstance(visual.image_size, (tuple, list)) else visual.image_size
    return ContrastiveModel(
        network,
        OpenClipTowers(network),
        source="open-clip",
        tokenizer=OpenClipTokenizer(tokenizer, network.context_length),
        image_size=int(size),
        image_mean=settings["mean"],
        image_std=settings["std"],
        context_length=int(network.context_length),
        preprocessor={
            "open_clip": config,
            "do_center_crop": settings.get("resize_mode", "shortest") == "shortest",
            "resample": 2 if settings.get("interpolation") == "bilinear" else 3,
        },
    )


def save_open_clip(model: ContrastiveModel, folder: Path) -> None:
    """Write what `open_clip.create_model_and_transforms("local-dir:FOLDER")` loads."""
    from safetensors.torch import save_file

    config = json.dumps(model.preprocessor["open_clip"], indent=2)
    (folder / CONFIG).write_text(config + "\n", encoding="utf-8")
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.network.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    if hasattr(model.tokenizer.inner, "tokenizer"):  # one of transformers; open_clip carries its own itself
        model.tokenizer.inner.tokenizer.save_pretrained(folder)


def _read_named(library: Any, name: str) -> tuple[Any, Any, dict[str, Any]]:
    architecture, _, pretrained = name.removeprefix(OPEN_CLIP).partition("/")
    config = library.get_model_config(architecture)
    if config is None:
        raise ModelError(f"{name}: open_clip knows no architecture {architecture!r}; see open_clip.list_models()")
    known = library.list_pretrained_tags_by_model(architecture)
    if pretrained not in known and not Path(pretrained).is_file():
        raise ModelError(
            f"{name}: no weights {pretrained!r} of {architecture}. Expected open-clip:{architecture}/TAG, TAG one of "
            f"{', '.join(known) or 'none'}, or a file of weights."
        )
    tags = library.get_pretrained_cfg(architecture, pretrained) if pretrained in known else {}
    quick = bool(config.get("quick_gelu", False) or tags.get("quick_gelu", False))
    network = library.create_model(architecture, pretrained=pretrained, force_quick_gelu=quick)
    settings = network.visual.preprocess_cfg
    preprocess = {key: settings[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in settings}
    config = {"model_cfg": {**config, "quick_gelu": quick}, "preprocess_cfg": preprocess}
    return network, library.get_tokenizer(architecture), config


def _read_folder(library: Any, name: str) -> tuple[Any, Any, dict[str, Any]]:
    try:
        config = json.loads((Path(name) / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{Path(name) / CONFIG}: not a JSON file: {error}") from error
    if "model_cfg" not in config:
        raise ModelError(f"{Path(name) / CONFIG}: has no model_cfg; expected what open_clip's push_to_hf_hub writes")
    where = f"local-dir:{name}"
    network = library.create_model(where, require_pretrained=True)
    return network, library.get_tokenizer(where), config


def _library() -> Any:
    try:
        library = importlib.import_module("open_clip")
    except ImportError as error:
        raise ModelError(
            f"open_clip cannot be imported ({error}). pip install 'negagen[open-clip]', and a torchvision that was "
            "built for this release of torch."
        ) from error
    logging.getLogger("open_clip").setLevel(logging.ERROR)
    return library


class OpenClipTokenizer:
    """A tokenizer of open_clip under the names by which `negagen` calls one of transformers."""

    def __init__(self, inner: Any, context_length: int) -> None:
        self.inner = inner
        self.context_length = context_length
        wrapped = getattr(inner, "tokenizer", None)
        self.pad_token_id = int(wrapped.pad_token_id) if wrapped is not None else 0
        self.eos_token_id = int(wrapped.eos_token_id if wrapped is not None else inner.eot_token_id)
        self.special_tokens_map = {"pad_token_id": self.pad_token_id, "eos_token_id": self.eos_token_id}

    def __call__(
        self, texts: Sequence[str], *, max_length: int | None = None, **_: object
    ) -> dict[str, list[list[int]]]:
        """Tokenise and cut; rows end with their end-of-text token, unpadded."""
        rows = self.inner(list(texts), context_length=max_length or self.context_length).tolist()
        cut = []
        for row in rows:
            end = row.index(self.eos_token_id) + 1 if self.eos_token_id in row else len(row)
            cut.append(row[:end])
        return {"input_ids": cut}

    def get_vocab(self) -> dict[str, int]:
        """Every token and its id."""
        wrapped = getattr(self.inner, "tokenizer", None)
        return dict(wrapped.get_vocab() if wrapped is not None else self.inner.encoder)


@dataclass(frozen=True, slots=True)
class OpenClipBlock:
    """A ResidualAttentionBlock: its attention is a MultiheadAttention, whose parameters are used directly."""

    layer: Any

    def qkv(self, x: Tensor) -> Tensor:
        attention = self.layer.attn
        return functional.linear(self.layer.ln_1(x), attention.in_proj_weight, attention.in_proj_bias)

    def out(self, attended: Tensor) -> Tensor:
        projected: Tensor = self.layer.ls_1(self.layer.attn.out_proj(attended))
        return projected

    def mlp(self, x: Tensor) -> Tensor:
        part = self.layer.mlp
        fed: Tensor = self.layer.ls_2(feed_forward(self.layer.ln_2(x), part.c_fc, part.gelu, part.c_proj))
        return fed


class OpenClipTowers:
    """Towers of open_clip's CLIP or CustomTextCLIP."""

    recompute = False

    def __init__(self, network: Any) -> None:
        self.network = network
        # CLIP keeps the parts of its text tower itself, under the names a TextTransformer has.
        self.text = getattr(network, "text", network)
        pooling = getattr(self.text, "pool_type", None) or getattr(network, "text_pool_type", None)
        blocks = getattr(getattr(self.text, "transformer", None), "resblocks", ())
        self.causal = (
            pooling in ("argmax", "eos")
            and getattr(self.text, "attn_mask", None) is not None
            and getattr(self.text, "cls_emb", None) is None
            and all(type(block).__name__ == "ResidualAttentionBlock" for block in blocks)
        )

    def image_features(self, pixels: Tensor) -> Tensor:
        self._set_checkpointing()
        features: Tensor = self.network.encode_image(pixels)
        return features

    def image_parts(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        output = self.network.visual.forward_intermediates(
            pixels, indices=1, normalize_intermediates=True, output_fmt="NLC"
        )
        patches = output["image_intermediates"][-1]
        projection = getattr(self.network.visual, "proj", None)
        return output["image_features"], patches if projection is None else patches @ projection

    def text_features(self, texts: Texts | PackedTexts) -> Tensor:
        if isinstance(texts, PackedTexts):
            return self._project(self.text.ln_final(self._encode_packed(texts)))
        if not self.causal:
            self._set_checkpointing()
            places = self.network.context_length - texts.ids.shape[1]
            padding = int(getattr(self.text, "pad_id", 0) or 0)
            features: Tensor = self.network.encode_text(functional.pad(texts.ids, (0, places), value=padding))
            return features
        rows = torch.arange(len(texts.ids), device=texts.ids.device)
        return self._project(self.text.ln_final(self._encode(texts, pool=lambda x: x[rows, texts.lengths - 1])))

    def text_parts(self, texts: Texts) -> tuple[Tensor, Tensor]:
        if not self.causal:
            raise ModelError("features of single tokens are to be had of causal text towers only")
        states = self._project(self.text.ln_final(self._encode(texts, pool=None)))
        return states[torch.arange(len(states), device=states.device), texts.lengths - 1], states

    def _encode(self, texts: Texts, *, pool: Any) -> Tensor:
        x = self.text.token_embedding(texts.ids) + self.text.positional_embedding[: texts.ids.shape[1]]
        attend = partial(causal_attention, heads=self._heads())
        return run_blocks(self._blocks(), x, attend, pool=pool, recompute=self._recomputing())

    def _encode_packed(self, texts: PackedTexts) -> Tensor:
        if not self.causal:
            raise TypeError("this text tower cannot share beginnings: give it Texts, not PackedTexts")
        x = self.text.token_embedding(texts.ids) + self.text.positional_embedding[texts.positions]
        attend = partial(tree_attention, starts=texts.starts, exits=texts.exits, heads=self._heads(), tile=texts.tile)
        pool = lambda x: x[texts.ends]  # noqa: E731
        return run_blocks(self._blocks(), x, attend, pool=pool, recompute=self._recomputing())

    def _project(self, pooled: Tensor) -> Tensor:
        projection = self.text.text_projection
        if projection is None:
            return pooled
        projected: Tensor = projection(pooled) if isinstance(projection, nn.Linear) else pooled @ projection
        return projected

    def _blocks(self) -> list[OpenClipBlock]:
        return [OpenClipBlock(block) for block in self.text.transformer.resblocks]

    def _heads(self) -> int:
        return int(self.text.transformer.resblocks[0].attn.num_heads)

    def _recomputing(self) -> bool:
        return self.recompute and torch.is_grad_enabled()

    def _set_checkpointing(self) -> None:
        if self.recompute:
            self.network.set_grad_checkpointing(True)

    def stages(self, side: Side) -> list[list[nn.Module | nn.Parameter]]:
        tower = self.network.visual if side == "vision" else self.text
        blocks = getattr(getattr(tower, "transformer", None), "resblocks", [])  # a ResNet has none
        inside = {id(parameter) for block in blocks for parameter in block.parameters()}
        own = tower.parameters() if tower is not self.network else self._text_parameters()
        rest = [parameter for parameter in own if id(parameter) not in inside]
        names = {id(parameter): name for name, parameter in self.network.named_parameters()}
        early = ("conv1", "class_embedding", "positional_embedding", "token_embedding", "ln_pre", "cls_emb")
        stem = [one for one in rest if any(part in names[id(one)] for part in early)]
        head = [one for one in rest if not any(part in names[id(one)] for part in early)]
        return [[*stem], *([block] for block in blocks), [*head]]

    def _text_parameters(self) -> list[nn.Parameter]:
        """Of a CLIP, whose text tower's parts lie beside the vision tower: all that is neither vision nor logits."""
        return [
            parameter
            for name, parameter in self.network.named_parameters()
            if not name.startswith(("visual.", "logit_"))
        ]
