"""One process against two: the same loss, the same gradients."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing as processes
from torch import Tensor

from negagen.errors import TrainingError
from negagen.train import distributed
from negagen.train.losses import LOSSES
from tests.train import ranks, small, tiny

BACKENDS = ["gloo", "nccl"] if torch.cuda.device_count() >= 2 else ["gloo"]


@pytest.fixture(scope="module", params=BACKENDS)
def answers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("ranks")
    processes.spawn(  # type: ignore[attr-defined,no-untyped-call]
        ranks.work, (folder, 2, request.param), nprocs=2
    )
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


def close(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-9, atol=1e-11)


def test_every_loss_is_among_them() -> None:
    assert set(ranks.OBJECTIVES) == {*LOSSES, "sum"}


@pytest.mark.parametrize("scene", ranks.SCENES)
@pytest.mark.parametrize("name", ranks.OBJECTIVES)
def test_two_processes_are_one(answers: list[dict[str, Any]], scene: str, name: str) -> None:
    alone, alone_gradients = ranks.loss_and_gradients(ranks.scene(scene), ranks.OBJECTIVES[name])
    for answer in answers:
        together, gradients = answer[f"{scene}: {name}"]
        close(together, alone)
        close(gradients, alone_gradients)


def test_two_processes_under_ddp_are_one(answers: list[dict[str, Any]]) -> None:
    alone, alone_gradients = ranks.loss_and_gradients(ranks.scene("some missing"), ranks.OBJECTIVES["sum"])
    assert all(float(gradient.abs().max()) > 1e-3 for gradient in alone_gradients.values())
    for answer in answers:
        together, gradients = answer["ddp"]
        close(together, {"loss": alone["loss"]})
        close(gradients, alone_gradients)


def test_what_is_gathered_is_the_whole_batch_in_every_field(answers: list[dict[str, Any]]) -> None:
    whole = ranks.scene("some missing")
    for answer in answers:
        for field in fields(whole):
            tensor, before = getattr(answer["gathered"], field.name), getattr(whole, field.name)
            assert (tensor is None) == (before is None), field.name
            if before is not None:
                assert tensor.dtype == before.dtype, field.name
                assert torch.equal(tensor, before), field.name


def test_small_talk_between_ranks(answers: list[dict[str, Any]]) -> None:
    for rank, answer in enumerate(answers):
        assert answer["from main"] == {"rank": 0}
        assert answer["who"] == (rank, 2, rank == 0)


def test_one_process_needs_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with distributed.process_group("cpu") as device:
        assert device == torch.device("cpu")
        assert (distributed.rank(), distributed.world_size(), distributed.is_main()) == (0, 1, True)
        distributed.barrier()
        features = ranks.scene("full")
        assert distributed.gather_features(features).image is features.image
        assert distributed.from_main(3) == 3


def test_half_an_environment_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(TrainingError, match=r"MASTER_ADDR.*torchrun"), distributed.process_group("cpu"):
        pass


@contextmanager
def two_processes(*command: str) -> Iterator[list[subprocess.Popen[str]]]:
    """As `torchrun` starts them, its store outliving them; but when one fails nobody ends the other."""
    talk: Any = torch.distributed
    store = talk.TCPStore("127.0.0.1", 0, is_master=True)
    given = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port)}
    given |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0", "OMP_NUM_THREADS": "1"}
    given["PYTHONPATH"] = str(Path(__file__).parents[2])
    started = [
        subprocess.Popen(
            [sys.executable, "-m", *command],
            env={**os.environ, **given, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        yield started
    finally:
        for one in started:
            one.kill()
            one.wait()


def said(processes: list[subprocess.Popen[str]]) -> list[str]:
    """What each wrote to stderr; all must have failed."""
    texts = [one.communicate(timeout=300)[1] for one in processes]
    assert all(one.returncode for one in processes), texts
    return texts


def test_who_fails_alone_says_so_and_the_other_says_nothing() -> None:
    with two_processes("tests.train.leaving", "raises") as started:
        zero, one = said(started)
    assert "TrainingError: rank 1 alone has too little memory" in one
    assert "PeerError: another process of this run has failed" in zero


def test_a_process_that_is_killed_is_missed() -> None:
    with two_processes("tests.train.leaving", "killed") as started:
        zero, one = said(started)
    assert "TrainingError: another process of this run ended without a word" in zero
    assert "Error" not in one


@pytest.mark.parametrize(("recipe", "text"), [("negclip", "holds a run already"), ("neglip", "did you mean 'negclip'")])
def test_of_two_processes_one_says_what_is_wrong(recipe: str, text: str, tmp_path: Path) -> None:
    tiny.clip(tmp_path / "clip")
    small.write(tmp_path / "negatives.parquet", pictures=20)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    (tmp_path / "run" / "metrics.jsonl").write_text('{"kind": "step", "step": 1}\n')
    command = ["negagen", "finetune", str(tmp_path / "negatives.parquet"), "-m", str(tmp_path / "clip"), "-o"]
    command += [str(tmp_path / "run"), "--cache", str(tmp_path / "cache"), "--device", "cpu", "--workers", "0", "-q"]
    command += ["--held-out", "0.2", "-r", recipe, "--set", "batch.size=8", "--set", "batch.negatives=1"]
    with two_processes(*command) as started:
        zero, one = said(started)
    assert zero.startswith("error: ")
    assert text in zero
    assert not one


def test_torchrun_of_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    given = {"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with distributed.process_group("cpu") as device:
        assert device == torch.device("cpu")
        assert (distributed.rank(), distributed.world_size()) == (0, 1)
        features = ranks.scene("full")
        assert distributed.gather_features(features).image is features.image
    assert not torch.distributed.is_initialized()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_said_so() -> None:
    with pytest.raises(TrainingError, match="no GPU"), distributed.process_group("cuda"):
        pass


def test_gradients_are_averaged_while_they_come(answers: list[dict[str, Any]]) -> None:
    for answer in answers:
        early, off = zip(*answer["flat"], strict=True)
        # The first step learns the order; with several backward passes nothing may be reduced before the last.
        assert early[0] == early[2] == 0
        assert early[1] == early[3] > 1
        assert max(off) < 1e-5
