"""Where a run writes to, when its output is an address, or is not named."""

from __future__ import annotations

from pathlib import Path


def target_of(output: str | None, inputs: list[str], parts: Path | None) -> tuple[Path, str | None]:
    """The local file to write, and the address to upload it to."""
    from negagen.batch.remote import is_remote, local, staged
    from negagen.errors import InputError

    if output is not None and is_remote(output):
        return staged(output, parts or Path()), output
    if parts is not None:
        raise InputError("--parts FOLDER is for an output such as s3://bucket/out.parquet: others have them beside.")
    if output is not None:
        return Path(local(output)), None
    if is_remote(inputs[0]):
        raise InputError(f"{inputs[0]} is not on this machine: name the output with -o, a file or an address.")
    return default_output([local(given) for given in inputs]), None


def default_output(inputs: list[str]) -> Path:
    """`captions.csv.gz` gives `captions.negatives.parquet` beside it; a folder likewise."""
    from negagen.batch.opening import format_of
    from negagen.errors import InputError

    if len(inputs) > 1:
        raise InputError(f"{len(inputs)} inputs go into one output: name it with -o PATH.")
    path = Path(inputs[0])
    if any(character in inputs[0] for character in "*?[") and not path.exists():
        raise InputError(f"{inputs[0]!r} may match many files: name the output with -o PATH.")
    path = path.resolve() if path.name in ("", ".", "..") else path
    stem = path.name
    while format_of(Path(stem)) is not None or stem.endswith((".gz", ".bz2", ".zst", ".lz4")):
        stem = Path(stem).stem
    return path.with_name(f"{stem}.negatives.parquet")
