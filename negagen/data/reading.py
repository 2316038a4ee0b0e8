"""Files to a training set and the places of its pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from negagen.batch.opening import format_of
from negagen.batch.source import RowStream, Source, open_source
from negagen.data import ragged, tars
from negagen.data.gathering import Gathered, Rows, gather
from negagen.data.joining import join
from negagen.data.layouts import Inputs, Layout, layout_of
from negagen.data.pictures import Pictures, in_folder, in_parquet, in_tars
from negagen.data.ragged import Ragged
from negagen.data.store import digest
from negagen.data.strings import Strings
from negagen.data.trainingset import VERSION, TrainingSet
from negagen.errors import DataError

# Rows in memory at a time, with and without the bytes of their pictures.
_TEXT_ROWS, _BYTES_ROWS = 4096, 64
_MISFITS = 0.5


@dataclass(frozen=True, slots=True)
class Read:
    """A training set with its pictures."""

    data: TrainingSet
    pictures: Pictures


def fingerprint_of(inputs: Inputs) -> str:
    """What `read` gives is kept by: changes with the input files, their paths, and how they are read; looks into no
    Parquet but its footer.

    Raises:
        InputError, DataError: there are no files, or they cannot be read.
    """
    shards = tars.tars_of(inputs.files)
    digests = tars.digests(shards) if shards else _digests(open_source(inputs.files))
    options = (inputs.caption_column, inputs.image_column, inputs.image_id_column)
    if _joined(inputs):
        digests |= _digests(open_source([str(inputs.images)]))
    elif inputs.images is not None:
        digests[str(inputs.images)] = "folder"
    return digest(repr((VERSION, digests, options)))


def read(inputs: Inputs) -> Read:
    """Read all of `inputs`; of pictures that lie in a Parquet file or a folder nothing but where they are.

    Raises:
        InputError: a file that is missing or cannot be read.
        DataError: a column is missing or of the wrong type, there are no pictures, or no usable rows; or the
            negatives, or the pictures, belong to other captions.
    """
    shards = tars.tars_of(inputs.files)
    found = _from_tars(shards, inputs) if shards else _from_tables(inputs)
    return Read(_fingerprinted(found.data), found.pictures)


def check(inputs: Inputs) -> None:
    """Raise what `read` would of files, columns and a table without rows, before it reads them: looks at footers (text
    files have none: they are read once)."""
    if tars.tars_of(inputs.files):
        return
    _described(inputs)
    if inputs.images is not None and inputs.images.is_file():
        open_source([str(inputs.images)])


def read_texts(files: Sequence[str | Path], caption_column: str | None = None) -> TrainingSet:
    """Captions, negatives and positives of `files` without pictures, a row for each of theirs (of a flat file: for each
    caption). What a caption is in is its group, where the file has no `image_id`.

    Raises:
        InputError, DataError: as `read`, but for pictures.
    """
    inputs = Inputs(files, caption_column=caption_column)
    source = open_source(files)
    layout = layout_of(source, inputs, "nowhere")
    found = gather(_rows(source, layout), str(source), merge=layout.kind == "flat", every=True)
    return _fingerprinted(replace(found.data, columns=tuple(source.schema.names), files=_digests(source)))


def texts_fingerprint(files: Sequence[str | Path], caption_column: str | None = None) -> str:
    """What `read_texts` gives is kept by; see `fingerprint_of`."""
    whole = fingerprint_of(Inputs(files, caption_column=caption_column))
    return digest(f"texts {whole}")


def _fingerprinted(data: TrainingSet) -> TrainingSet:
    arrays = data.arrays()
    shapes = [(name, array.shape, str(array.dtype)) for name, array in arrays.items()]
    return replace(data, fingerprint=digest(repr((VERSION, shapes)), *arrays.values()))


def _joined(inputs: Inputs) -> bool:
    """Whether `images` is a file of pictures; if not, it is a folder or None."""
    if inputs.images is None or inputs.images.is_dir():
        return False
    if format_of(inputs.images) != "parquet":
        raise DataError(f"{inputs.images}: no such folder of pictures, and no Parquet file.")
    return True


def _digests(source: Source) -> dict[str, str]:
    return {file.path: file.digest for file in source.files}


def _described(inputs: Inputs) -> tuple[Source, Layout]:
    source = open_source(inputs.files)
    if source.rows == 0:
        raise DataError(f"{source} has no rows.")
    return source, layout_of(source, inputs, "joined" if _joined(inputs) else None)


def _from_tables(inputs: Inputs) -> Read:
    source, layout = _described(inputs)
    joined = _joined(inputs)
    found = gather(_rows(source, layout), str(source), merge=layout.kind == "flat")
    data = replace(found.data, columns=tuple(source.schema.names), files=_digests(source))
    found = replace(found, data=data)
    if joined and inputs.images is not None:
        return Read(*join(found, inputs.images, inputs))
    return Read(found.data, _pictures(found, source, layout, inputs))


def _pictures(found: Gathered, source: Source, layout: Layout, inputs: Inputs) -> Pictures:
    if layout.where == "paths":
        return in_folder(inputs.images or Path(), Strings.of_arrow(found.names))
    names = found.names if layout.image_id else pa.array([f"row {row}" for row in found.first], pa.large_string())
    return in_parquet(_digests(source), str(layout.image), Strings.of_arrow(names), found.first)


def _rows(source: Source, layout: Layout) -> Iterator[Rows]:
    columns = [name for name in layout.columns if name in source.schema.names]
    hashed = layout.where == "bytes" and layout.image_id is None
    step = _BYTES_ROWS if hashed else _TEXT_ROWS
    stream = RowStream(source, columns, batch_rows=step)
    fit = _Fit(source, layout)
    for start in range(0, source.rows, step):
        stop = min(start + step, source.rows)
        table = stream.read(start, stop).combine_chunks()
        rows = _chunk(table, np.arange(start, stop), layout, source)
        fit.check(table, rows)
        yield rows
    fit.conclude()


def _chunk(table: pa.Table, numbers: NDArray[np.int64], layout: Layout, source: Source) -> Rows:
    def column(name: str | None) -> pa.Array | None:
        return None if name is None else _whole(table.column(name))

    ids = column(layout.image_id)
    if ids is not None:
        ids = ids.cast(pa.large_string()) if pa.types.is_integer(ids.type) else ragged.plain(ids)
        # Text files have no nulls: an empty id is none.
        ids = pc.if_else(pc.equal(ids, ""), None, ids)
    captions = _whole(table.column(layout.caption))
    if layout.image in table.column_names:
        pictures = _names(_whole(table.column(layout.image)), layout)
    else:
        # Where there are no pictures, a caption is its own.
        pictures = captions if layout.where == "nowhere" else ids
    if layout.kind == "captions":
        owners = pc.list_parent_indices(captions)
        captions, pictures = pc.list_flatten(captions), pictures.take(owners)
        ids = None if ids is None else ids.take(owners)
        numbers = numbers[owners.to_numpy(zero_copy_only=False)]
        if pa.types.is_struct(captions.type):
            captions = pc.struct_field(captions, "text")
    positives = column(layout.positives)
    return Rows(
        numbers,
        ragged.plain(captions),
        pictures,
        ids,
        _negatives(table, layout, source, numbers),
        ragged.empty(len(numbers)) if positives is None else ragged.of_lists(positives),
    )


def _negatives(table: pa.Table, layout: Layout, source: Source, numbers: NDArray[np.int64]) -> Ragged:
    if layout.negatives is None:
        return ragged.empty(len(numbers))
    column = _whole(table.column(layout.negatives))
    if layout.kind == "negclip":
        from negagen.audit.formats import list_in_cell

        path = Path(source.files[0].path)
        lists = [list_in_cell(cell, path, row) for cell, row in zip(column.to_pylist(), numbers.tolist(), strict=True)]
        return ragged.of_lists(pa.array(lists, pa.list_(pa.large_string())))
    if layout.kind == "flat":
        names = [name for name in table.column_names if name.startswith("negative_")]
        fields = {name.removeprefix("negative_"): _whole(table.column(name)) for name in names}
        return ragged.of_columns(np.ones(len(column), np.int64), column, fields)
    return ragged.of_lists(column)


def _names(images: pa.Array, layout: Layout) -> pa.Array:
    """A name for each picture, equal for equal ones: its path, or a hash of its bytes."""
    if layout.where == "paths":
        return ragged.plain(pc.struct_field(images, "path") if pa.types.is_struct(images.type) else images)
    if pa.types.is_struct(images.type):
        images = pc.struct_field(images, "bytes")
    hashes = [None if cell is None else digest(cell) for cell in images.to_pylist()]
    return pa.array(hashes, pa.large_string())


def _whole(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return combined if isinstance(combined, pa.Array) else pa.concat_arrays(combined.chunks)


class _Fit:
    """Looks whether the edits stand in the captions beside them: if not, the negatives are of other captions."""

    def __init__(self, source: Source, layout: Layout) -> None:
        self._source, self._layout = source, layout
        self._seen = self._fitting = 0
        self._example = ""
        name = layout.negatives
        self._wanted = layout.kind == "rows" and name is not None and ragged.has_edits(source.schema.field(name).type)

    def check(self, table: pa.Table, rows: Rows) -> None:
        if self._wanted:
            negatives = _whole(table.column(str(self._layout.negatives)))
            seen, fitting, example = ragged.edits_that_fit(rows.captions, negatives)
            self._seen, self._fitting, self._example = self._seen + seen, self._fitting + fitting, example

    def conclude(self) -> None:
        if self._seen and self._fitting < _MISFITS * self._seen:
            raise DataError(
                f"{self._source}: the negatives were made of other captions than column {self._layout.caption!r} holds:"
                f" {self._example}. Run `negagen generate` on these captions, or name the column of captions that it"
                " was run on with --caption-column."
            )


def _from_tars(files: Sequence[Path], inputs: Inputs) -> Read:
    if inputs.images is not None:
        raise DataError(f"tars bring their own pictures: leave out --images {inputs.images}.")
    digests = tars.digests(files)
    shards = tars.index(files, inputs)
    found = gather(shards.rows(), shards.source, merge=False)
    where = shards.where(found.names)
    # Times of change are no contents: the texts in the tars, which are read, are told apart by themselves.
    data = replace(found.data, files={path: one.split()[0] for path, one in digests.items()})
    return Read(data, in_tars(digests, Strings.of_arrow(found.names), where))
