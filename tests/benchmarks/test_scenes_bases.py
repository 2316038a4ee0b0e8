"""Which checkpoint of the pre-training is taken."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.scenes_bases import _chosen, _history

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
