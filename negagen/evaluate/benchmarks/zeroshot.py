"""Zero-shot classification of a folder of pictures by class, as ImageNet's validation set lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from negagen.errors import DataError
from negagen.evaluate.benchmarks.files import json_of
from negagen.evaluate.items import Classification, Picture

ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
_TEMPLATES = ("a photo of a {}.",)


def zero_shot(folder: Path, name: str) -> Classification:
    """Each folder in `folder` is a class that holds its pictures.

    `classnames.txt` beside the classes names them, "n01440764 tench" a line; or `classnames.json`, {"n01440764":
    "tench"}; without either, a folder's name is its class's. `templates.txt` holds prompts such as "a photo of a {}.",
    one a line; without it, that one alone.

    Raises:
        DataError: no folders with pictures, a class without a name, a template without "{}".
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected one with a folder of pictures for each class.")
    found = {
        child.name: sorted(path for path in child.iterdir() if path.suffix.lower() in ENDINGS)
        for child in sorted(folder.iterdir())
        if child.is_dir()
    }
    classes = [own for own, files in found.items() if files]
    if len(classes) < 2:
        raise DataError(f"{folder}: expected two classes or more, a folder of pictures each; found {len(classes)}.")
    names = _names(folder)
    for own in classes:
        if names and own not in names:
            raise DataError(f"{folder}: the file of class names has none for {own!r}.")
    images = [Picture(str(path)) for own in classes for path in found[own]]
    labels = [number for number, own in enumerate(classes) for _ in found[own]]
    return Classification(
        name,
        tuple(images),
        np.array(labels, np.int64),
        tuple(names.get(own, own.replace("_", " ")) for own in classes),
        _templates(folder),
        found=len(images),
    )


def _names(folder: Path) -> dict[str, str]:
    if (path := folder / "classnames.json").exists():
        value = json_of(path)
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            raise DataError(f'{path}: expected an object such as {{"n01440764": "tench"}}.')
        return value
    if not (path := folder / "classnames.txt").exists():
        return {}
    out = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        own, _, said = line.strip().partition(" ")
        if not said.strip():
            raise DataError(f"{path}, line {number}: expected a folder and its class, such as `n01440764 tench`.")
        out[own] = said.strip()
    return out


def _templates(folder: Path) -> tuple[str, ...]:
    path = folder / "templates.txt"
    if not path.exists():
        return _TEMPLATES
    lines = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    for line in lines:
        if "{}" not in line:
            raise DataError(f"{path}: the template {line!r} has no {{}} for the class.")
    if not lines:
        raise DataError(f"{path} holds no template.")
    return lines
