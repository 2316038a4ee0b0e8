from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from negagen.cli.extras import EXTRAS
from negagen.errors import ResourceError
from tests.cli.conftest import Ran


def declared() -> dict[str, set[str]]:
    """The packages of every extra in pyproject.toml, extras of extras taken apart."""
    project = Path(__file__).parents[2] / "pyproject.toml"
    extras: dict[str, list[str]] = tomllib.loads(project.read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]

    def packages(extra: str) -> set[str]:
        found: set[str] = set()
        for requirement in extras[extra]:
            name = re.split(r"[<>=]", requirement)[0]
            own = re.fullmatch(r"negagen\[(.*)\]", name)
            found |= set().union(*map(packages, own[1].split(","))) if own else {name}
        return found

    return {extra: packages(extra) for extra in extras}


def test_extras_are_those_of_the_project() -> None:
    found = declared()
    assert {extra: set(packages) for extra, packages in EXTRAS.items()} == {
        extra: packages for extra, packages in found.items() if extra not in ("all", "dev")
    }
    assert set().union(*map(set, EXTRAS.values())) == found["all"]


def test_all_is_well_and_has_a_path(run: Callable[..., Ran]) -> None:
    ran = run("doctor", "--json")
    assert ran.code == 0, ran.out
    found = json.loads(ran.out)
    for resource in ("pipeline", "lexicon", "rules"):
        assert Path(found[resource]["path"]).exists()
    assert found["pipeline"]["version"]
    assert found["packages"]["spacy"]
    assert set(found["extras"]) == {*declared()} - {"all", "dev"}
    assert found["problems"] == []


def test_in_words(run: Callable[..., Ran]) -> None:
    ran = run("doctor")
    assert "all well" in ran.out
    assert "pipeline" in ran.out


def test_a_broken_resource(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ResourceError("en.json: not a compiled lexicon; reinstall negagen")

    monkeypatch.setattr("negagen.lexicon.load", broken)
    ran = run("doctor")
    assert ran.code == 1
    assert "problem: lexicon: en.json: not a compiled lexicon; reinstall negagen" in ran.out
