from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from negagen.errors import ModelError
from negagen.judges.causal import CausalScorer
from tests.judges.models import save_causal, save_masked, save_nli

TEXTS = ["a dog sits on the red bed", "a cat", "the blue car and a man with a hat", "dog"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_causal(tmp_path_factory.mktemp("causal"))


def test_scores_are_the_mean_over_a_text_s_tokens(folder: Path) -> None:
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    found = CausalScorer(folder, device="cpu", batch_size=3).score(TEXTS)
    assert found.dtype == np.float64
    for text, score in zip(TEXTS, found, strict=True):
        ids = [tokenizer.bos_token_id, *tokenizer(text)["input_ids"]]
        with torch.no_grad():
            each = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        expected = np.mean([float(each[n, ids[n + 1]]) for n in range(len(ids) - 1)])
        assert score == pytest.approx(expected, abs=1e-5)


def test_a_score_depends_on_neither_order_nor_company(folder: Path) -> None:
    scorer = CausalScorer(folder, device="cpu", batch_size=2)
    together = scorer.score(TEXTS)
    assert scorer.score(TEXTS[::-1])[::-1] == pytest.approx(together, abs=1e-5)
    assert scorer.score([]).shape == (0,)
    assert scorer.score([""]).tolist() == [0.0]


def test_what_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        CausalScorer(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="no causal language model"):
        CausalScorer(tmp_path)


def test_what_sees_the_words_to_come_is_refused(tmp_path: Path) -> None:
    for name in ("nli", "masked"):
        (tmp_path / name).mkdir()
    with pytest.raises(ModelError, match=r"files lack cls\."):
        CausalScorer(save_nli(tmp_path / "nli"), device="cpu")
    with pytest.raises(ModelError, match="words to come"):
        CausalScorer(save_masked(tmp_path / "masked"), device="cpu")


def test_long_texts_are_cut_and_counted(folder: Path) -> None:
    scorer = CausalScorer(folder, device="cpu")
    long = "a dog sits on the red bed " * 10
    assert scorer.score([long, "a dog"])[0] == pytest.approx(scorer.score([" ".join(long.split()[:31])])[0], abs=1e-5)
    assert scorer.truncated == 1


def test_gaps_do_not_depend_on_what_else_is_scored(folder: Path) -> None:
    scorer = CausalScorer(folder, device="cpu")
    scores = scorer.score(TEXTS)
    assert scorer.gaps(TEXTS[0], TEXTS[1:]) == pytest.approx(scores[1:] - scores[0], abs=1e-5)
    assert scorer.gaps(TEXTS[0], []).shape == (0,)


def test_a_device_that_is_not_there(folder: Path) -> None:
    with pytest.raises(ModelError, match="device 'nonsense'"):
        CausalScorer(folder, device="nonsense")


def test_the_fingerprint_is_of_the_files(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert CausalScorer(copy).fingerprint == CausalScorer(folder).fingerprint
    config = copy / "config.json"
    config.write_text(config.read_text() + " ")
    assert CausalScorer(copy).fingerprint != CausalScorer(folder).fingerprint
