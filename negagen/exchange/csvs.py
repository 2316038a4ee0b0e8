"""CSV: a line a negative, with what is nested as JSON in a cell. A caption without negatives has one line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from negagen.atomic import explained, written_aside
from negagen.batch import schema as schemas
from negagen.batch.readers import survey
from negagen.errors import InputError
from negagen.exchange.rows import Opened, Written, json_columns, negative, rows_of, write_rows

LOST = (
    "positives",
    "types of columns (all are text on the way back) and the difference of null and empty",
    "columns of bytes",
)
_FIELDS = tuple(schemas.FLAT_COLUMNS.names)
_PARTS = tuple(field.name for field in schemas.NEGATIVE)


def write(opened: Opened, path: Path) -> Written:
    """Write one CSV file: `row` (the number of the caption), its columns, `negative`, `negative_rule` and so on."""
    names, omitted = json_columns(opened)
    _check_free(names, opened)
    written = Written(omitted=omitted)
    with written_aside(path) as aside, explained(path), aside.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["row", *names, "status", "reason", *_FIELDS])
        for number, row in enumerate(opened.rows()):
            own = [cell(row[name]) for name in names]
            made = row["negatives"] or []
            for one in made or [None]:
                values = [""] * len(_FIELDS) if one is None else [cell(one[name]) for name in _PARTS]
                lines.writerow([number, *own, row["status"], row["reason"] or "", *values])
            written.rows += 1
            written.negatives += len(made)
    return written


def cell(value: object) -> str:
    """`value` as the text of a cell: null is empty, lists and structs are JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def read(path: Path, output: Path) -> Written:
    """Read what `write` wrote."""
    file = survey(path)
    missing = [name for name in ("row", "status", "reason", *_FIELDS) if name not in file.schema.names]
    if missing:
        raise InputError(f"{path} has no column {missing[0]!r}, as `negagen export --to csv` writes it.")
    names = [name for name in file.schema.names if name not in {"row", "status", "reason", *_FIELDS}]

    def rows() -> Iterator[dict[str, Any]]:
        current: dict[str, Any] | None = None
        last = ""
        for line, row in enumerate(rows_of(file), start=2):
            if current is None or row["row"] != last:
                if current is not None:
                    yield current
                last = row["row"]
                current = {name: row[name] for name in names}
                current |= {"negatives": [], "positives": [], "status": row["status"]}
                current["reason"] = row["reason"] or None
            if row["negative"]:
                current["negatives"].append(_negative(row, path, line))
        if current is not None:
            yield current

    own = pa.schema([pa.field(name, pa.string()) for name in names])
    # The captions' column is not on record here: it is the one of the usual names, or the first.
    caption = next((name for name in ("caption", "title", "text") if name in names), names[0] if names else "caption")
    return write_rows(output, own, rows(), origin="csv", caption=caption)


def _negative(row: dict[str, str], path: Path, line: int) -> dict[str, Any]:
    made = negative(row["negative"], category=row["negative_category"], generator=row["negative_generator"])
    made["rule"] = row["negative_rule"]
    for name in ("weight", "edits", "scores"):
        text = row[f"negative_{name}"]
        try:
            made[name] = json.loads(text) if text else None
        except ValueError as error:
            raise InputError(f"{path}, about line {line}: negative_{name} is {text[:80]!r}, not JSON.") from error
    return made


def _check_free(names: list[str], opened: Opened) -> None:
    taken = [name for name in names if name in {"row", *_FIELDS}]
    if taken:
        raise InputError(f"{opened.file.path} has a column {taken[0]!r}, which the CSV adds: rename it first.")
