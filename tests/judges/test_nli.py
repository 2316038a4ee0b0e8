from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from negagen.errors import ModelError
from negagen.judges.nli import NliJudge
from negagen.judges.stage import Case
from negagen.types import Negative
from tests.judges.models import save_causal, save_nli

PAIRS = [("a dog sits on the red bed", "a cat sits on the red bed"), ("a dog", "a cat"), ("a man", "the man runs")]


def case(text: str = "a cat", weight: float = 0.8, siblings: tuple[str, ...] = ()) -> Case:
    return Case(0, "a dog", siblings, Negative(text, "r", "replace_obj", (), weight=weight), None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_nli(tmp_path_factory.mktemp("nli"))


def test_probabilities_are_the_model_s_in_the_order_of_its_labels(folder: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = NliJudge(folder, device="cpu", batch_size=2).probabilities(PAIRS)
    for (premise, hypothesis), likely in zip(PAIRS, found, strict=True):
        with torch.no_grad():
            expected = model(**tokenizer(premise, hypothesis, return_tensors="pt")).logits[0].softmax(-1)
        assert likely == pytest.approx(expected.numpy()[::-1], abs=1e-5)
    assert found.sum(axis=1) == pytest.approx(np.ones(3))


@pytest.mark.parametrize(
    ("logits", "weight", "expected", "refused"),
    [
        ((0.0, 0.0, 3.0), 0.8, 0.8, True),
        ((3.0, 0.0, 0.0), 0.8, 0.9094, False),
        ((3.0, 0.0, 0.0), 1.0, 1.0, False),
        ((0.0, 3.0, 0.0), 0.8, 0.8 * (1 - 0.9094 / 2), False),
        ((0.0, 0.0, 0.0), 0.8, 0.8, False),
    ],
)
def test_the_rule(tmp_path: Path, logits: tuple[float, ...], weight: float, expected: float, refused: bool) -> None:
    (opinion,) = NliJudge(save_nli(tmp_path, logits), device="cpu")([case(weight=weight)])
    assert bool(opinion.refusal) is refused
    assert opinion.weight == pytest.approx(expected, abs=1e-4)
    likely = np.exp(logits) / np.exp(logits).sum()
    assert opinion.score == pytest.approx(likely[0] - likely[2], abs=1e-5)


def test_siblings_are_premises_too(folder: Path) -> None:
    judge = NliJudge(folder, device="cpu")
    beside = ("a cat sits", "the blue car")
    (opinion,) = judge([case(siblings=beside)])
    likely = judge.probabilities([(premise, "a cat") for premise in ("a dog", *beside)])
    assert opinion.score == pytest.approx(likely[:, 2].max() - likely[:, 0].max(), abs=1e-5)


def test_long_pairs_are_cut_and_counted(folder: Path) -> None:
    judge = NliJudge(folder, device="cpu")
    judge.probabilities([("a dog " * 20, "a cat"), ("a dog", "a cat")])
    assert judge.truncated == 1
    assert judge([]) == []


def test_what_is_no_nli_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no folder"):
        NliJudge(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="no NLI model"):
        NliJudge(tmp_path)
    (tmp_path / "two").mkdir()
    with pytest.raises(ModelError, match="not_entailment"):
        NliJudge(save_nli(tmp_path / "two", labels=("entailment", "not_entailment")))
    (tmp_path / "causal").mkdir()
    with pytest.raises(ModelError, match="LABEL_0"):
        NliJudge(save_causal(tmp_path / "causal"))


def test_a_device_that_is_not_there(folder: Path) -> None:
    with pytest.raises(ModelError, match="device 'nonsense'"):
        NliJudge(folder, device="nonsense")
