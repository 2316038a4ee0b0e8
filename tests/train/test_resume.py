from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from negagen.data import Inputs
from negagen.errors import OutputError, TrainingError
from negagen.train import checkpoint, metrics, run
from negagen.train.loop import Job, Progress, finetune
from negagen.train.measured import Benchmarks
from tests.data_torch.files import write_tar
from tests.train import small, tiny
from tests.train.small import losses


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with small.one_thread():
        path = tmp_path_factory.mktemp("resume")
        tiny.clip(path / "clip")
        small.write(path / "negatives.parquet")
        small.write(path / "benchmark.parquet", pictures=12, seed=5)
        finetune(small.job(path, "whole", save_every=2))
        yield path


def steps(output: Path) -> list[int]:
    return [record["step"] for record in metrics.read_metrics(output)]


def saved(output: Path) -> list[str]:
    return sorted(path.name for path in (output / "checkpoints").iterdir())


def copied(folder: Path, name: str, *, up_to: int = 6) -> Path:
    """The run `whole`, as if it had been killed after the checkpoint of step `up_to`."""
    output = folder / name
    shutil.copytree(folder / "whole", output)
    checkpoint.forget_after(output, up_to)
    return output


def resumed(folder: Path, name: str, **options: Any) -> Job:
    return small.job(folder, name, **{"save_every": 2, "resume": "latest", **options})


# From which checkpoint.


def test_checkpoints_of_other_runs_are_refused(folder: Path) -> None:
    finetune(small.job(folder, "another", settings={"optimizer.lr": "2e-3"}, seed=4, save_every=2))
    output = copied(folder, "mixed")
    theirs = folder / "another" / "checkpoints" / "step-00000004"
    for given in (theirs, output / "checkpoints" / "step-00000006"):
        before = saved(output), losses(output)
        with pytest.raises(TrainingError, match="is a checkpoint of another run") as error:
            finetune(resumed(folder, "mixed", resume=str(given)))
        for text in ("recipe.optimizer.lr: 0.002 in the run, 0.001 now", "seed: 4 in the run, 0 now", str(given)):
            assert text in str(error.value)
        assert (saved(output), losses(output)) == before
        # Nor is one that was put in the place of the run's own.
        shutil.rmtree(output / "checkpoints" / "step-00000006")
        shutil.copytree(theirs, output / "checkpoints" / "step-00000006")


def test_a_checkpoint_kept_elsewhere_is_of_its_run(folder: Path) -> None:
    output = copied(folder, "kept")
    (output / "checkpoints" / "step-00000002").rename(folder / "put-aside")
    finetune(resumed(folder, "kept", resume=str(folder / "put-aside")))
    assert losses(output) == losses(folder / "whole")


def test_a_damaged_checkpoint_takes_no_later_one(folder: Path) -> None:
    output = copied(folder, "damaged")
    for name in ("state.pt", "model.safetensors"):
        path = output / "checkpoints" / "step-00000002" / name
        path.write_bytes(path.read_bytes()[:-8])
        with pytest.raises(TrainingError, match="step-00000002: a damaged checkpoint"):
            finetune(resumed(folder, "damaged", resume=str(path.parent)))
        assert (saved(output), losses(output)) == (saved(folder / "whole"), losses(folder / "whole"))
        shutil.copy(folder / "whole" / "checkpoints" / "step-00000002" / name, path)


def test_tensors_of_a_checkpoint_are_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = copied(folder, "once", up_to=4)
    read: list[Path] = []

    def load(path: Path) -> checkpoint.Checkpoint:
        read.append(path)
        return whole(path)

    whole = checkpoint.load
    monkeypatch.setattr(checkpoint, "load", load)
    finetune(resumed(folder, "once"))
    assert read == [output / "checkpoints" / "step-00000004"]
    assert losses(output) == losses(folder / "whole")


def test_going_back_leaves_no_later_checkpoint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = copied(folder, "back")

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    seen: list[Progress] = []
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            finetune(resumed(folder, "back", resume=str(output / "checkpoints" / "step-00000002")), seen.append)
    assert saved(output) == ["step-00000002"]
    gone = "from step 2: removed the later checkpoints, up to step 6"
    assert any(gone in one.detail for one in seen)
    finetune(resumed(folder, "back"))
    assert steps(output) == list(range(1, 7))
    assert losses(output) == losses(folder / "whole")
    report = finetune(resumed(folder, "back", resume=str(output / "checkpoints" / "step-00000002")))
    assert f"went on {gone}" in report["notes"]
    assert finetune(resumed(folder, "back"))["notes"] == []
    one, other = (load_file(path / "model" / "model.safetensors") for path in (output, folder / "whole"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


# What was measured before.


def test_before_is_measured_by_the_benchmarks_of_after(folder: Path) -> None:
    settings = {"patching.alpha": "[0.0, 0.5, 1.0]"}
    job = small.job(folder, "measured", settings=settings, save_every=2)
    first = finetune(job)
    file = folder / "benchmark.parquet"
    benchmarks = Benchmarks((f"generic:pairs={file}", f"retrieval:pictures={file}"))
    whole = finetune(replace(job, output=folder / "measured-whole", benchmarks=benchmarks))
    again = finetune(replace(job, resume="latest", benchmarks=benchmarks))
    assert first["measured"]["before"]["benchmarks"] is None
    # What the base scored, not what the checkpoint does.
    assert again["measured"] == whole["measured"]
    assert again["patching"] == whole["patching"]
    assert again["measured"]["before"]["benchmarks"] != again["measured"]["tuned"]["benchmarks"]
    seen: list[Progress] = []
    finetune(replace(job, resume="latest", benchmarks=benchmarks), seen.append)
    assert "before" not in [one.detail for one in seen]


# The same data.


def in_folder(folder: Path) -> None:
    """`folder` with captions in paths.parquet, and their pictures in pictures/."""
    (folder / "pictures").mkdir(parents=True)
    rows = small.rows(pictures=30)
    for row in rows:
        (folder / "pictures" / row["image"]["path"]).write_bytes(row["image"]["bytes"])
        row["image"] = row["image"]["path"]
    pq.write_table(pa.Table.from_pylist(rows), folder / "paths.parquet")


def test_data_may_go_by_other_paths(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_folder(folder / "here")
    job = replace(resumed(folder, "paths", settings={"optimizer.steps": "2"}), resume=None)
    finetune(replace(job, inputs=Inputs([folder / "here" / "paths.parquet"], folder / "here" / "pictures")))
    shutil.copytree(folder / "here", folder / "there", copy_function=shutil.copyfile)
    for one in (folder / "there" / "pictures").iterdir():
        os.utime(one, ns=(1, 1))
    (folder / "there" / "paths.parquet").rename(folder / "there" / "renamed.parquet")
    job = replace(job, resume="latest")
    finetune(replace(job, inputs=Inputs([folder / "there" / "renamed.parquet"], folder / "there" / "pictures")))
    monkeypatch.chdir(folder / "here")
    finetune(replace(job, inputs=Inputs(["paths.parquet"], Path("pictures"))))
    finetune(replace(job, inputs=Inputs(["paths.parquet"], Path("pictures"), caption_column="caption")))


def test_what_differs_in_the_data_is_named(folder: Path) -> None:
    output = copied(folder, "data")
    changed = small.write(folder / "changed.parquet", seed=1)
    with pytest.raises(TrainingError) as error:
        finetune(replace(resumed(folder, "data"), inputs=Inputs([changed])))
    told = str(error.value)
    assert f"{changed} has other contents than {folder / 'negatives.parquet'} had in the run" in told
    assert told.count("\n") == 2, told  # that, and what to do: no hashes, no counts
    with pytest.raises(TrainingError, match=r"1 files in the run .*negatives\.parquet\), 2 now"):
        finetune(replace(resumed(folder, "data"), inputs=Inputs([folder / "negatives.parquet", changed])))
    rows = small.rows()
    for row in rows:
        row["other"] = row["caption"] + " too"
    pq.write_table(pa.Table.from_pylist(rows), folder / "columns.parquet")
    by_column = replace(small.job(folder, "columns"), inputs=Inputs([folder / "columns.parquet"]))
    finetune(by_column)
    other = Inputs([folder / "columns.parquet"], image_id_column="caption")
    with pytest.raises(TrainingError, match=r'read otherwise from the same files \(columns: .*null, "caption"'):
        finetune(replace(by_column, inputs=other, resume="latest"))
    with pytest.raises(TrainingError, match=r"held_out: 0\.2 in the run, 0\.3 now"):
        finetune(resumed(folder, "data", held_out=0.3))
    assert losses(output) == losses(folder / "whole")


def test_other_contents_of_a_file_that_looks_the_same(folder: Path) -> None:
    def written(name: str, word: str) -> Path:
        samples: dict[str, dict[str, Any]] = {}
        for number, row in enumerate(small.rows(pictures=20)):
            record = {"image_id": row["image_id"], "caption": row["caption"], "negatives": row["negatives"]}
            samples[f"{number:03}"] = {"png": row["image"]["bytes"], "json": record}
        samples["000"]["json"]["negatives"] = [{"text": f"a {word} box"}]
        return write_tar(folder / name, samples)

    tar = written("0.tar", "pale")
    job = replace(small.job(folder, "tars", settings={"optimizer.steps": "2"}), inputs=Inputs([tar]))
    finetune(job)
    size = tar.stat().st_size
    assert written("0.tar", "dark").stat().st_size == size
    with pytest.raises(TrainingError, match=r"0\.tar has other contents than in the run\n") as error:
        finetune(replace(job, resume="latest"))
    assert "columns" not in str(error.value)


def test_a_changed_picture_is_noticed_whatever_its_size_and_time(folder: Path) -> None:
    in_folder(folder / "pictured")
    inputs = Inputs([folder / "pictured" / "paths.parquet"], folder / "pictured" / "pictures")
    job = replace(small.job(folder, "pictured-run", settings={"optimizer.steps": "2"}), inputs=inputs)
    finetune(job)
    path = folder / "pictured" / "pictures" / "3.png"
    found = bytearray(path.read_bytes())
    found[-10] ^= 1
    path.write_bytes(found)
    with pytest.raises(TrainingError, match=r"pictured/pictures has other pictures than in the run"):
        finetune(replace(job, resume="latest"))


# The run's folder.


def test_one_process_a_run(folder: Path) -> None:
    output = copied(folder, "held", up_to=2)
    before = saved(output), losses(output)
    with run.held(output):
        for job in (resumed(folder, "held"), resumed(folder, "held", resume=None)):
            with pytest.raises(OutputError, match=f"another run is writing to {output}"):
                finetune(job)
    assert (saved(output), losses(output)) == before
    finetune(resumed(folder, "held"))
    assert losses(output) == losses(folder / "whole")
    assert not (output / "lock").exists()


def test_a_run_that_failed_before_its_first_step_takes_no_folder(folder: Path) -> None:
    settings = {"patching.alpha": "[0.0, 1.0]", "batch.negatives": "0"}
    with pytest.raises(TrainingError, match="composition is not measured"):
        finetune(small.job(folder, "failed", "clip", settings=settings))
    with (folder / "failed" / metrics.FILE).open("a") as file:
        file.write('{"kind": "eval')  # killed
    finetune(small.job(folder, "failed", "clip", settings={"batch.negatives": "0"}))
    assert steps(folder / "failed") == list(range(1, 7))
    assert len(metrics.read_metrics(folder / "failed", "evaluation")) == 2
    with pytest.raises(OutputError, match="holds a run already"):
        finetune(small.job(folder, "failed", "clip", settings={"batch.negatives": "0"}))


LIMITED = """
import resource, sys
from pathlib import Path
from negagen.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))
main()
"""


def limited(size: int, folder: Path, name: str, *more: str) -> str:
    """What a run says when no file may be larger than `size`."""
    settings = [part for key, value in small.QUICK.items() for part in ("--set", f"{key}={value}")]
    command = [
        sys.executable, "-c", LIMITED, str(size), "finetune", str(folder / "negatives.parquet"), "-m",
        str(folder / "clip"), "-o", str(folder / name), "--cache", str(folder / "cache"), "--held-out", "0.2",
        "--save-every", "2", "--keep", "9", "--workers", "0", "--device", "cpu", "-q", *settings, *more,
    ]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert ran.returncode == 2, ran.stderr
    assert "fault in negagen" not in ran.stderr
    return ran.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no limits")
@pytest.mark.parametrize("file", ["model.safetensors", "state.pt"])
def test_a_full_disk(folder: Path, file: str) -> None:
    name = f"full-{file}"
    told = limited((folder / "whole" / "checkpoints" / "step-00000006" / file).stat().st_size - 500, folder, name)
    assert f"{folder / name / 'checkpoints' / 'step-00000002'}: " in told
    assert "No checkpoint was made yet" in told
    assert "--resume latest" in told
    assert not saved(folder / name)
    finetune(resumed(folder, name))
    assert losses(folder / name) == losses(folder / "whole")


@pytest.mark.skipif(sys.platform == "win32", reason="no limits")
def test_a_disk_too_full_for_metrics(folder: Path) -> None:
    name, many = "full-metrics", "100"
    # Room for all else that a run writes before its first checkpoint, and not for the records of so many steps.
    size = 2 * max((folder / "whole" / file).stat().st_size for file in (run.CONFIG, run.RECIPE))
    assert size < 200 * int(many)
    told = limited(size, folder, name, "--save-every", many, "--set", f"optimizer.steps={many}")
    assert f"{folder / name / 'metrics.jsonl'}: " in told
    assert "--resume latest" in told
    finetune(resumed(folder, name, settings={"optimizer.steps": many}, save_every=int(many)))
    assert steps(folder / name) == list(range(1, int(many) + 1))


@pytest.mark.skipif(sys.platform == "win32", reason="no limits")
def test_a_disk_that_is_full_when_all_is_trained(folder: Path) -> None:
    output = copied(folder, "full-model")
    shutil.rmtree(output / "model")
    size = (folder / "whole" / "model" / "model.safetensors").stat().st_size
    told = limited(size - 500, folder, "full-model", "--resume", "latest")
    assert f"{output / 'model'}: " in told
    assert "All up to the checkpoint step-00000006 is safe" in told
    assert not (output / "model").exists()
    finetune(resumed(folder, "full-model"))
    report = json.loads((output / "report.json").read_text())
    assert report["measured"] == json.loads((folder / "whole" / "report.json").read_text())["measured"]
