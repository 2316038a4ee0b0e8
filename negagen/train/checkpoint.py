"""Checkpoints: folders that are whole or not there, the last few kept, and their return.

checkpoints/step-00000400/
    model.safetensors      every parameter and buffer, at the model's own precision
    state.pt               optimiser, gradient scaler, averaged weights: tensors and numbers only
    meta.json              step, versions, and the run's configuration, by which a resumed run knows its own
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from negagen.atomic import ASIDE, flush
from negagen.errors import TrainingError
from negagen.train.writing import libraries_explained, save_tensors

FOLDER: Final = "checkpoints"
_FILES: Final = ("model.safetensors", "state.pt", "meta.json")
_NAME: Final = re.compile(r"step-(\d{8,})")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a run needs to go on as if it had never stopped. `model` maps names to tensors, on the CPU when loaded."""

    step: int
    model: Mapping[str, Tensor]
    state: Mapping[str, Any]
    meta: Mapping[str, Any]


def save(run: Path, checkpoint: Checkpoint, *, keep: int) -> Path:
    """Write a checkpoint of the run in folder `run` and remove all but the newest `keep`.

    It is written under another name, flushed to disk and renamed: after a crash there is the whole of it or nothing.
    Raises `OutputError` where the disk is full or the folder is not writable.
    """
    folder = run / FOLDER
    target = folder / f"step-{checkpoint.step:08d}"
    aside = folder / f"{target.name}.{os.getpid()}{ASIDE}"
    with libraries_explained(target):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(aside, ignore_errors=True)  # in a container every process may have the same number
        aside.mkdir()
        try:
            save_file(_distinct(checkpoint.model), aside / "model.safetensors")
            save_tensors(dict(checkpoint.state), aside / "state.pt")
            meta = {**checkpoint.meta, "step": checkpoint.step}
            (aside / "meta.json").write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
            for written in (*aside.iterdir(), aside):
                flush(written)
            if target.exists():  # the same step again
                _remove(target)
            aside.replace(target)
            flush(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        for old in _whole(folder)[:-keep] if keep else []:
            _remove(old)
        for left in folder.glob(f"step-*{ASIDE}"):  # of a process that was killed while it wrote or removed
            shutil.rmtree(left, ignore_errors=True)
    return target


def forget_after(run: Path, step: int) -> list[int]:
    """Remove the checkpoints of steps after `step`, and give these steps, the last one first.

    A run that goes on from `step` makes them anew; until then it must not be resumed from them. Raises `OutputError`.
    """
    later = [path for path in reversed(_whole(run / FOLDER)) if _step(path) > step]
    with libraries_explained(run / FOLDER):
        for path in later:
            _remove(path)
    return [_step(path) for path in later]


def latest(run: Path) -> Path | None:
    """The newest whole checkpoint of the run in folder `run`."""
    whole = _whole(run / FOLDER)
    return whole[-1] if whole else None


def look_at(path: Path) -> tuple[int, Mapping[str, Any]]:
    """The step and `meta` of a checkpoint's folder. Raises as `load` if it is not whole, but reads no tensors."""
    with _whole_or_told(path):
        with safe_open(path / "model.safetensors", "pt"):
            pass
        torch.load(path / "state.pt", map_location="cpu", weights_only=True, mmap=True)
        return _meta(path)


def load(path: Path) -> Checkpoint:
    """Read one checkpoint's folder. Raises `TrainingError` if it is missing or damaged."""
    with _whole_or_told(path):
        step, meta = _meta(path)
        model = load_file(path / "model.safetensors")
        state = torch.load(path / "state.pt", map_location="cpu", weights_only=True)
        return Checkpoint(step, model, state, meta)


def _meta(path: Path) -> tuple[int, Mapping[str, Any]]:
    meta = json.loads((path / "meta.json").read_text(encoding="utf-8"))
    return int(meta["step"]), meta


@contextmanager
def _whole_or_told(path: Path) -> Iterator[None]:
    missing = [name for name in _FILES if not (path / name).is_file()]
    if missing:
        raise TrainingError(
            f"{path}: no checkpoint of negagen, {', '.join(missing)} is missing. Give a folder {FOLDER}/step-... of a"
            " run, or --resume latest."
        )
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, EOFError, UnpicklingError) as error:
        raise TrainingError(
            f"{path}: a damaged checkpoint ({error}). Remove the folder and resume from the one before it."
        ) from error


def _whole(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("step-*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=_step)


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _remove(path: Path) -> None:
    """Delete a checkpoint that is whole at every moment that it goes by its name."""
    aside = path.with_name(f"{path.name}.old.{os.getpid()}{ASIDE}")
    shutil.rmtree(aside, ignore_errors=True)
    path.replace(aside)
    shutil.rmtree(aside)


def _distinct(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous copies where tensors share memory: safetensors stores none that do."""
    seen: set[int] = set()
    distinct = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach()
        shared = tensor.untyped_storage().data_ptr() in seen
        seen.add(tensor.untyped_storage().data_ptr())
        distinct[name] = tensor.clone().contiguous() if shared else tensor.contiguous()
    return distinct
