"""What stands in a recipe: its tables and keys, and which of them go together."""

from __future__ import annotations

from hashlib import blake2b
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from negagen.ruleset import nearest
from negagen.train.losses import LOSSES, Objective, Term
from negagen.train.losses.registry import keywords
from negagen.types import CATEGORIES

_Strict = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

Part = Annotated[str, Field(pattern=r"^(train|frozen|lora|last:[1-9][0-9]*)$")]
"""How much of a tower is trained: all, nothing, low-rank adapters, or its last N blocks with what lies above them."""
Share = Annotated[float, Field(ge=0, le=1)]


def _known_categories(value: dict[str, float]) -> dict[str, float]:
    for name, weight in value.items():
        if name not in CATEGORIES:
            raise ValueError(f"no such category {name!r}{nearest(name, CATEGORIES)}")
        if weight < 0:
            raise ValueError(f"the weight of {name} is {weight}; expected 0 or more")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class LossTerm(BaseModel):
    """One loss, by its name in `negagen.train.losses.LOSSES`; keys beside these four are the loss's own.

    `weight` multiplies it. `weighted` lets each negative count as much as its `weight` in the negatives file says, and
    `categories` multiplies that by a factor per category (1 for those not named).
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    name: str
    weight: float = Field(default=1.0, ge=0)
    weighted: bool = False
    categories: dict[str, float] = {}

    _categories = field_validator("categories")(_known_categories)

    @model_validator(mode="before")
    @classmethod
    def _with_keywords(cls, data: Any) -> Any:
        """Check the loss's own keys, and state those that are left to their defaults."""
        if not isinstance(data, dict) or not isinstance(data.get("name"), str):
            return data
        if data["name"] not in LOSSES:
            raise ValueError(f"no such loss {data['name']!r}{nearest(data['name'], LOSSES)}")
        model = keywords(data["name"])
        own = {key: value for key, value in data.items() if key not in cls.model_fields}
        for key in own:
            if key not in model.model_fields:
                hint = nearest(key, [*cls.model_fields, *model.model_fields])
                raise ValueError(f"loss {data['name']!r} has no key {key!r}{hint}")
        try:
            return {**data, **model.model_validate(own).model_dump()}
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"loss {data['name']!r}, {first['loc'][0]}: {first['msg']}") from error

    def term(self) -> Term:
        """As the objective takes it."""
        return Term(self.name, self.weight, self.weighted, self.categories, self.model_extra or {})


class BatchSettings(BaseModel):
    """What a step sees.

    `size` rows over all ranks, `negatives` and `positives` texts a row at most. `layout` "clic" makes a row of two
    pictures side by side with four captions of both. `plain_every` n: each n-th step is of single pictures, without
    negatives, under `plain_loss`; 0 for none. `categories` are drawn from by these relative weights, those not named
    never; empty: from all alike. `chunk` rows are encoded at once and the loss still sees all (GradCache); 0 for all.
    """

    model_config = _Strict

    size: int = Field(default=256, ge=2)
    negatives: int = Field(default=0, ge=0, le=64)
    positives: int = Field(default=0, ge=0, le=64)
    layout: Literal["pairs", "clic"] = "pairs"
    plain_every: int = Field(default=0, ge=0)
    categories: dict[str, float] = {}
    chunk: int = Field(default=0, ge=0)

    _categories = field_validator("categories")(_known_categories)


class CurriculumSettings(BaseModel):
    """Draws that prefer negatives which the model, when it last had them, found hard: `negagen.data.Curriculum`.

    `difficulty` 0 draws without. The other keys are those of `Curriculum`; `temperature` 0 is the model's own, before
    the first step: 1 / logit scale.
    """

    model_config = _Strict

    difficulty: float = Field(default=0.0, ge=0, le=10)
    below: float = Field(default=1.2, ge=0)
    quota: float = Field(default=0.5, gt=0, le=1)
    warmup_epochs: int = Field(default=1, ge=0)
    memory: int = Field(default=3, ge=1)
    temperature: float = Field(default=0.0, ge=0)


class OptimizerSettings(BaseModel):
    """AdamW and its learning rate.

    `warmup` in steps if a whole number, else a fraction of all steps. The run's length is `epochs` or `steps`.
    `clip_norm` 0 clips nothing.
    """

    model_config = _Strict

    lr: float = Field(default=1e-6, gt=0)
    weight_decay: float = Field(default=0.1, ge=0)
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.98)
    eps: float = Field(default=1e-6, gt=0)
    warmup: int | float = Field(default=50, ge=0)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    min_lr: float = Field(default=0.0, ge=0)
    clip_norm: float = Field(default=0.0, ge=0)
    epochs: float | None = Field(default=None, gt=0)
    steps: int | None = Field(default=None, gt=0)

    @field_validator("warmup", mode="before")
    @classmethod
    def _steps_or_fraction(cls, value: object) -> object:
        if not _is_number(value):
            raise ValueError(f"expected a whole number of steps or a fraction of all below 1, not {value!r}")
        return value

    @model_validator(mode="after")
    def _one_length(self) -> OptimizerSettings:
        if isinstance(self.warmup, float) and self.warmup >= 1:
            raise ValueError(f"warmup {self.warmup:g}: a fraction lies below 1; give steps as a whole number")
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give either epochs or steps")
        if self.min_lr > self.lr:
            raise ValueError(f"min_lr {self.min_lr:g} lies above lr {self.lr:g}")
        return self


class ModelSettings(BaseModel):
    """What of the model is trained, and how it is computed.

    `ema`: decay of an average of the weights that is evaluated and exported in their stead; 0 for none. `max_scale`
    bounds exp(logit scale), unless the model comes with more.
    """

    model_config = _Strict

    vision: Part = "train"
    text: Part = "train"
    lora_rank: int = Field(default=4, ge=1)
    lora_alpha: float = Field(default=4.0, gt=0)
    logit_scale: Literal["train", "frozen"] = "train"
    max_scale: float = Field(default=100.0, gt=0)
    ema: float = Field(default=0.0, ge=0, lt=1)
    precision: Literal["bf16", "fp16", "fp32"] = "bf16"
    compile: bool = False
    gradient_checkpointing: bool = False

    @model_validator(mode="after")
    def _something_to_train(self) -> ModelSettings:
        if self.vision == self.text == "frozen":
            raise ValueError("vision and text are both frozen: nothing is left to train")
        return self


class RetentionSettings(BaseModel):
    """Whose features the retention losses hold the model to.

    "frozen": the model before the first step. "ema": an average of its weights, of decay `decay`, from there on.
    """

    model_config = _Strict

    teacher: Literal["none", "frozen", "ema"] = "none"
    decay: float = Field(default=0.999, gt=0, lt=1)


class PatchingSettings(BaseModel):
    """Interpolation with the model before the first step, after the last.

    `alpha` is the tuned model's share; of several the one is kept that composes best among those whose retained score
    falls by `tolerance` at most. Left out: no patching.
    """

    model_config = _Strict

    alpha: Share | tuple[Share, ...] | None = None
    tolerance: Share = 0.01

    @field_validator("alpha", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        several = value if isinstance(value, list | tuple) else [value]
        if value is not None and not (several and all(_is_number(one) and 0 <= one <= 1 for one in several)):
            raise ValueError(f"expected a number from 0 to 1 or a list such as [0, 0.25, 0.5, 0.75, 1], not {value!r}")
        return value


class Recipe(BaseModel):
    """A whole recipe, as its file states it: `[[loss]]` tables and one table for each group of settings."""

    model_config = _Strict

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    about: str
    source: str
    loss: tuple[LossTerm, ...]
    plain_loss: tuple[LossTerm, ...] = ()
    batch: BatchSettings = BatchSettings()
    curriculum: CurriculumSettings = CurriculumSettings()
    optimizer: OptimizerSettings
    model: ModelSettings = ModelSettings()
    retention: RetentionSettings = RetentionSettings()
    patching: PatchingSettings = PatchingSettings()

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        if not self.loss:
            raise ValueError("no [[loss]] tables: there is nothing to minimise")
        for key, terms in (("loss", self.loss), ("plain_loss", self.plain_loss)):
            names = [term.name for term in terms]
            twice = sorted({name for name in names if names.count(name) > 1})
            if terms and not any(term.weight for term in terms):
                raise ValueError(f"every {key} has the weight 0: there is nothing to minimise")
            if twice:
                raise ValueError(f"{key} names {twice[0]!r} twice; give each loss once")
        if bool(self.batch.plain_every) != bool(self.plain_loss):
            raise ValueError("batch.plain_every and [[plain_loss]] go together; give both or neither")
        for term in self.loss:
            needs = LOSSES[term.name].needs
            if "negatives" in needs and not self.batch.negatives:
                raise ValueError(f"loss {term.name!r} needs negatives: set batch.negatives to 1 or more")
            if "positives" in needs and not self.batch.positives:
                raise ValueError(f"loss {term.name!r} needs positives: set batch.positives to 1 or more")
        for term in self.plain_loss:
            wrong = sorted(LOSSES[term.name].needs & {"negatives", "positives", "local"})
            if wrong:
                raise ValueError(f"plain_loss {term.name!r} needs {wrong[0]}, which plain steps do not have")
        if self.curriculum.difficulty and (not self.batch.negatives or self.batch.layout == "clic"):
            raise ValueError(
                "curriculum.difficulty needs negatives that are drawn: set batch.negatives to 1 or more, and a"
                " batch.layout other than 'clic', or curriculum.difficulty to 0"
            )
        if ("clic" in [term.name for term in self.loss]) != (self.batch.layout == "clic"):
            raise ValueError("loss 'clic' and batch.layout 'clic' go together; give both or neither")
        if self.batch.layout == "clic" and self.batch.positives != 4:
            raise ValueError("batch.layout 'clic' makes four captions a row: set batch.positives to 4")
        held = any("anchors" in LOSSES[term.name].needs for term in (*self.loss, *self.plain_loss))
        if held != (self.retention.teacher != "none"):
            raise ValueError("retention.teacher and a retention loss go together; give both or neither")
        return self

    def objective(self, *, plain: bool = False) -> Objective:
        """The sum of its losses, or of those of plain steps; losses of weight 0 are left out."""
        terms = self.plain_loss if plain else self.loss
        return Objective(tuple(term.term() for term in terms if term.weight > 0))

    def to_toml(self) -> str:
        """The resolved recipe as TOML: every key that has a value, defaults included; `load_recipe` reads it."""
        return tomli_w.dumps(self.model_dump(exclude_none=True))

    def fingerprint(self) -> str:
        """Changes with whatever changes the training; not with name, prose or patching."""
        text = self.model_dump_json(exclude={"name", "about", "source", "patching"})
        return blake2b(text.encode(), digest_size=8).hexdigest()
