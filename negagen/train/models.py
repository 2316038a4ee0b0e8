"""A contrastive image-text model, whichever library it comes from: pixels and texts in, normalised features out.

    model = load("openai/clip-vit-base-patch32")       # or a directory, or "open-clip:ViT-B-32/laion2b_s34b_b79k"
    images = model.encode_images(pixels)               # uint8 [B, 3, H, W] -> float32 [B, D]
    texts = model.encode_texts(model.tokenize(captions))

`network` is the library's own model with its own parameters: what trains them, saves them or wraps them works as
there. What is ours is how a batch is computed (`negagen.train.towers`, `negagen.train.text`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from negagen.data.batch import Texts
from negagen.train.text import PackedTexts, pack
from negagen.train.towers import Towers

if TYPE_CHECKING:
    from negagen.data.images import View

Source = Literal["transformers-clip", "transformers-siglip", "dual-encoder", "open-clip"]

OPEN_CLIP: Final = "open-clip:"


@dataclass(frozen=True, slots=True)
class _Compiled:
    images: Callable[[Tensor], Tensor]
    graph: Callable[[Texts | PackedTexts], Tensor]

    def texts(self, texts: Texts | PackedTexts) -> Tensor:
        for field in fields(texts):
            if isinstance(value := getattr(texts, field.name), Tensor):
                torch._dynamo.mark_dynamic(value, 0)
        return self.graph(texts)


class ContrastiveModel(nn.Module):
    """Two towers and a logit scale.

    Attributes:
        network: the library's model; its parameters are the only ones.
        source: which library and class it is.
        tokenizer: the library's tokenizer; `tokenize` calls it.
        image_size: height and width of `pixels`.
        image_mean, image_std: float [3], of pixels scaled to [0, 1].
        context_length: the most tokens of a text, its marks of start and end included.
        preprocessor: the image processor's settings, as they were read; an export writes them back.
    """

    network: Any
    _mean: Tensor
    _std: Tensor

    def __init__(
        self,
        network: nn.Module,
        towers: Towers,
        *,
        source: Source,
        tokenizer: Any,
        image_size: int,
        image_mean: Sequence[float],
        image_std: Sequence[float],
        context_length: int,
        preprocessor: dict[str, Any],
    ) -> None:
        super().__init__()
        self.network = network
        self.towers = towers
        self.source = source
        self.tokenizer = tokenizer
        self.image_size = image_size
        self.image_mean = tuple(float(value) for value in image_mean)
        self.image_std = tuple(float(value) for value in image_std)
        self.context_length = context_length
        self.preprocessor = preprocessor
        self.register_buffer("_mean", 255 * torch.tensor(self.image_mean).view(3, 1, 1), persistent=False)
        self.register_buffer("_std", 255 * torch.tensor(self.image_std).view(3, 1, 1), persistent=False)
        self._compiled: _Compiled | None = None

    def forward(self, pixels: Tensor | None, texts: Texts | PackedTexts | None) -> tuple[Tensor | None, Tensor | None]:
        """Encode pixels and texts, either of which may be left out: what DistributedDataParallel calls."""
        images = None if pixels is None else self.encode_images(pixels)
        return images, None if texts is None else self.encode_texts(texts)

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Encode pixels uint8 [B, 3, H, W] to features float32 [B, D] of length 1."""
        return self._compiled.images(pixels) if self._compiled and self.training else self._embed_images(pixels)

    def encode_texts(self, texts: Texts | PackedTexts) -> Tensor:
        """Encode T texts to features float32 [T, D] of length 1; packed ones (`pack`) are faster, and exact."""
        return self._compiled.texts(texts) if self._compiled and self.training else self._embed_texts(texts)

    def image_parts(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Encode pixels to features [B, D] and features of the patches [B, P, D], all float32 of length 1."""
        features, patches = self.towers.image_parts(self._normalise(pixels))
        return _unit(features), _unit(patches)

    def text_parts(self, texts: Texts) -> tuple[Tensor, Tensor]:
        """Encode texts to features [T, D] and features of their tokens [T, L, D], all float32 of length 1.

        Places beyond `texts.lengths` hold features of padding, which are finite and mean nothing.
        """
        features, tokens = self.towers.text_parts(texts)
        return _unit(features), _unit(tokens)

    @property
    def logit_scale(self) -> Tensor:
        """The factor on cosines, float32 []: exp of the learnt parameter."""
        scale: Tensor = self.network.logit_scale
        return scale.float().exp().reshape(())

    @property
    def logit_bias(self) -> Tensor | None:
        """What SigLIP adds to logits, float32 []; None for models that have none."""
        bias: Tensor | None = getattr(self.network, "logit_bias", None)
        return None if bias is None else bias.float().reshape(())

    @property
    def packs(self) -> bool:
        """Whether `pack` makes texts cheaper: the text tower is causal."""
        return self.towers.causal

    @property
    def text_groups(self) -> int:
        """How many groups by length texts are encoded in: several where padding can be cut but not packed away."""
        return 4 if self.source == "dual-encoder" else 1

    @property
    def view(self) -> View:
        """How a picture becomes this model's pixels, for `negagen.data.prepare`."""
        from negagen.data.images import View

        return View(
            size=self.image_size,
            crop="centre" if self.preprocessor.get("do_center_crop", False) else "squash",
            resample="bilinear" if self.preprocessor.get("resample") == 2 else "bicubic",
        )

    def tokenize(self, texts: Sequence[str]) -> Texts:
        """Tokenise texts, in order, cut to `context_length` (the end mark stays) and padded to the longest."""
        rows = self.tokenizer(list(texts), truncation=True, max_length=self.context_length)["input_ids"]
        lengths = torch.tensor([len(row) for row in rows])
        ids = torch.full((len(rows), int(lengths.max())), self.pad_id)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = torch.tensor(tokens)
        return Texts(ids, lengths)

    @property
    def pad_id(self) -> int:
        """The token that texts are filled up with."""
        return int(self.tokenizer.pad_token_id)

    def pack(self, texts: Texts) -> Texts | PackedTexts:
        """Lay texts out in the cheapest way this model's text tower knows; on the CPU, before they are moved."""
        return pack(texts) if self.packs else texts

    def use_checkpointing(self) -> None:
        """Keep each block's input alone for the backward pass: a third more arithmetic for a tenth of the memory."""
        self.towers.recompute = True

    def use_compile(self, **options: Any) -> None:
        """Compile both towers at their first use in training; the number of packed tokens stays free, of images not.

        In evaluation mode, where batches come in all sizes and each would be compiled anew, the towers run as they are.
        """
        self._compiled = _Compiled(
            images=torch.compile(self._embed_images, dynamic=False, **options),
            graph=torch.compile(self._embed_texts, **options),
        )

    def __getstate__(self) -> dict[str, Any]:
        # A copy (a teacher, an average) must not run what was compiled for the original's parameters.
        return {**self.__dict__, "_compiled": None}

    def _embed_images(self, pixels: Tensor) -> Tensor:
        return _unit(self.towers.image_features(self._normalise(pixels)))

    def _embed_texts(self, texts: Texts | PackedTexts) -> Tensor:
        return _unit(self.towers.text_features(texts))

    def _normalise(self, pixels: Tensor) -> Tensor:
        return (pixels.float() - self._mean) / self._std


def load(name: str | Path, *, device: torch.device | str = "cpu") -> ContrastiveModel:
    """Load a model in float32, in evaluation mode: from a directory, or by its name from the Hugging Face hub.

    `name` is a directory written by `save_pretrained` or by open_clip, a name on the hub, or
    "open-clip:ARCHITECTURE/PRETRAINED".

    Raises:
        ModelError: nothing there, not a contrastive image-text model, weights, tokenizer or image processor missing.
    """
    if str(name).startswith(OPEN_CLIP) or (Path(name) / "open_clip_config.json").is_file():
        from negagen.train.open_clip import load_open_clip

        return load_open_clip(str(name)).to(device).eval()
    from negagen.train.hugging_face import load_transformers

    return load_transformers(str(name)).to(device).eval()


def _unit(features: Tensor) -> Tensor:
    return functional.normalize(features.float(), dim=-1)
