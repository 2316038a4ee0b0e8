from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from negagen.errors import TrainingError
from negagen.train.losses import LOSSES, Objective, Term
from negagen.train.losses.ce_clip import no_thresholds, rank
from negagen.train.losses.contrastive import clip, negclip
from negagen.train.losses.own import own
from negagen.types import CATEGORIES
from tests.train.losses.batches import batch


def test_the_total_is_the_weighted_sum_of_the_parts() -> None:
    features = batch()
    objective = Objective(
        (Term("clip", weight=0.5), Term("own", weight=2.0, weighted=True), Term("margin", weight=3.0))
    )
    result = objective(features, {})
    plain = replace(features, weights=None)
    assert list(result.parts) == ["clip", "own", "margin"]
    torch.testing.assert_close(result.parts["own"], own(features))
    torch.testing.assert_close(
        result.loss, 0.5 * clip(features) + 2 * own(features) + 3 * LOSSES["margin"].function(plain)
    )
    assert objective.needs == {"negatives"}


def test_weights_of_the_file_count_where_the_term_says_so() -> None:
    features = batch()
    plain = own(replace(features, weights=None))
    assert float(own(features)) != float(plain)
    torch.testing.assert_close(Objective((Term("own"),))(features, {}).loss, plain)
    torch.testing.assert_close(Objective((Term("own", weighted=True),))(features, {}).loss, own(features))


@pytest.mark.parametrize("weighted", [False, True])
def test_categories_multiply_weights(weighted: bool) -> None:
    features = batch(seed=2, missing=0.1)
    assert features.kinds is not None
    assert features.weights is not None
    swapped = CATEGORIES.index("swap_att")
    kinds = torch.tensor([[swapped, -1, 0]]).expand(5, 3)
    features = replace(features, kinds=kinds)
    factors = torch.tensor([[3.0, 1.0, 0.0]], dtype=torch.float64)
    weights = features.weights if weighted else torch.ones(5, 3)
    assert weights is not None
    wanted = own(replace(features, weights=factors * weights))
    term = Term("own", weighted=weighted, categories={"swap_att": 3.0, CATEGORIES[0]: 0.0})
    torch.testing.assert_close(Objective((term,))(features, {}).loss, wanted)
    with pytest.raises(TrainingError, match="category"):
        Objective((term,))(replace(features, kinds=None), {})


def test_thresholds_are_handed_on_and_start_again() -> None:
    features = batch(seed=1)
    objective = Objective((Term("negclip"), Term("rank", weighted=True)))
    start = objective.start()
    assert list(start) == ["rank"]
    assert not start["rank"].any()
    first = objective(features, start)
    assert not start["rank"].any()
    assert first.state["rank"].any()
    assert not first.state["rank"].requires_grad
    second = objective(features, first.state)
    torch.testing.assert_close(second.parts["rank"], rank(features, first.state["rank"])[0])
    assert float(second.parts["rank"]) > float(first.parts["rank"])
    # A step under other losses leaves them as they are.
    assert Objective((Term("clip"),))(features, first.state).state == first.state
    with pytest.raises(TrainingError, match=r"start\(\)"):
        objective(features, {})


def test_a_threshold_is_the_mean_gap_of_its_category() -> None:
    features = batch(seed=1, weights=False, missing=0.0)
    kinds = torch.tensor([[2, 2, -1]]).expand(5, 3)
    features = replace(features, kinds=kinds)
    before = torch.full_like(no_thresholds(), 1.5)
    _, after = rank(features, before, limit=100.0)
    scale = features.scale
    right = scale * (features.image * features.text).sum(-1)
    wrong = scale * (features.image.unsqueeze(1) * features.negatives).sum(-1)
    gaps = {2: right.mean() - wrong[:, :2].mean(), len(CATEGORIES): right.mean() - wrong[:, 2].mean()}
    for kind, threshold in enumerate(after):
        wanted = gaps[kind].clamp(0, 100).float() if kind in gaps else torch.tensor(1.5)
        torch.testing.assert_close(threshold, wanted)
    assert float(rank(features, before, limit=0.1)[1][2]) == pytest.approx(min(max(float(gaps[2]), 0), 0.1))


def test_siblings_are_not_held_against_one_another() -> None:
    features = batch(rows=2, missing=0.0, weights=False)
    family = replace(features, groups=torch.tensor([7, 7]))
    assert float(clip(family)) == pytest.approx(0, abs=1e-12)
    assert float(clip(features)) > 0.1
    # But what is false of the picture stays so beside either caption.
    image = features.image.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(negclip(replace(family, image=image)), [image])
    assert gradient.abs().sum() > 0
    moved = replace(family, negatives=family.negatives.flip(0))
    torch.testing.assert_close(negclip(moved), negclip(family))


@pytest.mark.parametrize(
    ("missing", "loss", "named"),
    [
        ({"positives": None, "positive_mask": None}, "hard-positive", "positives"),
        ({"positives": None, "positive_mask": None}, "clic", "positives"),
        ({"anchor_image": None, "anchor_text": None}, "retention", "anchors"),
        ({"local": None}, "local-focal", "local"),
        ({"bias": None}, "siglip", "bias"),
    ],
)
def test_what_a_loss_needs_and_does_not_get_is_named(missing: dict[str, Any], loss: str, named: str) -> None:
    with pytest.raises(TrainingError, match=f"{loss}.*{named}"):
        Objective((Term(loss),))(replace(batch(), **missing), {})


@pytest.mark.parametrize("name", ["text", "negatives", "scale", "groups", "weights", "kinds", "local", "positive_mask"])
def test_shapes_that_do_not_fit_are_named(name: str) -> None:
    features = batch()
    with pytest.raises(TrainingError, match=f"{name} has shape"):
        replace(features, **{name: getattr(features, name)[None]})


def test_a_teacher_of_another_width_serves_relations_only() -> None:
    features = replace(batch(), anchor_image=torch.eye(5, 9), anchor_text=torch.ones(5, 9))
    assert float(LOSSES["retention"].function(features)) > 0
    with pytest.raises(TrainingError, match="dimensions"):
        LOSSES["retention-features"].function(features)


def test_a_student_that_is_its_teacher_loses_nothing() -> None:
    features = batch()
    features = replace(features, anchor_image=features.image, anchor_text=features.text)
    assert float(LOSSES["retention"].function(features)) == pytest.approx(0, abs=1e-12)
    assert float(LOSSES["retention-features"].function(features)) == 0
