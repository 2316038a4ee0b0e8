"""WebDataset tars: a sample a caption, with its picture (where the file has its bytes), its text, and all else as JSON.

Beside the shards lies `schema.arrow`, the types of the columns, for an import that gives the same table back.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa

from negagen.atomic import explained
from negagen.batch.jsonl import object_of
from negagen.batch.opening import explained as reading
from negagen.errors import InputError
from negagen.exchange.rows import Opened, Written, json_columns, negative, status_of, write_rows

LOST = ("columns of bytes but the picture's", "a picture that is not JPEG, PNG or WebP")
SHARD_ROWS = 10_000
_SCHEMA = "schema.arrow"
_PICTURE = b"negagen.picture"
_KINDS = ((b"\xff\xd8\xff", "jpg"), (b"\x89PNG", "png"), (b"RIFF", "webp"))
_PICTURES = ("jpg", "jpeg", "png", "webp")


def write(opened: Opened, folder: Path, shard_rows: int = SHARD_ROWS) -> Written:
    """Write `shard-000000.tar` and so on into the new folder `folder`; members are `000000000.json`, `.txt`, `.jpg`."""
    image = opened.image if opened.image and _is_picture(opened.schema.field(opened.image).type) else None
    names, omitted = json_columns(opened, but=image)
    written = Written(omitted=omitted)
    kept = [field for field in opened.schema if field.name not in omitted]
    metadata = {**(opened.schema.metadata or {}), _PICTURE: (image or "").encode()}
    with explained(folder), ExitStack() as stack:
        (folder / _SCHEMA).write_bytes(pa.schema(kept, metadata=metadata).serialize().to_pybytes())
        tar: tarfile.TarFile | None = None
        for number, row in enumerate(opened.rows()):
            if number % shard_rows == 0:
                stack.close()
                path = folder / f"shard-{number // shard_rows:06d}.tar"
                tar = stack.enter_context(tarfile.open(path, "w", format=tarfile.USTAR_FORMAT))
            if tar is None:
                break
            key = f"{number:09d}"
            record = {name: row[name] for name in (*names, "negatives", "positives", "status", "reason")}
            if image is not None:
                picture, path_of = _parts(row[image])
                if picture is not None:
                    _add(tar, f"{key}.{_ending(picture, opened, number)}", picture)
                if path_of is not None:
                    record["__path__"] = path_of
            text = json.dumps(record, ensure_ascii=False, default=str)
            _add(tar, f"{key}.json", text.encode("utf-8", "surrogatepass"))
            _add(tar, f"{key}.txt", (row[opened.caption] or "").encode())
            written.rows += 1
            written.negatives += len(row["negatives"] or ())
    return written


def _is_picture(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return {field.name for field in kind} == {"bytes", "path"}
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _parts(value: Any) -> tuple[bytes | None, str | None]:
    return (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)


def _ending(picture: bytes, opened: Opened, row: int) -> str:
    for start, ending in _KINDS:
        if picture.startswith(start):
            return ending
    raise InputError(
        f"{opened.file.path}, row {row}: the picture in {opened.image!r} is neither JPEG, PNG nor WebP, by which"
        " WebDataset names its members. Leave the row out, or name another column with --image-column."
    )


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    # No time, owner or rights: equal samples give equal bytes.
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def read(path: Path, output: Path) -> Written:
    """Read a folder of tars, or one. Without `schema.arrow` (other programs' tars) a sample gives `key`, `caption`
    (of its `.txt`, or of `caption` in its JSON), `image`, and the `negatives` in its JSON: texts, or objects."""
    files = sorted(path.glob("*.tar")) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path} holds no .tar file.")
    beside = (path if path.is_dir() else path.parent) / _SCHEMA
    if not beside.is_file():
        own = pa.schema([("key", pa.string()), ("caption", pa.string()), ("image", pa.binary())])
        return write_rows(output, own, _foreign(files), origin="webdataset")
    with reading(beside):
        schema = pa.ipc.read_schema(pa.BufferReader(beside.read_bytes()))
    metadata = dict(schema.metadata or {})
    image = metadata.pop(_PICTURE, b"").decode()
    own = pa.schema([one for one in schema if one.name not in _ADDED], metadata=metadata)
    return write_rows(output, own, _own(files, image, schema), origin="webdataset")


_ADDED = {"negatives", "positives", "status", "reason"}


def _own(files: list[Path], image: str, schema: pa.Schema) -> Iterator[dict[str, Any]]:
    for file, key, members in _samples(files):
        record = _json(file, key, members)
        if image:
            picture = next((members[kind] for kind in _PICTURES if kind in members), None)
            struct = pa.types.is_struct(schema.field(image).type)
            path = record.pop("__path__", None)
            record[image] = (
                picture
                if not struct
                else None
                if picture is None and path is None
                else {"bytes": picture, "path": path}
            )
        for name in ("negatives", "positives"):
            record[name] = record.get(name) or []
        yield record


def _foreign(files: list[Path]) -> Iterator[dict[str, Any]]:
    for file, key, members in _samples(files):
        record = _json(file, key, members) if "json" in members else {}
        made = []
        for one in record.get("negatives") or ():
            if isinstance(one, dict) and isinstance(one.get("text"), str):
                made.append(negative(one["text"], category=str(one.get("category") or ""), generator="webdataset"))
            elif isinstance(one, str):
                made.append(negative(one, generator="webdataset"))
            else:
                raise InputError(
                    f"{file}, sample {key}: `negatives` holds {one!r}: expected texts or objects with `text`."
                )
        caption = members["txt"].decode("utf-8", "replace").strip() if "txt" in members else record.get("caption")
        picture = next((members[kind] for kind in _PICTURES if kind in members), None)
        yield {
            "key": key,
            "caption": caption,
            "image": picture,
            "negatives": made,
            "positives": [],
            **status_of(made),
        }


def _json(file: Path, key: str, members: dict[str, bytes]) -> dict[str, Any]:
    if "json" not in members:
        raise InputError(f"{file}, sample {key}: no member `{key}.json`.")
    return object_of(members["json"], f"{file}, member {key}.json")


def _samples(files: list[Path]) -> Iterator[tuple[Path, str, dict[str, bytes]]]:
    """Members that follow one another and share a name up to the first dot, as WebDataset has it."""
    for file in files:
        key, members = "", dict[str, bytes]()
        with reading(file):
            try:
                with tarfile.open(file, "r:") as tar:
                    for member in tar:
                        folder, _, name = member.name.rpartition("/")
                        stem, _, ending = name.partition(".")
                        stem = f"{folder}/{stem}" if folder else stem
                        if not member.isfile() or not ending:
                            continue
                        if stem != key and members:
                            yield file, key, members
                            members = {}
                        key = stem
                        data = tar.extractfile(member)
                        if data is not None:
                            members[ending.lower()] = data.read()
            except tarfile.TarError as error:
                raise InputError(f"{file} cannot be read as a tar: {error}.") from error
        if members:
            yield file, key, members
