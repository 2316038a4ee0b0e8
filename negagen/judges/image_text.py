"""A CLIP-like model as a judge: does the picture fit a negative better than its caption?"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from math import exp
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from negagen.errors import ModelError
from negagen.judges.loading import digest_of, explained, modules, place, positions, whole
from negagen.judges.stage import Case, Opinion

_REFUSED: Final = "the picture fits it better than its caption"
_MARGIN: Final = 2.0
_UNREAD: Final = "its picture cannot be read"
_CUT: Final = "longer than the image-text model reads"
_NOT_SEEN: Final = frozenset(["swap_obj", "swap_att", "swap_role", "negate", "shuffle"])


class ImageTextJudge:
    """Compares picture and caption with picture and negative.

    The score `image_text` is the gap: scale * (cos(image, negative) - cos(image, caption)), in logits. A gap above
    `margin` refuses the negative; a gap g between 0 and `margin` multiplies its weight by 2 / (1 + exp(g)), twice the
    probability that the model gives the caption; below 0 nothing changes. Swaps, denials and shuffles are scored but
    neither refused nor weighed: such models read captions as bags of words, and know nothing of them.

    Cases without a picture get no score. Texts longer than the model's positions are cut, and `truncated` counts them;
    if the cut takes the edit away there is no score either.

    Args:
        path: a folder that `save_pretrained` wrote: CLIP, SigLIP or another model with image and text features and a
            logit scale, and its processor. Nothing is downloaded.
        margin: logits above which a negative is refused.
        device: a torch device; "auto" is a GPU where there is one.
        batch_size: pictures, or texts, a forward pass.

    Raises:
        ModelError: the path holds no such model, a package is not installed, or the device is not there.
    """

    name = "image_text"

    def __init__(
        self, path: str | Path, *, margin: float = _MARGIN, device: str = "auto", batch_size: int = 64
    ) -> None:
        path = Path(path)
        if not path.is_dir():
            raise ModelError(
                f"{path} is no folder: give that of an image-text model such as CLIP, as `save_pretrained` writes it."
            )
        _, transformers = modules("an image-text model")
        with explained(path, "image-text model"):
            model, info = transformers.AutoModel.from_pretrained(path, local_files_only=True, output_loading_info=True)
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(path, local_files_only=True)
            self._pixels: Any = transformers.AutoImageProcessor.from_pretrained(path, local_files_only=True)
        parts = ("get_text_features", "get_image_features", "logit_scale")
        if lacking := [part for part in parts if not hasattr(model, part)]:
            raise ModelError(
                f"{path}: a {type(model).__name__} has no {lacking[0]}: an image-text model such as CLIP is needed."
            )
        whole(info, path, "image-text model")
        self._longest = positions(model.config.text_config)
        # SigLIP was trained on texts padded to its length, and gives other features without.
        self._padding = "max_length" if model.config.model_type.startswith("siglip") else True
        self._scale = exp(float(model.logit_scale.detach().mean()))
        self._model: Any = place(model, device)
        self._margin = margin
        self._batch_size = batch_size
        self._path = path
        self.truncated = 0

    def __repr__(self) -> str:
        return f"ImageTextJudge({str(self._path)!r}, margin={self._margin})"

    @property
    def config(self) -> dict[str, object]:
        """The model's fingerprint and the margin."""
        return {"model": digest_of(self._path), "margin": self._margin}

    def __call__(self, cases: Sequence[Case]) -> list[Opinion]:
        """An opinion a case, in order."""
        pictures = _Pictures()
        where = [pictures.add(case.image) for case in cases]
        seen = [case for case, at in zip(cases, where, strict=True) if at is not None and at >= 0]
        texts = {text: n for n, text in enumerate(dict.fromkeys(t for c in seen for t in (c.caption, c.negative.text)))}
        coded = self._coded(list(texts))
        images, features = self.image_features(pictures.opened), self.text_features(list(texts))
        out = []
        for case, at in zip(cases, where, strict=True):
            if at is None or at < 0:
                out.append(Opinion(None, case.negative.weight, note="" if at is None else _UNREAD))
                continue
            own, other = texts[case.caption], texts[case.negative.text]
            if coded[own] == coded[other]:
                out.append(Opinion(None, case.negative.weight, note=_CUT))
                continue
            out.append(self._opinion(self._scale * float(images[at] @ (features[other] - features[own])), case))
        return out

    def _opinion(self, gap: float, case: Case) -> Opinion:
        weight = case.negative.weight
        if gap <= 0 or case.negative.category in _NOT_SEEN:
            return Opinion(gap, weight)
        if gap > self._margin:
            return Opinion(gap, weight, _REFUSED)
        return Opinion(gap, weight * 2 / (1 + exp(gap)))

    def text_features(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Unit vectors: float64 [N, D]."""
        batches = []
        for start in range(0, len(texts), self._batch_size):
            inputs = self._tokenizer(
                list(texts[start : start + self._batch_size]),
                return_tensors="pt",
                padding=self._padding,
                truncation=True,
                max_length=self._longest,
            )
            batches.append(self._features("get_text_features", inputs))
        return np.concatenate(batches) if batches else np.zeros((0, 0))

    def _coded(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """What the model reads of each text."""
        whole = self._tokenizer(list(texts), verbose=False)["input_ids"] if texts else []
        self.truncated += sum(len(ids) > self._longest for ids in whole)
        cut = self._tokenizer(list(texts), truncation=True, max_length=self._longest)["input_ids"] if texts else []
        return [tuple(ids) for ids in cut]

    def image_features(self, pictures: Sequence[Any]) -> NDArray[np.float64]:
        """Unit vectors of PIL images: float64 [N, D]."""
        batches = [
            self._features(
                "get_image_features",
                self._pixels(list(pictures[start : start + self._batch_size]), return_tensors="pt"),
            )
            for start in range(0, len(pictures), self._batch_size)
        ]
        return np.concatenate(batches) if batches else np.zeros((0, 0))

    def _features(self, method: str, inputs: Any) -> NDArray[np.float64]:
        import torch

        with torch.inference_mode():
            found = getattr(self._model, method)(**inputs.to(self._model.device))
            # A tensor until transformers 5, then an output that holds it.
            features = found if isinstance(found, torch.Tensor) else found.pooler_output
            out: NDArray[np.float64] = torch.nn.functional.normalize(features.double(), dim=-1).cpu().numpy()
        return out


def open_picture(image: Any) -> Any:
    """The file at a path, or bytes of one, as an RGB image of PIL; None if it cannot be read."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(image) if isinstance(image, bytes) else image) as opened:
            return opened.convert("RGB")
    except (OSError, ValueError, AttributeError, Image.DecompressionBombError):
        return None


class _Pictures:
    """Pictures opened once each."""

    def __init__(self) -> None:
        self.opened: list[Any] = []
        self._known: dict[Any, int] = {}

    def add(self, image: Any) -> int | None:
        """Where it is among `opened`; -1 if it cannot be read, None if there is none."""
        key = (image.get("bytes") or image.get("path")) if isinstance(image, Mapping) else image
        if not key:
            return None
        if key not in self._known:
            picture = open_picture(key)
            self._known[key] = -1 if picture is None else len(self.opened)
            if picture is not None:
                self.opened.append(picture)
        return self._known[key]
