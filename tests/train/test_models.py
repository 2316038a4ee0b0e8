"""Models are computed as their library computes them; what is no such model is refused in words."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, CLIPModel

from negagen.errors import ModelError
from negagen.train.lora import add_lora, merge_lora
from negagen.train.models import ContrastiveModel, load
from tests.train import tiny

MAKERS: dict[str, Callable[..., Path]] = {"clip": tiny.clip, "siglip": tiny.siglip, "dual": tiny.dual_encoder}
CAPTIONS = ["a red cat under the table .", "a dog", "a man riding a horse", "a woman riding a horse next to a dog"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.set_num_threads(1)
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in MAKERS.items()}


def pixels(count: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)


def library_features(folder: Path, kind: str) -> tuple[Tensor, Tensor, Any]:
    """The features that transformers computes, in the way its own processors would feed it."""
    network: Any = AutoModel.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    scaled = pixels().float() / 255
    normalised = (scaled - torch.tensor(tiny.MEAN).view(3, 1, 1)) / torch.tensor(tiny.STD).view(3, 1, 1)
    tokens = tokenizer(CAPTIONS, padding="max_length", return_tensors="pt")
    given = {"input_ids": tokens["input_ids"]}
    if kind != "siglip":  # SigLIP's processor gives no mask
        given["attention_mask"] = tokens["attention_mask"]
    image = network.get_image_features(pixel_values=normalised)
    text = network.get_text_features(**given)
    image, text = (getattr(one, "pooler_output", one) for one in (image, text))
    return image / image.norm(dim=-1, keepdim=True), text / text.norm(dim=-1, keepdim=True), network


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("recompute", [False, True])
def test_features_and_gradients_are_the_librarys(folders: dict[str, Path], kind: str, recompute: bool) -> None:
    image, text, network = library_features(folders[kind], kind)
    model = load(folders[kind])
    if recompute:
        model.use_checkpointing()
    found_image, found_text = model(pixels(), model.pack(model.tokenize(CAPTIONS)))
    torch.testing.assert_close(found_image, image, rtol=0, atol=2e-6)
    torch.testing.assert_close(found_text, text, rtol=0, atol=2e-6)
    (image @ text.T).square().sum().backward()  # type: ignore[no-untyped-call]
    (found_image @ found_text.T).square().sum().backward()
    expected = {name: one.grad for name, one in network.named_parameters() if one.grad is not None}
    found = {name: one.grad for name, one in model.network.named_parameters() if one.grad is not None}
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=5e-6, msg=name)


@pytest.mark.parametrize("kind", MAKERS)
def test_parts_go_with_the_features(folders: dict[str, Path], kind: str) -> None:
    model = load(folders[kind]).eval()
    texts = model.tokenize(CAPTIONS)
    features, patches = model.image_parts(pixels())
    torch.testing.assert_close(features, model.encode_images(pixels()), rtol=0, atol=2e-6)
    assert patches.shape == (4, 16, features.shape[1])
    features, tokens = model.text_parts(texts)
    torch.testing.assert_close(features, model.encode_texts(texts), rtol=0, atol=2e-6)
    assert tokens.shape == (4, texts.ids.shape[1], features.shape[1])
    torch.testing.assert_close(tokens.norm(dim=-1), torch.ones(tokens.shape[:2]))


def test_what_a_model_says_of_itself(folders: dict[str, Path]) -> None:
    clip, siglip, dual = (load(folders[name]) for name in ("clip", "siglip", "dual"))
    assert [one.source for one in (clip, siglip, dual)] == ["transformers-clip", "transformers-siglip", "dual-encoder"]
    assert [one.context_length for one in (clip, siglip, dual)] == [77, 16, 40]
    assert [one.packs for one in (clip, siglip, dual)] == [True, False, False]
    assert [one.view.crop for one in (clip, siglip, dual)] == ["centre", "squash", "squash"]
    assert clip.image_size == 32
    assert clip.image_mean == pytest.approx(tiny.MEAN)
    assert clip.logit_bias is None
    assert siglip.logit_bias is not None
    assert siglip.logit_bias.item() == -10
    assert siglip.logit_scale.item() == pytest.approx(2.718281828**2.3, rel=1e-5)


def test_long_texts_are_cut_and_keep_their_end(folders: dict[str, Path]) -> None:
    model = load(folders["clip"])
    texts = model.tokenize(["a dog " * 100, "a dog"])
    assert texts.ids.shape == (2, 77)
    assert texts.ids[0, -1] == model.tokenizer.eos_token_id


@pytest.mark.parametrize("kind", MAKERS)
def test_every_parameter_of_a_tower_is_in_one_stage(folders: dict[str, Path], kind: str) -> None:
    model = load(folders[kind])
    named = {id(parameter): name for name, parameter in model.network.named_parameters()}
    seen: list[str] = []
    for side in ("vision", "text"):
        stages = model.towers.stages(side)
        assert len(stages) == 4  # stem, two blocks, head
        for part in (part for stage in stages for part in stage):
            parameters = part.parameters() if isinstance(part, torch.nn.Module) else [part]
            seen += [named[id(parameter)] for parameter in parameters]
    assert sorted(seen) == sorted(name for name in named.values() if not name.startswith("logit_"))


def test_compiled_is_the_same_and_a_copy_is_its_own(folders: dict[str, Path]) -> None:
    plain, compiled = load(folders["clip"]), load(folders["clip"])
    compiled.use_compile(backend="aot_eager", fullgraph=True)
    compiled.train()
    counts = []
    for captions in (CAPTIONS, CAPTIONS * 2, [f"{one} and {two}" for one in CAPTIONS for two in CAPTIONS]):
        packed = plain.pack(plain.tokenize(captions))
        torch.testing.assert_close(compiled.encode_texts(packed), plain.encode_texts(packed))
        torch.testing.assert_close(compiled.encode_images(pixels()), plain.encode_images(pixels()))
        counts.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert counts[0] == counts[-1], "another number of tokens compiles anew"
    compiled.eval()
    torch.testing.assert_close(compiled.encode_images(pixels(3)), plain.encode_images(pixels(3)))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == counts[-1], "evaluation compiles"
    compiled.train()
    copied = copy.deepcopy(compiled)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.mul_(0.5)
    packed = plain.pack(plain.tokenize(CAPTIONS))
    torch.testing.assert_close(compiled.encode_texts(packed), plain.encode_texts(packed))
    assert (copied.encode_texts(packed) - plain.encode_texts(packed)).abs().max() > 1e-3


@pytest.mark.parametrize("kind", MAKERS)
def test_adapters_start_at_nothing_train_alone_and_merge(folders: dict[str, Path], kind: str) -> None:
    pytest.importorskip("peft")
    plain, model = load(folders[kind]), load(folders[kind])
    texts = model.pack(model.tokenize(CAPTIONS))
    add_lora(model, ("text",), rank=2, alpha=4.0)
    torch.testing.assert_close(model.encode_texts(texts), plain.encode_texts(texts))
    trainable = {name for name, parameter in model.network.named_parameters() if parameter.requires_grad}
    text = {name for name in trainable if name.startswith(("text_model.", "text_projection."))}
    assert text
    assert all(".lora_" in name for name in text)
    assert any(name.startswith("vision_model.") for name in trainable), "the other tower is left as it was"
    with torch.no_grad():
        for name, parameter in model.network.named_parameters():
            if ".lora_B" in name:
                parameter.normal_(0, 0.1)
    adapted = model.encode_texts(texts)
    assert (adapted - plain.encode_texts(texts)).abs().max() > 1e-3
    merge_lora(model)
    torch.testing.assert_close(model.encode_texts(texts), adapted, rtol=0, atol=2e-6)
    assert model.network.state_dict().keys() == plain.network.state_dict().keys()


def broken(tmp_path: Path, change: Callable[[Path], None]) -> str:
    """The words in which a CLIP directory with one change is refused."""
    folder = tiny.clip(tmp_path / "model")
    change(folder)
    with pytest.raises(ModelError) as caught:
        load(folder)
    assert str(folder) in str(caught.value)
    return str(caught.value)


def edit(folder: Path, file: str, **values: object) -> None:
    path = folder / file
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(settings | values), encoding="utf-8")


def edit_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def test_a_missing_tokenizer(tmp_path: Path) -> None:
    assert "tokenizer is missing" in broken(tmp_path, lambda folder: (folder / "tokenizer.json").unlink())


def test_a_missing_image_processor(tmp_path: Path) -> None:
    words = broken(tmp_path, lambda folder: (folder / "preprocessor_config.json").unlink())
    assert "image processor is missing" in words


def test_an_empty_directory(tmp_path: Path) -> None:
    assert "config.json" in broken(tmp_path, lambda folder: (folder / "config.json").unlink())


def test_a_torn_config(tmp_path: Path) -> None:
    words = broken(tmp_path, lambda folder: edit_text(folder / "config.json", "{"))
    assert "not a JSON file" in words


def test_missing_weights(tmp_path: Path) -> None:
    assert "weights" in broken(tmp_path, lambda folder: (folder / "model.safetensors").unlink())


def test_weights_of_half_a_model(tmp_path: Path) -> None:
    def halve(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        weights = load_file(folder / "model.safetensors")
        kept = {name: tensor for name, tensor in weights.items() if not name.startswith("visual_projection")}
        save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})

    words = broken(tmp_path, halve)
    assert "visual_projection.weight" in words
    assert "1 weights are missing" in words


def test_a_torn_file_of_weights(tmp_path: Path) -> None:
    def tear(folder: Path) -> None:
        data = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(data[: len(data) // 2])

    assert "cannot be read as a CLIPModel" in broken(tmp_path, tear)


def test_dropout_in_attention_is_refused(tmp_path: Path) -> None:
    def drop(folder: Path) -> None:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        edit(folder, "config.json", text_config=settings["text_config"] | {"attention_dropout": 0.1})

    assert "attention_dropout" in broken(tmp_path, drop)


def test_the_tokenizer_of_another_model(tmp_path: Path) -> None:
    other = tiny.siglip(tmp_path / "other")

    def exchange(folder: Path) -> None:
        for file in ("tokenizer.json", "tokenizer_config.json"):
            (folder / file).write_bytes((other / file).read_bytes())
        edit(folder, "tokenizer_config.json", eos_token="[UNK]")

    assert "does not close a text" in broken(tmp_path, exchange)


def test_a_model_of_text_alone(tmp_path: Path) -> None:
    BertModel(
        BertConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1, vocab_size=50)
    ).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"'bert', not a contrastive image-text model.*CLIPModel, SiglipModel"):
        load(tmp_path)


def test_no_such_model(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("transformers.utils.hub.cached_file", lambda name, *_, **__: asked.append(name))
    with pytest.raises(ModelError, match=r"nor a model of the hub in reach.*openai/clip-vit-base-patch32"):
        load("nobody/nothing")
    assert asked == ["nobody/nothing"]


def test_the_hub_is_not_asked_for_paths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []
    monkeypatch.setattr("transformers.utils.hub.cached_file", lambda name, *_, **__: asked.append(name))
    for name in ("nothing", str(tmp_path / "nothing"), "./nothing", "../nothing", "~/nothing", "runs/one/model"):
        with pytest.raises(ModelError, match=r"no such directory\. Expected.*openai/clip-vit-base-patch32"):
            load(name)
    (tmp_path / "weights.bin").touch()
    with pytest.raises(ModelError, match="a file, not a directory"):
        load(tmp_path / "weights.bin")
    assert not asked


def test_float16_weights_are_trained_in_float32(tmp_path: Path) -> None:
    folder = tiny.clip(tmp_path / "model")
    network: Any = CLIPModel.from_pretrained(folder)
    network.half().save_pretrained(folder)
    model: ContrastiveModel = load(folder)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
