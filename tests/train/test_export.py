from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import transformers

from negagen.errors import OutputError
from negagen.train import models
from negagen.train.ending import patch
from negagen.train.export import Card, data_table, export
from negagen.train.loop import finetune
from negagen.train.lora import add_lora, merge_lora
from negagen.train.measured import Benchmarks
from tests.train import small, tiny

CAPTIONS = ["a red box left a blue box", "the green cube"]
KINDS: dict[str, Any] = {"clip": tiny.clip, "siglip": tiny.siglip, "dual": tiny.dual_encoder}


def features(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """What `transformers` itself makes of a folder, from pixels that are scaled by its own settings."""
    model: Any = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder)
    options: dict[str, Any] = {"padding": True, "return_token_type_ids": False}
    if "Siglip" in type(model).__name__:  # which attends to its padding
        options = {"padding": "max_length", "max_length": 16, "return_attention_mask": False}
    tokens = tokenizer(CAPTIONS, return_tensors="pt", **options)
    pixels = (pictures().float() / 255 - torch.tensor(tiny.MEAN).view(3, 1, 1)) / torch.tensor(tiny.STD).view(3, 1, 1)
    with torch.no_grad():
        image = model.get_image_features(pixel_values=pixels)
        text = model.get_text_features(**tokens)
    made = [getattr(one, "pooler_output", one) for one in (image, text)]
    return made[0] / made[0].norm(dim=-1, keepdim=True), made[1] / made[1].norm(dim=-1, keepdim=True)


def pictures() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8))


def ours(model: models.ContrastiveModel) -> tuple[torch.Tensor, torch.Tensor]:
    model.eval()
    with torch.no_grad():
        return model.encode_images(pictures()), model.encode_texts(model.pack(model.tokenize(CAPTIONS)))


@pytest.mark.parametrize("kind", KINDS)
def test_transformers_loads_what_was_tuned(tmp_path: Path, kind: str) -> None:
    model = models.load(KINDS[kind](tmp_path / kind))
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    image, text = ours(model)
    export(model, tmp_path / "out", Card("tuned", "base"))
    for one, other in zip(features(tmp_path / "out"), (image, text), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    again = models.load(tmp_path / "out")
    assert all(torch.equal(one, other) for one, other in zip(ours(again), (image, text), strict=True))
    assert again.view == model.view


def test_adapters_are_merged(tmp_path: Path) -> None:
    model = models.load(tiny.clip(tmp_path / "clip"))
    add_lora(model, ["vision", "text"], rank=2, alpha=4)
    with torch.no_grad():
        for name, parameter in model.network.named_parameters():
            if "lora_" in name:
                parameter += 0.1 * torch.randn_like(parameter)
    expected = ours(model)
    merge_lora(model)
    export(model, tmp_path / "out", Card("tuned", "base"))
    for one, other in zip(features(tmp_path / "out"), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_run_with_adapters_ends_in_a_plain_model(tmp_path: Path) -> None:
    tiny.clip(tmp_path / "clip")
    small.write(tmp_path / "negatives.parquet", pictures=30)
    settings = {"model.vision": "lora", "model.text": "lora", "patching.alpha": "0.5"}
    finetune(small.job(tmp_path, "run", settings=settings, held_out=0.0))
    base, tuned, mixed = (transformers.CLIPModel.from_pretrained(tmp_path / name).state_dict() for name in (
        "clip", "run/tuned", "run/model",
    ))  # fmt: skip
    key = "text_model.encoder.layers.0.self_attn.q_proj.weight"
    assert not torch.equal(base[key], tuned[key])
    torch.testing.assert_close(mixed[key], (base[key] + tuned[key]) / 2)
    for card in ("run/tuned/README.md", "run/model/README.md"):
        text = (tmp_path / card).read_text()
        assert str(tmp_path) not in text
        assert 'name = "negclip"' in text
    assert "patched at 0.5" in (tmp_path / "run/model/README.md").read_text()


def test_the_card_says_how_negatives_were_made(tmp_path: Path) -> None:
    metadata = {b"negagen.rules": b"abc123", b"negagen.seed": b"7", b"negagen.version": b"0.1.0"}
    pq.write_table(pa.table({"caption": ["a"]}).replace_schema_metadata(metadata), tmp_path / "made.parquet")
    table = data_table([str(tmp_path / "made.parquet")], {"captions": "1"})
    assert table["rules"] == "abc123"
    assert (table["seed"], table["made by negagen"], table["negatives"]) == ("7", "0.1.0", "made.parquet")
    pq.write_table(pa.table({"caption": ["a"]}), tmp_path / "own.parquet")
    assert "rules" not in data_table([str(tmp_path / "own.parquet")], {})


def test_other_peoples_folders_are_left_alone(tmp_path: Path) -> None:
    model = models.load(tiny.clip(tmp_path / "clip"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("...")
    with pytest.raises(OutputError, match="name another folder"):
        export(model, tmp_path / "mine", Card("tuned", "base"))
    assert (tmp_path / "mine" / "thesis.tex").exists()
    for _ in range(2):  # an export is replaced
        export(model, tmp_path / "out", Card("tuned", "base"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip", "mine", "out"]


def test_patching_between_folders(tmp_path: Path) -> None:
    base, tuned = tiny.clip(tmp_path / "base"), tiny.clip(tmp_path / "tuned", seed=1)
    curve = patch(str(base), str(tuned), tmp_path / "out", alphas=[0.25], benchmarks=Benchmarks(), device="cpu")
    assert (curve.alpha, curve.rule) == (0.25, "given")
    key = "text_projection.weight"
    one, two, mixed = (models.load(tmp_path / name).network.state_dict()[key] for name in ("base", "tuned", "out"))
    torch.testing.assert_close(mixed, 0.75 * one + 0.25 * two)
