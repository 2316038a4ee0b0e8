"""The file of answers, as it is kept and looked at."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from negagen.errors import LanguageModelError
from negagen.llm.cache import Cache, Kept
from tests.llm.test_desk import Echo, desk, told


def test_raw_answers_stay(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    told(desk(path, Echo()), "a", "b")
    stored = list(Kept(path).stored())
    assert sorted((each.question, each.answer.text, each.model) for each in stored) == [
        ("a", "<a>", "echo"), ("b", "<b>", "echo"),
    ]  # fmt: skip


def test_what_is_no_cache_is_refused(tmp_path: Path) -> None:
    text, other = tmp_path / "text", tmp_path / "other.sqlite"
    text.write_text("not a database, but long enough to look at" * 10)
    sqlite3.connect(other).executescript("CREATE TABLE mine (x); INSERT INTO mine VALUES (1);")
    for path in (text, other):
        with pytest.raises(LanguageModelError, match="--llm-cache FILE"):
            Cache(path)
        with pytest.raises(LanguageModelError, match="not a cache of answers"):
            Kept(path)
    (tmp_path / "empty.sqlite").touch()
    with pytest.raises(LanguageModelError, match="not a cache of answers"):
        Kept(tmp_path / "empty.sqlite")
    with pytest.raises(LanguageModelError, match="does not exist"):
        Kept(tmp_path / "none.sqlite")
    with pytest.raises(LanguageModelError, match="is a folder"):
        Kept(tmp_path)


def test_looking_at_a_cache_writes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "a #1 ? folder%20"
    folder.mkdir()
    first = desk(folder / "c #?.sqlite", Echo())
    told(first, "a")
    first.close()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    folder.chmod(0o555)
    kept = Kept(folder / "c #?.sqlite")
    assert [each.question for each in kept.stored()] == ["a"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    kept.close()
    folder.chmod(0o755)
