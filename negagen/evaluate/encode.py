"""Pictures and texts to features: batched, each distinct one once, from the cache where it knows them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import blake2b
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from negagen.data.batch import Texts
from negagen.data.images import BadImageError
from negagen.errors import ModelError, ResourceError
from negagen.evaluate.cache import Features, FeatureStore, fingerprint
from negagen.evaluate.items import Picture
from negagen.evaluate.pictures import Decoded, Folders, opened
from negagen.train.models import ContrastiveModel

Progress = Callable[[str, int, int], None]
"""Called with what is encoded ("pictures", "texts"), how many are done, and how many there are."""

_TOKENISED = 4096
_AHEAD = 3


class Encoder:
    """Encodes with one model. Features are float32 of length 1, NaN where the model's are.

    Args:
        model: it is set to evaluation while it encodes, and back.
        folders: where pictures are looked for.
        cache: a folder for features, by model; None keeps them in memory alone.
        batch_size: pictures a forward pass; of texts four times as many.
        workers: threads that decode pictures.
        decoded: pictures that are shared with other encoders; None shares none.

    Raises:
        ModelError: the model lacks a text or an image tower.
    """

    def __init__(
        self,
        model: ContrastiveModel,
        folders: Folders,
        *,
        cache: Path | None = None,
        batch_size: int = 256,
        workers: int | None = None,
        decoded: Decoded | None = None,
    ) -> None:
        for name, tower in (
            ("encode_images", "image tower"),
            ("encode_texts", "text tower"),
            ("tokenize", "tokenizer"),
        ):
            if not callable(getattr(model, name, None)):
                raise ModelError(
                    f"{type(model).__name__} has no {tower} ({name}): a contrastive image-text model is needed, such as"
                    " negagen.train.models.load gives."
                )
        self.model = model
        self.folders = folders
        self.fingerprint = fingerprint(model)
        self.store = FeatureStore(cache, self.fingerprint)
        self.encoded: Counter[str] = Counter()
        self._batch_size = batch_size
        self._workers = workers or min(16, os.cpu_count() or 1)
        self._known = decoded or Decoded(0)
        self.on_progress: Progress = lambda *_: None
        self._device = next(model.network.parameters()).device
        self._bad: dict[int, str] = {}

    def images(self, pictures: Sequence[Picture]) -> tuple[Features, dict[str, str]]:
        """Features of the pictures, float32 [N, D], and why there are none of some: a reason by picture's key.

        The rows of those are zeros.
        """
        bad: dict[str, str] = {}
        keys: list[int] = []
        for picture in pictures:
            key = self.folders.stamp(picture)
            if key is None:
                bad[picture.key] = "its picture is missing"
            keys.append(-1 if key is None else key)
        places = [
            place for place in self.store.missing("images", keys) if keys[place] != -1 and keys[place] not in self._bad
        ]
        done = 0
        for group, arrays in self._decoded([(pictures[place], keys[place]) for place in places]):
            own = [places[done + number] for number in range(len(group))]
            done += len(group)
            good = {number: array for number, array in enumerate(arrays) if not isinstance(array, BadImageError)}
            for number, array in enumerate(arrays):
                if isinstance(array, BadImageError):
                    self._bad[keys[own[number]]] = "its picture cannot be read"
            if good:
                pixels = torch.from_numpy(np.stack(list(good.values())))
                self.store.add("images", [keys[own[number]] for number in good], self._forward(pixels))
                self.encoded["pictures"] += len(good)
            self.on_progress("pictures", done, len(places))
        for picture, key in zip(pictures, keys, strict=True):
            if key in self._bad:
                bad[picture.key] = self._bad[key]
        return self._taken(
            [None if picture.key in bad else key for picture, key in zip(pictures, keys, strict=True)]
        ), bad

    def texts(self, texts: Sequence[str]) -> tuple[Features, NDArray[np.bool_]]:
        """Features of the texts, float32 [N, D], and which fill the model's context and may have been cut: bool [N].

        Texts of the same tokens have the same features, bit by bit.
        """
        unique = list(dict.fromkeys(texts))
        keys: dict[str, int] = {}
        rows: dict[int, NDArray[np.int64]] = {}
        full: set[str] = set()
        for start in range(0, len(unique), _TOKENISED):
            part = unique[start : start + _TOKENISED]
            tokens = self.model.tokenize(part)
            for text, row, length in zip(part, tokens.ids.numpy(), tokens.lengths.tolist(), strict=True):
                ids = row[:length]
                key = int.from_bytes(blake2b(ids.tobytes(), digest_size=8).digest(), "little")
                keys[text], rows[key] = key, ids
                if length >= self.model.context_length:
                    full.add(text)
        wanted = list(rows)
        missing = [wanted[place] for place in self.store.missing("texts", wanted)]
        missing.sort(key=lambda key: len(rows[key]))
        size = 4 * self._batch_size
        for start in range(0, len(missing), size):
            part_keys = missing[start : start + size]
            self.store.add("texts", part_keys, self._forward(self._padded([rows[key] for key in part_keys])))
            self.encoded["texts"] += len(part_keys)
            self.on_progress("texts", start + len(part_keys), len(missing))
        return self.store.take("texts", [keys[text] for text in texts]), np.array([text in full for text in texts])

    def _padded(self, rows: Sequence[NDArray[np.int64]]) -> Texts:
        lengths = torch.tensor([len(row) for row in rows])
        ids = torch.full((len(rows), int(lengths.max())), self.model.pad_id, dtype=torch.int64)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = torch.from_numpy(row)
        return Texts(ids, lengths)

    def _decoded(
        self, pictures: Sequence[tuple[Picture, int]]
    ) -> Iterator[tuple[Sequence[tuple[Picture, int]], list[NDArray[np.uint8] | BadImageError]]]:
        """Batches of pixels, decoded some batches ahead of the model; pictures come with their stamps."""
        view, size, known = self.model.view, self._batch_size, self._known

        def one(picture: Picture, key: int) -> NDArray[np.uint8] | BadImageError:
            try:
                before = known.get(key, view)
                return opened(picture, self.folders, view) if before is None else before
            except BadImageError as error:
                return error

        groups = iter([pictures[start : start + size] for start in range(0, len(pictures), size)])
        with ThreadPoolExecutor(self._workers) as pool:
            ahead: list[tuple[Sequence[tuple[Picture, int]], list[Future[NDArray[np.uint8] | BadImageError]]]] = [
                (group, [pool.submit(one, *pair) for pair in group]) for group in islice(groups, _AHEAD)
            ]
            while ahead:
                group, futures = ahead.pop(0)
                arrays = [future.result() for future in futures]
                if (after := next(groups, None)) is not None:
                    ahead.append((after, [pool.submit(one, *pair) for pair in after]))
                for (_, key), array in zip(group, arrays, strict=True):
                    if not isinstance(array, BadImageError):
                        known.add(key, view, array)
                yield group, arrays

    def _forward(self, batch: torch.Tensor | Texts) -> Features:
        training = self.model.training
        self.model.eval()
        try:
            with torch.inference_mode():
                if isinstance(batch, Texts):
                    laid = self.model.pack(batch) if self._device.type == "cuda" else batch
                    features = self.model.encode_texts(laid.to(self._device))
                else:
                    features = self.model.encode_images(batch.to(self._device))
                out: Features = features.float().cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise ResourceError(
                f"the GPU's memory does not hold a batch of {self._batch_size} pictures: give a smaller --batch-size."
            ) from error
        finally:
            self.model.train(training)
        return out

    def _taken(self, keys: Sequence[int | None]) -> Features:
        known = [key for key in keys if key is not None]
        if not known:
            return np.zeros((len(keys), 1), np.float32)
        features = self.store.take("images", known)
        if len(known) == len(keys):
            return features
        out = np.zeros((len(keys), features.shape[1]), np.float32)
        out[[place for place, key in enumerate(keys) if key is not None]] = features
        return out
