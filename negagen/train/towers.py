"""The two towers of a model of `transformers`: pixels and tokens in, features of the shared space out.

Each class computes what the model itself computes (tested, values and gradients), from its own modules and
parameters, so that whatever trains, freezes, saves or wraps those keeps working.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from negagen.train.attention import causal_attention, self_attention, tree_attention
from negagen.train.blocks import HuggingFaceBlock, run_blocks
from negagen.train.text import PackedTexts

if TYPE_CHECKING:
    from negagen.data.batch import Texts

Side = Literal["vision", "text"]


class Towers(Protocol):
    """What `ContrastiveModel` needs of a model; features here are not normalised."""

    causal: bool  # texts may come packed

    @property
    def recompute(self) -> bool:
        """Whether blocks keep their input alone for the backward pass (gradient checkpointing)."""

    @recompute.setter
    def recompute(self, value: bool) -> None: ...

    def image_features(self, pixels: Tensor) -> Tensor:
        """Normalised pixels float [B, 3, H, W] to [B, D]."""

    def image_parts(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised pixels to features [B, D] and features of the patches [B, P, D]."""

    def text_features(self, texts: Texts | PackedTexts) -> Tensor:
        """T texts to [T, D]."""

    def text_parts(self, texts: Texts) -> tuple[Tensor, Tensor]:
        """T texts to features [T, D] and features of the tokens [T, L, D]."""

    def stages(self, side: Side) -> list[list[nn.Module | nn.Parameter]]:
        """A tower's parts from input to output: the stem, each block, the head. Every parameter is in one."""


class ClipTowers:
    """Towers of a `CLIPModel`: class token and patches, bidirectional; tokens, causal, pooled at the end of text."""

    causal = True
    recompute = False

    def __init__(self, network: Any) -> None:
        self.network = network

    def image_features(self, pixels: Tensor) -> Tensor:
        vision = self.network.vision_model
        pooled = self._encode_image(pixels, pool=True)
        features: Tensor = self.network.visual_projection(vision.post_layernorm(pooled))
        return features

    def image_parts(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        states = self.network.vision_model.post_layernorm(self._encode_image(pixels, pool=False))
        features = self.network.visual_projection(states)
        return features[:, 0], features[:, 1:]

    def _encode_image(self, pixels: Tensor, *, pool: bool) -> Tensor:
        vision = self.network.vision_model
        stem = vision.embeddings
        patches = embed_patches(stem.patch_embedding, pixels)
        start = stem.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
        x = torch.cat([start, patches], dim=1) + stem.position_embedding.weight
        attend = partial(self_attention, heads=vision.config.num_attention_heads)
        return run_blocks(
            [HuggingFaceBlock(layer) for layer in vision.encoder.layers],
            vision.pre_layrnorm(x),
            attend,
            pool=_first if pool else None,
            recompute=self.recompute and torch.is_grad_enabled(),
        )

    def text_features(self, texts: Texts | PackedTexts) -> Tensor:
        if isinstance(texts, PackedTexts):
            pooled = self._encode_packed(texts)
        else:
            rows = torch.arange(len(texts.ids), device=texts.ids.device)
            pooled = self._encode_texts(texts, pool=lambda x: x[rows, texts.lengths - 1])
        features: Tensor = self.network.text_projection(self.network.text_model.final_layer_norm(pooled))
        return features

    def text_parts(self, texts: Texts) -> tuple[Tensor, Tensor]:
        states = self.network.text_model.final_layer_norm(self._encode_texts(texts, pool=None))
        features = self.network.text_projection(states)
        return features[torch.arange(len(features), device=features.device), texts.lengths - 1], features

    def _encode_texts(self, texts: Texts, *, pool: Any) -> Tensor:
        text = self.network.text_model
        stem = text.embeddings
        x = stem.token_embedding(texts.ids) + stem.position_embedding.weight[: texts.ids.shape[1]]
        attend = partial(causal_attention, heads=text.config.num_attention_heads)
        return run_blocks(self._text_blocks(), x, attend, pool=pool, recompute=self._recomputing())

    def _encode_packed(self, texts: PackedTexts) -> Tensor:
        text = self.network.text_model
        stem = text.embeddings
        x = stem.token_embedding(texts.ids) + stem.position_embedding(texts.positions)
        attend = partial(
            tree_attention,
            starts=texts.starts,
            exits=texts.exits,
            heads=text.config.num_attention_heads,
            tile=texts.tile,
        )
        return run_blocks(self._text_blocks(), x, attend, pool=lambda x: x[texts.ends], recompute=self._recomputing())

    def _text_blocks(self) -> list[HuggingFaceBlock]:
        return [HuggingFaceBlock(layer) for layer in self.network.text_model.encoder.layers]

    def _recomputing(self) -> bool:
        return self.recompute and torch.is_grad_enabled()

    def stages(self, side: Side) -> list[list[nn.Module | nn.Parameter]]:
        if side == "vision":
            vision = self.network.vision_model
            layers = [[layer] for layer in vision.encoder.layers]
            head = [vision.post_layernorm, self.network.visual_projection]
            return [[vision.embeddings, vision.pre_layrnorm], *layers, head]
        text = self.network.text_model
        layers = [[layer] for layer in text.encoder.layers]
        return [[text.embeddings], *layers, [text.final_layer_norm, self.network.text_projection]]


class SiglipTowers:
    """Towers of a `SiglipModel`: patches under an attention head; tokens, bidirectional, pooled at the last place.

    Its text tower was trained without a mask on texts padded to the context's length and attends to the padding,
    so padding cannot be cut: a shorter text would give other features.
    """

    causal = False
    recompute = False

    def __init__(self, network: Any, pad_id: int) -> None:
        self.network = network
        self.pad_id = pad_id

    def image_features(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.network.vision_model.head(self._encode_image(pixels))
        return features

    def image_parts(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        states = self._encode_image(pixels)
        return self.network.vision_model.head(states), states

    def _encode_image(self, pixels: Tensor) -> Tensor:
        vision = self.network.vision_model
        x = embed_patches(vision.embeddings.patch_embedding, pixels) + vision.embeddings.position_embedding.weight
        blocks = [HuggingFaceBlock(layer) for layer in vision.encoder.layers]
        attend = partial(self_attention, heads=vision.config.num_attention_heads)
        states: Tensor = vision.post_layernorm(run_blocks(blocks, x, attend, recompute=self._recomputing()))
        return states

    def text_features(self, texts: Texts | PackedTexts) -> Tensor:
        text = self.network.text_model
        features: Tensor = text.head(text.final_layer_norm(self._encode_texts(texts, pool=_last)))
        return features

    def text_parts(self, texts: Texts) -> tuple[Tensor, Tensor]:
        text = self.network.text_model
        features = text.head(text.final_layer_norm(self._encode_texts(texts, pool=None)))
        return features[:, -1], features[:, : texts.ids.shape[1]]

    def _encode_texts(self, texts: Texts | PackedTexts, *, pool: Any) -> Tensor:
        if isinstance(texts, PackedTexts):
            raise TypeError("a SigLIP text tower sees the padding: give it Texts, not PackedTexts")
        text = self.network.text_model
        places = text.embeddings.position_embedding.weight
        ids = functional.pad(texts.ids, (0, len(places) - texts.ids.shape[1]), value=self.pad_id)
        blocks = [HuggingFaceBlock(layer) for layer in text.encoder.layers]
        attend = partial(self_attention, heads=text.config.num_attention_heads)
        x = text.embeddings.token_embedding(ids) + places
        return run_blocks(blocks, x, attend, pool=pool, recompute=self._recomputing())

    def _recomputing(self) -> bool:
        return self.recompute and torch.is_grad_enabled()

    def stages(self, side: Side) -> list[list[nn.Module | nn.Parameter]]:
        tower = self.network.vision_model if side == "vision" else self.network.text_model
        norm = tower.post_layernorm if side == "vision" else tower.final_layer_norm
        return [[tower.embeddings], *([layer] for layer in tower.encoder.layers), [norm, tower.head]]


class DualTowers:
    """Towers of a `VisionTextDualEncoderModel`: any two encoders, run as `transformers` runs them.

    Texts are cut to the longest and masked, which is exact for an encoder that masks its padding.
    """

    causal = False

    def __init__(self, network: Any) -> None:
        self.network = network
        self._recompute = False

    @property
    def recompute(self) -> bool:
        """Whether the encoders recompute, which transformers does for us."""
        return self._recompute

    @recompute.setter
    def recompute(self, value: bool) -> None:
        self._recompute = value
        for encoder in (self.network.vision_model, self.network.text_model):
            # Named anew in transformers 5; the old name warns there.
            enable = getattr(encoder, "activation_checkpointing_enable", encoder.gradient_checkpointing_enable)
            enable({"use_reentrant": False})

    def image_features(self, pixels: Tensor) -> Tensor:
        output = self.network.vision_model(pixel_values=pixels, return_dict=True)
        features: Tensor = self.network.visual_projection(output.pooler_output)
        return features

    def image_parts(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        output = self.network.vision_model(pixel_values=pixels, return_dict=True)
        project = self.network.visual_projection
        return project(output.pooler_output), project(output.last_hidden_state[:, 1:])

    def text_features(self, texts: Texts | PackedTexts) -> Tensor:
        if isinstance(texts, PackedTexts):
            raise TypeError("a bidirectional text tower cannot share beginnings: give it Texts, not PackedTexts")
        return self.text_parts(texts)[0]

    def text_parts(self, texts: Texts) -> tuple[Tensor, Tensor]:
        output = self.network.text_model(input_ids=texts.ids, attention_mask=texts.mask.long(), return_dict=True)
        project = self.network.text_projection
        return project(output.pooler_output), project(output.last_hidden_state)

    def stages(self, side: Side) -> list[list[nn.Module | nn.Parameter]]:
        tower = self.network.vision_model if side == "vision" else self.network.text_model
        project = self.network.visual_projection if side == "vision" else self.network.text_projection
        layers = _longest_list(tower)
        inside = {id(parameter) for layer in layers for parameter in layer.parameters()}
        stem = [p for name, p in tower.named_parameters() if id(p) not in inside and "embed" in name]
        known = inside | {id(parameter) for parameter in stem}
        head = [parameter for parameter in tower.parameters() if id(parameter) not in known]
        return [[*stem], *([layer] for layer in layers), [*head, project]]


def embed_patches(convolution: Any, pixels: Tensor) -> Tensor:
    """Project patches [B, 3, H, W] to [B, P, D] by a matrix product: a convolution whose stride is its size."""
    size_y, size_x = convolution.kernel_size
    batch, channels, height, width = pixels.shape
    rows, columns = height // size_y, width // size_x
    patches = pixels[:, :, : rows * size_y, : columns * size_x].reshape(batch, channels, rows, size_y, columns, size_x)
    patches = patches.permute(0, 2, 4, 1, 3, 5).reshape(batch, rows * columns, -1)
    return functional.linear(patches, convolution.weight.flatten(1), convolution.bias)


def _first(x: Tensor) -> Tensor:
    return x[:, 0]


def _last(x: Tensor) -> Tensor:
    return x[:, -1]


def _longest_list(tower: nn.Module) -> Sequence[nn.Module]:
    """The blocks of an encoder of unknown kind: its longest list of modules."""
    lists = [module for module in tower.modules() if isinstance(module, nn.ModuleList)]
    return max(map(list, lists), key=len) if lists else []
