"""Whether files may be written, asked before any work: none is lost, and no run is for nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from negagen.errors import OutputError


def check_output(
    path: Path, inputs: Sequence[Path] = (), *, overwrite: bool, parquet: bool = True, option: str = "-o"
) -> None:
    """Raise `OutputError` unless a finished file may take the name `path`, which `option` gave.

    It may not be a file of `inputs`; one that exists is replaced only with `overwrite`. `parquet` wants a name of such
    a file.
    """
    other = f"choose another {option} PATH."
    if path.is_dir():
        raise OutputError(f"{path} is a folder: name a file in it with {option} PATH.")
    _check_parent(path, other)
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} is not a regular file, and nothing can replace it: {other}")
    if parquet and path.suffix.lower() not in (".parquet", ".pq"):
        raise OutputError(f"{path}: the output is Parquet, so give it a name that ends in .parquet.")
    if not path.exists():
        return
    if any(source.exists() and path.samefile(source) for source in inputs):
        raise OutputError(f"{path} is an input of this run, which would be lost: {other}")
    if not overwrite:
        raise OutputError(f"{path} already exists: give --overwrite to replace it, or {other}")


def check_outputs(outputs: Mapping[str, Path | None], inputs: Sequence[Path], *, overwrite: bool) -> None:
    """As `check_output` for all files of a run, by the option that names each; two may not be one file."""
    names: dict[Path, str] = {}
    given = {option: path for option, path in outputs.items() if path is not None}
    for option, path in given.items():
        if (other := names.setdefault(path.resolve(), option)) != option:
            raise OutputError(f"{other} and {option} both name {path}: one would replace the other. Give two names.")
    for option, path in given.items():
        check_output(path, inputs, overwrite=overwrite, parquet=False, option=option)


def check_new_folder(path: Path) -> None:
    """Raise `OutputError` unless a folder of this name can be made: a folder is never replaced, but an empty one."""
    other = "choose another -o PATH."
    _check_parent(path, other)
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise OutputError(f"{path} exists, and a folder is never replaced: remove it, or {other}")


def _check_parent(path: Path, other: str) -> None:
    if not path.absolute().parent.is_dir():
        raise OutputError(f"the folder {path.parent} does not exist: create it first, or {other}")
