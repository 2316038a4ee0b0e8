from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from negagen import Negator, TableNegator
from negagen.batch import Job, NegatorSpec, generate
from negagen.errors import InputError, ModelError
from negagen.judges.stage import Case, JudgedNegator, Opinion
from tests.cli.conftest import Ran
from tests.cli.conftest import run as run
from tests.judges.models import save_clip, save_nli

CAPTIONS = [
    "A brown dog chases a white cat across the grass.",
    "Two men sit on a red bench near a tall tree",
    "A woman holds a large blue umbrella.",
    None,
]


class Finicky:
    """Refuses replaced attributes, doubts the rest."""

    name = "finicky"

    def __init__(self) -> None:
        self.config = {"version": 1}
        self.seen: list[Case] = []

    def __call__(self, cases: Sequence[Case]) -> list[Opinion]:
        self.seen += cases
        return [
            Opinion(1.0, 1.0, "an attribute") if case.negative.category == "replace_att" else Opinion(-1.0, 0.25)
            for case in cases
        ]


@pytest.fixture(scope="module")
def negator() -> Negator:
    return Negator(k=4, seed=0, blindness="off")


def test_what_a_judge_refuses_is_left_out_and_counted(negator: Negator) -> None:
    judge = Finicky()
    plain, judged = list(negator.pipe(CAPTIONS)), list(JudgedNegator(negator, [judge]).pipe(CAPTIONS))
    refused = 0
    for before, after in zip(plain, judged, strict=True):
        kept = [negative for negative in before.negatives if negative.category != "replace_att"]
        assert [negative.text for negative in after.negatives] == [negative.text for negative in kept]
        assert all(negative.weight == 0.25 and negative.scores["finicky"] == -1.0 for negative in after.negatives)
        mine = [rejection for rejection in after.rejected if rejection.reason == "an attribute"]
        assert len(mine) == len(before.negatives) - len(kept)
        refused += len(mine)
        if mine:
            assert (after.status, after.reason) == ("partial" if kept else "none", "refused by a judge")
        else:
            assert after.status == before.status
    assert refused
    assert JudgedNegator(negator, [judge]).fingerprint != JudgedNegator(negator, []).fingerprint


def test_judges_see_siblings_and_pictures(negator: Negator) -> None:
    judge = Finicky()
    beside = [["a dog runs"], [], ["a lady"], []]
    list(JudgedNegator(negator, [judge]).pipe(iter(CAPTIONS), siblings=iter(beside), images=iter("abcd")))
    assert {(case.caption, tuple(case.siblings), case.image) for case in judge.seen} == {
        (CAPTIONS[0], ("a dog runs",), "a"), (CAPTIONS[1], (), "b"), (CAPTIONS[2], ("a lady",), "c")
    }  # fmt: skip


def png(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (48, 40), colour).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    path = tmp_path / "captions.parquet"
    captions = ["a dog sits on the red bed", "a man with a blue hat", "a woman holds a red hat", None]
    images = [png("red"), png("blue"), b"broken", png("green")]
    pq.write_table(pa.table({"caption": captions, "image": images}), path)
    return path


def test_a_table_with_pictures(negator: Negator, pictures: Path, tmp_path: Path) -> None:
    from negagen.judges.image_text import ImageTextJudge

    judged = JudgedNegator(negator, [ImageTextJudge(save_clip(tmp_path), device="cpu")])
    out = TableNegator(judged, image_column="image")(pq.read_table(pictures)).to_pylist()
    assert all(negative["scores"]["image_text"] is not None for negative in out[0]["negatives"])
    assert all(negative["scores"]["image_text"] is None for negative in out[2]["negatives"])
    assert out[2]["reason"] == "its picture cannot be read"
    with pytest.raises(InputError, match="for the pictures"):
        TableNegator(judged, image_column="photo")(pq.read_table(pictures))


def test_from_the_command_line(run: Callable[..., Ran], pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "nli").mkdir()
    save_nli(tmp_path / "nli", (0.0, 0.0, 5.0))
    ran = run("generate", pictures, "--nli", tmp_path / "nli", "--json", "--quiet")
    assert ran.code == 0, ran.err
    table = pq.read_table(pictures.with_name("captions.negatives.parquet"))
    assert not any(table["negatives"].to_pylist())
    assert '"entailed, says the NLI model"' in ran.out
    (tmp_path / "clip").mkdir()
    ran = run("generate", pictures, "--image-text", save_clip(tmp_path / "clip"), "--overwrite")
    assert ran.code == 0, ran.err
    ran = run("generate", pictures, "--image-text", tmp_path / "clip", "--image-column", "caption2", "--overwrite")
    assert ran.code == 2
    assert "--image-column" in ran.err
    ran = run("generate", pictures, "--image-column", "image", "--overwrite")
    assert ran.code == 2
    assert "--image-text" in ran.err


def test_the_same_for_two_workers(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "nli").mkdir()
    spec = NegatorSpec({"k": 2}, judges={"nli": str(save_nli(tmp_path / "nli")), "device": "cpu"})
    generate(Job([pictures], tmp_path / "one.parquet", spec))
    generate(Job([pictures], tmp_path / "two.parquet", spec, workers=2))
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    wrong = NegatorSpec({"k": 2}, judges={"nli": str(tmp_path / "nowhere")})
    with pytest.raises(ModelError, match="no folder"):
        generate(Job([pictures], tmp_path / "three.parquet", wrong))
