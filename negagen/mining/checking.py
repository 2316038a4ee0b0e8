"""What can be refused before a model is loaded: files that would be lost, and pools that cannot be mined."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from negagen.batch.readers import InputFile, survey
from negagen.data import reading
from negagen.data.layouts import Inputs
from negagen.data.ragged import is_lists
from negagen.data.trainingset import listed
from negagen.errors import InputError, OutputError
from negagen.mining.writing import mined_schema


def check_outputs(outputs: Mapping[str, Path | None], inputs: Inputs, *, overwrite: bool) -> None:
    """Raise `OutputError` unless all `outputs`, by the option that names each, may be written.

    None of them may be a file of `inputs`, or one of the others; one that exists is replaced only with `overwrite`.
    """
    given = {option: path for option, path in outputs.items() if path is not None}
    read = [Path(path) for path in (*inputs.files, *([] if inputs.images is None else [inputs.images]))]
    names: dict[Path, str] = {}
    for option, path in given.items():
        if path.is_dir():
            raise OutputError(f"{option} {path} is a folder: name a file in it.")
        if not path.parent.is_dir():
            raise OutputError(f"{option} {path}: there is no folder {path.parent} to write it to.")
        for source in read:
            if path.exists() and source.is_file() and path.samefile(source):
                raise OutputError(f"{option} {path} is an input of this run: it would be lost. Give {option} another.")
        if (other := names.setdefault(path.resolve(), option)) != option:
            raise OutputError(f"{other} and {option} both name {path}: one would replace the other. Give two names.")
    for option, path in given.items():
        if path.exists() and not path.is_file():
            raise OutputError(f"{option} {path} is not a regular file: nothing can replace it.")
        if path.exists() and not overwrite:
            raise OutputError(f"{path} exists: choose another {option} PATH, or replace it with --overwrite.")


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
