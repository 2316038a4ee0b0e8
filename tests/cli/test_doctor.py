from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from negagen.errors import ResourceError
from tests.cli.conftest import Ran


def test_all_is_well_and_has_a_path(run: Callable[..., Ran]) -> None:
    ran = run("doctor", "--json")
    assert ran.code == 0, ran.out
    found = json.loads(ran.out)
    for resource in ("pipeline", "lexicon", "rules"):
        assert Path(found[resource]["path"]).exists()
    assert found["pipeline"]["version"]
    assert found["packages"]["spacy"]
    assert set(found["extras"]) == {
        "train",
        "llm",
        "audit",
        "lexicon",
        "ray",
        "hf",
        "webdataset",
        "open-clip",
    }
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
