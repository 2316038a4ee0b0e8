from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from negagen.audit.pairs import Pairs
from negagen.audit.surface import gaps
from negagen.evaluate.controls import controls_of, counted, strongest
from negagen.evaluate.items import Choices, Item, Picture, Task


def item(number: int, *texts: str, true: int = 1, category: str = "c") -> Item:
    picture = Picture(f"{number}.png")
    return Item(str(number), category, picture.key, (picture,), texts, true)


def benchmark(items: list[Item], headline: str = "accuracy", task: Task = "text", macro: bool = False) -> Choices:
    return Choices("mine", task, tuple(items), headline, macro=macro, found=len(items))


def test_negatives_that_are_longer_are_told() -> None:
    items = [item(number, f"cat {number}", f"a very long cat that sits there {number}") for number in range(40)]
    (found,) = controls_of(benchmark(items), ["surface"])
    assert found.value == 1
    assert found.ids == [str(number) for number in range(40)]


def test_ties_are_shared_among_those_that_tie() -> None:
    # To a judge of length and marks "cat" and "dog" are the same: of one caption and two negatives it gets a third.
    items = [item(number, f"cat {number:02}", f"dog {number:02}", f"cow {number:02}") for number in range(30)]
    (found,) = controls_of(benchmark(items), ["surface"])
    assert found.right.tolist() == pytest.approx([1 / 3] * 30)


def test_all_negatives_must_be_told() -> None:
    long, same = "a very long cat that sits there {:02}", "dog {:02}"
    items = [item(number, f"cat {number:02}", long.format(number), same.format(number)) for number in range(40)]
    (found,) = controls_of(benchmark(items), ["surface"])
    assert found.right.tolist() == pytest.approx([0.5] * 40)


def test_the_judge_is_asked_what_the_headline_asks() -> None:
    items = [
        item(number, f"a very long cat that sits there {number:02}", f"cat {number:02}", f"dog {number:02}", true=2)
        for number in range(40)
    ]
    (alone,) = controls_of(benchmark(items), ["surface"])
    (together,) = controls_of(benchmark(items, headline="consistency"), ["surface"])
    assert alone.value == 1
    # The caption is told from the negative by its length; its short rewording is not, which is a tie.
    assert together.right.tolist() == pytest.approx([0.5] * 40)


def test_it_is_the_audits_judge() -> None:
    generator = np.random.default_rng(0)
    words = ["red", "blue", "small", "cat", "dog", "sits", "there", "now"]
    items = [
        item(number, " ".join(generator.choice(words, 4)), " ".join(generator.choice(words, generator.integers(3, 6))))
        for number in range(60)
    ]
    (found,) = controls_of(benchmark(items), ["surface"])
    from negagen.audit.rates import folds_of

    pairs = Pairs.of([one.texts[0] for one in items], [one.texts[1] for one in items], groups=[one.id for one in items])
    own = gaps(pairs, folds_of(pairs.group_of, 0))
    assert found.value == pytest.approx(np.mean((np.sign(np.where(abs(own) < 1e-12, 0, own)) + 1) / 2))


def test_what_a_judge_without_a_picture_cannot_be_asked() -> None:
    items = [item(number, f"cat {number}", f"dog {number}") for number in range(10)]
    assert controls_of(benchmark(items, task="match")) == ()
    assert controls_of(benchmark(items, task="image")) == ()
    assert controls_of(benchmark([])) == ()
    # All of one picture: nothing can be fitted on others.
    assert controls_of(benchmark(items[:1])) == ()


def test_a_causal_language_model_scores_whole_items(tmp_path: Path) -> None:
    from tests.judges.models import save_causal

    items = [item(number, f"a cat {number:02}", f"a dog {number:02}", f"two dogs {number:02}") for number in range(12)]
    folder = save_causal(tmp_path / "lm")
    (whole,) = controls_of(benchmark(items), [], lm=folder)
    assert whole.name == "causal-lm"
    assert len(whole.ids) == 12
    (some,) = controls_of(benchmark(items), [], lm=folder, lm_limit=20)
    # Items of which a pair is outside the sample are not judged; the others as before.
    assert 0 < len(some.ids) < 12
    known = dict(zip(whole.ids, whole.right.tolist(), strict=True))
    assert some.right.tolist() == pytest.approx([known[one] for one in some.ids])
    assert controls_of(benchmark(items), [], lm=folder, lm_limit=1) == ()


def test_means_over_categories_and_the_strongest() -> None:
    items = [item(number, f"cat {number:02}", f"a long long cat {number:02}", category="told") for number in range(30)]
    items += [item(number, f"cat {number:02}", f"dog {number:02}", category="untold") for number in range(30, 40)]
    found = controls_of(benchmark(items, macro=True))
    by_name = {one.name: one for one in found}
    assert by_name["surface"].categories == {"told": 1.0, "untold": pytest.approx(0.5)}
    assert by_name["surface"].value == pytest.approx(0.75)
    best = strongest(found)
    assert best is not None
    assert best.value == max(one.value for one in found)
    assert strongest(()) is None


def test_categories_outside_the_mean() -> None:
    whole = Choices("m", "text", (), "accuracy", macro=True, least=2, outside_macro=frozenset({"symmetric"}))
    assert counted(["a", "a", "b", "symmetric", "symmetric"], whole).tolist() == [True, True, False, False, False]
    # Of a sample that leaves no category whole, all that may count do.
    assert counted(["a", "b", "symmetric"], whole).tolist() == [True, True, False]
