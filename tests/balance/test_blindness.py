"""What the draw is for: that texts alone do not tell; and that it can be relied on."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from negagen import Negator
from negagen.balance.fitting import fit_model
from negagen.balance.model import BlindModel, load_model
from negagen.errors import ModelError
from negagen.seeding import Stream

ANIMALS = ["dog", "cat", "horse", "cow", "sheep", "goat"]
PLACES = ["on a bed", "in a field", "near a barn", "by a fence", "on the grass"]
COLOURS = ["brown", "black", "white", "grey"]


def captions(number: int) -> list[tuple[str, object]]:
    """Captions in which some words are far commoner than others, as in life."""
    stream = Stream(7)
    weights = [8, 13, 16, 18, 19, 20]
    out: list[tuple[str, object]] = []
    for index in range(number):
        animal = ANIMALS[stream.weighted(weights)]
        colour = COLOURS[stream.below(len(COLOURS))]
        out.append((f"A {colour} {animal} standing {PLACES[stream.below(len(PLACES))]}", index))
    return out


@pytest.fixture(scope="module")
def fitted() -> BlindModel:
    pairs = captions(1500)
    return fit_model(Negator(k=2, blindness="balanced"), lambda: pairs, len(pairs))


@pytest.fixture(scope="module")
def model(fitted: BlindModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "blindness.npz"
    fitted.save(path)
    return path


def pairs_of(negator: Negator) -> list[tuple[str, str]]:
    rows = captions(1500)
    results = negator.pipe([text for text, _ in rows], groups=[group for _, group in rows])
    return [
        (text, negative.text) for (text, _), result in zip(rows, results, strict=True) for negative in result.negatives
    ]


def word_drift(pairs: list[tuple[str, str]]) -> float:
    """How far word counts of negatives are from those of their captions, per pair."""
    drift: Counter[str] = Counter()
    for caption, negative in pairs:
        drift.update(negative.lower().split())
        drift.subtract(caption.lower().split())
    return sum(abs(count) for count in drift.values()) / len(pairs)


def test_words_are_as_common_in_negatives_as_in_captions(model: Path) -> None:
    off = word_drift(pairs_of(Negator(k=2, blindness="off")))
    balanced = word_drift(pairs_of(Negator(k=2, blindness="balanced", model=model)))
    assert off > 0.5
    assert balanced < off / 3


def test_language_model_gaps_lie_around_zero(model: Path) -> None:
    def share(negator: Negator) -> float:
        rows = captions(1500)
        results = negator.pipe([text for text, _ in rows], groups=[group for _, group in rows])
        gaps = [negative.scores["lm_gap"] for result in results for negative in result.negatives]
        return float(np.mean([gap < 0 for gap in gaps]) + np.mean([gap == 0 for gap in gaps]) / 2)

    assert abs(share(Negator(k=2, blindness="balanced", model=model)) - 0.5) < 0.1


def test_nothing_depends_on_batch_or_order(model: Path) -> None:
    negator = Negator(k=3, blindness="balanced", model=model)
    texts = [text for text, _ in captions(60)]
    whole = [result.negatives for result in negator.pipe(texts)]
    assert [negator(text).negatives for text in texts] == whole
    backwards = [result.negatives for result in negator.pipe(texts[::-1], batch_size=7)]
    assert backwards[::-1] == whole
    assert [result.negatives for result in pickle.loads(pickle.dumps(negator)).pipe(texts)] == whole


def test_a_model_survives_the_disk(fitted: BlindModel, model: Path) -> None:
    again = load_model(model)
    assert again.fingerprint == fitted.fingerprint
    assert again.about == fitted.about
    assert np.array_equal(again.tilt.table, fitted.tilt.table)
    assert np.array_equal(again.counts.table, fitted.counts.table)


def test_fitting_is_repeatable(fitted: BlindModel) -> None:
    pairs = captions(1500)
    assert fit_model(Negator(k=2, blindness="balanced"), lambda: pairs, len(pairs)).fingerprint == fitted.fingerprint


def test_the_model_is_part_of_the_fingerprint(model: Path) -> None:
    own, bundled = Negator(blindness="balanced", model=model), Negator(blindness="balanced")
    assert len({own.fingerprint, bundled.fingerprint, Negator(blindness="off").fingerprint}) == 3


def test_what_gives_itself_away_is_the_last_resort() -> None:
    result = Negator(k=4, blindness="strict")("A brown dog chases a white cat across the grass.")
    assert len(result.negatives) <= 4
    assert result.status in ("ok", "partial", "none")
    assert all(0 < negative.weight <= 1 for negative in result.negatives)
    with pytest.raises(ValueError, match="blindness"):
        Negator(blindness="blind")


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="negagen fit"):
        load_model(tmp_path / "missing.npz")
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ModelError, match="damaged"):
        load_model(damaged)
