from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from negagen.errors import ModelError
from negagen.judges.image_text import ImageTextJudge
from negagen.judges.stage import Case
from negagen.types import Negative
from tests.judges.models import save_causal, save_clip


def png(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (48, 40), colour).save(out, "PNG")
    return out.getvalue()


def case(
    image: Any, caption: str = "a dog on the bed", text: str = "a cat on the bed", category: str = "replace_obj"
) -> Case:
    return Case(0, caption, (), Negative(text, "r", category, (), weight=0.8), image)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def judge(folder: Path) -> ImageTextJudge:
    return ImageTextJudge(folder, device="cpu", batch_size=2)


def test_the_score_is_the_difference_of_the_model_s_logits(folder: Path, judge: ImageTextJudge) -> None:
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    pixels = judge._pixels([Image.open(io.BytesIO(png("red")))], return_tensors="pt")
    coded = tokenizer(["a dog on the bed", "a cat on the bed"], return_tensors="pt", padding=True)
    own, other = model(**pixels, **coded).logits_per_image[0].tolist()
    (opinion,) = judge([case(png("red"))])
    assert opinion.score == pytest.approx(other - own, abs=1e-3)
    assert abs(other - own) > 0.1


def test_the_rule(folder: Path) -> None:
    forward, back = case(png("red")), case(png("red"), "a cat on the bed", "a dog on the bed")
    gap = ImageTextJudge(folder, device="cpu")([forward])[0].score
    assert gap is not None
    better, worse = (forward, back) if gap > 0 else (back, forward)
    gap = abs(gap)
    strict = ImageTextJudge(folder, margin=gap / 2, device="cpu")
    lenient = ImageTextJudge(folder, margin=gap * 2, device="cpu")
    assert strict([better])[0].refusal == "the picture fits it better than its caption"
    assert lenient([better])[0].refusal == ""
    assert lenient([better])[0].weight == pytest.approx(0.8 * 2 / (1 + np.exp(gap)), rel=1e-4)
    assert strict([worse])[0].weight == 0.8
    swap = better._replace(negative=Negative(better.negative.text, "r", "swap_obj", (), weight=0.8))
    (opinion,) = strict([swap])
    assert (opinion.refusal, opinion.weight) == ("", 0.8)
    assert opinion.score == pytest.approx(gap, abs=1e-4)


def test_pictures_come_as_bytes_structs_and_paths(judge: ImageTextJudge, tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(png("red"))
    shown: list[Any] = [png("red"), {"bytes": png("red"), "path": "x"}, {"bytes": None, "path": str(path)}, str(path)]
    scores = [opinion.score for opinion in judge([case(image) for image in shown])]
    assert scores == pytest.approx([scores[0]] * 4, abs=1e-5)
    together = judge([case(png(colour)) for colour in ("red", "blue", "green")])
    assert together[1].score == pytest.approx(judge([case(png("blue"))])[0].score, abs=1e-4)


def test_no_picture_no_score(judge: ImageTextJudge, tmp_path: Path) -> None:
    nothing, broken, missing = judge([case(None), case(b"no picture"), case(str(tmp_path / "nowhere.png"))])
    assert (nothing.score, nothing.weight, nothing.note) == (None, 0.8, "")
    assert broken.score is missing.score is None
    assert broken.note == missing.note == "its picture cannot be read"


def test_an_edit_that_the_model_does_not_read_is_not_scored(folder: Path) -> None:
    judge = ImageTextJudge(folder, device="cpu")
    long = "a man sits and a woman sits and a man sits "
    (opinion,) = judge([case(png("red"), long + "with a dog", long + "with a cat")])
    assert opinion.score is None
    assert "longer" in opinion.note
    assert judge.truncated == 2


def test_what_is_no_image_text_model_is_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ModelError, match="no folder"):
        ImageTextJudge(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="no image-text model"):
        ImageTextJudge(save_causal(tmp_path))
    with pytest.raises(ModelError, match="device 'nonsense'"):
        ImageTextJudge(folder, device="nonsense")
