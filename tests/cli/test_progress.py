from __future__ import annotations

import math

import pytest

from negagen.batch import Progress
from negagen.cli import progress
from negagen.cli.progress import watch, watch_fit


def test_a_line_begins_each_step_and_names_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", math.inf)
    with watch(quiet=False) as show:
        assert show is not None
        show(Progress(200, 50, 0, 0, "drawing samples"))
        show(Progress(200, 60, 0, 0, "drawing samples"))
        show(Progress(0, 0, 0, 0, "fitting weights"))
        show(Progress(2000, 500, 0, 0))
        show(Progress(2000, 600, 0, 0))
    first, second, third = capsys.readouterr().err.splitlines()
    assert first.startswith("drawing samples: 50 of 200 captions (25%)")
    assert second == "fitting weights"
    assert third.startswith("500 of 2,000 captions (25%)")


def test_lines_come_again_after_a_while(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    with watch(quiet=False) as show:
        assert show is not None
        for done in (50, 60):
            show(Progress(200, done, 0, 0, "drawing samples"))
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_quiet_fit_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with watch_fit(quiet=True) as tell:
        tell("drawing samples", 1, 2)
    assert capsys.readouterr().err == ""
    with watch_fit(quiet=False) as tell:
        tell("drawing samples", 1, 2)
    assert "drawing samples: 1 of 2" in capsys.readouterr().err
