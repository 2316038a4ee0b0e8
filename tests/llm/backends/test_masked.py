from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from negagen.errors import LanguageModelError
from negagen.llm.backends.masked import MaskedFiller
from negagen.llm.protocol import Failure
from negagen.llm.slots import Proposal, Slot
from tests.judges.models import save_causal

WORDS = "a an dog cat horse red blue green two three on under the table runs sleeps man woman x sits hat tree".split()


def save_masked(folder: Path, *, likely: str = "", spread: float = 0.8) -> Path:
    """A BERT with random weights, surer of itself with more `spread`; one that finds `likely` likely everywhere."""
    from transformers import BertConfig, BertForMaskedLM, BertTokenizer

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = [*special, *WORDS, "##s", "##ing", ".", "7"]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    tokenizer: Any = BertTokenizer(vocab={token: n for n, token in enumerate(vocabulary)})
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), max_position_embeddings=24, hidden_size=16, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=32, initializer_range=spread, pad_token_id=0,
    )  # fmt: skip
    model: Any = BertForMaskedLM(config)
    for word in likely.split():
        model.cls.predictions.bias.data[vocabulary.index(word)] += 30.0
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_masked(tmp_path_factory.mktemp("masked"))


def slot(text: str, span: str, **more: Any) -> Slot:
    start = text.index(span)
    settings: dict[str, Any] = {"category": "replace_obj", "role": "object", "old": span, **more}
    return Slot(text, start, start + len(span), first=0, stop=1, **settings)


SLOTS = [
    slot("a dog sits on the table", "dog"),
    slot("the red hat", "red", category="replace_att", role="attribute"),
    slot("a man sleeps under the tree with two dogs and a cat", "under"),
    slot("two dogs", "two"),
]


def fill(folder: Path, slots: Sequence[Slot], **options: Any) -> list[Sequence[Proposal] | Failure]:
    found = list(MaskedFiller(folder, device="cpu", **options).fill(slots))
    assert sorted(n for n, _ in found) == list(range(len(slots)))
    return [proposals for _, proposals in sorted(found, key=lambda each: each[0])]


def test_proposals_are_words_and_not_what_stood_there(folder: Path) -> None:
    for each, proposals in zip(SLOTS, fill(folder, SLOTS), strict=True):
        assert isinstance(proposals, tuple)
        words = [proposal.replacement for proposal in proposals]
        assert len(words) == 1
        assert set(words) < set(WORDS) - {"a", "x", each.span}


def test_likely_words_are_drawn_and_the_old_one_never(tmp_path: Path) -> None:
    save_masked(tmp_path, likely="cat horse dog", spread=0.02)
    many = [slot("a dog sits on the table", "dog", key=key) for key in range(20)]
    found = fill(tmp_path, many)
    said = {each.replacement for proposals in found if isinstance(proposals, tuple) for each in proposals}
    assert said == {"cat", "horse"}
    lemma = slot("two dogs sit", "dogs", old="dog")
    assert fill(tmp_path, [lemma])[0][0].replacement in ("cat", "horse")  # type: ignore[index]


def test_chances_are_the_model_s(folder: Path) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForMaskedLM.from_pretrained(folder)
    filler = MaskedFiller(folder, device="cpu")
    coded = [filler._coded(each) for each in SLOTS]
    for each, chances in zip(SLOTS, filler._chances(coded), strict=True):
        ids = tokenizer(f"{each.text[: each.start]}[MASK]{each.text[each.end :]}", return_tensors="pt")
        at = ids["input_ids"][0].tolist().index(tokenizer.mask_token_id)
        with torch.no_grad():
            mass = model.eval()(**ids).logits[0, at].softmax(-1)
        assert list(chances.values()) == sorted(chances.values(), reverse=True)
        assert set(chances) == {word for word in WORDS if len(word) > 1}
        for word, chance in chances.items():
            assert chance == pytest.approx(float(mass[tokenizer.convert_tokens_to_ids(word)]), abs=1e-5)


def test_draws_depend_on_the_slot_alone(folder: Path, tmp_path: Path) -> None:
    together = fill(folder, SLOTS)
    assert fill(folder, SLOTS[::-1])[::-1] == together
    assert fill(folder, SLOTS, batch_size=1) == together
    keyed = [slot("a dog sits on the table", "dog", key=key) for key in range(30)]
    assert len(set(map(str, fill(save_masked(tmp_path, spread=0.02), keyed)))) > 5


def test_rewordings_are_left_alone_and_misfits_fail(folder: Path) -> None:
    found = fill(
        folder,
        [
            slot("a dog", "dog", category="paraphrase"),
            slot("a [MASK] and a dog", "dog"),
            slot("a dog " + "on the table " * 12, "dog"),
        ],
    )
    assert found[0] == ()
    assert found[1] == Failure("its caption has the model's mask token in it", alone=True)
    assert isinstance(found[2], Failure)
    assert "longer than the model's 24" in found[2].reason


def test_vocabularies_that_mark_beginnings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filler = MaskedFiller(folder, device="cpu")
    tokens = {"Ġdog": 10, "dog": 11, "Ġa": 12, "ing": 13, "Ġ7": 14, "Ġcat": 15, "Ġ": 16}
    monkeypatch.setattr(filler._tokenizer, "get_vocab", lambda: tokens)
    assert filler._words == {10: "dog", 15: "cat"}


def test_name_parameters_and_errors(folder: Path, tmp_path: Path) -> None:
    filler = MaskedFiller(folder, device="cpu")
    assert filler.name == f"masked:{folder.name}"
    assert filler.parameters()["likeliest"] == 24
    filler.close()
    filler.close()
    with pytest.raises(LanguageModelError, match="was closed"):
        list(filler.fill(SLOTS))
    with pytest.raises(LanguageModelError, match="masked language model"):
        MaskedFiller(tmp_path)
    with pytest.raises(LanguageModelError, match=r"masked language model|no mask token"):
        MaskedFiller(save_causal(tmp_path), device="cpu")
