"""Pools that cannot be mined, refused before a model is loaded."""

from __future__ import annotations

from pathlib import Path

from negagen.batch.readers import InputFile, survey
from negagen.data import reading
from negagen.data.layouts import Inputs
from negagen.data.ragged import is_lists
from negagen.data.trainingset import listed
from negagen.errors import InputError
from negagen.mining.writing import mined_schema


def check_pool(inputs: Inputs) -> InputFile:
    """The one pool of `inputs`, by its footer alone.

    Raises `InputError`, `DataError` if it is missing, empty or no pool, and for columns, or a place of pictures, that
    are not there.
    """
    if len(inputs.files) != 1:
        raise InputError(f"{len(inputs.files)} pools: give one file.")
    file = survey(Path(inputs.files[0]))
    field = file.schema.field("negatives") if "negatives" in file.schema.names else None
    if file.format != "parquet" or field is None or not is_lists(field.type):
        raise InputError(
            f"{file.path} has no candidates to score, a Parquet column 'negatives' of texts or of structs with a"
            f" `text`; its columns are {listed(file.schema.names)}. Make one with `negagen generate --pool 32`."
        )
    mined_schema(file.schema)
    reading.check(inputs)
    return file
