"""The demonstration: its questions as files, its table, and a run of it from end to end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from benchmarks.demonstration import figures, means
from examples.scenes.asking import make_exam, training_captions
from examples.scenes.benchmark import tables
from examples.scenes.demo import BASE, MISLED, MODELS, SIDE, summary
from examples.scenes.encode import Questions, load
from examples.scenes.exam import Exam
from negagen.evaluate import evaluate


@pytest.fixture(scope="module")
def exam() -> Exam:
    return make_exam(training_captions(40), each=6, retrieval=10, portraits=1, side=SIDE, split="tune")


def test_files_hold_the_exam_and_evaluate_scores_them_as_the_exam_is_scored(exam: Exam, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    made = tables(exam)
    assert {name: table.num_rows for name, table in made.items()} == {"swaps": 18, "words": 36, "retrieval": 10}
    for name, table in made.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    asked = [f"{'retrieval' if name == 'retrieval' else 'generic'}:{tmp_path / name}.parquet" for name in made]
    report = evaluate({"base": BASE}, asked, device="cpu", controls=())
    model, marks = load(BASE)
    expected = Questions.of(exam, marks).ask(model)
    for name in ("swaps", "words"):
        for category, score in report.result("base", name).categories["accuracy"].items():
            assert score.value == pytest.approx(expected["accuracy"][category])
            assert report.result("base", name).categories["consistency"][category].value == pytest.approx(
                expected["consistent"][category]
            )
    assert report.score("base", "retrieval").value == pytest.approx(expected["retrieval"])


def _report(swaps: dict[str, float], found: dict[str, float]) -> dict[str, Any]:
    def result(value: float, headline: str, *names: str) -> dict[str, Any]:
        score = {"value": value, "chance": 0.5}
        return {
            "headline": headline,
            "scores": {headline: score},
            "categories": {headline: dict.fromkeys(names, score)},
        }

    def change(benchmark: str, values: dict[str, float], after: str) -> dict[str, Any]:
        difference = values[after] - values["without"]
        return {
            "benchmark": benchmark, "before": "without", "after": after, "difference": difference,
            "low": difference - 0.03, "high": difference + 0.03, "shared_with_blind": False,
        }  # fmt: skip

    return {
        "models": {
            name: {
                "benchmarks": {
                    "swaps": result(swaps[name], "accuracy", "swap_att", "swap_obj", "held_out_swap_att"),
                    "words": result(0.6, "accuracy"),
                    "retrieval": result(found[name], "R@1"),
                }
            }
            for name in MODELS
        },
        "comparisons": [
            change(benchmark, values, after)
            for benchmark, values in (("swaps", swaps), ("words", dict.fromkeys(MODELS, 0.6)), ("retrieval", found))
            for after in ("with-patched", "with")
        ],
    }


@pytest.mark.parametrize(("tuned", "said"), [(0.66, "+12.0 points (95%: +9.0 to +15.0)"), (0.53, "-1.0 points")])
def test_the_table_and_the_sentence_say_what_was_measured(tuned: float, said: str) -> None:
    swaps = dict(zip(MODELS, (0.52, 0.54, tuned, 0.55, 0.64), strict=True))
    found = dict(zip(MODELS, (0.30, 0.25, 0.18, 0.29, 0.26), strict=True))
    told = summary(_report(swaps, found)).splitlines()
    assert told[1].split() == ["before", "without", "with", "without", "with", "chance"]
    assert told[2].split()[-6:] == ["52.0", "54.0", f"{100 * tuned:.1f}", "55.0", "64.0", "50.0"]
    assert told[7].split()[-6:] == ["30.0", "25.0", "18.0", "29.0", "26.0", "50.0"]
    assert not any("misleads" in line for line in told)  # no items: no row
    assert said in " ".join(told)
    assert max(map(len, told)) <= 120


def test_a_gain_that_judges_without_a_picture_share_is_told_as_such() -> None:
    scores = dict.fromkeys(MODELS, 0.6)
    report = _report(scores, scores)
    assert "misleads" not in summary(report)
    for name, value in (("without", 0.71), ("with", 0.64)):
        report["models"][name]["benchmarks"]["swaps"]["scores"][MISLED] = {"value": value, "chance": 0.5}
    for one in report["comparisons"]:
        one["shared_with_blind"] = True
    assert summary(report).endswith("where it misleads, 71.0% and 64.0% are right.")


def test_figures_of_several_runs() -> None:
    first = figures(_report(dict.fromkeys(MODELS, 0.6), dict.fromkeys(MODELS, 0.3)))
    tuned = dict.fromkeys(MODELS, 0.6) | {"with": 0.7}
    second = figures(_report(tuned, dict.fromkeys(MODELS, 0.3)))
    assert second["changes"]["swaps"]["with"] == {"difference": 10.0, "low": 7.0, "high": 13.0}
    told = means([first, second])
    assert told["looks or things changed places"]["with"] == "65.0 ± 7.1"
    assert told["looks or things changed places"]["before"] == "60.0 ± 0.0"
    assert told["retrieval, R@1"]["with"] == "30.0 ± 0.0"


def test_the_whole_way(tmp_path: Path) -> None:
    """Every command of it runs, and the table stands at the end; so short a run is asked for no gain."""
    sizes = ["--images", "30", "--steps", "2", "--batch", "8", "--each", "4", "--retrieval", "6"]
    done = subprocess.run(
        [sys.executable, "-m", "examples.scenes.demo", *sizes, "--output", str(tmp_path / "demo")],
        capture_output=True, text=True, check=False, timeout=300, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for command in ("generate", "finetune", "patch", "evaluate"):
        assert f"$ negagen {command} " in done.stdout
    scores = json.loads((tmp_path / "demo" / "report.json").read_text(encoding="utf-8"))
    assert set(scores["models"]) == set(MODELS)
    assert summary(scores) in done.stdout
    assert (tmp_path / "demo" / "report.html").stat().st_size > 0
    settings = [(tmp_path / "demo" / name / "recipe.toml").read_text(encoding="utf-8") for name in ("without", "with")]
    assert all("steps = 2" in text and "lr = 0.001" in text for text in settings)


def test_a_command_that_fails_ends_it(tmp_path: Path) -> None:
    sizes = ["--images", "2", "--each", "2", "--retrieval", "2", "--blindness", "sometimes"]
    done = subprocess.run(
        [sys.executable, "-m", "examples.scenes.demo", *sizes, "--output", str(tmp_path / "demo")],
        capture_output=True, text=True, check=False, timeout=300, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert done.returncode == 2
    assert "sometimes" in done.stderr
    assert "negagen generate" in done.stdout
    assert "finetune" not in done.stdout
