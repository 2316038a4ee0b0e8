from __future__ import annotations

import csv
import json
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from tests.cli.conftest import Ran

CAPTIONS = [
    f"A {colour} {animal} {verb} {place}"
    for colour, animal, verb, place in product(
        ("red", "white", "brown"), ("dog", "cat", "cow"), ("stands", "sleeps"), ("on a bench", "in a field", "by a car")
    )
]


def write(path: Path, foils: list[str]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["caption", "foil"])
        writer.writerows(zip(CAPTIONS, foils, strict=True))
    return path


@pytest.fixture
def telling(tmp_path: Path) -> Path:
    return write(tmp_path / "telling.csv", [f"{caption} indeed very quickly" for caption in CAPTIONS])


@pytest.fixture
def blind(tmp_path: Path) -> Path:
    """Every caption is another one's foil: texts tell nothing."""
    return write(tmp_path / "blind.csv", CAPTIONS[1:] + CAPTIONS[:1])


COLUMNS = ("--caption-column", "caption", "--negative-column", "foil")


def test_telling_negatives_fail(run: Callable[..., Ran], telling: Path) -> None:
    ran = run("audit", telling, *COLUMNS, "--fail-over", "0.6")
    assert ran.code == 1
    assert "failed:" in ran.err


def test_blind_negatives_pass_by_surface(run: Callable[..., Ran], blind: Path) -> None:
    ran = run("audit", blind, *COLUMNS, "--attacks", "surface", "--fail-over", "0.6")
    assert ran.code == 0, ran.err


def test_json_and_html(run: Callable[..., Ran], telling: Path, tmp_path: Path) -> None:
    page, figures = tmp_path / "report.html", tmp_path / "audit.json"
    ran = run("audit", telling, *COLUMNS, "--json", figures, "--html", page)
    assert ran.code == 0, ran.err
    found = json.loads(figures.read_text())
    assert "quickly" in json.dumps(found)
    html = page.read_text()
    assert "<html" in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    again = run("audit", telling, *COLUMNS, "--json", "-")
    assert json.loads(again.out) == found


def test_several_files_are_one_set(run: Callable[..., Ran], tmp_path: Path) -> None:
    halves = [tmp_path / "swap_att.json", tmp_path / "replace_att.json"]
    for path, texts in zip(halves, (CAPTIONS[::2], CAPTIONS[1::2]), strict=True):
        rows = [{"caption": text, "negative_caption": f"{text} too", "filename": text} for text in texts]
        path.write_text(json.dumps(dict(enumerate(rows))))
    ran = run("audit", *halves, "--attacks", "surface")
    assert ran.code == 0, ran.err
    assert f"swap_att.json and 1 more: {len(CAPTIONS)} pairs" in ran.out
    assert "replace_att " in ran.out


def test_a_language_model_from_a_folder(run: Callable[..., Ran], telling: Path, tmp_path: Path) -> None:
    from tests.judges.models import save_causal

    folder = save_causal(tmp_path / "model")
    ran = run("audit", telling, *COLUMNS, "--attacks", "surface", "--lm", folder, "--json", "-")
    assert ran.code == 0, ran.err
    names = set(json.loads(ran.out)["attacks"])
    assert len(names) == 2
    missing = run("audit", telling, *COLUMNS, "--attacks", "surface", "--lm", tmp_path / "none")
    assert missing.code == 2
    assert "does not exist" in missing.err


def test_unusable_files_are_named(run: Callable[..., Ran], telling: Path, tmp_path: Path) -> None:
    ran = run("audit", tmp_path / "missing.csv")
    assert ran.code == 2
    assert "missing.csv" in ran.err
    ran = run("audit", telling, "--caption-column", "text", "--negative-column", "foil")
    assert ran.code == 2
    assert "text" in ran.err
