"""The blindness model: what was fitted on captions, as one file, and the draw that it steers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from negagen.atomic import written_aside
from negagen.balance.features import Key
from negagen.balance.ngrams import NgramCounts
from negagen.balance.pool import MODELS, Passage, Pool, measure
from negagen.balance.selection import BINS, Policy, Tilt, choose, noise, tilted
from negagen.errors import ModelError
from negagen.seeding import key_of
from negagen.types import CATEGORIES

FORMAT: Final = 1
FOLDS: Final = 4
GROUPS: Final = 2
BUNDLED: Final = "default.npz"


def fold_of(group: object) -> int:
    """The fold of a picture (or of a caption that stands alone): captions of one picture share it."""
    return key_of("fold", group) % FOLDS


@dataclass(frozen=True, slots=True)
class BlindModel:
    """Counts of words and of classes, and the tilt; `about` says what it was fitted on.

    A model whose counts have one fold knows nothing of which captions it has seen, and leaves none out.
    """

    counts: NgramCounts
    classes: NgramCounts
    tilt: Tilt
    fingerprint: str
    about: dict[str, Any]

    @property
    def bits(self) -> int:
        """The tilt's table has 2**bits slots a group."""
        return int(self.tilt.table.shape[1]).bit_length() - 1

    def measure(
        self,
        captions: Sequence[Sequence[Key]],
        passages: Sequence[Passage],
        owner: Sequence[int],
        category: Sequence[int],
        folds: NDArray[np.int64],
    ) -> Pool:
        """See `negagen.balance.pool.measure`; `folds` int64 [C] as from `fold_of`."""
        known = folds if self.counts.folds > 1 else np.full_like(folds, -1)
        return measure(self.counts, self.classes, self.bits, captions, passages, owner, category, known)

    def energies(self, pool: Pool, folds: NDArray[np.int64]) -> NDArray[np.int64]:
        """The energy of each candidate under its caption's group of weights, in nats / SCALE: int64 [N]."""
        return tilted(pool, self.tilt, folds % GROUPS)

    def select(
        self,
        pool: Pool,
        folds: NDArray[np.int64],
        keys: NDArray[np.uint64],
        share: NDArray[np.int64],
        k: int,
        policy: Policy,
    ) -> tuple[list[list[int]], NDArray[np.int64], NDArray[np.int64]]:
        """The chosen candidates of each caption, best first, all energies, and what was drawn by: energy plus noise.

        `keys` uint64 [C] fix the noise, `share` int64 [N] are log weights of the candidates in nats / SCALE.
        """
        energy = self.energies(pool, folds)
        drawn = energy + share + noise(pool, keys)
        return choose(pool, drawn, k, policy), energy, drawn

    def save(self, path: Path) -> None:
        """Write the model to `path`, whole or not at all."""
        arrays = _arrays(self.counts, self.classes, self.tilt)
        about = np.frombuffer(json.dumps({"format": FORMAT, **self.about}, sort_keys=True).encode(), np.uint8)
        with written_aside(path) as aside, aside.open("wb") as sink:
            np.savez_compressed(sink, allow_pickle=False, about=about, **arrays)


def assemble(counts: NgramCounts, classes: NgramCounts, tilt: Tilt, about: dict[str, Any]) -> BlindModel:
    """A model of these parts, with its fingerprint."""
    digest = blake2b(digest_size=8)
    for name, array in sorted(_arrays(counts, classes, tilt).items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return BlindModel(counts, classes, tilt, digest.hexdigest(), about)


def load_model(path: str | Path) -> BlindModel:
    """The model that `BlindModel.save` wrote.

    Raises `ModelError` if the file is missing, damaged or of another format.
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as data:
            about = json.loads(bytes(data["about"]))
            if about.pop("format", None) != FORMAT:
                raise ModelError(f"{path}: made by another version of negagen; fit it again with `negagen fit`.")
            counts = _dense(data["counts_at"], data["counts"], tuple(data["counts_shape"]))
            classes = _dense(data["classes_at"], data["classes"], tuple(data["classes_shape"]))
            table = np.zeros(tuple(data["table_shape"]), np.int64)
            table.ravel()[data["table_at"]] = data["table"]
            tilt = Tilt(table, data["bins"].astype(np.int64), data["units"].astype(np.int64))
    except FileNotFoundError as error:
        raise ModelError(f"{path} does not exist: make it with `negagen fit CAPTIONS -o {path}`.") from error
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise ModelError(f"{path}: not a model of `negagen fit`, or damaged: fit it again.") from error
    if tilt.bins.shape[1:] != (len(CATEGORIES), MODELS, BINS):
        raise ModelError(f"{path}: made by another version of negagen; fit it again with `negagen fit`.")
    return assemble(NgramCounts(counts), NgramCounts(classes), tilt, about)


@cache
def bundled_model() -> BlindModel:
    """The model that negagen ships, fitted on photo captions: for inputs too small to fit one."""
    return load_model(str(files("negagen.balance") / BUNDLED))


def category_numbers() -> dict[str, int]:
    """The number that stands for each category in arrays."""
    return {category: number for number, category in enumerate(CATEGORIES)}


def _arrays(counts: NgramCounts, classes: NgramCounts, tilt: Tilt) -> dict[str, NDArray[Any]]:
    """All numbers of a model, tables by their non-zero slots."""
    out: dict[str, NDArray[Any]] = {"bins": tilt.bins.astype(np.int32), "units": tilt.units.astype(np.int32)}
    for name, table in (("counts", counts.table), ("classes", classes.table), ("table", tilt.table)):
        at = np.flatnonzero(table)
        out[f"{name}_at"] = at.astype(np.uint32)
        out[name] = table.ravel()[at].astype(np.int32)
        out[f"{name}_shape"] = np.array(table.shape, np.int64)
    return out


def _dense(at: NDArray[Any], values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.int32]:
    table = np.zeros(shape, np.int32)
    table.ravel()[at] = values
    return table
