"""The generic format: a picture, what is true of it, what is not; `negagen generate` writes it, and so can anyone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from negagen.errors import DataError
from negagen.evaluate.benchmarks.files import list_in, picture_of, rows_of
from negagen.evaluate.items import Choices, Gathering

_PICTURES = ("image", "image_path", "filepath", "filename", "file_name")


def generic(path: Path, name: str) -> Choices:
    """A Parquet, JSONL, JSON or CSV file with a column of pictures, `negatives`, and `positives` or `caption`.

    A picture is bytes, a struct of `bytes` and `path`, or a file's name; `negatives` and `positives` are lists of texts
    or of structs with a `text` (and, of negatives, a `category`; else the row's `category`). The caption is the column
    `caption`, or else the first of `positives`; the other positives are hard positives. Each negative is an item of
    its own, by its category: the caption must be above it. "consistency" wants the hard positives above it as well,
    "all of row" the caption above all negatives of its row.
    """
    rows = rows_of(path)
    names = {field for row in rows[:100] for field in row}
    image = next((one for one in _PICTURES if one in names), None)
    if image is None or "negatives" not in names or not {"caption", "positives"} & names:
        raise DataError(
            f"{path}: expected a column of pictures ({', '.join(_PICTURES)}), `negatives`, and `caption` or"
            f" `positives`; it has {', '.join(map(repr, sorted(names)))}."
        )
    found = Gathering()
    for number, row in enumerate(rows):
        _add(found, row, path, number, image)
    return Choices(
        name, "text", tuple(found.items), "accuracy", found=found.found, skipped=dict(found.skipped),
        notes=dict(found.notes),
    )  # fmt: skip


def _add(found: Gathering, row: Mapping[str, Any], path: Path, number: int, image: str) -> None:
    picture = picture_of(row.get(image))
    negatives = _texts(row, "negatives", path, number)
    positives = [text for text, _ in _texts(row, "positives", path, number)]
    true = [row["caption"], *positives] if row.get("caption") else positives
    if picture is None:
        return found.skip("no picture is named")
    if not true or not isinstance(true[0], str):
        return found.skip("a text is missing")
    if not negatives:
        return found.skip("it has no negatives")
    # Siblings, rows of one picture, are told by `image_id` where there is one; a row's own id keeps items apart.
    own = str(number if row.get("id") is None else row["id"])
    group = row.get("image_id")
    for place, (text, category) in enumerate(negatives):
        kind = category if category is not None else row.get("category")
        found.add(
            f"{own}/{place}", kind, [picture], true, [text],
            group=None if group is None else str(group), sets=(("row", str(number)),),
        )  # fmt: skip
    return None


def _texts(row: Mapping[str, Any], name: str, path: Path, number: int) -> list[tuple[Any, str | None]]:
    value = row.get(name)
    if isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        structs = [one for one in value if isinstance(one, Mapping)]
        return [(one.get("text"), one.get("category")) for one in structs]
    return [(text, None) for text in list_in(row, name, path, number)]
