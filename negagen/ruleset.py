"""Rules: which edits are made, where, and what must and must not come of them.

A rule file is TOML with `[[rule]]` tables. Each names an operation and its role, a category, targets and exceptions,
the source of its idea, and examples, which are its tests: `negagen rules check` runs them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from rapidfuzz import process

from negagen.errors import ResourceError, RuleError
from negagen.types import CATEGORIES, POSITIVE_CATEGORIES

_Strict = ConfigDict(extra="forbid", frozen=True)
Words = Annotated[tuple[str, ...], Field(default=())]


class Target(BaseModel):
    """What a rule acts on, beyond its role; empty means anything the role allows."""

    model_config = _Strict

    classes: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    across: tuple[str, ...] = ()
    pattern: tuple[dict[str, Any], ...] = ()


class Unless(BaseModel):
    """Where a rule never acts."""

    model_config = _Strict

    words: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


class Example(BaseModel):
    """A caption with what the rule must be able to make of it, and what it must never make."""

    model_config = _Strict

    caption: str
    allows: tuple[str, ...] = ()
    forbids: tuple[str, ...] = ()
    silent: bool = False


class Rule(BaseModel):
    """One rule as its file states it."""

    model_config = _Strict

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    op: Literal["swap", "replace", "add", "negate", "shuffle", "paraphrase"]
    role: Literal[
        "object", "phrase", "attribute", "relation", "action", "count", "verb", "pattern", "ngram", "class", "conjunct",
        "converse", "voice", "tense", "absence", "denial",
    ]  # fmt: skip
    makes: Literal["negatives", "positives"] = "negatives"
    category: str
    about: str
    source: str
    weight: float = Field(default=1.0, gt=0, le=100)
    enabled: bool = True
    target: Target = Target()
    unless: Unless = Unless()
    words: dict[str, tuple[str, ...]] = {}
    replace_with: tuple[str, ...] = Field(default=(), alias="with")
    example: tuple[Example, ...] = ()
    path: str = Field(default="", exclude=True)

    @field_validator("category")
    @classmethod
    def _known_category(cls, value: str) -> str:
        known = (*CATEGORIES, *POSITIVE_CATEGORIES)
        if value not in known:
            raise ValueError(f"no such category {value!r}{nearest(value, known)}")
        return value

    @field_validator("words")
    @classmethod
    def _never_itself(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for word, choices in value.items():
            if not choices or word in choices:
                raise ValueError(f"words.{word}: give at least one other word")
        return value


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names the known word closest to a misspelt one, or all of them."""
    options = list(known)
    match = process.extractOne(word, options, score_cutoff=60)
    return f"; did you mean {match[0]!r}?" if match else f"; one of {', '.join(options)}"


def default_directory() -> Path:
    """Where the rules that negagen ships lie: in the wheel, or beside the package in a checkout."""
    package = Path(__file__).parent
    for path in (package / "rules" / "en", package.parent / "rules" / "en"):
        if path.is_dir():
            return path
    raise ResourceError(f"negagen's rules are missing ({package / 'rules' / 'en'}); reinstall negagen")


def load_rules(paths: Sequence[str | Path] | None = None) -> tuple[Rule, ...]:
    """The rules of the given files and directories, or those that negagen ships.

    Rules come in the order of paths, file names and tables. Raises `RuleError` for an unreadable file, a wrong
    key or value, a rule without examples, and two rules of one name.
    """
    rules: list[Rule] = []
    seen: dict[str, str] = {}
    for path in _files(paths if paths is not None else [default_directory()]):
        for rule in _read(path):
            if rule.name in seen:
                raise RuleError(f"{path}: rule {rule.name!r} stands in {seen[rule.name]} too; rename one of them")
            seen[rule.name] = str(path)
            rules.append(rule)
    if not rules:
        raise RuleError(f"no rules in {', '.join(map(str, paths or []))}; expected *.toml files with [[rule]] tables")
    return tuple(rules)


def choose_rules(
    rules: Sequence[str | Path | Rule] | str | Path | Rule | None, categories: Sequence[str] | None
) -> tuple[Rule, ...]:
    """The rules to run: of `rules` (files, directories and `Rule`s; None for those that negagen ships), those that are
    enabled, or, enabled or not, those of `categories`.

    Raises `RuleError` as `load_rules` does, for a category that there is not, and if no rule is left.
    """
    given = [rules] if isinstance(rules, str | Path | Rule) else rules
    known = load_rules() if given is None else _loaded(given)
    if categories is None:
        chosen = tuple(rule for rule in known if rule.enabled)
    else:
        for category in categories:
            named = (*CATEGORIES, *POSITIVE_CATEGORIES)
            if category not in named:
                raise RuleError(f"no such category {category!r}{nearest(category, named)}")
        chosen = tuple(rule for rule in known if rule.category in categories)
    if not chosen:
        raise RuleError("no rule is left: every rule is switched off or of another category")
    return chosen


def _loaded(rules: Sequence[str | Path | Rule]) -> tuple[Rule, ...]:
    ready = tuple(rule for rule in rules if isinstance(rule, Rule))
    paths = [rule for rule in rules if not isinstance(rule, Rule)]
    return (*ready, *load_rules(paths)) if paths or not ready else ready


def fingerprint(rules: Sequence[Rule]) -> str:
    """Changes whenever a rule's effect may: everything but examples and prose counts."""
    digest = blake2b(digest_size=8)
    for rule in rules:
        digest.update(rule.model_dump_json(exclude={"about", "source", "example", "path"}).encode())
    return digest.hexdigest()


def _files(paths: Sequence[str | Path]) -> list[Path]:
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            files += sorted(path.glob("*.toml"))
        elif path.is_file():
            files.append(path)
        else:
            raise RuleError(f"no rule file or directory {path}")
    return files


def _read(path: Path) -> list[Rule]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RuleError(f"{path}: {error}") from error
    unknown = set(document) - {"rule"}
    if unknown or not isinstance(document.get("rule"), list):
        raise RuleError(f"{path}: expected [[rule]] tables only, found {', '.join(sorted(document)) or 'nothing'}")
    return [_rule(path, number, table) for number, table in enumerate(document["rule"], 1)]


def _rule(path: Path, number: int, table: Mapping[str, Any]) -> Rule:
    from negagen.ops import OPERATIONS  # here, since the operations' modules need this one for their types

    name = table.get("name", f"number {number}") if isinstance(table, dict) else f"number {number}"
    try:
        rule = Rule.model_validate({**table, "path": str(path)})
    except ValidationError as error:
        raise RuleError(f"{path}: rule {name!r}: {_explain(error)}") from error
    if (rule.op, rule.role) not in OPERATIONS:
        roles = sorted(role for op, role in OPERATIONS if op == rule.op)
        raise RuleError(f"{path}: rule {name!r}: op {rule.op!r} takes role {' or '.join(roles)}, not {rule.role!r}")
    paraphrase = (rule.op == "paraphrase", rule.category in POSITIVE_CATEGORIES, rule.makes == "positives")
    if any(paraphrase) and not all(paraphrase):
        raise RuleError(
            f"{path}: rule {name!r}: op 'paraphrase', category {POSITIVE_CATEGORIES[0]!r} and makes 'positives' go"
            " together; give all three or none"
        )
    if (rule.role == "pattern") != bool(rule.target.pattern and rule.replace_with):
        raise RuleError(
            f"{path}: rule {name!r}: role 'pattern' goes with target.pattern and `with`, and only with them"
        )
    firing = any(example.allows and example.forbids for example in rule.example)
    if not firing or not any(example.silent for example in rule.example):
        raise RuleError(
            f"{path}: rule {name!r}: give an [[rule.example]] with `allows` and `forbids`, and one with `silent = true`"
        )
    return rule


def _explain(error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        key = ".".join(map(str, item["loc"]))
        hint = ""
        if item["type"] == "extra_forbidden":
            tables: dict[str, type[BaseModel]] = {"target": Target, "unless": Unless, "example": Example}
            fields = tables.get(str(item["loc"][0]), Rule).model_fields
            hint = nearest(str(item["loc"][-1]), [f.alias or n for n, f in fields.items() if n != "path"])
        lines.append(f"{key}: {item['msg']}{hint}")
    return "; ".join(lines)


TEMPLATE: Final = """\
# {name}: what it does and why, in a line.

[[rule]]
name = "{name}"
op = "replace"
role = "attribute"
category = "replace_att"
about = "A weather word becomes its contrary."
source = "your own idea, or a paper"
weight = 1.0

# The rule's own replacements; leave `words` out to draw from the lexicon's classes.
[rule.words]
sunny = ["rainy", "foggy"]
rainy = ["sunny"]

[rule.unless]
before = ["side"]        # never where one of these words follows

[[rule.example]]
caption = "A man stands under a sunny sky"
allows = ["A man stands under a rainy sky"]
forbids = ["A man stands under a sunny sky"]

[[rule.example]]
caption = "A man stands under a sky"
silent = true
"""
