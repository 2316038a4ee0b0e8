"""Files of negatives, whoever wrote them: which layout a file has, and its rows as pairs."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from negagen.audit.pairs import Gathered, Made, Pairs
from negagen.batch import schema as schemas
from negagen.batch.opening import explained
from negagen.batch.readers import InputFile, batches, survey
from negagen.errors import InputError
from negagen.types import CATEGORIES


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of columns, where they are not those of a known layout. `caption` and `negative` go together."""

    caption: str | None = None
    negative: str | None = None
    category: str | None = None
    group: str | None = None


def load(
    path: Path | str | Sequence[Path | str],
    columns: Columns | None = None,
    *,
    limit: int | None = None,
    seed: int = 0,
) -> Pairs:
    """Read a file of negatives; of more than `limit` captions, a sample that `seed` fixes.

    Known layouts: negagen's own Parquet (one row a caption or, `--flat`, one a negative), NegCLIP's TSV
    (`title`, `neg_caption`, `filepath`) and SugarCrepe's JSON. Any other Parquet, CSV, TSV, JSONL or JSON needs
    `columns`; there a negative is a string or a list of strings. Rows of one group show one picture: they are in
    `image_id`, `filepath`, `filename` or `columns.group`, or each caption is a group.

    Several files of JSON, as SugarCrepe has one a category, are read as one set: a caption of one picture that
    stands in two of them is one caption.

    Raises:
        InputError: no such file, a layout that is not known, a column that is missing or holds no text; several files
            not all of which are JSON, or no file.
    """
    paths = list(dict.fromkeys(map(Path, [path] if isinstance(path, str | Path) else path)))
    columns = columns or Columns()
    if (columns.caption is None) != (columns.negative is None):
        raise InputError("name both the column of captions and that of negatives, or neither.")
    others = [one for one in paths if one.suffix.lower() != ".json"]
    if not others and paths:
        return _load_json(paths, columns, limit, seed)
    if len(paths) != 1:
        raise InputError(
            f"several files are read as one set where all are JSON, as SugarCrepe's are, and {others[0]} is not: audit"
            " it by itself."
            if others
            else "no file of negatives: name at least one."
        )
    only = paths[0]
    file = survey(only)
    layout = _layout(file, columns)
    gathered = Gathered(str(only), layout.name, limit, seed)
    gathered.complete = layout.name != "flat"
    names = [name for name in file.schema.names if name in layout.read]
    row = 0
    for batch in batches(file, columns=names):
        for caption, group, negatives in _rows(batch, layout, only, row):
            gathered.add(caption, group, negatives, merge=layout.name != "rows")
        row += batch.num_rows
    return gathered.pairs()


@dataclass(frozen=True, slots=True)
class _Layout:
    name: str
    caption: str
    negative: str
    category: str | None = None
    rule: str | None = None
    group: str | None = None

    @property
    def read(self) -> set[str]:
        return {value for one in fields(self)[1:] if (value := getattr(self, one.name))}


def _layout(file: InputFile, columns: Columns) -> _Layout:
    schema, names = file.schema, set(file.schema.names)

    def first(*wanted: str | None) -> str | None:
        return next((name for name in wanted if name in names), None)

    group = columns.group or first("image_id", "filepath", "filename")
    recorded = schemas.read_footer(schema.metadata).get("column")
    caption = first(str(recorded) if recorded else None, "caption")
    if columns.caption is not None and columns.negative is not None:
        found = _Layout("columns", columns.caption, columns.negative, columns.category, None, group)
    elif caption and "negatives" in names and _has_text(schema.field("negatives").type):
        found = _Layout("rows", caption, "negatives", columns.category, None, group)
    elif caption and "negative" in names:
        category, rule = columns.category or first("negative_category", "category"), first("negative_rule", "rule")
        flat = "flat" if "negative_rule" in names else "columns"
        found = _Layout(flat, caption, "negative", category, rule, group)
    elif {"title", "neg_caption"} <= names:
        found = _Layout("negclip", "title", "neg_caption", columns.category, None, group)
    else:
        raise InputError(
            f"{file.path}: no known layout of negatives. Name its columns with --caption-column and --negative-column;"
            f" it has {_listed(schema.names)}."
        )
    for name in sorted(found.read - names):
        raise InputError(f"{file.path} has no column {name!r}; it has {_listed(schema.names)}.")
    for name in (found.caption, found.negative):
        kind = schema.field(name).type
        texts = name == found.negative and (
            _has_text(kind) or (pa.types.is_list(kind) and schemas.is_text(kind.value_type))
        )
        if not (schemas.is_text(kind) or texts):
            raise InputError(f"column {name!r} of {file.path} is {kind}, but should hold text.")
    return found


def _has_text(kind: pa.DataType) -> bool:
    """Whether `kind` is a list of structs that have a field `text`, as negagen writes them."""
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)) or not pa.types.is_struct(kind.value_type):
        return False
    return bool(kind.value_type.get_field_index("text") >= 0)


def _rows(
    batch: pa.RecordBatch, layout: _Layout, path: Path, start: int
) -> Iterator[tuple[str | None, object, list[Made]]]:
    captions = batch.column(layout.caption).to_pylist()
    groups = batch.column(layout.group).to_pylist() if layout.group else [None] * len(captions)
    column = batch.column(layout.negative)
    own = batch.column(layout.category).to_pylist() if layout.category else None
    if pa.types.is_nested(column.type):
        made = _listed_negatives(column)
        if own is not None:
            made = [
                [(text, str(kind or ""), rule) for text, _, rule in row] for row, kind in zip(made, own, strict=True)
            ]
    else:
        texts = column.to_pylist()
        kinds = own or [None] * len(texts)
        rules = batch.column(layout.rule).to_pylist() if layout.rule else [None] * len(texts)
        if layout.name == "negclip":
            lists = [list_in_cell(text, path, start + row) for row, text in enumerate(texts)]
        else:
            lists = [[text] for text in texts]
        made = [
            [(text, None if kind is None else str(kind), None if rule is None else str(rule)) for text in row]
            for row, kind, rule in zip(lists, kinds, rules, strict=True)
        ]
    yield from zip(captions, groups, made, strict=True)


def _listed_negatives(column: pa.Array) -> list[list[Made]]:
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_pylist()
    flat = pc.list_flatten(column)
    if pa.types.is_struct(flat.type):
        known = {field.name for field in flat.type}
        parts = [
            pc.struct_field(flat, name).to_pylist() if name in known else [None] * len(flat)
            for name in ("text", "category", "rule")
        ]
    else:
        parts = [flat.to_pylist(), [None] * len(flat), [None] * len(flat)]
    every = list(zip(*parts, strict=True))
    out, at = [], 0
    for length in lengths:
        out.append(every[at : at + length])
        at += length
    return out


def list_in_cell(text: str | None, path: Path, row: int) -> list[str | None]:
    """The negatives of a row of NegCLIP's TSV, which writes them as a Python list in a cell.

    Raises `InputError` naming `path` and `row` if `text` is no list of strings.
    """
    if text is None or not text.strip():
        return []
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        try:
            value = json.loads(text)
        except ValueError:
            value = None
    if not isinstance(value, list) or not all(one is None or isinstance(one, str) for one in value):
        raise InputError(
            f"{path}, row {row}: `neg_caption` is {text[:80]!r}, but should be a list of strings such as"
            " ['a cat on a dog']. For a column of plain strings give --caption-column and --negative-column."
        )
    return value


def read_objects(path: Path) -> list[dict[str, Any]]:
    """The records of a JSON file: a list of objects, or an object of objects (SugarCrepe, VALSE).

    Raises `InputError` if it holds anything else.
    """
    with explained(path):
        text = path.read_text(encoding="utf-8-sig")
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}. One object a line is JSON Lines: name it .jsonl.") from error
    rows = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(
            f'{path}: expected {{"0": {{"caption": ..., "negative_caption": ...}}, ...}} or a list of such objects.'
        )
    return rows


def _load_json(paths: Sequence[Path], columns: Columns, limit: int | None, seed: int) -> Pairs:
    source = str(paths[0]) + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")
    gathered = Gathered(source, "json" if columns.caption else "sugarcrepe", limit, seed)
    for path in paths:
        _gather_json(path, columns, gathered)
    return gathered.pairs()


def _gather_json(path: Path, columns: Columns, gathered: Gathered) -> None:
    rows = read_objects(path)
    caption, negative = columns.caption or "caption", columns.negative or "negative_caption"
    # SugarCrepe has a file for each category, named after it.
    category = path.stem if path.stem in CATEGORIES else None
    known = sorted({name for row in rows for name in row})
    for name in (caption, negative, columns.category, columns.group):
        if name is not None and name not in known:
            raise InputError(
                f"{path}: its objects have no field {name!r}. Name the fields with --caption-column and"
                f" --negative-column; they are {_listed(known)}."
            )
    group = columns.group or next((name for name in ("filename", "image_id", "image_file") if name in known), None)
    for number, row in enumerate(rows):
        text = _text(row, caption, path, number)
        found = row.get(negative)
        several = found if isinstance(found, list) else [found]
        kind = row.get(columns.category) if columns.category else category
        made: list[Made] = [
            (_text({negative: one}, negative, path, number), None if kind is None else str(kind), None)
            for one in several
        ]
        gathered.add(text, row.get(group) if group else None, made, merge=True)


def _text(row: Mapping[str, Any], name: str, path: Path, number: int) -> str | None:
    value = row.get(name)
    if value is None or isinstance(value, str):
        return value
    raise InputError(f"{path}, record {number}: {name!r} is {type(value).__name__}, but should be text.")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:12])) + (f" and {len(names) - 12} more" if len(names) > 12 else "") or "none"
