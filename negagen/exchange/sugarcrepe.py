"""SugarCrepe's JSON: a file a category, each an object of numbered items with one negative.

The layout of https://github.com/RAIVNLab/sugar-crepe: `{"0": {"filename", "caption", "negative_caption"}, ...}`.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from negagen.atomic import explained
from negagen.audit.formats import read_objects
from negagen.errors import InputError
from negagen.exchange.rows import Opened, Written, negative, status_of, write_rows
from negagen.types import CATEGORIES

LOST = (
    "rules, weights, edits and scores of the negatives",
    "positives, status and reason",
    "columns but the caption and the path of the picture",
    "captions without negatives",
)


def write(opened: Opened, folder: Path) -> Written:
    """Write a file for each category into the new folder `folder`."""
    written, image = Written(), opened.paths()
    files: dict[str, IO[str]] = {}
    items: dict[str, int] = {}
    with ExitStack() as stack, explained(folder):
        for row in opened.rows():
            made = row["negatives"] or []
            written.left_out += not made
            written.rows += bool(made)
            for one in made:
                category = one["category"] or "other"
                if category not in files:
                    path = folder / f"{category}.json"
                    files[category] = stack.enter_context(path.open("w", encoding="utf-8"))
                    files[category].write("{")
                number = items.get(category, 0)
                item = {"filename": row[image], "caption": row[opened.caption], "negative_caption": one["text"]}
                text = json.dumps(item, ensure_ascii=False)
                files[category].write(f'{"," if number else ""}\n"{number}": {text}')
                items[category] = number + 1
                written.negatives += 1
        for file in files.values():
            file.write("\n}\n")
    return written


def read(path: Path, output: Path) -> Written:
    """Read a file, or all of a folder; items of one picture and caption become one row, in the order of first sight."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path} holds no .json file, as a folder of SugarCrepe does.")
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for file in files:
        category = file.stem if file.stem in CATEGORIES else ""
        for number, item in enumerate(read_objects(file)):
            for name in ("caption", "negative_caption"):
                if not isinstance(item.get(name), str):
                    raise InputError(
                        f"{file}, record {number}: {name!r} is {item.get(name)!r}, but should be text, as in"
                        ' {"filename": "1.jpg", "caption": "a dog", "negative_caption": "a cat"}.'
                    )
            key = (str(item.get("filename") or ""), item["caption"])
            made = negative(item["negative_caption"], category=category, generator="sugarcrepe-json")
            rows.setdefault(key, []).append(made)
    table = (
        {"caption": caption, "filename": filename, "negatives": made, "positives": [], **status_of(made)}
        for (filename, caption), made in rows.items()
    )
    own = pa.schema([pa.field("caption", pa.string()), pa.field("filename", pa.string())])
    return write_rows(output, own, table, origin="sugarcrepe-json")
