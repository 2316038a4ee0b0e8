"""Which columns of a file are captions, negatives and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from negagen.batch import schema as schemas
from negagen.batch.source import RowStream, Source, image_ids
from negagen.data.ragged import is_lists
from negagen.data.trainingset import listed
from negagen.errors import DataError

Kind = Literal["rows", "flat", "negclip", "captions"]
Where = Literal["paths", "bytes", "joined", "nowhere"]

_PATHS = ("image", "filepath", "file_path", "image_path", "filename", "file_name", "path")


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a run is given to train on.

    Attributes:
        files: what `negagen generate` wrote (with `--flat` too), NegCLIP's TSV, any Parquet, CSV, TSV or JSON Lines of
            captions and pictures, or WebDataset tars, or folders of Parquet files or of tars; all of one kind.
        images: the folder from which paths of pictures start, or a Parquet file of pictures that has the column of
            ids too. None where pictures are in `files`, or their paths are absolute or start from the current folder.
        caption_column, image_column, image_id_column: names, where they are not the usual ones.
    """

    files: Sequence[str | Path]
    images: Path | None = None
    caption_column: str | None = None
    image_column: str | None = None
    image_id_column: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a file by what they hold.

    `kind` is "rows" (one row a caption, with lists of negatives or none), "flat" (one row a negative), "negclip"
    (lists written into cells of text) or "captions" (one row a picture, with a list of captions). `where` the
    pictures are: "paths" in `image`, "bytes" in `image`, "joined" by `image_id` to another file, or "nowhere", where
    only texts are wanted.
    """

    kind: Kind
    caption: str
    negatives: str | None
    positives: str | None
    image: str | None
    image_id: str | None
    where: Where

    @property
    def columns(self) -> list[str]:
        """All that are read, but the bytes of pictures that an id stands for."""
        image = None if self.where == "bytes" and self.image_id else self.image
        names = [self.caption, self.negatives, self.positives, image, self.image_id]
        if self.kind == "flat":
            names += ["negative_category", "negative_weight", "negative_edits"]
        return [name for name in names if name]


def layout_of(source: Source, inputs: Inputs, elsewhere: Literal["joined", "nowhere"] | None = None) -> Layout:
    """The layout of `source`; `elsewhere` tells that its pictures are in another file, or not wanted.

    Raises:
        DataError: there are no captions or no pictures, or a column that was named is missing or of another type.
    """
    schema = source.schema
    kind, caption, negatives = _texts(source, inputs)
    positives = "positives" if "positives" in schema.names and is_lists(schema.field("positives").type) else None
    ids = image_ids(source, inputs.image_id_column)
    image = None if elsewhere else _image(source, inputs)
    if elsewhere == "joined" and ids is None:
        raise DataError(
            f"{source} has no column 'image_id' that says which picture of {inputs.images} belongs to a row; it has"
            f" {listed(schema.names)}. Name the column with --image-id-column, or give --images a folder."
        )
    where: Where = elsewhere or ("bytes" if image and holds_bytes(source, image) else "paths")
    return Layout(kind, caption, negatives, None if kind != "rows" else positives, image, ids, where)


def _texts(source: Source, inputs: Inputs) -> tuple[Kind, str, str | None]:
    schema, names = source.schema, source.schema.names
    recorded = schemas.read_footer(schema.metadata).get("column")
    wanted = [inputs.caption_column] if inputs.caption_column else [str(recorded or "caption"), "caption", "title"]
    caption = next((name for name in wanted if name in names), None)
    if caption is None and inputs.caption_column is None and "captions" in names:
        if not is_lists(schema.field("captions").type):
            raise DataError(f"column 'captions' of {source} is {schema.field('captions').type}, not a list of texts.")
        return "captions", "captions", None
    if caption is None:
        raise DataError(
            f"{source} has no column {wanted[0]!r} of captions; it has {listed(names)}. Name it with --caption-column."
        )
    kind = schema.field(caption).type
    if not schemas.is_text(kind):
        raise DataError(f"column {caption!r} of {source} is {kind}, but captions are strings.")
    if "negatives" in names:
        if not is_lists(schema.field("negatives").type):
            raise DataError(
                f"column 'negatives' of {source} is {schema.field('negatives').type}, but should be a list of texts, or"
                " of structs with a `text`, as `negagen generate` writes it."
            )
        return "rows", caption, "negatives"
    if "neg_caption" in names and schemas.is_text(schema.field("neg_caption").type):
        return "negclip", caption, "neg_caption"
    if "negative" in names and schemas.is_text(schema.field("negative").type):
        return "flat", caption, "negative"
    return "rows", caption, None


def _image(source: Source, inputs: Inputs) -> str:
    names = source.schema.names
    wanted = (inputs.image_column,) if inputs.image_column else _PATHS
    image = next((name for name in wanted if name in names), None)
    if image is None:
        raise DataError(
            f"{source} has no column {wanted[0]!r} of pictures (paths, bytes, or structs with `bytes`); it has"
            f" {listed(names)}. Name it with --image-column, or give --images a Parquet file of pictures with their"
            " `image_id`."
        )
    check_image_type(source.schema.field(image).type, image, str(source))
    return image


def check_image_type(kind: pa.DataType, column: str, where: str) -> None:
    """Raise `DataError` unless `kind` is one that pictures come in."""
    fits = schemas.is_text(kind) or is_bytes(kind)
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        fits = index >= 0 and is_bytes(kind.field(index).type)
    if not fits:
        raise DataError(
            f"column {column!r} of {where} is {kind}, but pictures are paths (strings), the bytes of files (binary), or"
            " structs of `bytes` and `path`."
        )


def holds_bytes(source: Source, column: str) -> bool:
    """Whether pictures are in the file itself, and not only their paths. A struct is judged by its first value."""
    kind = source.schema.field(column).type
    if not pa.types.is_struct(kind):
        return is_bytes(kind)
    stream = RowStream(source, [column], batch_rows=16)
    for row in range(min(source.rows, 1000)):
        value = stream.read(row, row + 1).column(0)[0].as_py()
        if value is not None and (value["bytes"] is not None or value.get("path")):
            return value["bytes"] is not None
    return True


def is_bytes(kind: pa.DataType) -> bool:
    """Whether `kind` holds bytes."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or kind == pa.binary_view())
