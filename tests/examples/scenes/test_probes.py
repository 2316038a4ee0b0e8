"""Probes are what they say, exams are blind-balanced, and scores are what a perfect and a blind reader deserve."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from examples.scenes.asking import Plausibility, make_exam, training_captions
from examples.scenes.exam import HELD_OUT_CATEGORIES, Exam, score
from examples.scenes.probes import CATEGORIES, probes
from examples.scenes.sample import sample
from examples.scenes.truth import is_true
from examples.scenes.vocabulary import HELD_OUT


@pytest.fixture(scope="module")
def exam() -> Exam:
    return make_exam(training_captions(400), each=16, retrieval=20, portraits=1, side=16)


@pytest.mark.parametrize("category", CATEGORIES)
def test_probes_are_true_and_false_as_they_say(category: str) -> None:
    found = probes(25, category=category)
    assert len({probe.index for probe in found}) == 25
    for probe in found:
        scene = sample(probe.index, split="test")
        assert is_true(probe.caption, scene)
        assert is_true(probe.reworded, scene)
        assert is_true(probe.foil, scene) is False
        assert probe.reworded != probe.caption
    assert found[:10] == probes(10, category=category)


@pytest.mark.parametrize("category", HELD_OUT_CATEGORIES)
def test_held_out_probes_turn_on_a_pair_never_seen(category: str) -> None:
    for probe in probes(15, category=category, split="held-out"):
        scene = sample(probe.index, split="held-out")
        rare = [thing for thing in scene.things if (thing.colour, thing.noun) in HELD_OUT]
        assert any(f"{thing.colour} " in probe.caption for thing in rare)


def test_a_trigram_model_prefers_what_was_said() -> None:
    model = Plausibility(["A yellow banana on a table", "A yellow banana in a bowl", "A red cup on a table"])
    gap = model.gap(["A yellow banana", "A red banana"], ["A red banana", "A yellow banana"])
    assert gap[0] > 0 > gap[1]
    assert gap[0] == pytest.approx(-gap[1])


def test_the_likelier_text_is_true_as_often_as_not(exam: Exam) -> None:
    for number, name in enumerate(exam.names):
        if name in {"swap_att", "swap_obj", "replace_att", "replace_rel", "replace_side"}:
            assert (exam.gap[exam.kinds == number] > 0).mean() == 0.5


def test_an_exam_survives_its_file(exam: Exam, tmp_path: Path) -> None:
    exam.save(tmp_path / "exam.npz")
    again = Exam.load(tmp_path / "exam.npz")
    assert again.texts == exam.texts
    assert (again.pixels == exam.pixels).all()
    assert (again.probes == exam.probes).all()


def _perfect(exam: Exam) -> tuple[np.ndarray, np.ndarray]:
    """Features by which each text is near exactly those pictures that it was written of."""
    text = np.zeros((len(exam.texts), len(exam.texts)))
    np.fill_diagonal(text, 1.0)
    image = np.zeros((len(exam.pixels), len(exam.texts)))
    for picture, caption, _, reworded in exam.probes:
        image[picture, [caption, reworded]] = 1.0
    for picture, caption in exam.retrieval:
        image[picture, caption] = 1.0
    for picture, noun in exam.nouns:
        image[picture, exam.noun_texts[noun]] = 1.0
    for picture, colour, *_ in exam.colours:
        image[picture, colour] = 1.0
    return image, text


def test_who_sees_all_is_right_everywhere_but_where_captions_fit_several(exam: Exam) -> None:
    scores = score(exam, *_perfect(exam))
    assert set(scores["accuracy"].values()) == {1.0}
    assert scores["consistent_mean"] == scores["held_out"] == scores["nouns"] == scores["colours"] == 1.0
    assert scores["retrieval"] == 1.0


def test_ties_are_wrong(exam: Exam) -> None:
    ones = np.ones((len(exam.pixels), 4)), np.ones((len(exam.texts), 4))
    scores = score(exam, *ones)
    assert scores["mean"] == scores["held_out"] == scores["nouns"] == scores["retrieval"] == 0.0


def test_who_reads_and_does_not_look_gets_a_half(exam: Exam) -> None:
    """Nearness by plausibility alone: right on one half of the probes, wrong on the other."""
    likely = np.zeros(len(exam.texts))
    for (_, caption, foil, _), gap in zip(exam.probes, exam.gap, strict=True):
        likely[caption] += gap
        likely[foil] -= gap
    text = np.stack([likely, np.zeros_like(likely)], axis=1)
    balanced = exam.kinds == exam.names.index("replace_att")
    part = replace(exam, probes=exam.probes[balanced], kinds=exam.kinds[balanced], gap=exam.gap[balanced])
    image = np.tile([1.0, 0.0], (len(exam.pixels), 1))
    near = (image[part.probes[:, 0]] * (text[part.probes[:, 1]] - text[part.probes[:, 2]])).sum(1)
    assert 0.3 <= (near > 0).mean() <= 0.7
