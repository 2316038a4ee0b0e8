from __future__ import annotations

from pathlib import Path

import pytest
import torch

from negagen.data.batch import Texts
from negagen.train.models import ContrastiveModel, load
from negagen.train.recipe import load_recipe
from negagen.train.training import Training, freeze
from tests.train import tiny

PIXELS = torch.randint(0, 255, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny.dual_encoder(tmp_path_factory.mktemp("dual"), dropout=0.5, convolutions=True)


def training(folder: Path, vision: str, text: str) -> tuple[ContrastiveModel, Texts]:
    """A model in training mode with so much of its towers trained, and texts for it."""
    model = load(folder)
    recipe = load_recipe("clip", {"model.vision": vision, "model.text": text})
    freeze(model, recipe.model, seed=0)
    Training.begin(model, recipe, torch.device("cpu")).set_mode()
    return model, model.tokenize(["a red cube", "two dogs", "a cat on a bench", "a ball"])


def test_a_frozen_tower_neither_drops_nor_learns_means(folder: Path) -> None:
    still = load(folder).eval()
    model, texts = training(folder, "frozen", "train")
    for _ in range(2):
        assert torch.equal(model.encode_images(PIXELS), still.encode_images(PIXELS))
    assert not torch.equal(model.encode_texts(texts), model.encode_texts(texts))

    model, texts = training(folder, "train", "frozen")
    assert torch.equal(model.encode_texts(texts), still.encode_texts(texts))


@pytest.mark.parametrize("trained", ["train", "last:1"])
def test_batch_norms_keep_their_means_where_they_are_trained_too(folder: Path, trained: str) -> None:
    model, _ = training(folder, trained, trained)
    before = {name: value.clone() for name, value in model.network.state_dict().items() if "running_mean" in name}
    model.encode_images(PIXELS)
    after = model.network.state_dict()
    assert before
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_nothing_is_dropped_in_the_frozen_part_of_a_tower(folder: Path) -> None:
    model, _ = training(folder, "last:1", "last:1")
    assert not model.network.text_model.embeddings.dropout.training
    assert model.network.text_model.encoder.layer[-1].output.dropout.training


def scale_after(folder: Path, start: float, push: float, **settings: str) -> float:
    """The logarithm of the scale, from `start`, after a step that would move it down (`push` > 0) or up."""
    model = load(folder)
    with torch.no_grad():
        model.network.logit_scale.fill_(start)
    recipe = load_recipe("clip", settings)
    freeze(model, recipe.model, seed=0)
    run = Training.begin(model, recipe, torch.device("cpu"))
    run.gradients.zero()
    if model.network.logit_scale.requires_grad:
        (push * model.logit_scale).backward()  # type: ignore[no-untyped-call]
    run.update(0.01)
    return float(model.network.logit_scale.detach())


def test_a_scale_at_its_bound_can_fall_and_cannot_rise(folder: Path) -> None:
    bound = float(torch.tensor(100.0).log())
    assert scale_after(folder, bound, 1.0) == pytest.approx(bound - 0.01, abs=1e-5)
    assert scale_after(folder, bound, -1.0) == bound
    assert scale_after(folder, bound - 0.005, -1.0) == pytest.approx(bound)
    assert scale_after(folder, 3.0, -1.0, **{"model.max_scale": "20.2"}) == pytest.approx(3.0057, abs=1e-4)


def test_a_model_above_the_bound_keeps_its_own_scale(folder: Path) -> None:
    start = float(torch.tensor(4.7))
    assert scale_after(folder, start, 1.0, **{"model.logit_scale": "frozen"}) == start
    assert scale_after(folder, start, -1.0) == start
    assert scale_after(folder, start, 1.0) == pytest.approx(start - 0.01, abs=1e-5)
