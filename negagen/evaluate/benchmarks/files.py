"""Reading the files that benchmarks come in, with errors that name the file and the field."""

from __future__ import annotations

import ast
import csv
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from negagen.audit.formats import read_objects
from negagen.batch.jsonl import object_of
from negagen.batch.opening import explained
from negagen.errors import DataError, InputError
from negagen.evaluate.items import Picture

_LARGEST_CELL = 1 << 24


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The records of a .json, .jsonl, .csv, .tsv or .parquet file.

    Raises:
        DataError: the file is missing or damaged, or holds something else.
    """
    kind = path.suffix.lower()
    try:
        if kind == ".json":
            return read_objects(path)
        with explained(path):
            if kind == ".parquet":
                import pyarrow.parquet as pq

                return list(pq.read_table(path).to_pylist())
            if kind in (".jsonl", ".ndjson"):
                # Not `splitlines`: a string in JSON may hold other ends of lines as they are.
                lines = enumerate(path.read_text(encoding="utf-8-sig").split("\n"), 1)
                return [object_of(line, f"{path}, line {number}") for number, line in lines if line.strip()]
            if kind in (".csv", ".tsv"):
                # A cell that lists hundreds of negatives is longer than the module's own limit.
                csv.field_size_limit(min(_LARGEST_CELL, sys.maxsize))
                with path.open(encoding="utf-8-sig", newline="") as file:
                    rows = list(csv.DictReader(file, delimiter="\t" if kind == ".tsv" else ","))
                # Cells beyond the header's come under None.
                return [{name: value for name, value in row.items() if name is not None} for row in rows]
    except InputError as error:
        raise DataError(str(error)) from error
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as {kind[1:]}: {error}.") from error
    raise DataError(f"{path}: unknown kind of file; expected .json, .jsonl, .csv, .tsv or .parquet.")


def json_of(path: Path) -> Any:
    """What a JSON file holds. Raises `DataError` if it is missing or no JSON."""
    try:
        with explained(path):
            return json.loads(path.read_text(encoding="utf-8-sig"))
    except InputError as error:
        raise DataError(str(error)) from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}.") from error


def lists_of(path: Path, expected: str) -> list[list[Any]]:
    """A JSON file that is a list of lists, such as COLA's. Raises `DataError` with `expected` if it is not."""
    value = json_of(path)
    if not isinstance(value, list) or not all(isinstance(row, list) for row in value):
        raise DataError(f"{path}: expected a list of {expected}.")
    return value


def need(rows: Iterable[Mapping[str, Any]], path: Path, *fields: str) -> None:
    """Raise `DataError` if one of `fields` is in no row: the file is another than it should be."""
    known = sorted({name for row in rows for name in row})
    if not known:
        raise DataError(f"{path} holds no items.")
    for name in fields:
        if name not in known:
            raise DataError(f"{path}: its items have no field {name!r}; they have {', '.join(map(repr, known[:12]))}.")


def list_in(row: Mapping[str, Any], name: str, path: Path, number: int) -> list[str]:
    """The texts in a cell that holds a list: of Parquet, or written as Python or JSON, as CSV files do.

    Raises:
        DataError: the cell holds something else than a list of texts.
    """
    value = row.get(name)
    if isinstance(value, str) and value.strip():
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            try:
                value = json.loads(value)
            except ValueError:
                value = 0
    if value is None or value == "":
        return []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise DataError(
            f"{path}, row {number}: {name!r} is {str(row.get(name))[:80]!r}, but should be a list of texts such as"
            " ['a cat on a dog']."
        )
    return value


def picture_of(value: object, *, box: tuple[int, int, int, int] | None = None) -> Picture | None:
    """A picture from a file's name or path, its bytes, or a struct of both; None if it is nothing of these."""
    if isinstance(value, Mapping):
        data, name = value.get("bytes"), value.get("path")
        if isinstance(data, bytes) and data:
            return Picture(str(name or ""), data, box)
        value = name
    if isinstance(value, bytes):
        return Picture("", value, box) if value else None
    if isinstance(value, int) and not isinstance(value, bool):
        return Picture(str(value), None, box)
    if isinstance(value, str) and value.strip():
        return Picture(value.strip(), None, box)
    return None


def box_of(row: Mapping[str, Any], left: str, top: str, width: str, height: str) -> tuple[int, int, int, int] | None:
    """The part of a picture that `row` names by its corner and size; None unless all four are numbers."""
    try:
        x, y, w, h = (float(row[name]) for name in (left, top, width, height))
    except (KeyError, TypeError, ValueError):
        return None
    return (round(x), round(y), round(x + w), round(y + h))
