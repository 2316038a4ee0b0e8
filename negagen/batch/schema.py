"""Arrow types of the output columns, and the footer that says how a file was made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pyarrow as pa

from negagen.errors import InputError

SCHEMA_VERSION = "4"
PREFIX = "negagen."

EDIT = pa.struct(
    [
        pa.field("start", pa.int32()),
        pa.field("end", pa.int32()),
        pa.field("old", pa.string()),
        pa.field("new", pa.string()),
    ]
)
# A struct, since Hugging Face datasets reads no maps.
SCORES = pa.struct(
    [
        pa.field("similarity", pa.float32()),
        pa.field("lm_gap", pa.float32()),
        pa.field("blind", pa.float32()),
        pa.field("scorer", pa.float32()),
        pa.field("nli", pa.float32()),
        pa.field("image_text", pa.float32()),
        pa.field("draw", pa.float32()),
    ]
)
NEGATIVE = pa.struct(
    [
        pa.field("text", pa.string()),
        pa.field("rule", pa.string()),
        pa.field("category", pa.string()),
        pa.field("generator", pa.string()),
        pa.field("weight", pa.float32()),
        pa.field("edits", pa.list_(EDIT)),
        pa.field("scores", SCORES),
    ]
)
COLUMNS = pa.schema(
    [
        pa.field("negatives", pa.list_(NEGATIVE)),
        pa.field("positives", pa.list_(NEGATIVE)),
        pa.field("status", pa.string()),
        pa.field("reason", pa.string()),
    ]
)
"""What a row gains: one row per input row."""

FLAT_COLUMNS = pa.schema(
    [
        pa.field("negative", pa.string()),
        *(pa.field(f"negative_{field.name}", field.type) for field in list(NEGATIVE)[1:]),
    ]
)
"""What a row gains with `--flat`: one row per negative."""

# Plain encoding suits these better: every value is a new sentence, a dictionary of them only costs.
SENTENCES = ("negatives.list.element.text", "positives.list.element.text", "negative")


def added_columns(flat: bool) -> pa.Schema:
    """The schema of the columns that a run adds."""
    return FLAT_COLUMNS if flat else COLUMNS


def output_schema(source: pa.Schema, flat: bool, where: str = "the table") -> pa.Schema:
    """`source`'s fields, untouched, and the added ones after them. Metadata of `source` is kept.

    Raises `InputError` if `source` already has a column of an added name.
    """
    added = added_columns(flat)
    clash = [name for name in added.names if name in source.names]
    if clash:
        again = (
            " It seems to be an output of negagen: give the original captions instead."
            if len(clash) == len(added.names)
            else ""
        )
        raise InputError(
            f"{where} already has {_columns(clash)}, which negagen would add.{again}"
            " Rename or drop the column first, e.g. with pyarrow:"
            f" table.drop_columns({clash!r})."
        )
    return pa.schema([*source, *added], metadata=source.metadata)


def check_caption_column(source: pa.Schema, column: str, where: str) -> None:
    """Raise `InputError`, with the columns that would do, unless `column` holds text exactly once."""
    suggestions = [field.name for field in source if is_text(field.type)]
    hint = (
        f" Columns of text there: {', '.join(map(repr, suggestions))}; choose one with --column NAME."
        if suggestions
        else " It has no column of text at all."
    )
    kind = _kind_of(source, column, where, f"{where} has no column {column!r}.{hint}")
    if not is_text(kind):
        raise InputError(f"column {column!r} of {where} is {kind}, but captions are strings.{hint}")


def _kind_of(source: pa.Schema, column: str, where: str, missing: str) -> pa.DataType:
    """The type of the one column of that name. Raises `InputError`: `missing`, or that there are several."""
    found = source.get_all_field_indices(column)
    if not found:
        raise InputError(missing)
    if len(found) > 1:
        raise InputError(f"{where} has {len(found)} columns named {column!r}: rename all but one.")
    return source.field(found[0]).type


def check_id_column(source: pa.Schema, column: str, where: str, option: str = "--id-column") -> None:
    """Raise `InputError` unless `column` stands there once and holds strings or integers."""
    suggestions = [field.name for field in source if is_text(field.type) or pa.types.is_integer(field.type)]
    would_do = f"Columns that would do: {', '.join(map(repr, suggestions)) or 'none'}"
    missing = f"{where} has no column {column!r} for the ids. {would_do}; or leave {option} out."
    kind = _kind_of(source, column, where, missing)
    if not is_id(kind):
        raise InputError(f"column {column!r} of {where} is {kind}, but ids are strings or integers. {would_do}.")


def check_image_column(source: pa.Schema, column: str, where: str) -> None:
    """Raise `InputError` unless `column` stands there once and holds pictures: paths, bytes, or structs of both."""
    suggestions = [field.name for field in source if is_image(field.type)]
    would_do = f"Columns that would do: {', '.join(map(repr, suggestions)) or 'none'}; name one with --image-column."
    kind = _kind_of(source, column, where, f"{where} has no column {column!r} for the pictures. {would_do}")
    if not is_image(kind):
        raise InputError(
            f"column {column!r} of {where} is {kind}, but pictures are paths, bytes, or structs of `bytes` and `path`."
            f" {would_do}"
        )


def is_image(kind: pa.DataType) -> bool:
    """Whether `kind` can hold pictures: bytes, a path, or the struct of both that Hugging Face datasets write."""
    if pa.types.is_struct(kind):
        return {field.name for field in kind} == {"bytes", "path"}
    return is_text(kind) or bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def is_id(kind: pa.DataType) -> bool:
    """Whether `kind` can hold ids: text or integers."""
    return is_text(kind) or bool(pa.types.is_integer(kind))


def is_text(kind: pa.DataType) -> bool:
    """Whether `kind` is a string type, or a dictionary of one."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def footer(values: Mapping[str, object]) -> dict[bytes, bytes]:
    """Key-value metadata for a Parquet footer: strings as they are, anything else as JSON."""
    return {
        f"{PREFIX}{key}".encode(): (value if isinstance(value, str) else dump(value)).encode()
        for key, value in values.items()
    }


def read_footer(metadata: Mapping[bytes, bytes] | None) -> dict[str, object]:
    """The values that `footer` wrote; empty if there are none. What is not JSON stays a string."""
    out: dict[str, object] = {}
    for key, value in (metadata or {}).items():
        name = key.decode(errors="replace")
        if name.startswith(PREFIX):
            text = value.decode(errors="replace")
            try:
                out[name.removeprefix(PREFIX)] = json.loads(text) if text[:1] in ("{", "[") else text
            except ValueError:
                out[name.removeprefix(PREFIX)] = text
    return out


def dump(value: object) -> str:
    """Canonical JSON: the same value gives the same text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)


def load(text: bytes) -> dict[str, object]:
    """The JSON object that `dump` wrote, or an empty one if `text` is none."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _columns(names: Sequence[str]) -> str:
    return ("columns " if len(names) > 1 else "a column ") + ", ".join(map(repr, names))
