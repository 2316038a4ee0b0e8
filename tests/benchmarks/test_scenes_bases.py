"""Which checkpoint of the pre-training is taken; exams, training, choice and model directory at a toy size."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import CLIPModel

from benchmarks.scenes_bases import _chosen, _history, main

GIVEN = argparse.Namespace(retrieves=0.3, composes=0.55)


def _record(step: int, retrieval: float, swap: float) -> dict[str, Any]:
    return {"step": step, "scores": {"retrieval": retrieval, "swap": swap, "mean": swap}}


def _entry(*records: dict[str, Any]) -> dict[str, Any]:
    return {"name": "one", "history": list(records)}


def test_of_those_that_retrieve_and_do_not_compose_the_best_retriever() -> None:
    found = _chosen(_entry(_record(1, 0.2, 0.5), _record(2, 0.4, 0.54), _record(3, 0.5, 0.6)), GIVEN)
    assert found is not None
    assert (found["step"], found["fits"]) == (2, True)


def test_else_the_one_that_composes_least_and_says_so() -> None:
    found = _chosen(_entry(_record(1, 0.2, 0.5), _record(2, 0.4, 0.6), _record(3, 0.5, 0.7)), GIVEN)
    assert found is not None
    assert (found["step"], found["fits"]) == (2, False)
    assert _chosen(_entry(_record(1, 0.2, 0.5)), GIVEN) is None


def test_what_was_printed_beside_the_scores_is_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("Loading {x}\n" + json.dumps(_record(1, 0.2, 0.5)) + '\n{"step": 2, "sco', encoding="utf-8")
    assert [one["step"] for one in _history(log)] == [1]


def test_from_exams_to_a_model_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    data, out, base = tmp_path / "data", tmp_path / "out", tmp_path / "base"

    def run(line: str, *others: object) -> None:
        monkeypatch.setattr(sys, "argv", ["scenes_bases", *line.split(), *map(str, others)])
        main()

    run("prepare --sides 80 --each 2 --retrieval 4 --training 300 --data", data)
    toy = "--images 64 --steps 2 --every 1 --seconds 3000 --reserve 0 --device cpu --workers 1"
    names = ("tiny-64-none", "tiny-64-all")
    run(f"sweep {toy} --retrieves 0 --composes 1 --back tiny=1 --variants", *names, "--data", data,
        "--work", tmp_path / "work", "--output", out)  # fmt: skip
    found = json.loads((out / "bases.json").read_text(encoding="utf-8"))
    assert [(one["name"], one["code"], [each["step"] for each in one["history"]]) for one in found["variants"]] == [
        (name, 0, [1, 2]) for name in names
    ]
    best, other = found["chosen"]
    assert {best["name"], other["name"]} == set(names)
    assert best["fits"]
    assert best["retrieval"] >= other["retrieval"]
    (weights,) = out.glob("*.safetensors")
    assert weights.stem == best["name"]

    run("unpack", out, best["name"], "-o", base)
    loaded = CLIPModel.from_pretrained(base, dtype=torch.float16).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in load_file(weights).items())
    assert json.loads((base / "pretraining.json").read_text(encoding="utf-8"))[-1]["step"] == best["step"]
    assert (base / "preprocessor_config.json").exists()
