"""Ray on this machine: the bytes of a run in one process, whoever is killed."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from negagen.batch import Job, generate, plan
from negagen.batch.run import parts_folder
from negagen.errors import InputError, WorkerError
from tests.batch.files import captions, write_parquet
from tests.batch.standin import spec
from tests.batch.test_run import let_go, parts_of, wait_for
from tests.cli.conftest import Ran
from tests.cli.conftest import run as run

ray = pytest.importorskip("ray")

ROOT = Path(__file__).parents[2]
pytestmark = [
    # Ray leaves files and sockets of its own to the collector, and warns of its coming changes.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """One for all tests of the module: starting it takes seconds."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    yield
    ray.shutdown()


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_SMALL_PART", 40)
    monkeypatch.setattr(plan, "GROUP_ROWS", 100)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    source = write_parquet(tmp_path / "in.parquet", 230)
    return Job([source], tmp_path / "out.parquet", spec(), workers=2, executor="ray")


def plain_bytes(job: Job) -> bytes:
    plain = replace(job, output=job.output.with_name("plain.parquet"), spec=spec(), workers=1, executor="local")
    generate(plain)
    return plain.output.read_bytes()


def test_the_bytes_of_a_run_in_one_process(job: Job) -> None:
    report = generate(job)
    assert job.output.read_bytes() == plain_bytes(job)
    assert len(report.peak_rss) in (2, 3)
    assert not parts_folder(job.output).exists()
    assert ray.is_initialized()  # the connection was not ours to close


def test_a_killed_worker_is_replaced(job: Job, tmp_path: Path) -> None:
    """kill -9 in the middle of a part: made again by another worker, nothing twice and nothing lost."""
    deadly = replace(job, spec=spec(kill_at=captions(230)[170], killed=str(tmp_path / "killed")))
    report = generate(deadly)
    assert (tmp_path / "killed").exists()
    assert report.counts.rows == 230
    assert job.output.read_bytes() == plain_bytes(job)


def test_a_part_that_kills_every_worker_ends_the_run(job: Job, tmp_path: Path) -> None:
    deadly = spec(kill_at=captions(230)[170], killed=str(tmp_path / "killed"), kill_again=True)
    with pytest.raises(WorkerError, match=r"3 workers died at rows 160 to 199"):
        generate(replace(job, spec=deadly, workers=1))
    assert len(parts_of(job)) == 4
    assert generate(replace(job, resume="require")).resumed == 160
    assert job.output.read_bytes() == plain_bytes(job)


def test_errors_of_a_worker(job: Job) -> None:
    with pytest.raises(WorkerError, match="RuntimeError: a bug") as caught:
        generate(replace(job, spec=spec(fail_at=captions(230)[5])))
    assert "standin.py" in caught.value.__notes__[0]
    with pytest.warns(UserWarning, match="an old pipeline") as warned:
        generate(replace(job, spec=spec(warn="an old pipeline"), resume="never"))
    assert len([one for one in warned if one.category is UserWarning]) == 1


_SCRIPT = """
import sys
from pathlib import Path
from negagen.batch import Job, generate, plan
from tests.batch.files import captions
from tests.batch.standin import spec
if __name__ == "__main__":
    plan._SMALL_PART, plan.GROUP_ROWS = 40, 100
    held = spec(hold_at=captions(230)[170], until=sys.argv[2] + ".go")
    generate(Job([sys.argv[1]], Path(sys.argv[2]), held, workers=2, executor="ray"))
"""


def test_a_killed_driver_goes_on_where_it_was(job: Job) -> None:
    script = job.output.with_name("script.py")
    script.write_text(_SCRIPT)
    command = [sys.executable, str(script), str(job.inputs[0]), str(job.output)]
    driver = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT)
    wait_for(lambda: len(parts_of(job)) >= 2, 120)
    children = psutil.Process(driver.pid).children(recursive=True)
    workers = [child for child in children if child.name().startswith("ray::Actor")]
    assert workers
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    let_go(job)
    assert not job.output.exists()
    report = generate(replace(job, resume="require"))
    assert report.resumed >= 80
    assert report.counts.rows == 230
    assert job.output.read_bytes() == plain_bytes(job)
    _, alive = psutil.wait_procs(workers, timeout=300)
    for child in children:  # Ray's own agents take minutes to notice
        with suppress(psutil.NoSuchProcess):
            child.kill()
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]


def test_options_that_do_not_fit(job: Job) -> None:
    with pytest.raises(InputError, match="only --executor ray connects"):
        generate(replace(job, executor="local", address="auto"))


def test_from_the_command_line(run: Callable[..., Ran], tmp_path: Path) -> None:
    source = write_parquet(tmp_path / "in.parquet", 60)
    common = ["--blindness", "off", "--quiet"]
    on_ray = run("generate", source, "-o", tmp_path / "ray.parquet", "--executor", "ray", "--workers", 2, *common)
    assert on_ray.code == 0, on_ray.err
    run("generate", source, "-o", tmp_path / "local.parquet", *common)
    assert (tmp_path / "ray.parquet").read_bytes() == (tmp_path / "local.parquet").read_bytes()
