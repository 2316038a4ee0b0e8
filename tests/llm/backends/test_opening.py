from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from negagen.errors import LanguageModelError
from negagen.llm.backends.local import LocalBackend
from negagen.llm.backends.masked import MaskedFiller
from negagen.llm.backends.opening import opening, opening_masked
from negagen.llm.backends.server import ServerBackend
from tests.llm.backends.models import save_llama
from tests.llm.backends.test_masked import save_masked


def test_what_a_spec_means(tmp_path: Path) -> None:
    for name in ("chat", "fill"):
        (tmp_path / name).mkdir()
    save_llama(tmp_path / "chat")
    save_masked(tmp_path / "fill")
    with closing(opening("some/model", base_url="http://localhost:8000/v1")) as server:
        assert isinstance(server, ServerBackend)
    assert isinstance(opening(str(tmp_path / "chat"), device="cpu"), LocalBackend)
    assert isinstance(opening_masked(f"masked:{tmp_path / 'fill'}"), MaskedFiller)


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LanguageModelError, match=r"Qwen/Qwen3.*nothing is downloaded.*--base-url"):
        opening("Qwen/Qwen3-4B")
    with pytest.raises(LanguageModelError, match=r"no config\.json"):
        opening(str(tmp_path))
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(LanguageModelError, match=r"Give one of its \.gguf files, such as .*model\.gguf"):
        opening(str(tmp_path))
    with pytest.raises(LanguageModelError, match="no causal language model"):
        opening(str(tmp_path / "model.gguf"))
    (tmp_path / "model.bin").write_bytes(b"")
    with pytest.raises(LanguageModelError, match=r"not a \.gguf"):
        opening(str(tmp_path / "model.bin"))
    with pytest.raises(LanguageModelError, match="holds no conversation"):
        opening("masked:bert")
    with pytest.raises(LanguageModelError, match=r"--llm masked:bert: .*nothing is downloaded.*machine\.$"):
        opening_masked("masked:bert")
    with pytest.raises(LanguageModelError, match=rf"--llm masked:{tmp_path}: .*no config\.json.* that of a masked"):
        opening_masked(f"masked:{tmp_path}")
    with pytest.raises(LanguageModelError, match="Give the folder of a masked model"):
        opening_masked(f"masked:{tmp_path / 'model.gguf'}")


def test_a_missing_package_of_gguf_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    for name in ("model.gguf", "other.GGUF"):
        (tmp_path / name).write_bytes(b"GGUF")
        with pytest.raises(LanguageModelError, match=r"needs gguf: pip install 'negagen\[llm\]'"):
            opening(str(tmp_path / name))


def test_a_gguf_file_is_one_in_capitals_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def read(folder: Path, **options: Any) -> None:
        asked.append({"folder": folder, **options})
        raise OSError("nothing in it")

    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", read)
    (tmp_path / "model.GGUF").write_bytes(b"GGUF")
    with pytest.raises(LanguageModelError, match="no causal language model"):
        opening(str(tmp_path / "model.GGUF"))
    assert asked == [{"folder": tmp_path, "gguf_file": "model.GGUF", "local_files_only": True}]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("negagen.llm.backends.")]:
        if module.endswith((".server", ".exchange")):
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(LanguageModelError, match=r"pip install 'negagen\[llm\]'"):
        opening("m", base_url="http://localhost:8000/v1")
