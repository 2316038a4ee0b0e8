"""Lists of negatives in Arrow, as `negagen generate` or another program wrote them, taken apart into flat arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from negagen.batch.schema import is_text
from negagen.errors import DataError
from negagen.types import CATEGORIES

_LOOKED_AT = 64


@dataclass(frozen=True, slots=True)
class Ragged:
    """The negatives (or positives) of n rows, e in all: `counts` int64 [n] of each row, the others [e].

    The fields are those of `negagen.data.trainingset.Choices`; `texts` is an Arrow array of large strings.
    """

    counts: NDArray[np.int64]
    texts: pa.Array
    weights: NDArray[np.float32]
    kinds: NDArray[np.int8]
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    draws: NDArray[np.float32]

    def keep(self, rows: NDArray[np.bool_]) -> Ragged:
        """Of the rows where `rows` (bool [n]) is true."""
        if rows.all():
            return self
        mask = np.repeat(rows, self.counts)
        kept = self.texts.filter(pa.array(mask))
        return Ragged(
            self.counts[rows],
            kept,
            self.weights[mask],
            self.kinds[mask],
            self.starts[mask],
            self.ends[mask],
            self.draws[mask],
        )


_FIELDS = ("text", "weight", "category", "edits", "scores")


def is_lists(kind: pa.DataType) -> bool:
    """Whether `kind` is a list of texts, or of structs with a text in a field `text`."""
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return False
    inner = kind.value_type
    if pa.types.is_struct(inner):
        index = inner.get_field_index("text")
        return index >= 0 and bool(is_text(inner.field(index).type))
    return bool(is_text(inner)) or pa.types.is_null(inner)


def empty(rows: int) -> Ragged:
    """Nothing, for each of `rows` rows."""
    return of_columns(np.zeros(rows, np.int64), pa.array([], pa.large_string()), {})


def of_lists(column: pa.Array) -> Ragged:
    """From a column for which `is_lists` holds. A null list is an empty one."""
    counts = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    flat = pc.list_flatten(column)
    if pa.types.is_struct(flat.type):
        fields = {field.name: pc.struct_field(flat, field.name) for field in flat.type if field.name in _FIELDS}
        return of_columns(counts, fields.pop("text"), fields)
    return of_columns(counts, flat, {})


def of_columns(counts: NDArray[np.int64], texts: pa.Array, fields: dict[str, pa.Array]) -> Ragged:
    """From `texts` [e] and whichever of `weight`, `category`, `edits`, `scores` [e] there are, without empty texts.

    Raises:
        DataError: a weight outside [0, 1].
    """
    texts = plain(texts)
    # What a program knows of only as nulls it writes with the type null.
    fields = {name: column for name, column in fields.items() if not pa.types.is_null(column.type)}
    usable = spoken(texts)
    weights = np.ones(len(texts), np.float32)
    if "weight" in fields:
        if not pa.types.is_primitive(fields["weight"].type):
            raise DataError(f"the weights of negatives are {fields['weight'].type}, but should be numbers from 0 to 1.")
        weights = fields["weight"].cast(pa.float32()).fill_null(1.0).to_numpy(zero_copy_only=False)
        if len(weights) and not ((weights >= 0) & (weights <= 1)).all():
            wrong = weights[~((weights >= 0) & (weights <= 1))][0]
            raise DataError(f"a negative has the weight {wrong}, but weights are confidences from 0 to 1.")
    kinds = np.full(len(texts), -1, np.int8)
    if "category" in fields:
        kinds = kinds_of(fields["category"])
    starts = ends = np.full(len(texts), -1, np.int32)
    if "edits" in fields and _are_edits(fields["edits"].type):
        starts, ends = _single_edits(fields["edits"])
    if not usable.all():
        owners = np.repeat(np.arange(len(counts)), counts)
        counts = np.bincount(owners[usable], minlength=len(counts))
        texts = texts.filter(pa.array(usable))
    draws = _draws(fields["scores"]) if "scores" in fields else np.full(len(usable), np.nan, np.float32)
    return Ragged(counts, texts, weights[usable], kinds[usable], starts[usable], ends[usable], draws[usable])


def _draws(scores: pa.Array) -> NDArray[np.float32]:
    """The scores `draw`, NaN where there is none."""
    if not pa.types.is_struct(scores.type) or scores.type.get_field_index("draw") < 0:
        return np.full(len(scores), np.nan, np.float32)
    found = pc.struct_field(scores, "draw")
    if pa.types.is_null(found.type):
        return np.full(len(scores), np.nan, np.float32)
    if not pa.types.is_floating(found.type):
        raise DataError(f"the scores `draw` of negatives are {found.type}, but should be floating-point numbers.")
    draws: NDArray[np.float32] = found.cast(pa.float32()).fill_null(np.nan).to_numpy(zero_copy_only=False)
    return draws


def kinds_of(categories: pa.Array) -> NDArray[np.int8]:
    """Names of categories as int8 indices into `CATEGORIES`, -1 for any other."""
    coded = categories.dictionary_encode()
    table = [CATEGORIES.index(name) if name in CATEGORIES else -1 for name in coded.dictionary.to_pylist()]
    codes = pc.fill_null(coded.indices, len(table)).to_numpy(zero_copy_only=False)
    kinds: NDArray[np.int8] = np.array([*table, -1], np.int8)[codes]
    return kinds


def _single_edits(column: pa.Array) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Where the edit of each negative begins and ends in its caption, -1 unless it is exactly one."""
    counts = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    flat = pc.list_flatten(column)
    single = counts == 1
    first = (np.cumsum(counts) - counts)[single]
    out = []
    for name in ("start", "end"):
        spans = np.full(len(counts), -1, np.int32)
        spans[single] = pc.struct_field(flat, name).fill_null(-1).to_numpy(zero_copy_only=False)[first]
        out.append(spans)
    return out[0], out[1]


def edits_that_fit(captions: pa.Array, negatives: pa.Array) -> tuple[int, int, str]:
    """Of the first edits: how many there are, how many fit, and an example of one that does not.

    An edit fits if the text that it replaces stands at its place in the caption.
    """
    seen = fitting = 0
    example = ""
    for row, caption in zip(negatives, captions, strict=True):
        text = caption.as_py() or ""
        if not text.strip():
            continue
        for edit in (edit for negative in row.as_py() or () for edit in negative["edits"] or ()):
            if seen == _LOOKED_AT:
                return seen, fitting, example
            seen += 1
            if text[edit["start"] : edit["end"]] == edit["old"]:
                fitting += 1
            else:
                example = example or f"the caption {text!r} has no {edit['old']!r} at {edit['start']}"
    return seen, fitting, example


def has_edits(kind: pa.DataType) -> bool:
    """Whether a list of this type holds negatives with their edits, as negagen writes them."""
    inner = kind.value_type
    if not pa.types.is_struct(inner) or inner.get_field_index("edits") < 0:
        return False
    return _are_edits(inner.field("edits").type)


def _are_edits(kind: pa.DataType) -> bool:
    if not pa.types.is_list(kind) or not pa.types.is_struct(kind.value_type):
        return False
    return all(kind.value_type.get_field_index(name) >= 0 for name in ("start", "end", "old"))


def spoken(texts: pa.Array) -> NDArray[np.bool_]:
    """Which texts are more than spaces: bool [e]."""
    found = pc.not_equal(pc.utf8_trim_whitespace(plain(texts)), "").fill_null(False)
    out: NDArray[np.bool_] = found.to_numpy(zero_copy_only=False)
    return out


def plain(column: pa.Array) -> pa.Array:
    """Text as large strings, however it was encoded."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.large_string())
