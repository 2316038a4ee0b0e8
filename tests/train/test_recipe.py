from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from negagen.errors import RecipeError
from negagen.train.losses import LOSSES
from negagen.train.losses.registry import keywords
from negagen.train.recipe import Recipe, load_recipe, recipe_names
from tests.train.losses.batches import batch, leaves

SHIPPED = ("ce-clip", "clic", "clip", "clove", "fsc-clip", "negagen", "negclip", "siglip", "tsvlc")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(
        'base = "ce-clip"\nname = "mine"\n[optimizer]\nsteps = 100\n[batch]\nnegatives = 2\n', encoding="utf-8"
    )
    return path


def refused(name: str | Path, overrides: dict[str, str] | None = None) -> str:
    with pytest.raises(RecipeError) as error:
        load_recipe(name, overrides)
    return str(error.value)


def test_the_shipped_recipes() -> None:
    assert recipe_names() == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_names_its_source_and_survives_being_written(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert "arXiv" in recipe.source or name == "negagen"
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.to_toml(), encoding="utf-8")
    again = load_recipe(path)
    assert again == recipe
    assert again.to_toml() == recipe.to_toml()
    assert again.fingerprint() == recipe.fingerprint()


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_has_a_loss_to_train_by(name: str) -> None:
    recipe = load_recipe(name)
    for objective in (recipe.objective(), recipe.objective(plain=True)):
        if objective.terms:
            features, found = leaves(batch())
            result = objective(features, objective.start())
            (gradient,) = torch.autograd.grad(result.loss, [found["image"]])
            assert float(result.loss.detach()) > 0
            assert gradient.abs().sum() > 0
    assert bool(recipe.objective(plain=True).terms) == (name == "clic")


def test_published_values() -> None:
    recipes = {name: load_recipe(name) for name in SHIPPED}
    losses = {
        name: [(term.name, term.weight, *(term.model_extra or {}).values()) for term in recipe.loss]
        for name, recipe in recipes.items()
    }
    assert losses["clip"] == [("clip", 1.0)]
    assert losses["negclip"] == losses["clove"] == [("negclip", 1.0, "batch")]
    assert losses["tsvlc"] == [("clip", 1.0), ("own", 1.0)]
    assert losses["ce-clip"] == [("negclip", 1.0, "batch"), ("rank", 0.2, 10.0), ("intra-modal", 0.3)]
    assert losses["clic"] == [("clic", 1.0, 0.5, 0.5, 1.0)]
    assert losses["fsc-clip"] == [("clip", 1.0), ("focal", 0.5, 2.0, 0.02), ("local-focal", 0.2, 2.0, 0.02)]
    rates = {name: recipe.optimizer.lr for name, recipe in recipes.items()}
    assert rates["clip"] == rates["negclip"] == rates["clove"] == rates["clic"] == 1e-6
    assert rates["ce-clip"] == rates["fsc-clip"] == 5e-6
    lengths = {name: recipe.optimizer.epochs for name, recipe in recipes.items()}
    assert (lengths["negclip"], lengths["ce-clip"], lengths["clic"], lengths["fsc-clip"]) == (5, 10, 1, 5)
    assert (recipes["clove"].patching.alpha, recipes["clove"].optimizer.warmup, recipes["clove"].batch.size) == (
        0.6,
        2000,
        2048,
    )
    clic = recipes["clic"]
    assert (clic.model.vision, clic.optimizer.warmup, clic.optimizer.min_lr) == ("frozen", 0.2, 1e-8)
    assert (clic.batch.layout, clic.batch.positives, clic.batch.plain_every) == ("clic", 4, 2)
    assert (recipes["tsvlc"].model.vision, recipes["tsvlc"].model.lora_rank) == ("lora", 4)
    assert all(recipe.optimizer.weight_decay == 0.1 for recipe in recipes.values())


def test_overrides_are_toml_or_bare_words() -> None:
    recipe = load_recipe(
        "negclip",
        {
            "optimizer.lr": "1e-5",
            "optimizer.warmup": "0.1",
            "optimizer.betas": "[0.8, 0.9]",
            "model.vision": "last:2",
            "model.compile": "true",
            "loss.negclip.weight": "0.5",
            "loss.negclip.columns": "own",
            "loss.negclip.categories.swap_att": "2",
            "batch.categories.negate": "0.5",
            "name": "other",
            "patching.alpha": "[0, 0.5]",
            "about": 'He said "no" = 3',
        },
    )
    assert (recipe.optimizer.lr, recipe.optimizer.warmup, recipe.optimizer.betas) == (1e-5, 0.1, (0.8, 0.9))
    assert (recipe.model.vision, recipe.model.compile, recipe.name) == ("last:2", True, "other")
    (term,) = recipe.loss
    assert (term.weight, term.model_extra, term.categories) == (0.5, {"columns": "own"}, {"swap_att": 2.0})
    assert recipe.batch.categories == {"negate": 0.5}
    assert recipe.patching.alpha == (0.0, 0.5)
    assert recipe.about == 'He said "no" = 3'
    assert load_recipe("negclip").optimizer.lr == 1e-6
    assert load_recipe("clove", {"patching.alpha": "none"}).patching.alpha is None


def test_whoever_states_steps_means_them_instead_of_epochs(written: Path) -> None:
    assert load_recipe("clip", {"optimizer.steps": "10"}).optimizer.epochs is None
    assert load_recipe(written).optimizer.epochs is None
    again = load_recipe(written, {"optimizer.epochs": "2"})
    assert (again.optimizer.steps, again.optimizer.epochs) == (None, 2)
    assert load_recipe("clip", {"optimizer.steps": "10", "optimizer.epochs": "none"}).optimizer.steps == 10
    assert "either epochs or steps" in refused("clip", {"optimizer.epochs": "none"})


def test_a_file_says_what_differs_from_its_base(written: Path) -> None:
    recipe, base = load_recipe(written), load_recipe("ce-clip")
    assert (recipe.name, recipe.optimizer.steps, recipe.batch.negatives) == ("mine", 100, 2)
    assert (recipe.loss, recipe.optimizer.lr, recipe.batch.size) == (base.loss, base.optimizer.lr, base.batch.size)
    further = written.with_name("further.toml")
    further.write_text('base = "mine.toml"\n[[loss]]\nname = "clip"\n', encoding="utf-8")
    assert [term.name for term in load_recipe(further).loss] == ["clip"]
    written.write_text('base = "further.toml"\n', encoding="utf-8")
    assert "in the end, itself" in refused(written)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("optimizer.lrr", "1", "did you mean 'optimizer.lr'"),
        ("optimizr.lr", "1", "did you mean 'optimizer.lr'"),
        ("lr", "1", "did you mean 'optimizer.lr'"),
        ("los.negclip.weight", "1", "did you mean 'loss'"),
        ("loss.clip.weight", "1", "did you mean 'negclip'"),
        ("loss.negclip.colums", "own", "did you mean 'columns'"),
        ("loss.negclip.columns", "onw", "'batch' or 'own'"),
        ("loss.negclip.weight", "-1", "greater than or equal to 0"),
        ("loss.negclip.categories.swap_at", "1", "did you mean 'swap_att'"),
        ("batch.categories.swap_at", "1", "did you mean 'swap_att'"),
        ("batch.negatives", "0", "needs negatives"),
        ("batch.layout", "clic", "go together"),
        ("batch.plain_every", "2", "go together"),
        ("retention.teacher", "frozen", "go together"),
        ("optimizer.lr", "fast", "valid number"),
        ("optimizer.lr", "nan", "finite"),
        ("optimizer.lr", "inf", "finite"),
        ("optimizer.warmup", "1.5", "a fraction lies below 1"),
        (
            "optimizer.warmup",
            "some",
            "warmup: expected a whole number of steps or a fraction of all below 1, not 'some'",
        ),
        ("optimizer.min_lr", "1", "above lr"),
        ("patching.alpha", "0:1:0.5", "patching.alpha: expected a number from 0 to 1 or a list such as [0, "),
        ("patching.alpha", "[0, 2]", "1], not [0, 2]"),
        ("patching.alpha", "[]", "expected a number from 0 to 1 or a list"),
        ("patching.alpha", "true", "not True"),
        ("model.vision", "last:0", "pattern"),
        ("name.first", "1", "no keys"),
        ("loss", "[]", "nothing to minimise"),
        ("loss.negclip", "3", "loss"),
    ],
)
def test_what_is_wrong_is_named_with_what_was_meant(key: str, value: str, said: str) -> None:
    message = refused("negclip", {key: value})
    assert said in message
    assert key.split(".")[-1] in message or "negclip" in message


def test_both_towers_frozen() -> None:
    assert "nothing is left to train" in refused("clip", {"model.vision": "frozen", "model.text": "frozen"})


def test_a_weight_of_zero_leaves_a_loss_out() -> None:
    recipe = load_recipe("ce-clip", {"loss.rank.weight": "0"})
    assert [term.name for term in recipe.objective().terms] == ["negclip", "intra-modal"]
    assert "nothing to minimise" in refused("clip", {"loss.clip.weight": "0"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('base = "negclip"\n[optimiser]\nlr = 1e-5\n', "optimiser: no such key; did you mean 'optimizer'"),
        ('base = "negclip"\n[optimizer]\nlearning_rate = 1e-5\n', "optimizer.learning_rate: no such key"),
        ('base = "negclip"\n[[loss]]\nname = "negclop"\n', "no such loss 'negclop'; did you mean 'negclip'"),
        ('base = "negclip"\n[[loss]]\nweight = 1\n', "loss.0.name: missing"),
        ('base = "negclip"\n[[loss]]\nname = "focal"\ngamma = 0.5\n', "gamma"),
        ('base = "negclip"\n[[loss]]\nname = "clip"\n[[loss]]\nname = "clip"\n', "twice"),
        ('base = "negclip"\n[[loss]]\nname = "retention"\n', "go together"),
        ('base = "negclip"\nloss = "clip"\n', "loss"),
        ('base = "negclip"\noptimizer = 3\n', "optimizer"),
        ('base = "clic"\n[batch]\npositives = 3\n', "four captions"),
        ('base = "clic"\n[[plain_loss]]\nname = "own"\n', "plain steps do not have"),
        ('base = "negclub"\n', "did you mean 'negclip'"),
        ("base = 3\n", "base"),
        ('name = "x"\n', "about: missing"),
        ("name = \n", "mine.toml"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_what_was_meant(written: Path, text: str, said: str) -> None:
    written.write_text(text, encoding="utf-8")
    message = refused(written)
    assert said in message
    assert "mine.toml" in message or "negclub" in message


def test_a_recipe_that_does_not_exist() -> None:
    assert "did you mean 'negclip'" in refused("negclop")
    assert "no recipe file" in refused("nowhere.toml")


def test_the_fingerprint_follows_the_training_alone() -> None:
    before = load_recipe("negclip").fingerprint()
    assert load_recipe("negclip", {"about": "x", "name": "y", "patching.alpha": "0.5"}).fingerprint() == before
    for key, value in (("optimizer.lr", "1e-5"), ("loss.negclip.columns", "own"), ("batch.size", "8")):
        assert load_recipe("negclip", {key: value}).fingerprint() != before


def test_each_loss_can_stand_in_a_recipe_by_its_name_alone() -> None:
    for name, loss in LOSSES.items():
        base = load_recipe("clic" if name == "clic" else "clip").model_dump(exclude_none=True)
        base["loss"] = [{"name": name}]
        base["batch"] |= {"negatives": 1, "positives": 4}
        base["retention"]["teacher"] = "ema" if "anchors" in loss.needs else "none"
        recipe = Recipe.model_validate(base)
        assert recipe.objective().needs == loss.needs


@given(st.text(max_size=40), st.text(max_size=40), st.floats(1e-12, 10.0), st.integers(0, 10**6))
def test_any_recipe_survives_being_written(about: str, source: str, rate: float, warmup: int) -> None:
    base = load_recipe("fsc-clip").model_dump(exclude_none=True)
    base |= {"about": about, "source": source}
    base["optimizer"] |= {"lr": rate, "warmup": warmup}
    recipe = Recipe.model_validate(base)
    assert Recipe.model_validate(tomllib.loads(recipe.to_toml())) == recipe


DOCS = Path(__file__).parents[2] / "docs"


def test_the_documented_file_loads(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", (DOCS / "recipes.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    path = tmp_path / "mine.toml"
    path.write_text(block, encoding="utf-8")
    recipe = load_recipe(path)
    assert recipe.loss[0].categories == {"swap_obj": 2.0, "swap_att": 2.0}
    assert (recipe.optimizer.steps, recipe.optimizer.lr) == (2000, 1e-6)


def test_every_key_is_documented_with_its_default() -> None:
    text = (DOCS / "recipes.md").read_text(encoding="utf-8")
    for table, field in Recipe.model_fields.items():
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            continue
        (section,) = re.findall(rf"`\[{table}\]`:\n\n(.*?)(?:\n\n|\Z)", text, flags=re.DOTALL)
        told = dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) \|", section, flags=re.MULTILINE))
        assert list(told) == list(field.annotation.model_fields)
        for key, default in told.items():
            wanted = field.annotation.model_fields[key].default
            said = tomllib.loads(f"value = {default}")["value"] if default else None
            assert said == (list(wanted) if isinstance(wanted, tuple) else wanted), key


def test_every_recipe_and_loss_is_documented_with_its_keywords() -> None:
    def rows(name: str, columns: int) -> dict[str, list[str]]:
        lines = [line.split("|")[1:-1] for line in (DOCS / name).read_text(encoding="utf-8").splitlines()]
        found = [row for row in lines if len(row) == columns and re.fullmatch(r" `[\w-]+` ", row[0])]
        return {row[0].strip(" `"): row for row in found}

    assert tuple(sorted(rows("recipes.md", 6))) == SHIPPED
    losses = rows("losses.md", 4)
    assert set(losses) == set(LOSSES)
    for name, (_, _, told, _) in losses.items():
        assert set(re.findall(r"`(\w+)`", told)) == set(keywords(name).model_fields), name
