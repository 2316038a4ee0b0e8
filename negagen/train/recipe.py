"""Recipes: what a fine-tuning run minimises, on which batches, with which optimiser; TOML files that a person writes.

`negagen/train/recipes/` holds those that negagen ships. A file of one's own may start from one of them
(`base = "negclip"`) and state what differs. A key that is not known or a value that cannot be stops a run before its
first step.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from negagen.errors import RecipeError
from negagen.ruleset import nearest
from negagen.train.recipe_schema import (
    BatchSettings,
    CurriculumSettings,
    LossTerm,
    ModelSettings,
    OptimizerSettings,
    PatchingSettings,
    Recipe,
    RetentionSettings,
)

__all__ = [
    "BatchSettings",
    "CurriculumSettings",
    "LossTerm",
    "ModelSettings",
    "OptimizerSettings",
    "PatchingSettings",
    "Recipe",
    "RetentionSettings",
    "load_recipe",
    "recipe_names",
]

DIRECTORY: Final = Path(__file__).parent / "recipes"


def recipe_names() -> tuple[str, ...]:
    """The recipes that negagen ships, by name."""
    return tuple(sorted(path.stem for path in DIRECTORY.glob("*.toml")))


def load_recipe(name_or_path: str | Path, overrides: Mapping[str, str] | None = None) -> Recipe:
    """A shipped recipe by name, or a file (a path that ends in .toml), with single keys overridden.

    An override is a dotted key and its value as TOML would have it, quotes of strings left out: `optimizer.lr` to
    `1e-5`, `loss.negclip.weight` to `0.5`, `patching.alpha` to `none`. Setting `optimizer.steps` drops the recipe's
    `optimizer.epochs` and the other way round. Raises `RecipeError` for what does not exist, cannot be read, or does
    not fit, with the nearest name for a misspelt key.
    """
    data, origin = _read(str(name_or_path), ())
    for key, text in (overrides or {}).items():
        _override(data, key, text, origin)
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise RecipeError(f"recipe {origin}: {_explain(error)}") from error


def _read(name: str, seen: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """A recipe's tables, merged over those of its base."""
    path = Path(name) if name.endswith(".toml") else DIRECTORY / f"{name}.toml"
    if not path.is_file():
        if name.endswith(".toml"):
            raise RecipeError(f"no recipe file {path}")
        raise RecipeError(f"no recipe {name!r}, and no path that ends in .toml{nearest(name, recipe_names())}")
    if str(path) in seen:
        raise RecipeError(f"recipe {path}: its base is, in the end, itself")
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"recipe {path}: {error}") from error
    base = data.pop("base", None)
    if base is None:
        return data, name
    if not isinstance(base, str):
        raise RecipeError(f"recipe {path}: base: expected the name or path of a recipe")
    if base.endswith(".toml"):
        base = str(path.parent / base)
    return _merged(_read(base, (*seen, str(path)))[0], data), name


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        if key == "optimizer" and isinstance(merged[key], dict):
            _keep_one_length(merged[key], value)
    return merged


def _keep_one_length(optimizer: dict[str, Any], stated: Iterable[str]) -> None:
    """Whoever states steps means them instead of epochs, and the other way round."""
    given = {"steps", "epochs"} & set(stated)
    if len(given) == 1:
        optimizer.pop(({"steps", "epochs"} - given).pop(), None)


def _override(data: dict[str, Any], key: str, text: str, origin: str) -> None:
    *path, last = key.split(".")
    fields = _fields(Recipe)
    table: Any = data
    while path:
        part = path.pop(0)
        if fields and part not in fields:
            raise RecipeError(f"override {key}: no such key {part!r}{nearest(key, _dotted())}")
        below = table.setdefault(part, {})
        if isinstance(below, list) and path:
            below, fields = _loss(below, path.pop(0), key, origin), {}
        else:
            fields = _fields(fields[part]) if part in fields else {}
        if not isinstance(below, dict):
            raise RecipeError(f"override {key}: {part!r} has no keys; a loss's are set as in loss.clip.weight")
        table = below
    if fields and last not in fields:
        raise RecipeError(f"override {key}: no such key {last!r}{nearest(key, _dotted())}")
    table[last] = _value(text)
    if key.startswith("optimizer.") and table[last] is not None:
        _keep_one_length(table, {last})


def _loss(terms: list[Any], name: str, key: str, origin: str) -> Any:
    """The table of the loss of that name."""
    names = [str(term.get("name")) for term in terms if isinstance(term, dict)]
    if name not in names:
        raise RecipeError(f"override {key}: recipe {origin} has no loss {name!r}{nearest(name, names)}")
    return next(term for term in terms if term["name"] == name)


def _fields(model: Any) -> dict[str, Any]:
    """The keys that a table may have, with the types of their values; empty for what is no table, or takes any key."""
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return {}
    return {name: field.annotation for name, field in model.model_fields.items()}


def _dotted() -> list[str]:
    """Every key of a recipe, with that of its table before it."""
    tables = {name: _fields(annotation) for name, annotation in _fields(Recipe).items()}
    return [f"{name}.{key}" for name, keys in tables.items() for key in keys] + list(tables)


def _value(text: str) -> Any:
    """An override's value: TOML where it is that, `none`, or else the text itself."""
    if text.strip().lower() == "none":
        return None
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if parsed.keys() == {"value"} else text


def _explain(error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        place = [str(part) for part in item["loc"]]
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            fields = _fields(Recipe)
            for part in place[:-1]:
                fields = _fields(fields[part])
            message = f"no such key{nearest(place[-1], fields)}"
        elif item["type"] == "missing":
            message = "missing; give it"
        lines.append(f"{'.'.join(place)}: {message}" if place else message)
    return "; ".join(lines)
