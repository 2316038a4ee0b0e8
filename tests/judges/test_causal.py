from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from negagen.errors import ModelError
from negagen.judges.causal import CausalScorer
from tests.judges.models import save_causal

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
