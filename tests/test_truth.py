"""What is a negative, what a hard positive, and what neither: cases by hand in `data/truth.jsonl`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from negagen import Negator

_EPOCHS = 24  # enough draws for a replacement that is one of many
CASES: list[dict[str, Any]] = [
    json.loads(line) for line in (Path(__file__).parent / "data" / "truth.jsonl").read_text().splitlines()
]


@cache
def negator() -> Negator:
    return Negator(k=64, blindness="off", explain=True)


@cache
def made(caption: str, siblings: tuple[str, ...]) -> tuple[dict[str, float], dict[str, float], dict[str, str]]:
    """All negatives and positives of a caption with their weights, and what was refused with the reason."""
    negatives: dict[str, float] = {}
    positives: dict[str, float] = {}
    refused: dict[str, str] = {}
    for epoch in range(_EPOCHS):
        result = negator()(caption, epoch=epoch, siblings=siblings)
        negatives.update((each.text, each.weight) for each in result.negatives)
        positives.update((each.text, each.weight) for each in result.positives)
        refused.update((each.text, each.reason) for each in result.rejected)
    return negatives, positives, refused


def test_there_are_cases_enough() -> None:
    assert len(CASES) >= 120
    assert len({(case["caption"], case["candidate"], *case["siblings"]) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['candidate']}: {case['why']}")
def test_verdict(case: dict[str, Any]) -> None:
    negatives, positives, refused = made(case["caption"], tuple(case["siblings"]))
    text = case["candidate"]
    found = "negative" if text in negatives else "positive" if text in positives else "nothing"
    assert found == case["verdict"], refused.get(text, "")
    assert not (text in negatives and text in positives)
    if found == "nothing":  # refused by a check, with its reason, or never proposed by any rule
        assert refused.get(text) == (None if case.get("proposed") is False else case["reason"])
    if "weight" in case:
        assert negatives[text] == case["weight"]


def test_siblings_count_in_any_order() -> None:
    siblings = ("A man is not riding his horse", "A man riding a horse", "Two horses", "A cat in a field")
    caption = "A man is riding a horse in a field"
    assert made(caption, siblings) == made(caption, siblings[::-1])


def test_siblings_only_take_away() -> None:
    caption = "A brown dog sleeps on a red couch next to a cat"
    alone = made(caption, ())[0]
    beside = made(caption, ("A dog and a cat on a sofa", "A black dog on a blue couch"))[0]
    assert set(beside) < set(alone)
