"""The official files, where the shared data lies beside the checkout: their counts, and what texts alone tell."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from negagen.evaluate import evaluate
from negagen.evaluate.benchmarks import open_benchmark
from negagen.evaluate.controls import controls_of
from negagen.evaluate.items import Choices
from tests.evaluate.oracle import Oracle, picture

ROOT = Path(os.environ.get("NEGAGEN_BENCHMARKS", Path(__file__).parents[3] / "shared" / "data" / "benchmarks"))
pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason="the official files are not here")


def opened(name: str) -> Choices:
    found = open_benchmark(name, ROOT)
    assert isinstance(found, Choices)
    return found


def test_sugarcrepe_has_its_published_counts() -> None:
    found = opened("sugarcrepe")
    assert Counter(item.category for item in found.items) == {
        "add_att": 692, "add_obj": 2062, "replace_att": 788, "replace_obj": 1652, "replace_rel": 1406,
        "swap_att": 666, "swap_obj": 245,
    }  # fmt: skip
    assert not found.skipped
    assert found.items[0].texts[0] == "A drawing of a young woman with many facial piercings."


def test_sugarcrepe_pp_has_its_published_counts_but_for_two_that_ask_nothing() -> None:
    found = opened("sugarcrepe++")
    assert Counter(item.category for item in found.items) == {
        "replace_att": 788, "replace_obj": 1652, "replace_rel": 1406, "swap_att": 666, "swap_obj": 243,
    }  # fmt: skip
    assert found.skipped == {"caption and negative are the same text": 2}
    assert all((item.true, len(item.texts)) == (2, 3) for item in found.items)


def test_valse_has_its_published_counts() -> None:
    found = opened("valse")
    assert Counter(item.category for item in found.items) == {
        "existence": 505, "plurals": 851, "counting-hard": 868, "counting-small-quant": 900,
        "counting-adversarial": 691, "relations": 535, "action-replacement": 648, "actant-swap": 949,
        "coreference-standard": 708, "coreference-hard": 104, "foil-it": 943,
    }  # fmt: skip
    assert found.found == 8782
    assert found.skipped == {"people did not confirm it": 1080}


def test_comvg_has_its_published_counts() -> None:
    found = opened("comvg")
    assert Counter(item.category for item in found.items) == {"subject": 1536, "verb": 1280, "object": 2584}
    assert all(len(item.pictures) == 2 for item in found.items)
    assert controls_of(found) == ()


@pytest.mark.parametrize(
    ("name", "low", "high", "told", "untold"),
    [("sugarcrepe", 0.6, 0.85, "add_att", "swap_obj"), ("valse", 0.55, 0.9, "existence", "counting-hard")],
)
def test_texts_alone(name: str, low: float, high: float, told: str, untold: str) -> None:
    """Every item is asked of the blind judges. SugarCrepe's negatives that add are longer, and so told; those that
    swap are not. Scores by category are read off the same items as the whole."""
    found = opened(name)
    by_name = {one.name: one for one in controls_of(found)}
    assert set(by_name) == {"surface", "language-model"}
    for one in by_name.values():
        assert len(one.ids) == len(found.items)
        assert one.value == pytest.approx(sum(one.categories.values()) / len(one.categories))
    best = max(by_name.values(), key=lambda one: one.value)
    assert low < best.value < high
    assert best.categories[told] > best.categories[untold] + 0.1


def test_sugarcrepe_pp_texts_alone() -> None:
    found = opened("sugarcrepe++")
    for one in controls_of(found):
        assert len(one.ids) == 4755
        assert 0.4 < one.value < 0.9


def test_a_model_on_the_official_items_whose_pictures_are_here(tmp_path: Path) -> None:
    shown = [item for item in opened("sugarcrepe").items if item.category == "swap_obj"][:20]
    names = {item.pictures[0].name for item in shown}
    for name in names:
        (tmp_path / name).write_bytes(picture("red", "blue"))
    model: Any = Oracle()
    found = evaluate(model, ["sugarcrepe"], root=ROOT, images=tmp_path, controls=False).result("model", "sugarcrepe")
    here = [item for item in opened("sugarcrepe").items if item.pictures[0].name in names]
    assert found.asked == len(here) >= 20
    assert found.skipped == {"its picture is missing": 7511 - len(here)}
    assert found.extent == f"{len(here)} of 7,511 items"
