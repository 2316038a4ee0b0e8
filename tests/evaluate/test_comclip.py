from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from negagen.errors import DataError
from negagen.evaluate import evaluate
from negagen.evaluate.comclip import ComClip, composed, parts_of, read_boxes
from negagen.evaluate.encode import Encoder
from negagen.evaluate.items import Choices, Item, Picture
from negagen.evaluate.pictures import Folders
from tests.evaluate.oracle import Oracle, picture

CAPTION = "a red dog next to a blue cat"


def test_texts_fall_into_subject_predicate_and_object() -> None:
    first, second, third = parts_of([CAPTION, "A man sits on a bench.", "a red dog"])
    assert first == (("a red dog", "next to", "a blue cat"),)
    assert second == (("A man", "sits on", "a bench"),)
    assert third == (("a red dog", "", ""),)


def test_the_score_is_the_formula() -> None:
    generator = np.random.default_rng(0)
    whole, text = generator.normal(size=(2, 5))
    parts, words = generator.normal(size=(2, 3, 5))
    for one in (whole, text, parts, words):
        one /= np.linalg.norm(one, axis=-1, keepdims=True)
    similar = [float(part @ word) for part, word in zip(parts, words, strict=True)]
    weights = [np.exp(7 * one) / sum(np.exp(7 * other) for other in similar) for one in similar]
    feature = whole + sum(weight * part for weight, part in zip(weights, parts, strict=True))
    expected = float(feature @ text) / float(np.linalg.norm(feature))
    assert composed(whole, parts, words, text, 7.0) == pytest.approx(expected)
    assert composed(whole, parts[:0], words[:0], text, 7.0) == pytest.approx(float(whole @ text))


def scorer(boxes: Any = None) -> ComClip:
    model: Any = Oracle()
    return ComClip(Encoder(model, Folders([])), boxes)


def test_each_thing_is_looked_for_where_it_is() -> None:
    shown = Picture("p.png", picture("red", "blue"))
    by_grid = scorer().near([shown], np.array([0]), [CAPTION], np.array([0]))[0]
    # Left is red, right is blue; "next to" is of no colour, and of both halves together.
    red, blue, grey = np.array([1.0, 0, 0]), np.array([0, 0, 1.0]), np.ones(3) / np.sqrt(3)
    both = (red + blue) / np.sqrt(2)
    expected = composed(both, np.stack([red, both, blue]), np.stack([red, grey, blue]), both, 10.0)
    assert by_grid == pytest.approx(expected, abs=1e-5)
    wrong = {"p.png": [(8, 0, 16, 16)]}
    by_box = scorer(wrong).near([shown], np.array([0]), [CAPTION], np.array([0]))[0]
    expected = composed(both, np.stack([blue, blue, blue]), np.stack([red, grey, blue]), both, 10.0)
    assert by_box == pytest.approx(expected, abs=1e-5)


def test_evaluating_by_parts() -> None:
    shown = Picture("p.png", picture("red", "blue"))
    texts = (CAPTION, "a red dog next to a green cat")
    benchmark: Any = Choices("mine", "text", (Item("1", "c", "g", (shown,), texts),), "accuracy", found=1)
    model: Any = Oracle()
    (row,) = evaluate(model, [benchmark], controls=False, method="comclip").items().to_pylist()
    true, false = scorer().near([shown], np.array([0, 0]), texts, np.array([0, 1]))
    assert row["margin"] == pytest.approx(true - false, abs=1e-6)
    (plain,) = evaluate(model, [benchmark], controls=False).items().to_pylist()
    assert plain["margin"] == pytest.approx(0.5, abs=1e-6)
    assert abs(row["margin"] - plain["margin"]) > 0.01


def test_boxes_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"a.jpg": [[0, 0, 5.2, 5], [1, 2, 3, 4]]}))
    assert read_boxes(path) == {"a.jpg": [(0, 0, 5, 5), (1, 2, 3, 4)]}
    for value in ([1], {"a.jpg": [[1, 2]]}, {"a.jpg": "x"}):
        path.write_text(json.dumps(value))
        with pytest.raises(DataError):
            read_boxes(path)
    model: Any = Oracle()
    with pytest.raises(DataError, match="comclip"):
        evaluate(model, [Choices("m", "text", (), "accuracy")], method="comclp")  # type: ignore[arg-type]
