"""Features on disk, by the model that made them: what is encoded once is never encoded again."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from negagen.atomic import explained, written_aside
from negagen.seeding import key_of

if TYPE_CHECKING:
    from negagen.train.models import ContrastiveModel

Kind = Literal["images", "texts"]
Features = NDArray[np.float32]


def fingerprint(model: ContrastiveModel) -> str:
    """A hash of all that features depend on: the weights, and how pictures are scaled and normalised.

    Texts are kept by their tokens, so that the tokenizer does not matter.
    """
    digest = blake2b(digest_size=16)
    digest.update(f"{model.source} {model.view} {model.image_mean} {model.image_std} {model.context_length}".encode())
    for name, tensor in sorted(model.network.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        values = tensor.detach().cpu().contiguous()
        digest.update(memoryview(values.reshape(-1).view(_bytes()).numpy()))
    return digest.hexdigest()


class FeatureStore:
    """Features of one model by 64-bit key, in memory, and below `folder` if there is one.

    `save` adds what is new as a file of its own, written aside and renamed; any number of processes may write.
    """

    def __init__(self, folder: Path | None, model: str) -> None:
        self._folder = None if folder is None else folder / model
        self._known: dict[Kind, dict[int, Features]] = {"images": {}, "texts": {}}
        self._new: dict[Kind, dict[int, Features]] = {"images": {}, "texts": {}}
        self.read = {"images": 0, "texts": 0}
        if self._folder is not None and self._folder.is_dir():
            for kind in self._known:
                for path in sorted(self._folder.glob(f"{kind}-*.npz")):
                    self._known[kind].update(_read(path))

    def missing(self, kind: Kind, keys: Sequence[int]) -> list[int]:
        """Places of the `keys` that are not known, the first of each."""
        known, seen, out = self._known[kind], set[int](), []
        for place, key in enumerate(keys):
            if key not in known and key not in seen:
                seen.add(key)
                out.append(place)
        return out

    def add(self, kind: Kind, keys: Sequence[int], features: Features) -> None:
        """Keep `features` ([N, D]) under `keys`."""
        made = dict(zip(keys, features, strict=True))
        self._known[kind].update(made)
        self._new[kind].update(made)

    def take(self, kind: Kind, keys: Sequence[int]) -> Features:
        """The features under `keys`: float32 [N, D]."""
        known = self._known[kind]
        return np.stack([known[key] for key in keys]) if keys else np.zeros((0, 0), np.float32)

    def save(self) -> None:
        """Write what is new to disk, where there is a folder. Raises `OutputError`."""
        if self._folder is None:
            return
        for kind, new in self._new.items():
            if not new:
                continue
            with explained(self._folder):
                self._folder.mkdir(parents=True, exist_ok=True)
            keys = np.array(list(new), np.uint64)
            buffer = io.BytesIO()
            np.savez(buffer, keys=keys, features=np.stack(list(new.values())))
            with written_aside(self._folder / f"{kind}-{key_of(kind, *keys.tolist()):016x}.npz") as aside:
                aside.write_bytes(buffer.getvalue())
            new.clear()


def _read(path: Path) -> Mapping[int, Features]:
    try:
        with np.load(path) as file:
            return dict(zip(file["keys"].tolist(), file["features"], strict=True))
    except (OSError, ValueError, KeyError, EOFError):
        # A cache may lose a file without harm: what it held is encoded again, under the same name.
        return {}


def _bytes() -> object:
    import torch

    return torch.uint8
