"""A run's folder: what was asked for, by which versions, of which data; and whether a resumed run asks for the same.

RUN/
    lock               while a process trains here
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
from contextlib import contextmanager
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from negagen.atomic import AGAIN, explained, written_aside
from negagen.batch.lock import Lock
from negagen.errors import OutputError, TrainingError
from negagen.train import checkpoint, metrics

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


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Be the only process that writes a run to `folder`, which is made.

    Raises `OutputError` if another one does, at once, or the folder cannot be made.
    """
    if folder.is_file():
        raise OutputError(f"{folder} is a file: name a folder with -o RUN_DIR.")
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = Lock(folder)
    lock.acquire()
    try:
        yield
    finally:
        lock.release(remove=False)


@contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Have an `OutputError` say what is safe of the run in `folder`, and how to go on."""
    try:
        yield
    except OutputError as error:
        last = checkpoint.latest(folder)
        safe = "No checkpoint was made yet" if last is None else f"All up to the checkpoint {last.name} is safe"
        raise OutputError(
            f"{str(error).removesuffix(AGAIN)} {safe}: mend this, and go on by the same command with --resume latest."
        ) from error


def begin(folder: Path, config: Mapping[str, Any], recipe: str) -> None:
    """Write the configuration of a new run to its `folder`; one that failed there before its first step is replaced.

    Raises `OutputError` if a run lies there already, or the folder cannot be written.
    """
    if (folder / CONFIG).exists():
        if checkpoint.latest(folder) or _made_a_step(folder):
            raise OutputError(
                f"{folder} holds a run already: go on with it by --resume latest, or name another folder with -o"
                " RUN_DIR."
            )
        (folder / metrics.FILE).unlink(missing_ok=True)
    _write(folder / RECIPE, recipe)
    _write(folder / CONFIG, json.dumps({**config, "versions": versions()}, indent=2, ensure_ascii=False) + "\n")


def _made_a_step(folder: Path) -> bool:
    path = folder / metrics.FILE
    # The text, as a line may be half written.
    return path.exists() and '"kind": "step"' in path.read_text(encoding="utf-8")


def check_same(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise `TrainingError` that says in what `config` differs from that of the run in `folder`.

    Versions, and what stands under `given`, may differ.
    """
    try:
        before = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrainingError(f"{folder} holds no run to resume: leave out --resume, or name the run's folder.") from None
    except ValueError as error:
        raise TrainingError(f"{folder / CONFIG}: damaged ({error}).") from error
    _check(
        before,
        config,
        f"{folder} was run with another configuration",
        "Give the same settings to resume it, or start another run with -o RUN_DIR.",
    )


def check_checkpoint(path: Path, meta: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Raise `TrainingError` unless the checkpoint in `path`, with this `meta`, is of a run of this `config`."""
    way_out = "Give a checkpoint of this very run, or --resume latest."
    if not isinstance(meta.get("configuration"), dict):
        raise TrainingError(f"{path} does not say by what configuration it was made. {way_out}")
    _check(meta["configuration"], config, f"{path} is a checkpoint of another run", way_out)


def _check(before: Mapping[str, Any], config: Mapping[str, Any], what: str, way_out: str) -> None:
    now = json.loads(json.dumps(config))
    then, found = ({key: one[key] for key in one if key not in ("versions", "given")} for one in (before, now))
    lines = list(_told(dict(_differences(then, found)), before.get("given", {}), now.get("given", {})))
    if lines:
        more = [f"and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
        raise TrainingError("\n  ".join([f"{what}:", *lines[:_LISTED], *more]) + f"\n{way_out}")


def _told(differing: Mapping[str, str], before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """The differences as lines; data is told by the files that were `given`, not by hashes and counts of them."""
    data = {"data.texts", "data.pictures"} & differing.keys()
    if data:
        yield from _other_data(before, now, texts="data.texts" in data)
    for key, values in differing.items():
        if not (data and key in ("data.texts", "data.pictures", "data.captions", "data.trained on")):
            yield f"{key}: {values}"


def _other_data(before: Mapping[str, Any], now: Mapping[str, Any], *, texts: bool) -> Iterator[str]:
    then, found = before.get("files", {}), now.get("files", {})
    pairs = zip(then.items(), found.items(), strict=False)
    changed = [(old, new) for (old, digest), (new, other) in pairs if digest != other]
    for old, new in changed:
        yield f"{new} has other contents than {'' if old == new else f'{old} had '}in the run"
    if len(then) != len(found):
        yield f"{len(then)} files in the run ({', '.join(then)}), {len(found)} now"
    elif not changed and texts and before.get("columns") == now.get("columns"):
        # A tar is known by its size, a Parquet file by its footer.
        yield f"{', '.join(found)} {'has' if len(found) == 1 else 'have'} other contents than in the run"
    elif not changed and texts:
        columns = f"{json.dumps(before.get('columns'))} in the run, {json.dumps(now.get('columns'))} now"
        yield f"captions, negatives or ids are read otherwise from the same files (columns: {columns})"
    elif not changed:
        old = "" if before.get("images") == now.get("images") else f"{before.get('images')} had "
        yield f"{now.get('images') or ', '.join(found)} has other pictures than {old}in the run"


def _differences(before: Any, now: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(before, dict) and isinstance(now, dict):
        for name in sorted({*before, *now}):
            yield from _differences(before.get(name), now.get(name), f"{key}.{name}" if key else name)
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for n, (one, other) in enumerate(zip(before, now, strict=True)):
            yield from _differences(one, other, f"{key}[{n}]")
    elif before != now:
        yield key, f"{json.dumps(before)} in the run, {json.dumps(now)} now"


def write_json(path: Path, value: object) -> None:
    """Indented JSON, whole or not there."""
    _write(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _write(path: Path, text: str) -> None:
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")
