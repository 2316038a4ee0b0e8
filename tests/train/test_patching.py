from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from negagen.errors import ModelError, TrainingError
from negagen.train.ending import Curve
from negagen.train.measured import Measured
from negagen.train.patching import Point, choose, interpolate, parse_alphas

BASE = {"w": torch.tensor([0.0, 2.0]), "half": torch.tensor([1.0]).half(), "ids": torch.arange(3)}
TUNED = {"w": torch.tensor([1.0, 4.0]), "half": torch.tensor([3.0]).half(), "ids": torch.arange(3)}


def test_halfway() -> None:
    mixed = interpolate(BASE, TUNED, 0.5)
    assert mixed["w"].tolist() == [0.5, 3.0]
    assert (mixed["half"].item(), mixed["half"].dtype) == (2.0, torch.float16)
    assert torch.equal(mixed["ids"], torch.arange(3))


def test_clove_mixes_by_the_share_of_the_tuned_model() -> None:
    # (1 - 0.6) * 2 + 0.6 * 4
    assert interpolate(BASE, TUNED, 0.6)["w"][1].item() == pytest.approx(3.2)


@pytest.mark.parametrize(("alpha", "end"), [(0.0, BASE), (1.0, TUNED)])
def test_the_ends_are_the_models(alpha: float, end: dict[str, torch.Tensor]) -> None:
    mixed = interpolate(BASE, TUNED, alpha)
    for key, tensor in end.items():
        assert torch.equal(mixed[key], tensor)
        assert mixed[key].data_ptr() != tensor.data_ptr()


@given(st.floats(0, 1), st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=4))
def test_mixes_lie_between(alpha: float, values: list[float]) -> None:
    base, tuned = torch.tensor(values), torch.tensor(values[::-1])
    mixed = interpolate({"w": base}, {"w": tuned}, alpha)["w"]
    slack = 1e-5 * base.abs().max() + 1e-6
    assert (mixed >= torch.minimum(base, tuned) - slack).all()
    assert (mixed <= torch.maximum(base, tuned) + slack).all()


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ModelError, match=r"half \(only in the base model\), new \(only in the tuned model\)"):
        interpolate(BASE, {"w": TUNED["w"], "ids": TUNED["ids"], "new": torch.ones(1)}, 0.5)
    with pytest.raises(ModelError, match=r"w \[2\] against \[3\]"):
        interpolate(BASE, TUNED | {"w": torch.ones(3)}, 0.5)
    with pytest.raises(ModelError, match="whole numbers differ: ids"):
        interpolate(BASE, TUNED | {"ids": torch.ones(3, dtype=torch.int64)}, 0.5)
    with pytest.raises(ModelError, match="fractions in the other: ids"):
        interpolate(BASE, TUNED | {"ids": torch.ones(3)}, 0.5)


def test_batch_norms_that_saw_batches_can_be_mixed() -> None:
    base, tuned = torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)
    tuned(torch.tensor([[1.0, 2.0], [3.0, 6.0]]))
    mixed = interpolate(base.state_dict(), tuned.state_dict(), 0.5)
    assert mixed["num_batches_tracked"] == 1
    assert torch.allclose(mixed["running_mean"], torch.tensor([0.1, 0.2]))


def test_alphas() -> None:
    assert parse_alphas("0:1:0.1") == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    assert parse_alphas("0.6") == (0.6,)
    assert parse_alphas("1,0,0.5") == (0.0, 0.5, 1.0)
    for wrong in ("", "a", "0:2:0.1", "-0.1", "0:1:0", "1:0:0.1", "0:1"):
        with pytest.raises(TrainingError, match="--alpha"):
            parse_alphas(wrong)


def test_choice_follows_the_rule() -> None:
    base = Point(0, 0.6, 0.8)
    points = [base, Point(0.5, 0.7, 0.795), Point(0.8, 0.72, 0.79), Point(1, 0.9, 0.5)]
    assert choose(points, base=base, tolerance=0.01).alpha == 0.8
    assert choose(points, base=base, tolerance=0.005).alpha == 0.5
    assert choose(points, base=base, tolerance=0.5).alpha == 1
    assert choose(points[3:], base=base, tolerance=0.01) == base


def test_of_equals_the_one_that_kept_more() -> None:
    base = Point(0, 0.6, 0.8)
    points = [Point(0.4, 0.7, 0.8), Point(0.6, 0.7, 0.81), Point(0.8, 0.7, 0.81)]
    assert choose(points, base=base, tolerance=0.01).alpha == 0.6


def test_a_curve_says_when_nothing_was_gained() -> None:
    def measured(composition: float, retention: float) -> Measured:
        return Measured(None, {"composition": composition, "retention": retention})

    points = {0.0: measured(0.6, 0.8), 1.0: measured(0.9, 0.5)}
    assert "the model from before" in Curve(points, 0.0, 0.01).rule
    assert "largest compositional score" in Curve(points, 1.0, 0.5).rule
    assert Curve(points, 1.0, 0.5).rule.endswith("its figures are of the very data that it was chosen on")
    assert Curve({0.6: Measured()}, 0.6, 0.01).rule == "given"
    with pytest.raises(TrainingError, match="composition is not measured"):
        Measured(None, {"composition": None, "retention": 0.5}).point(0.5)
