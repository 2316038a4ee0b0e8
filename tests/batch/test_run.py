from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negagen.batch import Job, Progress, generate, plan
from negagen.batch.run import parts_folder
from negagen.batch.schema import read_footer
from negagen.errors import InputError, OutputError, ResumeError, WorkerError
from tests.batch.files import captions, results, write_jsonl, write_parquet
from tests.batch.standin import spec, swap


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_SMALL_PART", 40)
    monkeypatch.setattr(plan, "GROUP_ROWS", 100)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """230 rows: 6 parts, 3 row groups."""
    return Job([write_parquet(tmp_path / "in.parquet", 230)], tmp_path / "out.parquet", spec())


def parts_of(job: Job) -> list[str]:
    folder = parts_folder(job.output)
    return sorted(path.name for path in folder.glob("part-*.arrow")) if folder.exists() else []


def interrupted_after(job: Job, rows: int) -> None:
    """Run `job`, and press Ctrl-C once `rows` rows are done."""

    def stop(now: Progress) -> None:
        if now.done >= rows:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(job, stop)


def test_every_row_in_order(job: Job) -> None:
    report = generate(job)
    expected = [(text, swap(text)) for text in captions(230)]
    assert results(job.output) == [
        (text, [n.text for n in made.negatives], made.status, made.reason or None) for text, made in expected
    ]
    assert report.counts.rows == 230
    assert report.counts.negatives == sum(len(made.negatives) for _, made in expected)
    assert not parts_folder(job.output).exists()


def test_the_file(job: Job) -> None:
    report = generate(job)
    with pq.ParquetFile(job.output) as file:
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        assert [group.num_rows for group in groups] == [100, 100, 30]
        column = groups[0].column(0)
        assert column.compression == "ZSTD"
        assert column.has_offset_index
        assert column.has_column_index
        footer = read_footer(file.metadata.metadata)
    assert footer["schema_version"] == "4"
    assert footer["fingerprint"] == report.fingerprint
    assert footer["config"] == {"k": 1, "seed": 0, "rules": "none", "pipeline": "none", "lexicon": "none"}
    assert {"version", "rules", "pipeline", "lexicon", "seed", "layout", "column", "counts"} < footer.keys()


def test_flat(job: Job) -> None:
    report = generate(replace(job, flat=True))
    table = pq.read_table(job.output)
    texts = [text for text in captions(230) if swap(text).negatives]
    assert table["caption"].to_pylist() == texts
    assert table["negative"].to_pylist() == [swap(text).negatives[0].text for text in texts]
    assert report.counts.rows == 230


@pytest.mark.parametrize("rows", [0, 1, 39, 40, 41, 100, 101])
def test_sizes_about_the_bounds(tmp_path: Path, rows: int) -> None:
    job = Job([write_parquet(tmp_path / "in.parquet", rows)], tmp_path / "out.parquet", spec())
    assert generate(job).counts.rows == rows
    assert pq.read_table(job.output)["id"].to_pylist() == list(range(rows))
    assert pq.read_schema(job.output).names == ["id", "caption", "negatives", "positives", "status", "reason"]


def test_many_files_and_a_limit(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    for number in range(3):
        write_parquet(folder / f"{number}.parquet", 50)
    job = Job([folder], tmp_path / "out.parquet", spec(), limit=120)
    assert generate(job).counts.rows == 120
    assert pq.read_table(job.output)["id"].to_pylist() == [*range(50), *range(50), *range(20)]


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl"])
def test_text_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "in.csv":
        path.write_text("n,caption\n" + "".join(f"0{n},{text}\n" for n, text in enumerate(captions(90))))
    else:
        write_jsonl(path, [{"n": f"0{n}", "caption": text} for n, text in enumerate(captions(90))])
    generate(Job([path], tmp_path / "out.parquet", spec()))
    assert [row[0] for row in results(tmp_path / "out.parquet")] == captions(90)
    assert pq.read_table(tmp_path / "out.parquet")["n"].to_pylist() == [f"0{n}" for n in range(90)]


def test_wide_rows_make_small_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_GROUP_BYTES", 1 << 20)
    path = write_parquet(tmp_path / "in.parquet", 200, image=[os.urandom(15_000) for _ in range(200)])
    generate(Job([path], tmp_path / "out.parquet", spec()))
    with pq.ParquetFile(tmp_path / "out.parquet") as file:
        assert [file.metadata.row_group(i).num_rows for i in range(3)] == [69, 69, 62]
        assert file.read(["image"]).equals(pq.read_table(path, columns=["image"]))


def test_interrupted_and_resumed_gives_the_same_bytes(job: Job) -> None:
    whole = replace(job, output=job.output.with_name("whole.parquet"))
    unbroken = generate(whole)
    interrupted_after(job, 80)
    assert parts_of(job) == ["part-000000.arrow", "part-000001.arrow"]
    assert not job.output.exists()
    interrupted_after(job, 160)
    report = generate(job)
    assert report.resumed == 160
    assert report.counts == unbroken.counts
    assert job.output.read_bytes() == whole.output.read_bytes()


def test_a_script_without_a_guard_is_told(job: Job) -> None:
    script = job.output.with_name("script.py")
    script.write_text(_SCRIPT.replace('if __name__ == "__main__":', "if True:"))
    ran = subprocess.run(
        [sys.executable, str(script), str(job.inputs[0]), str(job.output), "2"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert "could not start. A script that uses workers must keep" in ran.stderr


@pytest.mark.parametrize("flat", [False, True])
def test_workers_give_the_same_bytes(job: Job, flat: bool) -> None:
    job = replace(job, flat=flat)
    pooled = replace(job, output=job.output.with_name("pooled.parquet"), workers=2)
    seen: list[Progress] = []
    one, two = generate(job), generate(pooled, seen.append)
    assert pooled.output.read_bytes() == job.output.read_bytes()
    assert one.counts == two.counts
    assert len(two.peak_rss) in (2, 3)
    assert seen[-1] == Progress(230, 230, 0, 230)


def test_a_dead_worker_is_an_error_and_loses_no_part(job: Job, tmp_path: Path) -> None:
    deadly = spec(kill_at=captions(230)[170], killed=str(tmp_path / "killed"))
    pooled = replace(job, spec=deadly, workers=2)
    with pytest.raises(WorkerError, match=r"ended by signal 9 \(out of memory\?\) at rows 160 to 199"):
        generate(pooled)
    assert not job.output.exists()
    assert generate(replace(pooled, resume="require")).resumed > 0
    plain = replace(job, output=tmp_path / "plain.parquet")
    generate(plain)
    assert job.output.read_bytes() == plain.output.read_bytes()


def test_an_error_in_a_worker_comes_with_its_traceback(job: Job) -> None:
    with pytest.raises(WorkerError, match="RuntimeError: a bug") as caught:
        generate(replace(job, spec=spec(fail_at=captions(230)[5]), workers=2))
    assert "standin.py" in caught.value.__notes__[0]


def test_no_more_workers_than_parts(job: Job) -> None:
    report = generate(replace(job, workers=64, limit=50))  # two parts
    assert 1 < len(report.peak_rss) <= 3


@pytest.mark.parametrize("workers", [1, 2])
def test_a_warning_comes_once(job: Job, workers: int) -> None:
    with pytest.warns(UserWarning, match="an old pipeline") as caught:
        generate(replace(job, spec=spec(warn="an old pipeline"), workers=workers))
    assert len(caught) == 1


_SCRIPT = """
import sys
from pathlib import Path
from negagen.batch import Job, generate, plan
from tests.batch.files import captions
from tests.batch.standin import spec
if __name__ == "__main__":
    plan._SMALL_PART, plan.GROUP_ROWS = 40, 100
    held = spec(hold_at=captions(230)[170], until=sys.argv[2] + ".go")
    generate(Job([sys.argv[1]], Path(sys.argv[2]), held, workers=int(sys.argv[3])))
"""


def start(job: Job, workers: int, **options: Any) -> subprocess.Popen[bytes]:
    script = job.output.with_name("script.py")
    script.write_text(_SCRIPT)
    command = [sys.executable, str(script), str(job.inputs[0]), str(job.output), str(workers)]
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": root}, **options)


def let_go(job: Job) -> None:
    """Workers that wait in the script for this go on, and find that their parent is gone."""
    job.output.with_name(f"{job.output.name}.go").touch()


def wait_for(condition: Any, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("workers", [1, 2])
def test_kill_9_loses_at_most_the_parts_in_flight(job: Job, workers: int) -> None:
    run = start(job, workers)
    wait_for(lambda: len(parts_of(job)) >= 2)
    children = psutil.Process(run.pid).children()
    run.kill()
    run.wait()
    let_go(job)
    psutil.wait_procs(children, timeout=300)
    assert not any(child.is_running() and child.status() != "zombie" for child in children)
    assert not job.output.exists()
    report = generate(replace(job, resume="require"))
    assert report.resumed >= 80
    whole = replace(job, output=job.output.with_name("whole.parquet"))
    generate(whole)
    assert job.output.read_bytes() == whole.output.read_bytes()


def test_two_runs_onto_one_output(job: Job) -> None:
    run = start(job, 1)
    wait_for(lambda: parts_of(job))
    with pytest.raises(OutputError, match="another run is writing"):
        generate(job)
    run.send_signal(signal.SIGKILL)
    run.wait()
    let_go(job)
    assert generate(job).resumed > 0


def test_parts_of_other_settings(job: Job) -> None:
    interrupted_after(job, 80)
    other = replace(job, spec=spec(seed=1))
    with pytest.raises(ResumeError, match=r"2 parts of a run with other settings.*--resume never"):
        generate(other)
    assert len(parts_of(job)) == 2
    report = generate(replace(other, resume="never"))
    assert report.resumed == 0
    assert not parts_folder(job.output).exists()


def test_a_changed_input_is_noticed(job: Job) -> None:
    interrupted_after(job, 80)
    table = pq.read_table(job.inputs[0])
    texts = table["caption"].to_pylist()
    pq.write_table(
        table.set_column(1, "caption", pa.array(["a new one", *texts[1:]])), job.inputs[0], row_group_size=64
    )
    with pytest.raises(ResumeError):
        generate(job)


def test_resume_require_without_parts(job: Job) -> None:
    with pytest.raises(ResumeError, match="holds no parts"):
        generate(replace(job, resume="require"))
    assert not parts_folder(job.output).exists()


def test_a_damaged_part_is_made_again(job: Job) -> None:
    interrupted_after(job, 80)
    part = parts_folder(job.output) / "part-000000.arrow"
    part.write_bytes(part.read_bytes()[:-50])
    assert generate(job).resumed == 40
    assert len(results(job.output)) == 230


def test_an_existing_output(job: Job) -> None:
    job.output.write_text("precious")
    with pytest.raises(OutputError, match="--overwrite"):
        generate(job)
    assert job.output.read_text() == "precious"
    interrupted_after(replace(job, overwrite=True), 80)
    assert job.output.read_text() == "precious"
    generate(replace(job, overwrite=True))
    assert len(results(job.output)) == 230


def test_the_output_is_never_an_input(job: Job, tmp_path: Path) -> None:
    path = Path(job.inputs[0])
    link = tmp_path / "link.parquet"
    link.symlink_to(path)
    for output in (path, link):
        with pytest.raises(OutputError, match="is an input of this run"):
            generate(replace(job, output=output, overwrite=True))
    link.unlink()
    with pytest.raises(OutputError, match="is an input of this run"):
        generate(replace(job, inputs=[tmp_path], output=path, overwrite=True))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (".", "is a folder: name a file in it"),
        ("missing/out.parquet", "the folder .*missing does not exist"),
        ("in.parquet/out.parquet", "does not exist"),
        ("/dev/full", "not a regular file"),
        ("/proc/out.parquet", "cannot be written|no permission|does not exist"),
    ],
)
def test_unwritable_targets(job: Job, tmp_path: Path, output: str, message: str) -> None:
    with pytest.raises(OutputError, match=message):
        generate(replace(job, output=tmp_path / output, overwrite=True))


def test_a_file_that_may_not_grow(job: Job) -> None:
    """RLIMIT_FSIZE stands for a full disk: the output fails half-way, and finished parts stay."""
    whole = replace(job, output=job.output.with_name("whole.parquet"))
    generate(whole)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (whole.output.stat().st_size - 100, hard))
    try:
        with pytest.raises(OutputError, match=r"out\.parquet.* allows no file of that size"):
            generate(job)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not job.output.exists()
    assert generate(job).resumed > 0
    assert job.output.read_bytes() == whole.output.read_bytes()


def test_a_missing_column_stops_before_anything_is_written(job: Job) -> None:
    with pytest.raises(InputError, match=r"no column 'title'.*'caption'"):
        generate(replace(job, column="title"))
    with pytest.raises(InputError, match=r"no column 'key' for the ids.*'id', 'caption'"):
        generate(replace(job, id_column="key"))
    assert not parts_folder(job.output).exists()


def test_no_columns_at_all(tmp_path: Path) -> None:
    pq.write_table(pa.table({}), tmp_path / "in.parquet")
    with pytest.raises(InputError, match=r"no column 'caption'.*no column of text at all"):
        generate(Job([tmp_path / "in.parquet"], tmp_path / "out.parquet", spec()))
