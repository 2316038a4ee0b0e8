"""Paths of fsspec: s3://, gs://, memory:// and others, for inputs and for the finished file.

Parts and locks need a disk, and stay on one. The finished file is uploaded whole; object stores show it when it is
complete. `file://` is a local path and handled as such.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

from negagen.errors import InputError, NegagenError, OutputError

_EXTRAS = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}


def is_remote(given: str | Path) -> bool:
    """Whether `given` is an address that fsspec opens, and no local path."""
    return isinstance(given, str) and "://" in given and not given.startswith("file://")


def local(given: str) -> str:
    """`given`, as a plain path if it begins with file://."""
    return url2pathname(urlsplit(given).path) if given.startswith("file://") else given


def open_binary(address: str) -> BinaryIO:
    """The object at `address`, to read and seek in. Raises `InputError`, or the `OSError` of a missing object."""
    with _explained(address, InputError):
        import fsspec

        return cast(BinaryIO, fsspec.open(address, "rb").open())


def size_of(address: str) -> int:
    """Bytes of the object at `address`. Raises as `open_binary` does."""
    with _explained(address, InputError):
        system, path = _store(address)
        return int(system.info(path)["size"])


def expand(given: str, endings: Sequence[str]) -> list[str]:
    """The objects that `given` stands for: itself, those that match a pattern, or, of a folder, those whose name has
    one of `endings`; sorted. Raises `InputError` if a folder or pattern gives none."""
    with _explained(given, InputError):
        system, path = _store(given)
        system.invalidate_cache()
        if glob.has_magic(given) and not system.exists(path):
            found = sorted(name for name in system.glob(path) if not system.isdir(name))
        elif system.isdir(path):
            root = path.rstrip("/") + "/"
            found = sorted(
                name
                for name in system.find(path)
                if name.lower().endswith(tuple(endings))
                and not any(part.startswith((".", "_")) for part in name.removeprefix(root).split("/"))
            )
        else:
            return [given]
    if not found:
        raise InputError(f"nothing of captions at {given}: expected Parquet files there, or objects that match.")
    return [str(system.unstrip_protocol(name)) for name in found]


def staged(address: str, folder: Path) -> Path:
    """Where, in `folder`, the output for `address` is made before it is uploaded: the same for the same address."""
    name = Path(urlsplit(address).path).name or "output.parquet"
    digest = blake2b(address.encode(), digest_size=4).hexdigest()
    return folder / f"{Path(name).stem}-{digest}{Path(name).suffix}"


def check_upload(address: str, inputs: Sequence[str], overwrite: bool) -> None:
    """Raise `OutputError` unless a finished file may go to `address`."""
    if not address.lower().endswith((".parquet", ".pq")):
        raise OutputError(f"{address}: the output is Parquet, so give it a name that ends in .parquet.")
    if address in inputs:
        raise OutputError(f"{address} is an input of this run, which would be lost: choose another -o PATH.")
    with _explained(address, OutputError):
        system, path = _store(address)
        system.invalidate_cache()
        exists = system.exists(path)
    if exists and not overwrite:
        raise OutputError(f"{address} already exists: give --overwrite to replace it, or choose another -o PATH.")


def upload(file: Path, address: str) -> None:
    """Store `file` at `address`. Raises `OutputError`; what was there before is then as it was."""
    with _explained(address, OutputError):
        system, path = _store(address)
        system.put_file(str(file), path)
        system.invalidate_cache()
        stored = system.info(path)["size"]
    if stored != file.stat().st_size:
        raise OutputError(
            f"{address} has {stored:,} bytes after its upload, not {file.stat().st_size:,}: did another run write"
            " to it? Run the same command again."
        )


def _store(address: str) -> tuple[Any, str]:
    import fsspec.core  # here: most runs need none of it

    system, path = fsspec.core.url_to_fs(address)
    return system, str(path)


@contextmanager
def _explained(address: str, kind: type[NegagenError]) -> Iterator[None]:
    """What fsspec and the libraries under it raise, as `kind`; a missing object stays `FileNotFoundError`."""
    try:
        yield
    except (NegagenError, FileNotFoundError) as error:
        if kind is OutputError and isinstance(error, FileNotFoundError):
            raise OutputError(f"{address} cannot be written: {_text(error)}. Does the bucket exist?") from error
        raise
    except ImportError as error:
        scheme = address.partition("://")[0]
        package = _EXTRAS.get(scheme, f"fsspec's package for {scheme}")
        raise kind(f"{address}: {scheme}:// needs another package: pip install {package}.") from error
    except ValueError as error:
        raise kind(f"{address}: {_text(error)}. Addresses look like s3://bucket/captions.parquet.") from error
    except Exception as error:
        what = "read" if kind is InputError else "written"
        raise kind(
            f"{address} cannot be {what}: {_text(error)}. Are the credentials and the endpoint set, as the store's own"
            " tools need them?"
        ) from error


def _text(error: Any) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:300]
