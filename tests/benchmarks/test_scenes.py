"""What the experiment on scenes concludes from its figures, and what its measure of truth counts."""

from __future__ import annotations

from typing import Any

from benchmarks.scenes_report import markdown, rows, spread
from benchmarks.scenes_runs import Run, _tenths, chosen_alpha, overrides_of
from benchmarks.scenes_truth import measure
from examples.scenes.graph import Scene, Thing
from negagen.train.recipe import load_recipe

SCENE = Scene(
    (Thing("cup", "red", "small", None, None, 1, 0), Thing("table", "brown", "large", "wooden", None, 1, 0)),
    ((0, "on", 1),), 1, 0,
)  # fmt: skip


def _scores(mean: float, retrieval: float) -> dict[str, Any]:
    names = ("mean", "swap", "held_out", "consistent_mean", "plausible", "implausible", "nouns", "colours")
    by = {"swap_att": mean}
    return {**dict.fromkeys(names, mean), "retrieval": retrieval, "accuracy": by, "implausible_by": by}


def _point(mean: float, retrieval: float) -> dict[str, Any]:
    return {"tune": _scores(mean, retrieval), "test": _scores(mean, retrieval)}


def test_patching_takes_the_best_composition_among_those_that_still_retrieve() -> None:
    base = _point(0.5, 0.6)
    curve = {"0.4": _point(0.6, 0.6), "0.8": _point(0.7, 0.595), "1.0": _point(0.8, 0.5)}
    assert chosen_alpha(base, curve) == "0.8"
    assert chosen_alpha(base, {"0.4": _point(0.6, 0.1), "1.0": _point(0.8, 0.0)}) == "0.4"


def test_all_recipes_train_alike() -> None:
    for name in ("clip", "negclip", "tsvlc", "ce-clip", "clic", "fsc-clip", "negagen"):
        recipe = load_recipe(name, overrides_of(name, "1e-4", steps=7, batch=8, precision="fp32"))
        assert (recipe.optimizer.steps, recipe.batch.size, recipe.patching.alpha) == (7, 8, None)
        assert recipe.optimizer.lr == (1e-3 if name == "tsvlc" else 1e-4)


def test_the_report_tells_seeds_apart() -> None:
    runs = [
        {
            **vars_of(Run("negclip", "negclip", "balanced", seed)),
            "curve": {"0.6": _point(0.6, 0.6), "1.0": _point(mean, 0.5)},
        }
        for seed, mean in enumerate((0.7, 0.8))
    ]
    results = {"base": _point(0.5, 0.6), "runs": runs}
    assert [len(found) for found in rows(results).values()] == [1, 2, 2]
    assert spread([0.7, 0.8]) == "75.0 ± 7.1"
    assert "| negclip | 2 | 75.0 ± 7.1" in markdown(results)


def vars_of(run: Run) -> dict[str, Any]:
    return {"name": run.name, "recipe": run.recipe, "data": run.data, "seed": run.seed}


def test_own_accuracy_is_told_in_tenths_and_not_where_there_are_no_negatives() -> None:
    assert _tenths([0.5] * 10 + [1.0] * 10)[4:6] == [0.5, 1.0]
    assert _tenths([None] * 20) == [None] * 10
    assert _tenths([0.5, 1.0]) == [None] * 4 + [0.5] + [None] * 4 + [1.0]


def test_truth_of_what_was_generated_is_counted() -> None:
    made = [
        {"text": "A red cup under a table", "category": "replace_rel", "rule": "replace-relation"},
        {"text": "A small cup on a table", "category": "replace_att", "rule": "replace-size"},
        {"text": "A cup on a skillet", "category": "replace_obj", "rule": "replace-object"},
        {"text": "Cups dance", "category": "replace_rel", "rule": "replace-relation"},
    ]
    row = {"caption": "A red cup on a table", "graph": SCENE.to_json(), "negatives": made, "positives": made[1:2]}
    found = measure([row], "negatives", wanted=False)
    assert found["counts"] == {"right": 2, "wrong": 1, "unread": 1}
    assert found["read"] == 0.75
    assert found["of_things_that_pictures_show"] == 0.5
    assert found["by_category"]["replace_rel"] == {"right": 1, "unread": 1}
    assert found["examples"]["replace-size"][0]["verdict"] == "wrong"
    assert measure([row], "positives", wanted=True)["counts"] == {"right": 1}
