"""NegCLIP's TSV: a caption and its picture a line, the negatives as a Python list in a cell.

The layout of https://github.com/mertyg/vision-language-models-are-bows: `title`, `filepath`, `neg_caption`. Its own
`neg_image` (indices of pictures that are hard to tell apart) has no counterpart here.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from negagen.atomic import explained, written_aside
from negagen.audit.formats import list_in_cell
from negagen.batch.readers import survey
from negagen.errors import InputError
from negagen.exchange.rows import Opened, Written, negative, rows_of, status_of, write_rows

LOST = (
    "rules, categories, weights, edits and scores of the negatives",
    "positives, status and reason",
    "columns but the caption and the path of the picture",
    "captions without negatives (NegCLIP draws one of each line's list)",
)


def write(opened: Opened, path: Path) -> Written:
    """Write one TSV file."""
    written, image = Written(), opened.paths()
    with written_aside(path) as aside, explained(path), aside.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, delimiter="\t", lineterminator="\n")
        lines.writerow(["title", "filepath", "neg_caption"])
        for row in opened.rows():
            texts = [one["text"] for one in row["negatives"] or ()]
            if not texts:
                written.left_out += 1
                continue
            lines.writerow([row[opened.caption], row[image] or "", repr(texts)])
            written.rows += 1
            written.negatives += len(texts)
    return written


def read(path: Path, output: Path) -> Written:
    """Read one TSV file; `title` becomes `caption`, further columns stay, as strings."""
    file = survey(path)
    names = file.schema.names
    for name in ("title", "neg_caption"):
        if name not in names:
            raise InputError(f"{path} has no column {name!r}, as NegCLIP's TSV has; it has {', '.join(names)}.")
    others = [name for name in names if name not in ("title", "neg_caption", "caption")]

    def rows() -> Iterator[dict[str, Any]]:
        for number, row in enumerate(rows_of(file)):
            texts = list_in_cell(row["neg_caption"], path, number)
            made = [negative(text, generator="negclip-tsv") for text in texts if text]
            yield {
                "caption": row["title"],
                **{name: row[name] for name in others},
                "negatives": made,
                "positives": [],
                **status_of(made),
            }

    own = pa.schema([pa.field(name, pa.string()) for name in ("caption", *others)])
    return write_rows(output, own, rows(), origin="negclip-tsv")
