from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negagen import Negator
from negagen.cli.target import default_output
from negagen.errors import InputError
from tests.cli.conftest import Ran

CAPTIONS = [
    "A brown dog chases a white cat across the grass.",
    "Two men sit on a red bench near a tall tree",
    None,
    "",
    "A woman holds a large blue umbrella.",
    "🎈",
    "a \x07 bell",
    "word " * 2500,
]


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    path = tmp_path / "captions.parquet"
    pq.write_table(pa.table({"id": range(len(CAPTIONS)), "caption": CAPTIONS}), path)
    return path


def test_end_to_end(run: Callable[..., Ran], captions: Path) -> None:
    ran = run("generate", captions, "--seed", 3)
    assert ran.code == 0, ran.err
    table = pq.read_table(captions.with_name("captions.negatives.parquet"))
    assert table["caption"].to_pylist() == CAPTIONS
    for row, result in zip(table.to_pylist(), Negator(k=4, seed=3).pipe(CAPTIONS), strict=True):
        assert row["status"] == result.status
        assert [negative["text"] for negative in row["negatives"]] == [n.text for n in result.negatives]
        assert row["negatives"] or row["reason"]
    assert "negatives by category" in ran.out
    assert "captions/s" in ran.out
    assert "Written to" in ran.out


def test_json_is_all_there_is_on_stdout(run: Callable[..., Ran], captions: Path) -> None:
    ran = run("generate", captions, "--json", "--k", 2)
    report = json.loads(ran.out)
    assert report["rows"] == len(CAPTIONS)
    assert sum(report["status"].values()) == len(CAPTIONS)
    assert sum(report["category"].values()) == report["negatives"]
    assert report["config"]["k"] == 2
    assert {"captions_per_second", "peak_rss_bytes", "rejected", "seconds", "fingerprint"} < report.keys()
    assert "negatives by rule" in ran.err


def test_quiet(run: Callable[..., Ran], captions: Path) -> None:
    assert run("generate", captions, "--quiet") == Ran(0, "", "")


def test_options_reach_the_negator(run: Callable[..., Ran], captions: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.parquet"
    ran = run("generate", captions, "-o", out, "--categories", "replace_att, swap_att", "--limit", 2, "-q", "--flat")
    assert ran.code == 0, ran.err
    table = pq.read_table(out)
    assert set(table["negative_category"].to_pylist()) <= {"replace_att", "swap_att"}
    assert set(table["id"].to_pylist()) <= {0, 1}


def test_a_second_run_does_not_overwrite(run: Callable[..., Ran], captions: Path) -> None:
    run("generate", captions, "-q")
    ran = run("generate", captions)
    assert ran.code == 2
    assert "already exists: give --overwrite" in ran.err
    assert run("generate", captions, "-q", "--overwrite").code == 0


def test_an_unknown_column_names_those_that_would_do(run: Callable[..., Ran], captions: Path) -> None:
    ran = run("generate", captions, "--column", "text")
    assert ran.code == 2
    assert "no column 'text'. Columns of text there: 'caption'; choose one with --column NAME." in ran.err
    assert not captions.with_name("captions.negatives.parquet.parts").exists()


def test_a_category_of_positives_alone_stops_before_row_one(run: Callable[..., Ran], captions: Path) -> None:
    ran = run("generate", captions, "--categories", "paraphrase")
    assert ran.code == 2
    assert "--categories paraphrase makes positives only" in ran.err
    assert not captions.with_name("captions.negatives.parquet").exists()
    assert run("generate", captions, "--categories", "paraphrase,replace_att", "-q").code == 0


def test_rows_that_are_all_errors_end_with_status_1(run: Callable[..., Ran], tmp_path: Path) -> None:
    path = tmp_path / "captions.parquet"
    pq.write_table(pa.table({"id": ["17", "18", None], "caption": ["A red bus"] * 3}), path)
    ran = run("generate", path, "--column", "id", "-q")
    assert ran.code == 1
    assert ran.err == (
        "warning: none of the 3 rows could be used: 'no words' in 2 of them. Is 'id' the column of captions?"
        " Choose another with --column NAME.\n"
    )
    assert pq.read_table(path.with_name("captions.negatives.parquet"))["status"].to_pylist() == ["error"] * 3
    assert run("generate", path, "-q", "--overwrite").code == 0


def test_a_model_with_blindness_off_is_refused(run: Callable[..., Ran], captions: Path) -> None:
    ran = run("generate", captions, "--model", "missing.npz", "--blindness", "off")
    assert ran.code == 2
    assert "--blindness balanced and strict draw by" in ran.err


def test_bad_rules_stop_before_row_one(run: Callable[..., Ran], captions: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[[rule]]\nname = 3\n")
    ran = run("generate", captions, "--rules", bad)
    assert ran.code == 2
    assert "bad.toml" in ran.err
    assert list(tmp_path.glob("*.parts")) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("captions.parquet", "captions.negatives.parquet"),
        ("a/c.v2.csv.gz", "a/c.v2.negatives.parquet"),
        ("train/", "train.negatives.parquet"),
    ],
)
def test_default_output(given: str, expected: str) -> None:
    assert default_output([given]) == Path(expected)


def test_default_output_needs_one_input() -> None:
    with pytest.raises(InputError, match="-o PATH"):
        default_output(["a.parquet", "b.parquet"])
    with pytest.raises(InputError, match="-o PATH"):
        default_output(["*.parquet"])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_keeps_parts_and_says_how_to_go_on(tmp_path: Path, number: signal.Signals, code: int) -> None:
    path, out = tmp_path / "many.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.table({"caption": [f"Two dogs and {n} red cars on a street" for n in range(40_000)]}), path)
    # No model is fitted before the first part: on a busy machine that alone may take longer than a test should.
    command = [sys.executable, "-m", "negagen", "generate", str(path), "-o", str(out), "--blindness", "off"]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    end = time.monotonic() + 300
    while not list(tmp_path.glob("out.parquet.parts/part-*.arrow")):
        assert time.monotonic() < end
        assert run.poll() is None
        time.sleep(0.02)
    run.send_signal(number)
    _, err = run.communicate(timeout=300)
    assert run.returncode == code
    assert "finished parts are kept in" in err
    assert "Run the same command again" in err
    assert "Traceback" not in err
    assert not out.exists()


@pytest.mark.parametrize("blindness", ["off", "balanced"])
def test_ctrl_c_while_workers_start(tmp_path: Path, blindness: str) -> None:
    """A terminal sends Ctrl-C to the whole group: no worker may answer it with a traceback. If a model is fitted, the
    first workers are those that draw for it.
    """
    path, out = tmp_path / "many.parquet", tmp_path / "o.parquet"
    pq.write_table(pa.table({"caption": [f"Two dogs and {n} red cars on a street" for n in range(20_000)]}), path)
    command = [sys.executable, "-m", "negagen", "generate", str(path), "-o", str(out), "--blindness", blindness]
    run = subprocess.Popen([*command, "--workers", "2"], stderr=subprocess.PIPE, text=True, start_new_session=True)
    end = time.monotonic() + 300
    while len(psutil.Process(run.pid).children()) < 3:  # two workers, and Python's own tracker of what they share
        assert time.monotonic() < end
        assert run.poll() is None
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGINT)
    _, err = run.communicate(timeout=300)
    assert "Traceback" not in err
    assert run.returncode == 130
    assert "interrupted" in err
    assert not out.exists()


def ended(process: psutil.Process) -> bool:
    """Whether it runs no more. One whose parent has ended may stay as a zombie: in a container nobody may reap it."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_ctrl_c_while_workers_draw_for_a_model(tmp_path: Path) -> None:
    path, out = tmp_path / "many.parquet", tmp_path / "o.parquet"
    pq.write_table(pa.table({"caption": [f"Two dogs and {n} red cars on a street" for n in range(20_000)]}), path)
    command = [sys.executable, "-m", "negagen", "generate", str(path), "-o", str(out), "--workers", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as run:
        assert run.stderr is not None
        assert any(line.startswith("drawing samples") for line in run.stderr)
        started = psutil.Process(run.pid).children()
        os.killpg(run.pid, signal.SIGINT)
        err = run.stderr.read()
    assert run.returncode == 130
    assert err.splitlines()[-1] == "interrupted before the first part was done; nothing was written."
    assert "Traceback" not in err
    assert len(started) == 3
    end = time.monotonic() + 300
    while not all(map(ended, started)):
        assert time.monotonic() < end, started
        time.sleep(0.02)
    assert not out.exists()
