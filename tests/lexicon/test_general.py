"""The lists of words that tell no picture from another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from negagen.errors import ResourceError
from negagen.lexicon import general
from negagen.lexicon.general import load_general


@pytest.fixture
def afresh() -> Iterator[None]:
    load_general.cache_clear()
    yield
    load_general.cache_clear()


def test_lists_are_read() -> None:
    lists = load_general()
    assert "gadget" in lists.families
    assert "kitchen" in lists.families["container"]
    assert {"object", "thing"} <= lists.vague
    assert "skiff" in lists.alike["boat"]
    assert ("colour", "pattern") in lists.alone
    assert len(lists.fingerprint) == 16


def test_a_word_that_stands_twice_in_a_list_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, afresh: None
) -> None:
    whole = (Path(general.__file__).parent / general.FILE_NAME).read_text()
    (tmp_path / general.FILE_NAME).write_text(whole.replace('"""thing object item', '"""thing object object item'))
    monkeypatch.setattr(general, "files", lambda _: tmp_path)
    with pytest.raises(ResourceError, match="twice in one list: object"):
        load_general()


@pytest.mark.parametrize("text", ["things = ", "[things]\nvague = 'thing'", "[things]\nvague = 1"])
def test_a_damaged_file_is_told(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, afresh: None) -> None:
    (tmp_path / general.FILE_NAME).write_text(text)
    monkeypatch.setattr(general, "files", lambda _: tmp_path)
    with pytest.raises(ResourceError, match=r"general\.toml: not a file of general words"):
        load_general()
