"""Models of open_clip are computed as it computes them, and saved so that it loads them.

open_clip imports torchvision for its pictures' transforms. The release of torchvision on PyPI is for another build of
torch than the one tested with and cannot be imported; where it is missing, names of it are made up here, which the
models themselves do not use. Run with: pip install --no-deps open-clip-torch timm ftfy wcwidth
"""

from __future__ import annotations

import copy
import importlib
import importlib.machinery
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from negagen.errors import ModelError, RecipeError
from negagen.train.loop import finetune
from negagen.train.models import load
from negagen.train.open_clip import CONFIG, save_open_clip
from tests.train import small, tiny

CAPTIONS = ["a red cat under the table", "a blue cat under the table", "a dog", "a red cat under the box"]
MODEL: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


class _Stub(ModuleType):
    """A module of which every name is a class that does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (), {"BICUBIC": "bicubic", "BILINEAR": "bilinear", "__init__": lambda *_, **__: None})
        setattr(self, name, made)
        return made


@pytest.fixture(scope="module", autouse=True)
def open_clip() -> Iterator[Any]:
    if importlib.util.find_spec("open_clip") is None:
        pytest.skip("open_clip is not installed")
    before = set(sys.modules)
    if importlib.util.find_spec("torchvision") is None:
        for name in (
            "torchvision",
            "torchvision.transforms",
            "torchvision.transforms.functional",
            "torchvision.ops",
            "torchvision.ops.misc",
        ):
            stub = _Stub(name)
            stub.__path__ = []
            stub.__spec__ = importlib.machinery.ModuleSpec(name, None)
            sys.modules[name] = stub
            parent, _, last = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], last, stub)
    torch.set_num_threads(1)
    yield importlib.import_module("open_clip")
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("torchvision", "open_clip"):
            del sys.modules[name]


@pytest.fixture(params=[False, True], ids=["gelu", "quickgelu"])
def folder(request: pytest.FixtureRequest, open_clip: Any, tmp_path: Path) -> Path:
    return save(open_clip, tmp_path, copy.deepcopy(MODEL) | {"quick_gelu": request.param})


def save(open_clip: Any, folder: Path, config: dict[str, Any]) -> Path:
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = open_clip.model.CLIP(**config)
    with torch.no_grad():
        for parameter in network.parameters():  # projections start so small that features are all alike
            parameter.add_(0.05 * torch.randn_like(parameter))
    save_file(network.state_dict(), folder / "open_clip_model.safetensors")
    preprocess = {"mean": tiny.MEAN, "std": tiny.STD, "interpolation": "bicubic", "resize_mode": "shortest"}
    (folder / CONFIG).write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}), encoding="utf-8")
    return folder


def pixels() -> torch.Tensor:
    return torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_features_and_gradients_are_the_librarys(open_clip: Any, folder: Path) -> None:
    model = load(folder)
    reference = copy.deepcopy(model.network)
    scaled = pixels().float() / 255
    normalised = (scaled - torch.tensor(tiny.MEAN).view(3, 1, 1)) / torch.tensor(tiny.STD).view(3, 1, 1)
    image = reference.encode_image(normalised, normalize=True)
    text = reference.encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(CAPTIONS), normalize=True)
    texts = model.tokenize(CAPTIONS)
    torch.testing.assert_close(model.encode_texts(texts), text, rtol=0, atol=2e-6)
    found_image, found_text = model(pixels(), model.pack(texts))
    torch.testing.assert_close(found_image, image, rtol=0, atol=2e-6)
    torch.testing.assert_close(found_text, text, rtol=0, atol=2e-6)
    (image @ text.T).square().sum().backward()
    (found_image @ found_text.T).square().sum().backward()
    for (name, found), expected in zip(model.network.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(found.grad, expected.grad, rtol=1e-3, atol=5e-6, msg=name)


def test_what_a_model_says_of_itself(folder: Path) -> None:
    model = load(folder)
    assert (model.source, model.image_size, model.context_length, model.packs) == ("open-clip", 32, 77, True)
    assert model.view.crop == "centre"
    assert len(model.tokenize(["a dog " * 100]).ids[0]) == 77
    for side in ("vision", "text"):
        assert len(model.towers.stages(side)) == 4


def test_it_is_saved_with_its_activation(open_clip: Any, folder: Path, tmp_path: Path) -> None:
    model = load(folder)
    target = tmp_path / "saved"
    target.mkdir()
    save_open_clip(model, target)
    again = load(target)
    torch.testing.assert_close(again.encode_images(pixels()), model.encode_images(pixels()), rtol=0, atol=0)
    own = open_clip.create_model(f"local-dir:{target}")
    kinds = {type(block.mlp.gelu).__name__ for block in own.transformer.resblocks}
    quick = json.loads((target / CONFIG).read_text(encoding="utf-8"))["model_cfg"]["quick_gelu"]
    assert kinds == {"QuickGELU" if quick else "GELU"}


def test_an_unknown_architecture() -> None:
    with pytest.raises(ModelError, match="no architecture 'ViT-Z-1'"):
        load("open-clip:ViT-Z-1/openai")


def test_unknown_weights() -> None:
    with pytest.raises(ModelError, match=r"no weights 'openay' of ViT-B-32.*laion2b_s34b_b79k"):
        load("open-clip:ViT-B-32/openay")


def test_a_folder_without_a_model_in_its_config(tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match="no model_cfg"):
        load(tmp_path)


def test_a_whole_run_ends_in_a_model_of_open_clip(open_clip: Any, folder: Path) -> None:
    small.write(folder / "negatives.parquet", pictures=30)
    settings = {"optimizer.steps": "3", "patching.alpha": "0.5"}
    report = finetune(small.job(folder, "run", settings=settings, model=str(folder)))
    assert report["patching"]["alpha"] == 0.5
    tuned = load(folder / "run" / "model")
    own = open_clip.create_model(f"local-dir:{folder / 'run' / 'model'}")
    scaled = (pixels().float() / 255 - torch.tensor(tiny.MEAN).view(3, 1, 1)) / torch.tensor(tiny.STD).view(3, 1, 1)
    torch.testing.assert_close(
        tuned.encode_images(pixels()), own.encode_image(scaled, normalize=True), rtol=0, atol=2e-6
    )
    assert not torch.equal(own.visual.proj, load(folder).network.visual.proj)
    assert "library_name: open_clip" in (folder / "run" / "model" / "README.md").read_text()


def test_a_tower_without_blocks_is_trained_whole(open_clip: Any, tmp_path: Path) -> None:
    resnet = {"layers": [1, 1, 1, 1], "width": 16, "image_size": 32}
    save(open_clip, tmp_path, copy.deepcopy(MODEL) | {"vision_cfg": resnet})
    small.write(tmp_path / "negatives.parquet", pictures=30)
    settings = {"optimizer.steps": "3", "patching.alpha": "0.5"}
    report = finetune(small.job(tmp_path, "run", settings=settings, model=str(tmp_path)))
    assert report["patching"]["alpha"] == 0.5
    before, after = load(tmp_path).network.visual, load(tmp_path / "run" / "model").network.visual
    assert all(not torch.equal(one, other) for one, other in zip(before.parameters(), after.parameters(), strict=True))
    with pytest.raises(RecipeError, match="0 blocks; use train"):
        finetune(small.job(tmp_path, "last", settings={"model.vision": "last:1"}, model=str(tmp_path)))
