"""The small CLIP: its tokenizer, its pre-training, and the one that is shipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib.format import open_memmap
from safetensors.torch import load_file

from examples.scenes.captions import captions, keywords
from examples.scenes.demo import BASE
from examples.scenes.encode import image_features, load, text_features, tokens
from examples.scenes.exam import Exam
from examples.scenes.model import CONTEXT, PRESETS, create, tokenizer
from examples.scenes.pixels import drawn, pixels_of
from examples.scenes.pretrain import pretrain
from examples.scenes.sample import sample
from negagen.train.models import load as load_for_training


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_known_words_are_one_token_and_captions_fit() -> None:
    marks = tokenizer(["skillet"])
    assert marks.tokenize("Two doughnuts on a skillet.") == [
        "two</w>",
        "doughnuts</w>",
        "on</w>",
        "a</w>",
        "skillet</w>",
        ".</w>",
    ]
    assert len(marks.tokenize("zebra")) > 1
    longest = max(len(marks(text)["input_ids"]) for index in range(300) for text in captions(sample(index), 4))
    assert 2 * longest <= CONTEXT


def test_tokens_are_those_of_the_tokenizer() -> None:
    marks = tokenizer()
    rng = np.random.default_rng(0)
    said = [text for index in range(30) for text in captions(sample(index), 4)]
    said += [keywords(text, rng) for text in said] + ["A zebra's “odd” hat, un-known!", "red cup " * 60, ""]
    ids, mask = tokens(marks, said)
    expected = marks(said, padding=True, truncation=True, return_tensors="pt")
    assert torch.equal(ids, expected["input_ids"])
    assert torch.equal(mask, expected["attention_mask"])


def test_pictures_lie_in_a_file_as_they_are_drawn(tmp_path: Path) -> None:
    pictures, said = drawn(6, 24, siblings=3, cache=tmp_path)
    assert (pictures == pixels_of([sample(index) for index in range(6)], 24)).all()
    assert len(said) == 18
    assert said[3:6] == captions(sample(1), 3)
    again, texts = drawn(6, 24, siblings=3, cache=tmp_path)
    assert (again == pictures).all()
    assert texts == said
    assert open_memmap(next(tmp_path.glob("*.npy")), "r").shape == (6, 3, 24, 24)


def test_pre_training_lowers_the_loss_and_is_its_seed(tmp_path: Path) -> None:
    def run(name: str, steps: int) -> list[dict[str, object]]:
        return pretrain(
            tmp_path / name, preset="speck", images=16, steps=steps, batch=8, lr=3e-3, every=1, cache=tmp_path / "drawn"
        )

    first, second = run("one", 12), run("two", 12)
    assert [record["loss"] for record in first] == [record["loss"] for record in second]
    assert all(np.isfinite(float(str(record["loss"]))) for record in first)
    model, marks = load(tmp_path / "one")
    ids, mask = tokens(marks, ["A red cup on a table", "A dog"])
    features = text_features(model, ids, mask)
    assert torch.allclose(features.norm(dim=-1), torch.ones(2), atol=1e-5)


def test_shuffled_captions_keep_their_words_and_checkpoints_are_kept(tmp_path: Path) -> None:
    said = "Two red cups on a table, and a big hat."
    shuffled = keywords(said, np.random.default_rng(0))
    assert sorted(shuffled.split()) == sorted("two red cups on a table and a big hat".split())
    assert shuffled != "two red cups on a table and a big hat"
    for share in (0.0, 1.0):
        pretrain(
            tmp_path / f"{share}", preset="speck", images=16, steps=2, batch=8, every=1, cache=tmp_path / "drawn",
            shuffled=share, keep=tmp_path / f"{share}" / "kept",
        )  # fmt: skip
    kept = [load_file(tmp_path / f"{share}" / "kept" / "2.safetensors") for share in (0.0, 1.0)]
    final, _ = load(tmp_path / "1.0")
    name = "text_model.embeddings.token_embedding.weight"
    assert torch.equal(kept[1][name], final.state_dict()[name].half())
    assert not torch.equal(kept[0][name], kept[1][name])


def test_the_trainer_loads_it_and_sees_the_same(tmp_path: Path) -> None:
    create(tmp_path, PRESETS["speck"])
    model, marks = load(tmp_path)
    other = load_for_training(str(tmp_path), device=torch.device("cpu"))
    pixels = torch.from_numpy(pixels_of([sample(0), sample(1)], PRESETS["speck"].side))
    with torch.inference_mode():
        assert torch.allclose(image_features(model, pixels), other.encode_images(pixels), atol=1e-4)
    assert other.tokenizer("a red cup")["input_ids"] == marks("a red cup")["input_ids"]


def test_the_shipped_model_looks(tmp_path: Path) -> None:
    """It finds each picture's caption among those of forty others far more often than chance."""
    model, marks = load(BASE)
    scenes = [sample(index, split="tune") for index in range(40)]
    ids, mask = tokens(marks, [captions(scene, 1)[0] for scene in scenes])
    with torch.inference_mode():
        image = image_features(model, torch.from_numpy(pixels_of(scenes, PRESETS["tiny"].side)))
        nearest = (image @ text_features(model, ids, mask).T).argmax(1)
    assert (nearest == torch.arange(40)).float().mean() > 0.4
    assert sum(file.stat().st_size for file in BASE.glob("*.safetensors")) < 2**21


def test_an_exam_needs_every_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "broken.npz", words=np.array("{}"))
    with pytest.raises(KeyError):
        Exam.load(tmp_path / "broken.npz")
