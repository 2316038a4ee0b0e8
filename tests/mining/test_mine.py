from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from negagen.batch.schema import read_footer
from negagen.data import HardNegatives, Inputs
from negagen.errors import DataError, InputError, OutputError
from negagen.evaluate.encode import Encoder
from negagen.evaluate.items import Picture
from negagen.evaluate.pictures import Folders
from negagen.mining import Keep, Mined, mine
from negagen.mining.filled import filled
from negagen.mining.similarities import Scorer
from negagen.train.models import ContrastiveModel, load
from tests.train import small, tiny


def rows(pictures: int = 12) -> list[dict[str, Any]]:
    """Two captions a picture with several candidates each, some of them repeated, cut, or empty."""
    made = small.rows(pictures)
    for number, row in enumerate(made):
        words = row["caption"].split()
        texts = [
            " ".join(colour if word == words[1] else word for word in words) for colour in ("red", "blue", "green")
        ]
        texts += [row["caption"].upper(), "  "]
        row["negatives"] += [
            {"text": text, "category": ("replace_att", "replace_obj", "mine")[(at + number) % 3], "weight": 1.0,
             "edits": None}
            for at, text in enumerate(texts)
        ]  # fmt: skip
        row["status"], row["reason"] = ("error", "too long") if number == 5 else ("ok", None)
        row["number"] = number
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("mining")
    tiny.clip(path / "clip")
    pq.write_table(pa.Table.from_pylist(rows()), path / "pool.parquet")
    yield path
    torch.set_num_threads(threads)


def scorer(folder: Path, **options: Any) -> Scorer:
    return Scorer(load(folder / "clip"), workers=0, **({"batch_size": 4} | options))


def mined(folder: Path, output: Path, keep: Keep, pool: str = "pool.parquet", **options: Any) -> Mined:
    given = {"cache": folder / "cache"} | options
    images = given.pop("images", None)
    return mine(scorer(folder), Inputs([folder / pool], images), output, keep, **given)


ALL = Keep(fools=False, below=0)


def test_margins_are_those_of_each_pair_encoded_alone(folder: Path, tmp_path: Path) -> None:
    found = mined(folder, tmp_path / "all.parquet", ALL)
    model = load(folder / "clip")
    encoder = Encoder(model, Folders([]))
    table = pq.read_table(tmp_path / "all.parquet").to_pylist()
    source = pq.read_table(folder / "pool.parquet").to_pylist()
    assert len(table) == len(source) == found.rows
    candidates = 0
    for row, given in zip(table, source, strict=True):
        assert {name: row[name] for name in ("caption", "image_id", "image", "number")} == {
            name: given[name] for name in ("caption", "image_id", "image", "number")
        }
        (image,), _ = encoder.images([Picture(row["image"]["path"], row["image"]["bytes"])])
        (caption,), _ = encoder.texts([row["caption"]])
        margins = []
        for one in row["negatives"] + row["positives"]:
            (text,), _ = encoder.texts([one["text"]])
            cosine = float(image.astype(np.float64) @ text.astype(np.float64))
            assert one["scores"]["image_similarity"] == pytest.approx(cosine, abs=1e-5)
            assert one["scores"]["margin"] == pytest.approx(float(image @ caption) - cosine, abs=1e-5)
            margins.append(one["scores"]["margin"])
        margins = margins[: len(row["negatives"])]
        assert margins == sorted(margins)
        wanted = sorted(
            one["text"] for one in given["negatives"] if one["text"].strip() and one["text"] != given["caption"].upper()
        )
        kept = sorted(one["text"] for one in row["negatives"] if one["text"] != given["caption"].upper())
        # One that tokenises to the caption's own tokens is never kept; all others are.
        assert kept == [text for text in wanted if text != row["caption"]]
        candidates += sum(bool(one["text"].strip()) for one in given["negatives"])
        assert (row["status"], row["reason"]) == (("error", "too long") if row["number"] == 5 else ("ok", None))
    assert found.candidates == candidates
    assert found.negatives.kept == found.negatives.scored == sum(len(row["negatives"]) for row in table)
    assert found.positives.scored == len(table)


@pytest.mark.parametrize("make", [tiny.siglip, tiny.dual_encoder])
@pytest.mark.parametrize("half", [False, True])
def test_other_models(folder: Path, tmp_path: Path, make: Any, half: bool) -> None:
    model = load(make(tmp_path / "model"))
    inputs = Inputs([folder / "pool.parquet"])
    mine(Scorer(model, 8, half, workers=2), inputs, tmp_path / "all.parquet", ALL, cache=tmp_path)
    encoder = Encoder(model, Folders([]))
    for row in read(tmp_path / "all.parquet")[:4]:
        images, _ = encoder.images([Picture(row["image"]["path"], row["image"]["bytes"])])
        texts, _ = encoder.texts([one["text"] for one in row["negatives"]])
        found = [one["scores"]["image_similarity"] for one in row["negatives"]]
        assert found == pytest.approx((texts @ images[0]).tolist(), abs=0.02 if half else 1e-5)


def test_what_fools_is_kept_and_counted(folder: Path, tmp_path: Path) -> None:
    every, hard = tmp_path / "all.parquet", tmp_path / "hard.parquet"
    mined(folder, every, ALL)
    found = mined(folder, hard, Keep(below=0))
    fooling = [[one["text"] for one in row["negatives"] if one["scores"]["margin"] < -1e-6] for row in read(every)]
    assert [[one["text"] for one in row["negatives"]] for row in read(hard)] == fooling
    assert found.negatives.fools == found.negatives.kept == sum(map(len, fooling)) > 0
    assert found.fooled == sum(map(bool, fooling))
    assert sum(one.fools for one in found.categories.values()) == found.negatives.fools
    assert set(found.categories) == {"swap_att", "replace_obj", "replace_att", "other"}
    for row, texts in zip(read(hard), fooling, strict=True):
        if row["number"] != 5:
            state = ("ok", None) if texts else ("none", "no further candidate fools the model")
            assert (row["status"], row["reason"]) == state
    about: Any = read_footer(pq.read_schema(hard).metadata)["mined"]
    assert (about["fools"], about["hardest"], about["below"]) == (True, None, 0)


def test_each_row_says_why_it_has_fewer(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    found = mined(folder, out, Keep(fools=False, hardest=3, below=1.0))
    table = read(out)
    assert max(len(row["negatives"]) for row in table) == 3
    assert found.full == sum(row["status"] == "ok" for row in table)
    reasons = {row["reason"] for row in table if row["number"] != 5}
    assert {None, "the rest is suspected to be true"} <= reasons
    for row in table:
        state = {3: "ok", 0: "none"}.get(len(row["negatives"]), "partial")
        assert row["status"] == ("error" if row["number"] == 5 else state)
        assert all(one["scores"]["margin"] >= 0 for one in row["negatives"])


def read(path: Path) -> list[dict[str, Any]]:
    table: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return table


def test_each_picture_and_text_is_encoded_once_in_all(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, list[Any]] = {"images": [], "texts": []}
    images, texts = ContrastiveModel.encode_images, ContrastiveModel.encode_texts

    def encode_images(model: ContrastiveModel, pixels: torch.Tensor) -> torch.Tensor:
        seen["images"] += [one.numpy().tobytes() for one in pixels]
        return images(model, pixels)

    def encode_texts(model: ContrastiveModel, batch: Any) -> torch.Tensor:
        seen["texts"] += [tuple(ids[:n]) for ids, n in zip(batch.ids.tolist(), batch.lengths.tolist(), strict=True)]
        return texts(model, batch)

    monkeypatch.setattr(ContrastiveModel, "encode_images", encode_images)
    monkeypatch.setattr(ContrastiveModel, "encode_texts", encode_texts)
    cache = tmp_path / "cache"
    mined(folder, tmp_path / "one.parquet", ALL, cache=cache)
    table = read(folder / "pool.parquet")
    distinct = {one["text"] for row in table for one in row["negatives"] + row["positives"] if one["text"].strip()}
    assert len(seen["texts"]) == len(distinct | {row["caption"] for row in table})
    # One more: it tells how wide the features are.
    assert len(seen["images"]) == 13
    seen["images"].clear()
    seen["texts"].clear()
    mined(folder, tmp_path / "two.parquet", Keep(), cache=cache)
    assert (len(seen["images"]), len(seen["texts"])) == (1, 0)
    mined(folder, tmp_path / "again.parquet", ALL, cache=cache)
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "one.parquet").read_bytes()


def test_a_killed_run_goes_on(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mined(folder, tmp_path / "whole.parquet", ALL, cache=tmp_path / "whole")
    encode, calls = ContrastiveModel.encode_texts, [0]

    def failing(model: ContrastiveModel, batch: Any) -> torch.Tensor:
        calls[0] += 1
        if calls[0] == 3:
            raise KeyboardInterrupt
        return encode(model, batch)

    monkeypatch.setattr(ContrastiveModel, "encode_texts", failing)
    with pytest.raises(KeyboardInterrupt):
        mined(folder, tmp_path / "killed.parquet", ALL, cache=tmp_path / "killed")
    assert not (tmp_path / "killed.parquet").exists()
    first = calls[0]
    mined(folder, tmp_path / "killed.parquet", ALL, cache=tmp_path / "killed")
    blocks = -(-len(distinct_texts(folder)) // 16)
    assert calls[0] - first == blocks - 2
    assert (tmp_path / "killed.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def distinct_texts(folder: Path) -> set[str]:
    table = read(folder / "pool.parquet")
    texts = {one["text"] for row in table for one in row["negatives"] + row["positives"]}
    return {text for text in texts if text.strip()} | {row["caption"] for row in table}


def test_rows_without_a_picture_are_errors(folder: Path, tmp_path: Path) -> None:
    made = rows()
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for row in made:
        if row["image_id"] not in ("3", "4"):
            (pictures / row["image"]["path"]).write_bytes(row["image"]["bytes"])
        row["image"] = row["image"]["path"]
    (pictures / "4.png").write_bytes(b"no picture")
    made[0]["caption"] = None
    pq.write_table(pa.Table.from_pylist(made), folder / "paths.parquet")
    with pytest.raises(DataError, match=r"2 of 12 pictures are missing or damaged.*--max-bad"):
        mined(folder, tmp_path / "out.parquet", ALL, "paths.parquet", images=pictures, cache=tmp_path / "cache")
    found = mined(
        folder, tmp_path / "out.parquet", ALL, "paths.parquet", images=pictures, cache=tmp_path / "cache", max_bad=0.5
    )
    table = read(tmp_path / "out.parquet")
    assert len(table) == len(made)
    for row in table:
        if row["number"] == 0 or row["image"] in ("3.png", "4.png"):
            assert (row["status"], row["reason"]) == ("error", "no picture to score it by")
            assert row["negatives"] == []
            assert all(one["scores"]["margin"] is None for one in row["positives"])
        elif row["number"] != 5:
            assert row["status"] == "ok"
    assert found.unscored == 5
    assert any("2 of 12 pictures" in note for note in found.notes)


def test_plain_texts_and_no_status(folder: Path, tmp_path: Path) -> None:
    made = [
        {"image": row["image"], "caption": row["caption"], "negatives": [one["text"] for one in row["negatives"]]}
        for row in rows()
    ]
    pq.write_table(pa.Table.from_pylist(made), folder / "plain.parquet")
    mined(folder, tmp_path / "plain.parquet", ALL, "plain.parquet")
    mined(folder, tmp_path / "structs.parquet", ALL)
    plain, structs = read(tmp_path / "plain.parquet"), read(tmp_path / "structs.parquet")
    assert [[one["text"] for one in row["negatives"]] for row in plain] == [
        [one["text"] for one in row["negatives"]] for row in structs
    ]
    assert {row["status"] for row in plain} == {"ok"}


def test_what_is_mined_is_trained_on(folder: Path, tmp_path: Path) -> None:
    mined(folder, tmp_path / "hard.parquet", Keep())
    negatives = HardNegatives.open([tmp_path / "hard.parquet"], cache=tmp_path / "cache", k=2)
    assert len(negatives) == 24
    drawn = negatives.batch(range(24))
    assert [len(texts) for texts in drawn] == [min(2, len(row["negatives"])) for row in read(tmp_path / "hard.parquet")]
    # It can be mined again, by another model.
    tiny.clip(tmp_path / "other", seed=1)
    again = Scorer(load(tmp_path / "other"), 4, workers=0)
    mine(again, Inputs([tmp_path / "hard.parquet"]), tmp_path / "again.parquet", ALL, cache=tmp_path / "cache")
    fields = [field.name for field in pq.read_schema(tmp_path / "again.parquet").field("negatives").type.value_type]
    assert fields.count("scores") == 1


def test_what_cannot_be_mined(folder: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"caption": ["a cat"], "image": ["a.png"]}), tmp_path / "captions.parquet")
    with pytest.raises(InputError, match=r"no candidates to score.*generate --pool"):
        mine(scorer(folder), Inputs([tmp_path / "captions.parquet"]), tmp_path / "out.parquet", cache=tmp_path)
    with pytest.raises(OutputError, match=r"the folder .* does not exist"):
        mined(folder, tmp_path / "nowhere" / "out.parquet", ALL)
    pq.write_table(pa.Table.from_pylist([{**row, "status": 1} for row in rows()]), tmp_path / "status.parquet")
    with pytest.raises(InputError, match="column 'status' of the pool is int64"):
        mine(scorer(folder), Inputs([tmp_path / "status.parquet"]), tmp_path / "out.parquet", cache=tmp_path)
    with pytest.raises(OutputError, match=r"is an input of this run, .* another -o PATH"):
        mined(folder, folder / "pool.parquet", ALL)
    with pytest.raises(InputError, match="2 pools"):
        mine(scorer(folder), Inputs(["a", "b"]), tmp_path / "out.parquet", cache=tmp_path)


def test_an_array_is_filled_once(tmp_path: Path) -> None:
    calls = []

    def fill(values: Any) -> None:
        calls.append(np.isnan(values).sum())
        if len(calls) == 1:
            values[:2] = 1
            raise ValueError
        values[np.isnan(values)] = 2

    for _ in range(3):
        try:
            found = filled(tmp_path / "array", (3, 2), fill)
        except ValueError:
            continue
    assert found.tolist() == [[1, 1], [1, 1], [2, 2]]
    assert calls == [6, 2]
    assert filled(tmp_path / "empty", (0,), fill).shape == (0,)
