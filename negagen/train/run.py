"""A run's folder: what was asked for, by which versions, of which data; and whether a resumed run asks for the same.

RUN/
    config.json        the resolved configuration, versions, fingerprints of data and model
    recipe.toml        the resolved recipe: --recipe RUN/recipe.toml runs it again
    metrics.jsonl      one record a step, and the evaluations
    checkpoints/       the last few
    tuned/             the tuned model, if patched; model/ holds what the run ends in
    model/
    report.json        before and after, patching curve
    feedback.parquet   with a curriculum: what the model said of each negative when it last had it
    failed-batch.pt    only after a loss that was no number
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from negagen.atomic import explained, written_aside
from negagen.errors import OutputError, TrainingError

CONFIG: Final = "config.json"
RECIPE: Final = "recipe.toml"
_PACKAGES: Final = ("torch", "transformers", "peft", "open-clip-torch", "numpy", "pyarrow", "pillow")
_LISTED: Final = 12


def versions() -> dict[str, str]:
    """Of Python, negagen and the packages that a run's figures depend on."""
    import negagen

    found = {"python": platform.python_version(), "negagen": negagen.__version__}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def weights_fingerprint(weights: Mapping[str, Tensor]) -> str:
    """A hash of the values of all tensors, by name."""
    digest = blake2b(digest_size=16)
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name} {list(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def is_run(folder: Path) -> bool:
    """Whether a run's folder it is, finished or not: models have a config.json too."""
    return (folder / CONFIG).is_file() and (folder / RECIPE).is_file()


def begin(folder: Path, config: Mapping[str, Any], recipe: str) -> None:
    """Make the folder of a new run and write its configuration there.

    Raises `OutputError` if a run lies there already, or the folder cannot be written.
    """
    if (folder / CONFIG).exists():
        raise OutputError(
            f"{folder} holds a run already: go on with it by --resume latest, or name another folder with -o RUN_DIR."
        )
    if folder.is_file():
        raise OutputError(f"{folder} is a file: name a folder with -o RUN_DIR.")
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    _write(folder / RECIPE, recipe)
    _write(folder / CONFIG, json.dumps({**config, "versions": versions()}, indent=2, ensure_ascii=False) + "\n")


def check_same(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise `TrainingError` that names the keys in which `config` differs from that of the run in `folder`.

    Versions, and what stands under `given`, may differ.
    """
    try:
        before = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrainingError(f"{folder} holds no run to resume: leave out --resume, or name the run's folder.") from None
    except ValueError as error:
        raise TrainingError(f"{folder / CONFIG}: damaged ({error}).") from error
    now = json.loads(json.dumps(config))
    for told in ("versions", "given"):
        before.pop(told, None)
        now.pop(told, None)
    differing = list(_differences(before, now))
    if differing:
        more = f"\n  and {len(differing) - _LISTED} more" if len(differing) > _LISTED else ""
        raise TrainingError(
            f"{folder} was run with another configuration:\n  "
            + "\n  ".join(differing[:_LISTED])
            + more
            + "\nGive the same settings to resume it, or start another run with -o RUN_DIR."
        )


def _differences(before: Any, now: Any, key: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for name in sorted({*before, *now}):
            yield from _differences(before.get(name), now.get(name), f"{key}.{name}" if key else name)
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for n, (one, other) in enumerate(zip(before, now, strict=True)):
            yield from _differences(one, other, f"{key}[{n}]")
    elif before != now:
        yield f"{key}: {json.dumps(before)} in the run, {json.dumps(now)} now"


def write_json(path: Path, value: object) -> None:
    """Indented JSON, whole or not there."""
    _write(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _write(path: Path, text: str) -> None:
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")
