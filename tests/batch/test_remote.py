"""Input from, and output to, object stores: a real server of S3's protocol on loopback, and memory."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet as pq
import pytest

from negagen.batch import Job, generate, plan, remote
from negagen.batch.run import parts_folder
from negagen.batch.source import open_source
from negagen.errors import InputError, OutputError
from tests.batch.files import captions, write_parquet
from tests.batch.standin import spec
from tests.cli.conftest import Ran
from tests.cli.conftest import run as run

pytest.importorskip("moto.server")
s3fs = pytest.importorskip("s3fs")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty bucket."""
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/nowhere",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem()
    store.mkdir("captions")
    yield "s3://captions"
    store.rm("captions", recursive=True)
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_SMALL_PART", 40)
    monkeypatch.setattr(plan, "GROUP_ROWS", 100)


def put(file: Path, address: str) -> str:
    store, path = fsspec.core.url_to_fs(address)
    store.put_file(str(file), path)
    return address


def content(address: str) -> bytes:
    with fsspec.open(address, "rb") as file:
        data: bytes = file.read()
    return data


def job_of(source: str, address: str, folder: Path) -> Job:
    return Job([source], remote.staged(address, folder), spec(), upload=address)


def plain_bytes(source: Path, folder: Path) -> bytes:
    generate(Job([source], folder / "plain.parquet", spec()))
    return (folder / "plain.parquet").read_bytes()


@pytest.mark.parametrize("workers", [1, 2])
def test_from_s3_to_s3_gives_the_same_bytes(bucket: str, tmp_path: Path, workers: int) -> None:
    source = write_parquet(tmp_path / "in.parquet", 230)
    address = f"{bucket}/out/negatives.parquet"
    job = replace(job_of(put(source, f"{bucket}/in.parquet"), address, tmp_path), workers=workers)
    report = generate(job)
    assert report.written_to == address
    assert content(address) == plain_bytes(source, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "plain.parquet"]


def test_folders_patterns_and_text(bucket: str, tmp_path: Path) -> None:
    for number in (2, 0, 1):
        put(write_parquet(tmp_path / "in.parquet", 50), f"{bucket}/set/{number}.parquet")
    put(tmp_path / "in.parquet", f"{bucket}/set/_temporary/3.parquet")
    packed = tmp_path / "in.jsonl.gz"
    packed.write_bytes(gzip.compress("".join(json.dumps({"caption": one}) + "\n" for one in captions(90)).encode()))
    put(packed, f"{bucket}/in.jsonl.gz")
    assert [file.path for file in open_source([f"{bucket}/set"]).files] == [
        f"{bucket}/set/{n}.parquet" for n in range(3)
    ]
    assert open_source([f"{bucket}/set/[01].parquet"]).rows == 100
    generate(Job([f"{bucket}/in.jsonl.gz"], tmp_path / "out.parquet", spec()))
    assert pq.read_table(tmp_path / "out.parquet")["caption"].to_pylist() == captions(90)


def test_what_stops_a_run(bucket: str, tmp_path: Path) -> None:
    source = put(write_parquet(tmp_path / "in.parquet", 50), f"{bucket}/in.parquet")
    with pytest.raises(InputError, match=r"s3://captions/missing\.parquet: no such file"):
        generate(job_of(f"{bucket}/missing.parquet", f"{bucket}/out.parquet", tmp_path))
    with pytest.raises(InputError, match="nothing of captions"):
        generate(job_of(f"{bucket}/*.csv", f"{bucket}/out.parquet", tmp_path))
    with pytest.raises(OutputError, match="is an input of this run"):
        generate(job_of(source, source, tmp_path))
    with pytest.raises(OutputError, match=r"ends in \.parquet"):
        generate(replace(job_of(source, source, tmp_path), upload=f"{bucket}/out.csv"))
    put(tmp_path / "in.parquet", f"{bucket}/out.parquet")
    with pytest.raises(OutputError, match="--overwrite"):
        generate(job_of(source, f"{bucket}/out.parquet", tmp_path))
    generate(replace(job_of(source, f"{bucket}/out.parquet", tmp_path), overwrite=True))
    assert "negatives" in pq.read_schema(fsspec.open(f"{bucket}/out.parquet").open()).names
    with pytest.raises(InputError, match=r"gs:// needs another package: pip install gcsfs"):
        generate(job_of("gs://bucket/in.parquet", f"{bucket}/out.parquet", tmp_path))


def test_a_failed_upload_loses_nothing(bucket: str, tmp_path: Path) -> None:
    """The bucket is not there when the file is done: parts stay, and the next run only writes and uploads."""
    source = write_parquet(tmp_path / "in.parquet", 230)
    address = "s3://gone/negatives.parquet"
    with pytest.raises(OutputError, match=r"s3://gone/negatives\.parquet cannot be written"):
        generate(job_of(str(source), address, tmp_path))
    assert len(list(parts_folder(remote.staged(address, tmp_path)).glob("part-*"))) == 6
    s3fs.S3FileSystem().mkdir("gone")
    assert generate(job_of(str(source), address, tmp_path)).resumed == 230
    assert content(address) == plain_bytes(source, tmp_path)


def test_an_upload_cut_off_leaves_what_was_there(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of the pieces of a multipart upload arrive, then the line is cut."""
    store = s3fs.S3FileSystem()
    address = f"{bucket}/out.parquet"
    store.pipe_file(address, b"precious")
    big = tmp_path / "big.parquet"
    with big.open("wb") as file:
        file.truncate(101 << 20)  # s3fs uploads from 100 MiB on in pieces
    whole = s3fs.S3FileSystem._call_s3
    calls: list[str] = []

    async def cut(self: Any, method: str, *arguments: Any, **options: Any) -> Any:
        calls.append(method)
        if calls.count("upload_part") == 2:
            raise ConnectionError("cut")
        return await whole(self, method, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(s3fs.S3FileSystem, "_call_s3", cut)
        with pytest.raises(OutputError, match="cut"):
            remote.upload(big, address)
    assert "upload_part" in calls
    assert store.cat_file(address) == b"precious"


def test_memory(tmp_path: Path) -> None:
    source = write_parquet(tmp_path / "in.parquet", 60)
    put(source, "memory://in.parquet")
    generate(job_of("memory://in.parquet", "memory://out.parquet", tmp_path))
    assert content("memory://out.parquet") == plain_bytes(source, tmp_path)
    with pytest.raises(InputError, match="--workers 1"):
        generate(replace(job_of("memory://in.parquet", "memory://other.parquet", tmp_path), workers=2))


def test_from_the_command_line(
    run: Callable[..., Ran], bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = write_parquet(tmp_path / "in.parquet", 60)
    put(source, f"{bucket}/in.parquet")
    ran = run("generate", f"{bucket}/in.parquet", "-o", f"{bucket}/out.parquet", "--blindness", "off", "-q", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["output"] == f"{bucket}/out.parquet"
    ran = run("generate", f"file://{source}", "-o", f"file://{tmp_path}/local.parquet", "--blindness", "off", "-q")
    assert ran.code == 0, ran.err
    assert content(f"{bucket}/out.parquet") == (tmp_path / "local.parquet").read_bytes()
    assert "name the output with -o" in run("generate", f"{bucket}/in.parquet").err
    assert "--parts FOLDER is for" in run("generate", source, "--parts", tmp_path, "-o", "x.parquet").err
