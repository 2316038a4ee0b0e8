from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from negagen.data import building
from negagen.data.building import Progress, build, fingerprint_of
from negagen.data.cache import ImageCache
from negagen.data.images import View, decode
from negagen.data.layouts import Inputs
from negagen.data.pictures import Pictures
from negagen.data.reading import read
from negagen.errors import DataError, OutputError
from tests.data_torch.files import dataset, picture, rows, write, write_tar

VIEW = View(16)


@pytest.fixture
def chunks_of_four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_CHUNK", 4)


def sources(folder: Path, kind: str, count: int) -> Pictures:
    """The pictures 0 ... count - 1, in files, Parquet or a tar."""
    if kind == "files":
        path, images = dataset(folder, count)
        return read(Inputs([path], images)).pictures
    if kind == "parquet":
        table = [{**one, "image": picture(number)} for number, one in enumerate(rows(count))]
        return read(Inputs([write(folder / "p.parquet", table, group=5)])).pictures
    samples = {f"{number:03d}": {"jpg": picture(number), "txt": "a dog"} for number in range(count)}
    return read(Inputs([write_tar(folder / "p.tar", samples)])).pictures


@pytest.mark.usefixtures("chunks_of_four")
@pytest.mark.parametrize("kind", ["files", "parquet", "tar"])
def test_the_cache_holds_every_picture_in_its_place(tmp_path: Path, kind: str) -> None:
    pictures = sources(tmp_path, kind, 11)
    told: list[Progress] = []
    cache = build(pictures, VIEW, tmp_path / "cache", tell=told.append)
    assert cache.pixels.shape == (11, 3, 16, 16)
    assert cache.good.all()
    for number in range(11):
        np.testing.assert_array_equal(cache.pixels[number], decode(picture(number), VIEW))
    wanted = np.array([7, 0, 7, 10])
    np.testing.assert_array_equal(cache.take(wanted), cache.pixels[wanted])
    assert told[-1].done == told[-1].total == 11
    again: list[Progress] = []
    build(pictures, VIEW, tmp_path / "cache", tell=again.append)
    assert not again


def test_processes_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_CHUNK", 8)
    for kind in ("files", "parquet"):
        pictures = sources(tmp_path / kind if kind == "files" else tmp_path, kind, 40)
        one = build(pictures, VIEW, tmp_path / f"{kind}1")
        two = build(pictures, VIEW, tmp_path / f"{kind}2", workers=2)
        np.testing.assert_array_equal(one.pixels, two.pixels)


def test_contents_are_of_the_bytes_wherever_they_lie(tmp_path: Path) -> None:
    found = {kind: build(sources(tmp_path, kind, 11), VIEW, tmp_path / kind) for kind in ("files", "parquet", "tar")}
    contents = found["files"].contents
    assert {one.contents for one in found.values()} == {contents}
    assert len({one.fingerprint for one in found.values()}) == 3
    assert build(sources(tmp_path, "tar", 11), View(17), tmp_path / "other", workers=2).contents == contents
    # A file that is not there, and one byte of one that is: the same size, the same time.
    path = tmp_path / "images" / "3.jpg"
    before = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    changed = build(sources_again(tmp_path), VIEW, tmp_path / "changed", max_bad=1).contents
    path.unlink()
    missing = build(sources_again(tmp_path), VIEW, tmp_path / "missing", max_bad=1).contents
    assert len({contents, changed, missing}) == 3


def test_another_view_or_source_is_another_cache(tmp_path: Path) -> None:
    pictures = sources(tmp_path, "files", 3)
    views = (VIEW, View(17), View(16, "squash"), View(16, "centre", "bilinear"))
    names = {fingerprint_of(pictures, view) for view in views}
    assert len(names) == 4
    (tmp_path / "images" / "1.jpg").write_bytes(picture(99, (60, 60)))
    assert fingerprint_of(sources_again(tmp_path), VIEW) not in names


def sources_again(folder: Path) -> Pictures:
    return read(Inputs([folder / "negatives.parquet"], folder / "images")).pictures


@pytest.mark.usefixtures("chunks_of_four")
def test_bad_pictures_are_counted_and_named(tmp_path: Path) -> None:
    path, images = dataset(tmp_path, 10)
    (images / "3.jpg").unlink()
    (images / "6.jpg").write_bytes(picture(6)[:200])
    pictures = read(Inputs([path], images)).pictures
    cache = build(pictures, VIEW, tmp_path / "cache", max_bad=0.2)
    assert np.flatnonzero(~cache.good).tolist() == [3, 6]
    assert cache.pixels[3].max() == 0
    assert [name for name, _ in cache.problems] == ["3.jpg", "6.jpg"]
    assert cache.problems[0][1] == "no such file"
    with pytest.raises(DataError, match=r"2 of 10 pictures.*--max-bad 0.1.*3\.jpg \(no such file\)"):
        build(pictures, VIEW, tmp_path / "cache", max_bad=0.1)


@pytest.mark.usefixtures("chunks_of_four")
def test_too_many_bad_pictures_stop_a_build_before_its_end(tmp_path: Path) -> None:
    path, images = dataset(tmp_path, 12)
    for number in (0, 1):
        (images / f"{number}.jpg").write_bytes(b"no picture")
    pictures = read(Inputs([path], images)).pictures
    told: list[Progress] = []
    with pytest.raises(DataError, match=r"2 of 12 pictures are missing or damaged.*not a picture"):
        build(pictures, VIEW, tmp_path / "cache", tell=told.append)
    assert not told
    # What was decoded counts when more is allowed.
    assert build(pictures, VIEW, tmp_path / "cache", max_bad=0.5, tell=told.append).good.sum() == 10
    assert told[-1].fresh == 8


def test_chunks_of_another_size_are_not_taken_for_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = sources(tmp_path, "files", 20)
    monkeypatch.setattr(building, "_CHUNK", 2)

    def stops(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(pictures, VIEW, tmp_path / "cache", tell=stops)
    monkeypatch.setattr(building, "_CHUNK", 8)
    cache = build(pictures, VIEW, tmp_path / "cache")
    assert cache.contents == build(pictures, VIEW, tmp_path / "unbroken").contents
    for number in range(20):
        np.testing.assert_array_equal(cache.pixels[number], decode(picture(number), VIEW))


@pytest.mark.usefixtures("chunks_of_four")
@pytest.mark.parametrize("kind", ["files", "parquet"])
def test_a_build_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    pictures = sources(tmp_path, kind, 20)
    fill, filled, died = building._fill, [], threading.Event()

    def dies(*arguments: object) -> object:
        filled.append(arguments[3])
        if arguments[3] == 12 and not died.is_set():
            raise KeyboardInterrupt
        return fill(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(building, "_fill", dies)
    with pytest.raises(KeyboardInterrupt):
        build(pictures, VIEW, tmp_path / "cache")
    assert not (tmp_path / "cache" / fingerprint_of(pictures, VIEW)).exists()
    # A line of the journal that was cut off counts for nothing.
    journal = next((tmp_path / "cache").glob("*.building")) / "journal.jsonl"
    with journal.open("a", encoding="utf-8") as file:
        file.write('{"start": 16, "b')
    filled.clear()
    died.set()
    cache = build(pictures, VIEW, tmp_path / "cache")
    assert filled == [12, 16]
    for number in range(20):
        np.testing.assert_array_equal(cache.pixels[number], decode(picture(number), VIEW))
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.suffix == ".building"] == []


_SCRIPT = """
import sys
from pathlib import Path
from negagen.data import building
from negagen.data.images import View
from negagen.data.pictures import Pictures
building._CHUNK = 2
def slow(progress):
    print(progress.done, flush=True)
    if progress.done >= 6:
        import threading; threading.Event().wait()  # to be killed
building.time.monotonic = lambda at=[0.0]: at.__setitem__(0, at[0] + 5) or at[0]
building.build(Pictures.open(Path(sys.argv[1])), View(16), Path(sys.argv[2]), tell=slow)
"""


def test_a_killed_build_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_CHUNK", 2)
    pictures = sources(tmp_path, "files", 30).save(tmp_path / "places")
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(tmp_path / "places"), str(tmp_path / "cache")], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    told: list[Progress] = []
    began = time.monotonic()
    cache = build(pictures, VIEW, tmp_path / "cache", tell=told.append)
    assert time.monotonic() - began < 30  # the dead process holds no lock
    assert told[-1].fresh <= 24
    for number in range(30):
        np.testing.assert_array_equal(cache.pixels[number], decode(picture(number), VIEW))


def test_a_disk_that_is_too_small_is_told_before_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = sources(tmp_path, "files", 3)
    usage = type("Usage", (), {"free": 100})()
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(OutputError, match=r"3 pictures of .* take 2\.3 kB, but 100 bytes are free\..*--cache"):
        build(pictures, VIEW, tmp_path / "cache")


def test_a_damaged_cache_says_what_to_delete(tmp_path: Path) -> None:
    pictures = sources(tmp_path, "files", 3)
    cache = build(pictures, VIEW, tmp_path / "cache")
    os.truncate(cache.folder / "pixels.u8", 100)
    with pytest.raises(DataError, match="Delete"):
        build(pictures, VIEW, tmp_path / "cache")


def test_another_process_gets_the_path_and_not_the_pixels(tmp_path: Path) -> None:
    cache = build(sources(tmp_path, "files", 9), VIEW, tmp_path / "cache")
    sent = pickle.dumps(cache)
    assert len(sent) < 1000
    received: ImageCache = pickle.loads(sent)
    np.testing.assert_array_equal(received.pixels, cache.pixels)
    with pytest.raises(IndexError):
        cache.take(np.array([9]))
