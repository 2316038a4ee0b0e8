"""The formats by their names, and what all of them share: checks, whole or nothing, what is lost."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from negagen.atomic import explained
from negagen.errors import InputError
from negagen.exchange import csvs, huggingface, negclip, sugarcrepe, tars
from negagen.exchange.rows import Opened, Written, open_negatives
from negagen.outputs import check_new_folder, check_output


@dataclass(frozen=True, slots=True)
class Format:
    """A format. `lost` says what it cannot hold; `folder` that it is a folder, not a file."""

    write: Callable[[Opened, Path], Written]
    read: Callable[[Path, Path], Written]
    lost: tuple[str, ...]
    folder: bool


FORMATS = {
    "negclip-tsv": Format(negclip.write, negclip.read, negclip.LOST, folder=False),
    "sugarcrepe-json": Format(sugarcrepe.write, sugarcrepe.read, sugarcrepe.LOST, folder=True),
    "hf-dataset": Format(huggingface.write, huggingface.read, huggingface.LOST, folder=True),
    "webdataset": Format(tars.write, tars.read, tars.LOST, folder=True),
    "csv": Format(csvs.write, csvs.read, csvs.LOST, folder=False),
}


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What was written to `output`. `lost` is what the format cannot hold, in words, of this file in particular."""

    output: Path
    rows: int
    negatives: int
    left_out: int
    lost: tuple[str, ...]


def export_file(
    path: Path, output: Path, to: str, *, image_column: str | None = None, overwrite: bool = False
) -> Exchanged:
    """Write `path`, a file of `negagen generate`, to `output` in the format `to` (a key of `FORMATS`).

    Raises:
        InputError: no such format or file; a column that the format needs is missing.
        OutputError: `output` exists (a folder is never replaced), or cannot be written.
    """
    kind = _format(to)
    opened = open_negatives(path, image_column)
    if kind.folder:
        check_new_folder(output)
        with explained(output):
            aside = output.with_name(f"{output.name}.{os.getpid()}.tmp")
            aside.mkdir()
        try:
            written = kind.write(opened, aside)
            with explained(output):
                if output.is_dir():
                    output.rmdir()
                aside.replace(output)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
    else:
        check_output(output, [path], overwrite=overwrite, parquet=False)
        written = kind.write(opened, output)
    lost = (*kind.lost, *(f"the column {name!r}, which holds bytes" for name in written.omitted))
    return Exchanged(output, written.rows, written.negatives, written.left_out, lost)


def import_file(path: Path, output: Path, source: str, *, overwrite: bool = False) -> Exchanged:
    """Write `path`, of the format `source`, to the Parquet file `output`.

    Raises:
        InputError: no such format, or `path` is not of it.
        OutputError: `output` exists or cannot be written.
    """
    kind = _format(source)
    if not path.exists():
        raise InputError(f"{path}: no such file.")
    check_output(output, [path], overwrite=overwrite)
    written = kind.read(path, output)
    return Exchanged(output, written.rows, written.negatives, written.left_out, ())


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise InputError(f"no format {name!r}: expected one of {', '.join(FORMATS)}.")
    return FORMATS[name]
