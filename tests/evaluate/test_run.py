"""Whole evaluations with a model whose scores can be worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from negagen.data.images import View
from negagen.errors import DataError, ModelError
from negagen.evaluate import evaluate
from negagen.evaluate.benchmarks import open_benchmark
from negagen.evaluate.encode import Encoder
from negagen.evaluate.items import Choices, Item, Picture, Retrieval
from negagen.evaluate.pictures import Folders, opened
from negagen.evaluate.run import AGAINST
from tests.evaluate.oracle import Oracle, picture, save_pictures, save_rows


def item(name: str, colours: tuple[str, ...] | str, *texts: str, true: int = 1, category: str = "c") -> Item:
    shown = Picture("", picture(*((colours,) if isinstance(colours, str) else colours)))
    return Item(name, category, shown.key, (shown,), texts, true)


def run(model: Any, *benchmarks: Any, **options: Any) -> Any:
    return evaluate(model, benchmarks, controls=False, **options)


def test_captions_against_negatives_by_hand() -> None:
    items = (
        item("right", "red", "a red cat", "a blue cat", category="one"),
        item("wrong", "red", "a green cat", "a red dog", category="one"),
        item("tie", "red", "a red cat", "a red dog", category="two"),
        item("several", "green", "green", "blue", "red", category="two"),
    )
    report = run(Oracle(), Choices("mine", "text", items, "accuracy", macro=False, found=4))
    result = report.result("model", "mine")
    assert (result.score.value, result.score.ties, result.score.items) == (0.5, 1, 4)
    assert result.score.chance == pytest.approx((1 / 2 * 3 + 1 / 3) / 4)
    assert {name: one.value for name, one in result.categories["accuracy"].items()} == {"one": 0.5, "two": 0.5}
    rows = {row["item"]: row for row in report.items().to_pylist()}
    assert rows["tie"]["tied"]
    assert not rows["tie"]["right"]
    assert rows["right"]["margin"] == pytest.approx(1.0)
    assert result.extent == "4 items"


def test_hard_positives_and_text_only() -> None:
    items = (
        item("both", "red", "red", "a red one", "blue", true=2),
        item("first", "red", "red", "green", "blue", true=2),
        item("texts", "blue", "blue", "blue one", "red", true=2),
    )
    found = run(Oracle(), Choices("pp", "text", items, "ITT", text_only=True, together="ITT", found=3)).result(
        "model", "pp"
    )
    assert found.scores["accuracy"].value == 1
    assert found.scores["ITT"].value == pytest.approx(2 / 3)
    assert found.scores["TOT"].value == pytest.approx(2 / 3)
    assert found.scores["ITT"].chance == pytest.approx(1 / 3)


def test_pictures_are_chosen_and_matched() -> None:
    red, blue = Picture("", picture("red")), Picture("", picture("blue"))
    right = Item("1", "subject", "g", (red, blue), ("red",))
    wrong = Item("2", "verb", "g", (blue, red), ("red",))
    score = run(Oracle(), Choices("svo", "image", (right, wrong), "accuracy", macro=True, found=2)).score(
        "model", "svo"
    )
    assert (score.value, score.chance) == (0.5, 0.5)
    pair = Item("1", "", "g", (red, blue), ("red", "blue"))
    turned = Item("2", "", "g", (red, blue), ("blue", "red"))
    found = run(Oracle(), Choices("w", "match", (pair, turned), "group", found=2)).result("model", "w")
    assert {name: one.value for name, one in found.scores.items()} == {"text": 0.5, "image": 0.5, "group": 0.5}


@pytest.mark.parametrize("flaw", ["constant", "broken"])
def test_constant_and_broken_models_are_at_zero(flaw: str) -> None:
    items = (item("a", "red", "red", "blue"), item("b", "blue", "blue", "red", "green"))
    captions = Retrieval("r", (Picture("", picture("red")), Picture("", picture("blue"))), ("red", "blue"),
                         np.array([0, 1]), found=2)  # fmt: skip
    report = run(Oracle(**{flaw: True}), Choices("mine", "text", items, "accuracy", found=2), captions)
    assert report.score("model", "mine").value == 0
    assert report.score("model", "mine").ties == (2 if flaw == "constant" else 0)
    assert report.score("model", "r").value == 0
    json.dumps(report.to_json(), allow_nan=False)


def test_retrieval_by_hand() -> None:
    shown = tuple(Picture(name, picture(name)) for name in ("red", "green", "blue"))
    captions = ("red", "red thing", "green", "red blue", "green")
    found = run(Oracle(), Retrieval("r", shown, captions, np.array([0, 0, 1, 2, 2]), found=3)).result("model", "r")
    # "green" is a caption of the green and of the blue picture: right for both.
    assert found.notes == {"captions that several pictures have, right for each of them": 2}
    # Red and blue find their captions; so does green.
    assert found.scores["image to text R@1"].value == 1
    # "red blue" is as near to red as to blue, which is a tie and wrong; "green" finds green, which is right for it.
    assert found.scores["text to image R@1"].value == pytest.approx(4 / 5)
    assert found.scores["text to image R@1"].ties == 1
    assert found.score.value == pytest.approx((1 + 4 / 5) / 2)
    assert found.scores["text to image R@5"].value == 1


def test_zero_shot_by_hand(tmp_path: Path) -> None:
    save_pictures(tmp_path / "red", a="red", b="blue")
    save_pictures(tmp_path / "blue", c="blue")
    save_pictures(tmp_path / "green", d=("green", "red", "green"))
    (tmp_path / "templates.txt").write_text("a {} thing\nsome {}\n")
    found = run(Oracle(), f"zeroshot:colours={tmp_path}").result("model", "colours")
    assert found.score.value == pytest.approx(3 / 4)
    assert found.score.chance == pytest.approx(1 / 3)
    assert found.categories["top1"]["red"].value == 0.5


def test_missing_and_broken_pictures_are_skipped_and_said(tmp_path: Path) -> None:
    folder = save_pictures(tmp_path / "images", here="red")
    (folder / "broken.png").write_bytes(b"no picture")
    rows = [{"image": f"{name}.png", "caption": "red", "negatives": ["blue"]} for name in ("here", "broken", "gone")]
    path = save_rows(tmp_path / "g.parquet", rows)
    found = run(Oracle(), f"generic:{path}", images=folder).result("model", "g")
    assert found.skipped == {"its picture cannot be read": 1, "its picture is missing": 1}
    assert (found.asked, found.missing, found.extent) == (1, 2, "1 of 3 items")
    assert found.to_json()["subset"]
    (folder / "here.png").unlink()
    with pytest.raises(DataError, match=r"here\.png.*--images.*--eval-images"):
        run(Oracle(), f"generic:{path}", images=folder)


def test_sets_of_which_all_must_be_right() -> None:
    def member(name: str, of: str, *texts: str) -> Item:
        shown = Picture("", picture("red"))
        return Item(name, "c", shown.key, (shown,), texts, sets=(("pair", of),))

    gone = Item("6", "c", "gone", (Picture("gone.png"),), ("red", "blue"), sets=(("pair", "cut"),))
    items = (
        member("1", "both", "red", "blue"), member("2", "both", "a red cat", "blue"),
        member("3", "one", "red", "green"), member("4", "one", "green", "red"),
        member("5", "cut", "red", "blue"), gone,
    )  # fmt: skip
    benchmark = Choices("mine", "text", items, "accuracy", found=6)
    found = run(Oracle(), benchmark).result("model", "mine").scores["all of a pair"]
    # The pair that lacks a picture is none.
    assert (found.value, found.items, found.chance) == (0.5, 2, 0.25)
    # A sample cuts pairs apart.
    assert "all of a pair" not in run(Oracle(), benchmark, limit=4).result("model", "mine").scores


def test_a_sample_is_a_subset() -> None:
    items = tuple(item(str(number), "red", "red", "blue") for number in range(20))
    found = run(Oracle(), Choices("mine", "text", items, "accuracy", found=20), limit=5).result("model", "mine")
    assert found.extent == "5 of 20 items"
    assert found.limited


def test_each_text_and_picture_is_encoded_once_and_then_read(tmp_path: Path) -> None:
    items = tuple(item(str(number), "red", "red", "blue" if number % 2 else "BLUE") for number in range(6))
    benchmark = Choices("mine", "text", items, "accuracy", found=6)
    model = Oracle()
    first = run(model, benchmark, cache=tmp_path / "cache")
    assert (model.pictures_seen, model.texts_seen) == (1, 2)
    again = Oracle()
    second = run(again, benchmark, cache=tmp_path / "cache")
    assert (again.pictures_seen, again.texts_seen) == (0, 0)
    assert first.items().equals(second.items())
    other = Oracle(blue_is_red=True)
    assert run(other, benchmark, cache=tmp_path / "cache").score("model", "mine").value == 0
    assert other.pictures_seen == 1
    for path in (tmp_path / "cache").rglob("*.npz"):
        path.write_bytes(b"damaged")
    healed = Oracle()
    assert run(healed, benchmark, cache=tmp_path / "cache").items().equals(first.items())
    assert healed.pictures_seen == 1


def test_models_of_one_view_share_what_was_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def counted(picture: Picture, folders: Folders, view: View) -> Any:
        seen.append(f"{picture.key} {view}")
        return opened(picture, folders, view)

    monkeypatch.setattr("negagen.evaluate.encode.opened", counted)
    items = tuple(item(str(number), name, "red", "blue") for number, name in enumerate(("red", "blue", "green", "red")))
    benchmark = Choices("mine", "text", items, "accuracy", found=4)
    closer = Oracle(blue_is_red=True)
    closer.view = View(4, "squash")
    report = run({"one": Oracle(), "two": Oracle(blue_is_red=True), "three": closer}, benchmark)
    # Three pictures for the first, none for the second, three for the third, which sees them smaller.
    assert len(seen) == len(set(seen)) == 6
    assert [report.score(name, "mine").value for name in report.names] == [0.5, 0, 0]


def test_models_are_made_when_their_turn_comes() -> None:
    made: list[str] = []

    def make(name: str, **options: bool) -> Any:
        def maker() -> Oracle:
            made.append(name)
            return Oracle(**options)

        return maker

    benchmark = Choices("mine", "text", (item("1", "blue", "blue", "red"),), "accuracy", found=1)
    report = run({"one": make("one"), "two": make("two", blue_is_red=True)}, benchmark)
    assert made == ["one", "two"]
    assert [report.score(name, "mine").value for name in report.names] == [1, 0]


def test_a_picture_that_changed_is_encoded_anew(tmp_path: Path) -> None:
    folder = save_pictures(tmp_path / "images", a="red")
    path = save_rows(tmp_path / "g.parquet", [{"image": "a.png", "caption": "red", "negatives": ["blue"]}])
    assert run(Oracle(), f"generic:{path}", images=folder, cache=tmp_path / "c").score("model", "g").value == 1
    save_pictures(folder, a=("blue", "blue"))
    assert run(Oracle(), f"generic:{path}", images=folder, cache=tmp_path / "c").score("model", "g").value == 0


def test_any_batch_size_gives_the_same() -> None:
    generator = np.random.default_rng(0)
    names = ("red", "green", "blue", "grey")
    items = tuple(
        item(str(number), tuple(generator.choice(names, 3)), *generator.choice(names, 2, replace=False))
        for number in range(40)
    )
    benchmark = Choices("mine", "text", items, "accuracy", found=40)
    one, many = run(Oracle(), benchmark, batch_size=3), run(Oracle(), benchmark, batch_size=64)
    assert one.items().equals(many.items())


def test_the_order_of_items_and_of_negatives_does_not_matter() -> None:
    generator = np.random.default_rng(1)
    names = ["red", "green", "blue", "grey"]
    items = []
    for number in range(30):
        shown = Picture("", picture(*generator.choice(names, 2), size=16 + number))
        texts = tuple(generator.permutation(names)[:3])
        items.append(Item(str(number), f"kind {number % 2}", shown.key, (shown,), texts))
    turned = [
        Item(one.id, one.category, one.group, one.pictures, (one.texts[0], *one.texts[:0:-1]))
        for one in (items[place] for place in generator.permutation(30))
    ]
    found = []
    for asked in (items, turned):
        report = run(Oracle(), Choices("mine", "text", tuple(asked), "accuracy", macro=True, found=30))
        rows = {row["item"]: (row["right"], row["tied"]) for row in report.items().to_pylist()}
        found.append((rows, report.score("model", "mine").value))
    assert found[0][0] == found[1][0]
    assert found[0][1] == pytest.approx(found[1][1])


def test_models_are_compared_in_pairs() -> None:
    items = tuple(item(str(number), "blue", f"blue {number}", f"red {number}") for number in range(12))
    items += (item("green", "green", "green", "red"),)
    benchmark = Choices("mine", "text", items, "accuracy", found=13)
    whole = run({"before": Oracle(blue_is_red=True), "after": Oracle()}, benchmark)
    (one,) = whole.comparisons()
    assert (one.before, one.after, one.difference.better, one.difference.worse) == ("before", "after", 12, 0)
    # All blue pictures are one picture: one group that changed, which proves nothing.
    assert one.difference.p == 1
    joined = run({"before": Oracle(blue_is_red=True)}, benchmark).joined(run({"after": Oracle()}, benchmark))
    assert joined.comparisons() == whole.comparisons() == whole.comparisons()
    third = joined.joined(run({"third": Oracle()}, benchmark))
    assert [one.after for one in third.comparisons()] == ["after", "third"]
    assert joined.names == ["before", "after"]
    with pytest.raises(DataError, match="both reports"):
        joined.joined(joined)
    shorter = Choices("mine", "text", items[:5], "accuracy", found=5)
    with pytest.raises(DataError, match="other items"):
        whole.joined(run({"third": Oracle()}, shorter))


def test_a_gain_that_blind_judges_share_is_marked() -> None:
    """Captions are long and negatives short, or the other way round in one of four; the second model gains where the
    captions are long, as a judge of length would."""
    items = []
    for number in range(80):
        long, short = f"a blue thing that stands there number {number}", f"red {number}"
        shown = ("blue",) if number % 4 else ("red",)
        texts = (long, short) if number % 4 else (short, long)
        own = Picture("", picture(*shown, size=16 + number))
        items.append(Item(str(number), "c", own.key, (own,), texts))
    benchmark = Choices("mine", "text", tuple(items), "accuracy", found=80)

    models: Any = {"before": Oracle(blue_is_red=True), "after": Oracle()}
    report = evaluate(models, [benchmark])
    names = {one.name for one in report.controls["mine"]}
    assert names == {"surface", "language-model"}
    (one,) = report.comparisons()
    assert one.with_text is not None
    assert one.against_text is not None
    # An honest model gains on both.
    assert (one.with_text.value, one.against_text.value) == (1, 1)
    assert not one.shared_with_blind
    assert report.result("after", "mine").scores[f"accuracy{AGAINST}"].value == 1
    assert report.result("after", "mine").scores[f"accuracy{AGAINST}"].items == 20

    class Longest(Oracle):
        """Prefers long texts, whatever the picture."""

        def encode_texts(self, texts: Any) -> Any:
            features = super().encode_texts(texts)
            shade = (texts.lengths[:, None] > 5).float()
            return shade * Oracle._features(self, features * 0 + 1) + (1 - shade) * features.flip(1) * -1

    cheat = evaluate(models | {"after": Longest()}, [benchmark])
    (one,) = cheat.comparisons()
    assert one.with_text is not None
    assert one.against_text is not None
    assert one.difference.value > 0.5
    assert one.against_text.value <= 0
    assert one.shared_with_blind
    assert cheat.to_json()["comparisons"][0]["shared_with_blind"]


def test_composition_and_retention_are_means_of_headlines() -> None:
    items = (item("a", "red", "red", "blue"), item("b", "red", "blue", "red"))
    shown = tuple(Picture("", picture(name)) for name in ("red", "blue"))
    report = run(
        Oracle(),
        Choices("one", "text", items, "accuracy", found=2),
        Choices("two", "text", items[:1], "accuracy", found=1),
        Retrieval("r", shown, ("red", "blue"), np.array([0, 1]), found=2),
    )
    assert report.composition("model") == pytest.approx((0.5 + 1) / 2)
    assert report.retention("model") == 1


def test_a_model_without_a_text_tower() -> None:
    class Vision(Oracle):
        encode_texts = None  # type: ignore[assignment]

    with pytest.raises(ModelError, match="text tower"):
        Encoder(Vision(), Folders([]))  # type: ignore[arg-type]


def test_two_benchmarks_of_one_name(tmp_path: Path) -> None:
    path = save_rows(tmp_path / "g.parquet", [{"image": "a.png", "caption": "red", "negatives": ["blue"]}])
    with pytest.raises(DataError, match="two benchmarks"):
        run(Oracle(), f"generic:{path}", open_benchmark(f"generic:{path}"))


def test_texts_that_fill_the_context_are_counted() -> None:
    words = " ".join(["red"] * 20)
    items = (item("long", "red", words, f"{words} blue"),)
    found = run(Oracle(), Choices("mine", "text", items, "accuracy", found=1)).result("model", "mine")
    # Cut to the same tokens, the two are one text: a tie, however the model rounds.
    assert found.score.ties == 1
    assert found.notes == {"texts that fill the model's context and may be cut": 2}
