"""Every loss against a loop written from its formula, and the properties that all of them share."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from negagen.train.losses import LOSSES, Features
from negagen.train.losses.features import mean_over
from tests.train.losses import reference
from tests.train.losses.batches import LEAVES, batch, gradients, leaves, mapped, rows_of

CASES: list[tuple[str, dict[str, Any]]] = [
    ("clip", {}),
    ("negclip", {"columns": "batch"}),
    ("negclip", {"columns": "own"}),
    ("own", {}),
    ("margin", {"margin": 0.3}),
    ("rank", {"limit": 4.0}),
    ("intra-modal", {}),
    ("clic", {"contrast": 0.3, "negative": 0.6, "uniform": 1.7}),
    ("focal", {"gamma": 2.0, "smoothing": 0.1}),
    ("focal", {"gamma": 0.0, "smoothing": 0.0}),
    ("focal", {"gamma": 2.0, "smoothing": 0.0}),
    ("local-focal", {"gamma": 1.5, "smoothing": 0.05}),
    ("siglip", {"columns": "none"}),
    ("siglip", {"columns": "own"}),
    ("siglip", {"columns": "batch"}),
    ("hard-positive", {"image": 0.7, "text": 1.3, "align": 0.4}),
    ("retention", {"temperature": 1.5}),
    ("retention-features", {}),
]
NAMES = ["-".join([name, *(str(value) for value in words.values())]) for name, words in CASES]
OF_THRESHOLDS = torch.linspace(0, 3, 12)
every_loss = pytest.mark.parametrize(("name", "words"), CASES, ids=NAMES)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def value(name: str, features: Features, words: dict[str, Any]) -> Tensor:
    loss = LOSSES[name]
    result = loss.function(features, **words) if loss.start is None else loss.function(features, OF_THRESHOLDS, **words)
    return result if isinstance(result, Tensor) else result[0]


def expected(name: str, features: Features, words: dict[str, Any]) -> Tensor:
    function = getattr(reference, name.replace("-", "_"))
    result = function(features, OF_THRESHOLDS, **words) if name == "rank" else function(features, **words)
    return result if isinstance(result, Tensor) else result[0]


def with_gradients(name: str, features: Features, words: dict[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
    features, found = leaves(features)
    loss = value(name, features, words)
    return loss.detach(), gradients(loss, found)


def same(
    one: dict[str, Tensor], other: dict[str, Tensor], rtol: float | None = None, atol: float | None = None
) -> None:
    for name in LEAVES:
        torch.testing.assert_close(one[name], other[name], rtol=rtol, atol=atol, msg=partial("{}: {}".format, name))


def test_every_loss_is_tested() -> None:
    assert {name for name, _ in CASES} == set(LOSSES)


@every_loss
@pytest.mark.parametrize("weights", [True, False])
def test_value_and_gradients_are_those_of_the_formula(name: str, words: dict[str, Any], weights: bool) -> None:
    features, found = leaves(batch(weights=weights))
    loss, wanted = value(name, features, words), expected(name, features, words)
    assert loss.shape == ()
    assert float(wanted.detach()) > 1e-3
    torch.testing.assert_close(loss, wanted, rtol=1e-9, atol=1e-12)
    same(gradients(loss, found), gradients(wanted, found), rtol=1e-7, atol=1e-10)


@every_loss
def test_single_precision_is_near(name: str, words: dict[str, Any]) -> None:
    exact, wanted = with_gradients(name, batch(seed=3), words)
    loss, found = with_gradients(name, batch(seed=3, dtype=torch.float32), words)
    assert loss.dtype == torch.float32
    assert all(gradient.dtype == torch.float32 for gradient in found.values())
    torch.testing.assert_close(loss.double(), exact, rtol=1e-5, atol=1e-6)
    same({key: gradient.double() for key, gradient in found.items()}, wanted, rtol=1e-4, atol=1e-5)


@every_loss
def test_gradients_are_those_of_finite_differences(name: str, words: dict[str, Any]) -> None:
    features, found = leaves(batch(rows=4, slots=2, width=3, seed=5))
    if name == "retention":
        found["scale"].requires_grad_(False)  # detached on purpose
    inputs = [leaf for leaf in found.values() if leaf.requires_grad]
    names = [key for key, leaf in found.items() if leaf.requires_grad]
    assert torch.autograd.gradcheck(
        lambda *tensors: value(name, replace(features, **dict(zip(names, tensors, strict=True))), words), inputs
    )


@every_loss
def test_rows_and_slots_have_no_order(name: str, words: dict[str, Any]) -> None:
    features = batch(seed=1)
    loss, found = with_gradients(name, features, words)
    order = torch.tensor([3, 1, 4, 0, 2])
    moved, moved_found = with_gradients(name, rows_of(features, order), words)
    torch.testing.assert_close(moved, loss)
    wanted = {key: gradient[order] if gradient.ndim else gradient for key, gradient in found.items()}
    same(moved_found, wanted)

    turned = torch.tensor([2, 0, 1])
    moved, moved_found = with_gradients(name, slots_of(features, turned), words)
    torch.testing.assert_close(moved, loss)
    wanted = found | {
        "negatives": found["negatives"][:, turned],
        "local": found["local"][:, torch.tensor([0, 3, 1, 2])],
    }
    same(moved_found, wanted)


def slots_of(features: Features, order: Tensor) -> Features:
    assert features.weights is not None
    assert features.kinds is not None
    assert features.local is not None
    return replace(
        features,
        negatives=features.negatives[:, order],
        mask=features.mask[:, order],
        weights=features.weights[:, order],
        kinds=features.kinds[:, order],
        local=features.local[:, torch.cat([torch.zeros(1, dtype=torch.int64), order + 1])],
    )


def padded(features: Features, slots: int, junk: float) -> Features:
    """The same with masked slots behind the negatives and behind the positives, full of junk."""

    def more(tensor: Tensor | None, fill: float | bool) -> Tensor:
        assert tensor is not None
        shape = (tensor.shape[0], slots, *tensor.shape[2:])
        return torch.cat([tensor, torch.full(shape, fill, dtype=tensor.dtype)], dim=1)

    return replace(
        features,
        negatives=more(features.negatives, junk),
        mask=more(features.mask, False),
        weights=more(features.weights, 0.5),
        kinds=more(features.kinds, 3),
        local=more(features.local, junk),
        positives=more(features.positives, junk),
        positive_mask=more(features.positive_mask, False),
    )


@every_loss
@pytest.mark.parametrize("junk", [0.0, 1e30, float("nan"), float("-inf")])
def test_masked_slots_change_nothing(name: str, words: dict[str, Any], junk: float) -> None:
    features = batch(seed=2, dtype=torch.float32)
    loss, found = with_gradients(name, features, words)
    longer, more = with_gradients(name, padded(features, 2, junk), words)
    torch.testing.assert_close(longer, loss)
    for key, length in (("negatives", 3), ("positives", 4), ("local", 4)):
        assert not more[key][:, length:].any(), key
        more[key] = more[key][:, :length]
    same(more, found)


@every_loss
def test_what_stands_in_a_masked_slot_does_not_matter(name: str, words: dict[str, Any]) -> None:
    features = batch(seed=2)
    loss, found = with_gradients(name, features, words)
    assert features.local is not None
    assert features.positives is not None
    assert features.positive_mask is not None
    other = replace(
        features,
        negatives=features.negatives.masked_fill(~features.mask.unsqueeze(-1), 1e8),
        positives=features.positives.masked_fill(~features.positive_mask.unsqueeze(-1), -1e8),
        local=torch.cat([features.local[:, :1], features.local[:, 1:].masked_fill(~features.mask, 1e8)], dim=1),
    )
    again, more = with_gradients(name, other, words)
    assert torch.equal(again, loss)
    same(more, found, rtol=0, atol=0)


@every_loss
@pytest.mark.parametrize("slots", [0, 3])
def test_a_batch_without_negatives(name: str, words: dict[str, Any], slots: int) -> None:
    features = batch(slots=slots)
    features = replace(features, mask=torch.zeros_like(features.mask))
    loss, found = with_gradients(name, features, words)
    torch.testing.assert_close(loss, expected(name, features, words).detach())
    assert all(bool(gradient.isfinite().all()) for gradient in found.values())
    if name in ("own", "margin", "rank", "intra-modal", "focal", "local-focal"):
        assert float(loss) == 0
        assert not any(bool(gradient.any()) for gradient in found.values())
    if name == "negclip":
        torch.testing.assert_close(loss, value("clip", features, {}))


@pytest.mark.parametrize("name", ["own", "margin", "rank", "focal", "local-focal"])
def test_a_row_without_negatives_gets_no_gradient_from_them(name: str) -> None:
    _, found = with_gradients(name, batch(), {})
    for key in ("image", "text", "negatives", "local"):
        assert not found[key][1].any()


@pytest.mark.parametrize(("name", "words"), [case for case in CASES if not case[1].get("smoothing")])
def test_a_weight_is_a_number_of_negatives(name: str, words: dict[str, Any]) -> None:
    features = batch(seed=4)
    assert features.weights is not None
    assert features.kinds is not None
    assert features.local is not None
    loss, found = with_gradients(name, features, words)
    twice = replace(
        features,
        negatives=torch.cat([features.negatives] * 2, 1),
        mask=torch.cat([features.mask] * 2, 1),
        weights=torch.cat([0.25 * features.weights, 0.75 * features.weights], 1),
        kinds=torch.cat([features.kinds] * 2, 1),
        local=torch.cat([features.local, features.local[:, 1:]], 1),
    )
    again, more = with_gradients(name, twice, words)
    torch.testing.assert_close(again, loss)
    more["negatives"] = more["negatives"][:, :3] + more["negatives"][:, 3:]
    more["local"] = torch.cat([more["local"][:, :1], more["local"][:, 1:4] + more["local"][:, 4:]], 1)
    same(more, found)


@every_loss
def test_weights_of_one_are_none_and_of_zero_are_masks(name: str, words: dict[str, Any]) -> None:
    features = batch(seed=6)
    plain = value(name, replace(features, weights=None), words)
    torch.testing.assert_close(value(name, replace(features, weights=torch.ones(5, 3)), words), plain)
    all_there = replace(features, mask=torch.ones_like(features.mask), weights=features.mask.double())
    torch.testing.assert_close(value(name, all_there, words), plain)


@every_loss
def test_autocast_makes_no_logit_coarse(name: str, words: dict[str, Any]) -> None:
    features = batch(dtype=torch.float32)
    plain, found = with_gradients(name, features, words)
    features, again = leaves(features)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = value(name, features, words)
    assert torch.equal(cast, plain)
    same(gradients(cast, again), found, rtol=0, atol=0)


@every_loss
def test_half_precision_features_are_widened(name: str, words: dict[str, Any]) -> None:
    features = batch(dtype=torch.bfloat16)
    loss = value(name, features, words)
    assert loss.dtype == torch.float32
    wide = mapped(features, lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)
    torch.testing.assert_close(loss, value(name, wide, words))


@every_loss
def test_extreme_logits_give_finite_gradients(name: str, words: dict[str, Any]) -> None:
    features = replace(batch(seed=8, dtype=torch.float32), scale=torch.tensor(100.0))
    assert features.local is not None
    for sure in (features, replace(features, text=features.image, local=50 * features.local)):
        loss, found = with_gradients(name, sure, words)
        assert bool(loss.isfinite())
        assert all(bool(gradient.isfinite().all()) for gradient in found.values())


def test_a_mean_does_not_see_values_of_no_weight() -> None:
    values = torch.tensor([1.0, float("nan"), 3.0, float("inf")], requires_grad=True)
    mean = mean_over(values, torch.tensor([1.0, 0.0, 3.0, 0.0]))
    (gradient,) = torch.autograd.grad(mean, [values])
    assert float(mean.detach()) == 2.5
    assert gradient.tolist() == [0.25, 0.0, 0.75, 0.0]
    assert float(mean_over(values, torch.zeros(4)).detach()) == 0


@settings(deadline=None, max_examples=200)
@given(
    case=st.sampled_from(CASES),
    rows=st.integers(1, 4),
    slots=st.integers(0, 3),
    positives=st.integers(2, 3),
    seed=st.integers(0, 10_000),
    missing=st.sampled_from([0.0, 0.5, 0.9, 1.1]),
    alike=st.integers(1, 4),
    weights=st.booleans(),
)
def test_any_shape_and_any_mask(
    case: tuple[str, dict[str, Any]],
    rows: int,
    slots: int,
    positives: int,
    seed: int,
    missing: float,
    alike: int,
    weights: bool,
) -> None:
    name, words = case
    features = batch(rows, slots, positives, seed=seed, missing=missing, width=3, weights=weights)
    features = replace(features, groups=torch.arange(rows) % alike)
    features, found = leaves(features)
    loss, wanted = value(name, features, words), expected(name, features, words)
    torch.testing.assert_close(loss, wanted, rtol=1e-8, atol=1e-10)
    same(gradients(loss, found), gradients(wanted, found), rtol=1e-6, atol=1e-9)
