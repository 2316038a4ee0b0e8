"""The shipped rules: their examples are their tests, and a wrong file is explained."""

from pathlib import Path

import pytest

from negagen.errors import RuleError
from negagen.rulecheck import check_rules
from negagen.ruleset import TEMPLATE, Rule, fingerprint, load_rules

SHIPPED = load_rules()
GOOD = TEMPLATE.replace("{name}", "weather-word")


def write(folder: Path, text: str) -> Path:
    path = folder / "rule.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("rule", SHIPPED, ids=lambda rule: rule.name)
def test_examples_hold(rule: Rule) -> None:
    assert [str(problem) for problem in check_rules([rule])] == []


def test_every_default_category_but_shuffle_is_on() -> None:
    assert {rule.category for rule in SHIPPED if rule.enabled} == {
        "swap_obj", "swap_att", "swap_role", "replace_obj", "replace_att", "replace_rel", "replace_count",
        "add_obj", "add_att", "negate", "paraphrase",
    }  # fmt: skip


def test_the_template_is_a_working_rule(tmp_path: Path) -> None:
    assert check_rules(load_rules([write(tmp_path, GOOD)])) == []


def test_a_failing_example_is_reported(tmp_path: Path) -> None:
    broken = GOOD.replace('allows = ["A man stands under a rainy sky"]', 'allows = ["A man stands under a purple sky"]')
    (problem,) = check_rules(load_rules([write(tmp_path, broken)]))
    assert "must be able to give 'A man stands under a purple sky'" in str(problem)


def test_a_forbidden_output_is_reported(tmp_path: Path) -> None:
    broken = GOOD.replace(
        'forbids = ["A man stands under a sunny sky"]', 'forbids = ["A man stands under a foggy sky"]'
    )
    (problem,) = check_rules(load_rules([write(tmp_path, broken)]))
    assert "forbidden" in str(problem)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('op = "replace"', 'op = "repalce"', "op: Input should be"),
        ('role = "attribute"', 'role = "phrase"', "op 'replace' takes role"),
        ('category = "replace_att"', 'category = "replace_atr"', "did you mean 'replace_att'"),
        ("weight = 1.0", "wieght = 1.0", "did you mean 'weight'"),
        ("weight = 1.0", "weight = 0", "greater than 0"),
        ("silent = true", "silent = false", "give an [[rule.example]]"),
        ('sunny = ["rainy", "foggy"]', "sunny = []", "at least one other word"),
        ("[[rule]]", "[[rules]]", "expected [[rule]] tables"),
        ('name = "weather-word"', 'name = "weather word', "Illegal character"),
    ],
)
def test_a_wrong_rule_file_names_file_and_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(RuleError) as caught:
        load_rules([path])
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_two_rules_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="rename one of them"):
        load_rules([write(tmp_path, GOOD + GOOD)])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"no rule file or directory .*absent\.toml"):
        load_rules([tmp_path / "absent.toml"])


def test_fingerprint_follows_effect_not_prose(tmp_path: Path) -> None:
    base = fingerprint(load_rules([write(tmp_path, GOOD)]))
    prose = GOOD.replace("A weather word becomes its contrary.", "Other prose.")
    effect = GOOD.replace('rainy = ["sunny"]', 'rainy = ["snowy"]')
    assert fingerprint(load_rules([write(tmp_path, prose)])) == base
    assert fingerprint(load_rules([write(tmp_path, effect)])) != base
