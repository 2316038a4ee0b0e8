"""Pictures from a file of their own, found by their ids."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from negagen.batch import schema as schemas
from negagen.batch.source import RowStream, Source, image_ids, open_source
from negagen.data.gathering import Gathered
from negagen.data.layouts import Inputs, check_image_type, holds_bytes
from negagen.data.pictures import Pictures, in_parquet
from negagen.data.ragged import is_lists, plain
from negagen.data.strings import Strings
from negagen.data.trainingset import TrainingSet, listed
from negagen.errors import DataError

# Captions that are compared with those of the pictures' file, and the share of them that must be found there.
_COMPARED, _FOUND = 1000, 0.5


def join(found: Gathered, path: Path, inputs: Inputs) -> tuple[TrainingSet, Pictures]:
    """The rows of `found` whose picture the Parquet file `path` has, and these pictures.

    Where that file has captions too (`captions` or `caption`), they must be those of the rows.

    Raises:
        DataError: it has no ids or no bytes of pictures, none of the ids, or other captions.
    """
    source = open_source([path])
    column, ids = _columns(source, inputs)
    theirs = _texts(source, ids)
    rows = pc.index_in(found.names, value_set=theirs).fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    if (rows < 0).all():
        raise DataError(
            f"{found.data.source} was made of other captions than {path} has pictures for: none of its {len(rows):,}"
            f" ids is there (the first are {found.names[0].as_py()!r} and {theirs[0].as_py()!r})."
        )
    _check_captions(found, source, theirs, rows)
    # The file is read from its beginning to its end: pictures are numbered in its order.
    used = np.flatnonzero(rows >= 0)
    used = used[np.argsort(rows[used])]
    number = np.full(len(rows), -1, np.int32)
    number[used] = np.arange(len(used))
    digests = {file.path: file.digest for file in source.files}
    data = replace(found.data, images=number[found.data.images], files={**found.data.files, **digests})
    names = Strings.of_arrow(found.names.take(pa.array(used)))
    pictures = in_parquet(digests, column, names, rows[used])
    return data, pictures


def _columns(source: Source, inputs: Inputs) -> tuple[str, str]:
    names = source.schema.names
    ids = image_ids(source, inputs.image_id_column)
    if ids is None:
        raise DataError(f"{source} has no column 'image_id'; it has {listed(names)}. Name it with --image-id-column.")
    column = inputs.image_column or "image"
    if column not in names:
        raise DataError(
            f"{source} has no column {column!r} of pictures; it has {listed(names)}. Name it with --image-column."
        )
    check_image_type(source.schema.field(column).type, column, str(source))
    if not holds_bytes(source, column):
        raise DataError(
            f"column {column!r} of {source} holds no bytes of pictures, only paths. Put the paths into the file of"
            " captions, and give their folder with --images."
        )
    return column, ids


def _texts(source: Source, name: str) -> pa.Array:
    column = RowStream(source, [name]).read(0, source.rows).column(0)
    whole = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], pa.large_string())
    return whole.cast(pa.large_string()) if pa.types.is_integer(whole.type) else plain(whole)


def _check_captions(found: Gathered, source: Source, ids: pa.Array, rows: NDArray[np.int64]) -> None:
    """Raise `DataError` if the pictures' file has captions for them, and they are others."""
    name = next((name for name in ("captions", "caption") if name in source.schema.names), None)
    if name is None or not (
        is_lists(source.schema.field(name).type) or schemas.is_text(source.schema.field(name).type)
    ):
        return
    data = found.data
    looked = np.flatnonzero(rows[data.images] >= 0)
    looked = looked[:: max(1, len(looked) // _COMPARED)]
    wanted = pc.is_in(ids, value_set=found.names.take(pa.array(np.unique(data.images[looked]))))
    table = pa.table({"id": ids, "captions": RowStream(source, [name]).read(0, source.rows).column(0)}).filter(wanted)
    known: dict[str, set[str]] = {}
    for picture, captions in zip(table["id"].to_pylist(), table["captions"].to_pylist(), strict=True):
        several = captions if isinstance(captions, list) else [captions]
        known.setdefault(picture, set()).update(text.strip() for text in several if isinstance(text, str))
    strangers = [
        (picture, caption)
        for picture, caption in zip(
            found.names.take(pa.array(data.images[looked])).to_pylist(), data.caption_texts(looked), strict=True
        )
        if known.get(picture) and caption.strip() not in known[picture]
    ]
    if len(strangers) > (1 - _FOUND) * len(looked):
        picture, caption = strangers[0]
        raise DataError(
            f"{data.source} was made of other captions than {source} has: of {len(looked):,} looked at,"
            f" {len(strangers):,} are not there. Picture {picture!r} has {min(known[picture])!r} there, but {caption!r}"
            " here. Generate the negatives from that file's captions."
        )
