from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from negagen import Negator
from tests.cli.conftest import Ran

CAPTION = "A brown dog chases a white cat across the grass."


def test_negatives_are_those_of_the_negator(run: Callable[..., Ran]) -> None:
    ran = run("preview", CAPTION, "--k", 3, "--seed", 5, "--json")
    shown = json.loads(ran.out)
    result = Negator(k=3, seed=5, blindness="off")(CAPTION)
    assert [negative["text"] for negative in shown["negatives"]] == [n.text for n in result.negatives]
    assert shown["status"] == "ok"
    for negative in shown["negatives"]:
        text = CAPTION
        for edit in reversed(negative["edits"]):
            assert text[edit["start"] : edit["end"]] == edit["old"]
            text = text[: edit["start"]] + edit["new"] + text[edit["end"] :]
        assert text == negative["text"]


def test_without_a_terminal_the_diff_is_in_marks(run: Callable[..., Ran]) -> None:
    ran = run("preview", CAPTION, "--categories", "replace_att")
    assert ran.code == 0
    assert "{+" in ran.out
    assert "\x1b" not in ran.out
    assert "replace_att" in ran.out


def test_forced_colour(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    ran = run("preview", CAPTION)
    assert "\x1b[1;32m" in ran.out
    assert "{+" not in ran.out


def test_no_color(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    ran = run("preview", CAPTION)
    assert "{+" in ran.out
    assert "32m" not in ran.out


def test_rejected(run: Callable[..., Ran]) -> None:
    caption = "A man without a hat riding a brown horse on a beach"
    refused = Negator(k=8, explain=True, blindness="off")(caption).rejected
    ran = run("preview", caption, "--k", 8, "--rejected")
    assert refused
    assert "nothing was refused" not in ran.out
    for one in refused:
        assert f"{one.rule}, {one.category}: {one.reason}" in ran.out


def test_brackets_are_not_markup(run: Callable[..., Ran]) -> None:
    assert "[bold]dog[/bold]" in run("preview", "A [bold]dog[/bold] on a bench").out


def test_an_unusable_caption_has_a_reason_and_status_1(run: Callable[..., Ran]) -> None:
    ran = run("preview", "")
    assert ran.code == 1
    assert "error: " in ran.out


def test_an_unknown_category_names_the_nearest(run: Callable[..., Ran]) -> None:
    ran = run("preview", CAPTION, "--categories", "swap_atts")
    assert ran.code == 2
    assert "swap_att" in ran.err


def test_an_unknown_pipeline(run: Callable[..., Ran]) -> None:
    ran = run("preview", CAPTION, "--pipeline", "no_such_pipeline")
    assert ran.code == 2
    assert "no_such_pipeline" in ran.err


def test_a_model_needs_a_draw(run: Callable[..., Ran]) -> None:
    ran = run("preview", CAPTION, "--model", "missing.npz")
    assert ran.code == 2
    assert "--blindness balanced" in ran.err
