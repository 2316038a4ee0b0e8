from __future__ import annotations

import re
from typing import Any

import numpy as np

from negagen.evaluate import evaluate
from negagen.evaluate.changes import changed
from negagen.evaluate.html import render
from negagen.evaluate.items import Choices, Item, Picture, Retrieval
from tests.evaluate.oracle import Oracle, picture


def report() -> Any:
    items = []
    for number in range(30):
        colour, other = ("blue", "red") if number % 2 else ("green", "blue")
        own = Picture("", picture(colour, size=16 + number))
        items.append(
            Item(str(number), f"kind <{number % 3}>", own.key, (own,), (f"a {colour} <cat>", f"a {other} <cat>"))
        )
    shown = tuple(Picture(name, picture(name)) for name in ("red", "green"))
    gone = Item("gone", "kind", "gone", (Picture("gone.jpg"),), ("red", "blue"))
    models: Any = {"before": Oracle(blue_is_red=True), "after & on": Oracle()}
    benchmarks: Any = [
        Choices("mine", "text", (*items, gone), "accuracy", macro=True, found=31),
        Retrieval("captions", shown, ("red", "green"), np.array([0, 1]), found=2),
    ]
    return evaluate(models, benchmarks)


def test_the_page_is_whole_and_fetches_nothing() -> None:
    found = report()
    html = render(found)
    assert html == render(found)
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", html)
    assert "after &amp; on" in html
    assert "<cat>" not in html
    assert "score over a subset: 30 of 31 items</b>; left out" in html
    assert not re.search(r"\.(?:<[^>]*>)*\.", re.sub(r'src="[^"]*"', "", html))
    # Red is what is false: what `marked` calls inserted.
    assert re.search(r"\.change ins \{[^}]*#97291d", html)
    assert re.search(r"\.change del \{[^}]*#1d6340", html)
    assert "in the false text alone are red" in html
    assert html.count("data:image/jpeg") == 15
    for heading in ("Benchmarks", "Composition against retention", "What changed most", "How it was measured"):
        assert heading in html


def test_the_items_that_changed_most() -> None:
    found = report()
    some = changed(found, "before", "after & on", 4)
    # A blue cat was as near to red as to blue; green ones did not change.
    assert {one.category for one in some} <= {"kind <0>", "kind <1>", "kind <2>"}
    assert [(one.right_before, one.right_after) for one in some] == [(False, True)] * 4
    assert all(one.after - one.before > 0.9 for one in some)
    assert all("<ins>red</ins>" in text for one in some for text in one.texts)


def test_one_model_has_no_changes() -> None:
    models: Any = {"only": Oracle()}
    own = Picture("", picture("red"))
    benchmark: Any = Choices("mine", "text", (Item("1", "", own.key, (own,), ("red", "blue")),), "accuracy", found=1)
    html = render(evaluate(models, [benchmark]))
    assert "What changed" not in html
    assert "<img" in html
