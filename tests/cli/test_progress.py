from __future__ import annotations

import pytest

from negagen.batch import Progress
from negagen.cli import progress
from negagen.cli.progress import watch, watch_fit


def test_lines_name_the_step(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    with watch(quiet=False) as show:
        assert show is not None
        show(Progress(200, 50, 0, 0, "drawing samples"))
        show(Progress(0, 0, 0, 0, "fitting weights"))
        show(Progress(2000, 500, 0, 0))
    first, second, third = capsys.readouterr().err.splitlines()
    assert first.startswith("drawing samples: 50 of 200 captions (25%)")
    assert second == "fitting weights"
    assert third.startswith("500 of 2,000 captions (25%)")


def test_a_quiet_fit_says_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    with watch_fit(quiet=True) as tell:
        tell("drawing samples", 1, 2)
    assert capsys.readouterr().err == ""
    with watch_fit(quiet=False) as tell:
        tell("drawing samples", 1, 2)
    assert "drawing samples: 1 of 2" in capsys.readouterr().err
