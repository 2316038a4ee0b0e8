from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from negagen.ruleset import load_rules
from tests.cli.conftest import Ran


def test_list_names_every_rule(run: Callable[..., Ran]) -> None:
    ran = run("rules", "list")
    assert all(rule.name in ran.out for rule in load_rules())
    listed = json.loads(run("rules", "list", "--json").out)
    assert [rule["name"] for rule in listed] == [rule.name for rule in load_rules()]


def test_show(run: Callable[..., Ran]) -> None:
    rule = load_rules()[0]
    ran = run("rules", "show", rule.name)
    assert rule.source in ran.out
    assert rule.example[0].caption in ran.out
    shown = json.loads(run("rules", "show", rule.name, "--json").out)
    assert shown["category"] == rule.category


def test_show_guesses_a_misspelt_name(run: Callable[..., Ran]) -> None:
    name = load_rules()[0].name
    ran = run("rules", "show", name[:-1])
    assert ran.code == 2
    assert repr(name) in ran.err


def test_a_new_rule_passes_its_check(run: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("rules", "new", "weather").code == 0
    ran = run("rules", "check", "weather.toml")
    assert ran.code == 0, ran.out
    assert ran.out.startswith("1 rule with")
    again = run("rules", "new", "weather")
    assert again.code == 2
    assert "already exists" in again.err
    assert run("rules", "new", "No Name").code == 2


def test_check_reports_a_wrong_example(run: Callable[..., Ran], tmp_path: Path) -> None:
    path = tmp_path / "weather.toml"
    run("rules", "new", "weather", "-o", path)
    path.write_text(re.sub(r"allows = \[.*\]", 'allows = ["Bananas"]', path.read_text()))
    ran = run("rules", "check", path)
    assert ran.code == 1
    assert "Bananas" in ran.out


def test_check_of_a_broken_file(run: Callable[..., Ran], tmp_path: Path) -> None:
    path = tmp_path / "weather.toml"
    path.write_text("[[rule")
    ran = run("rules", "check", path)
    assert ran.code == 2
    assert "weather.toml" in ran.err
