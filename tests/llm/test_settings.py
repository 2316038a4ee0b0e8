"""Options of `negagen generate --llm`, their faults, and a model that is not to be had."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from negagen import Negator
from negagen.errors import InputError, LanguageModelError
from negagen.llm.backends.retrying import Policy
from negagen.llm.backends.server import ServerBackend
from negagen.llm.cache import Cache
from negagen.llm.desk import Desk
from negagen.llm.settings import LanguageModel, LanguageSettings
from tests.llm.faults import Reply, failed
from tests.llm.running import CAPTIONS, Run, Serve, asked
from tests.llm.writer import write


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--workers", 2), "asked by one process"),
        (("--executor", "ray"), "asked by one process"),
        (("--llm-budget", "100"), "200000tokens or 500requests"),
        (("--llm-price", "cheap"), "0.15,0.60"),
        (("--categories", "swap_att"), "asked for replace_att"),
        (("--base-url", "ftp://x"), "http://localhost:8000/v1"),
        (("--base-url", "http://127.0.0.1:9/v1"), "no server answers"),
        (("--llm-timeout", 0), "--llm-timeout more than 0 seconds"),
        (("--llm-cache", "o.parquet"), "--llm-cache o.parquet is the output"),
    ],
)
def test_what_does_not_go_together_is_refused(
    run: Run,
    serve: Serve,
    captions: Path,
    options: tuple[object, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("negagen.llm.backends.server.Policy", partial(Policy, first=0.01))
    monkeypatch.chdir(captions.parent)
    out = captions.with_name("o.parquet")
    ran = run("generate", captions, "-o", out, *asked(serve(write)), *options)
    assert ran.code == 2
    assert message in ran.err
    assert not out.exists()
    assert not list(out.parent.glob("*.parts"))
    assert not list(out.parent.glob("*.sqlite"))


@pytest.mark.parametrize(
    "option",
    [
        ("--llm-verify",), ("--with-images",), ("--llm-positives",), ("--llm-concurrency", 4), ("--llm-timeout", 9),
        ("--llm-max-tokens", 99),
    ],
)  # fmt: skip
def test_options_of_a_model_need_a_model(run: Run, captions: Path, option: tuple[object, ...]) -> None:
    ran = run("generate", captions, *option)
    assert ran.code == 2
    assert f"{option[0]} is for a language model: name it with --llm MODEL" in ran.err


@pytest.mark.parametrize("option", ["--llm-concurrency", "--llm-timeout"])
def test_options_of_a_server_need_a_server(run: Run, captions: Path, option: str) -> None:
    ran = run("generate", captions, "--llm", "model.gguf", option, 4)
    assert ran.code == 2
    assert f"{option} is for a server" in ran.err


def test_settings_are_looked_at_in_python_too(serve: Serve, tmp_path: Path) -> None:
    settings = LanguageSettings("m", serve(write).url, mode="mxi", cache=tmp_path / "c.sqlite")  # type: ignore[arg-type]
    model = LanguageModel(settings)
    with pytest.raises(InputError, match="--llm-mode mxi: expected one of fill"):
        model.__enter__()
    assert not settings.cache_beside(tmp_path).exists()
    with (
        LanguageModel(replace(settings, mode="mix")) as model,
        pytest.raises(InputError, match="--categories swap_att"),
    ):
        model.negator(Negator(categories=["swap_att"]))


def test_a_model_is_closed_though_the_end_of_a_run_cannot_be_noted(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Desk) -> None:
        raise LanguageModelError("the disk is full")

    def noting(each: type[Cache | ServerBackend]) -> Callable[[Any], None]:
        close = each.close

        def noted(self: Any) -> None:
            closed.append(each)
            close(self)

        return noted

    closed: list[type] = []
    monkeypatch.setattr(Desk, "note_over", full)
    monkeypatch.setattr(Cache, "close", noting(Cache))
    monkeypatch.setattr(ServerBackend, "close", noting(ServerBackend))
    model = LanguageModel(LanguageSettings("m", serve(write).url, cache=tmp_path / "c.sqlite")).__enter__()
    model.negator(Negator())
    with pytest.raises(LanguageModelError, match="the disk is full"):
        model.__exit__(None, None, None)
    assert closed == [Cache, ServerBackend]


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (failed(404, "The model `m` does not exist", code="model_not_found"), "m"),
        (failed(401, "Incorrect API key", code="invalid_api_key"), "key"),
        (failed(400, "no such template"), "refused: HTTP 400. The server refuses what it was asked"),
    ],
)
def test_a_wrong_model_or_key_ends_the_run_before_it_begins(
    run: Run, serve: Serve, captions: Path, monkeypatch: pytest.MonkeyPatch, reply: Reply, message: str
) -> None:
    monkeypatch.setenv("NEGAGEN_API_KEY", "very-secret")
    server = serve(lambda *_: reply)
    ran = run("generate", captions, *asked(server))
    assert ran.code == 2
    assert message in ran.err
    assert "very-secret" not in ran.err
    assert len(server.received) == (2 if "400" in message else 1)  # once more without chat_template_kwargs
    assert not list(captions.parent.glob("*.parts"))


def test_a_key_is_kept_nowhere(run: Run, serve: Serve, captions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEGAGEN_API_KEY", "very-secret")
    server = serve(write)
    ran = run("generate", captions, *asked(server, "--limit", 5))
    assert server.keys[-1] == "Bearer very-secret"
    for path in captions.parent.iterdir():
        assert b"very-secret" not in path.read_bytes()
    assert not any(text in ran.err for text in CAPTIONS)


def test_the_extra_is_named_when_it_is_missing(
    run: Run, serve: Serve, captions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from negagen.llm import prompting

    prompting.prompt.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    ran = run("generate", captions, *asked(serve(write)))
    assert ran.code == 2
    assert "pip install 'negagen[llm]'" in ran.err


def test_a_server_has_the_time_that_it_is_given(
    run: Run, serve: Serve, captions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("negagen.llm.backends.server.Policy", partial(Policy, first=0.01))
    server = serve(lambda before, body: replace(write(before, body), delay=9))
    ran = run("generate", captions, *asked(server, "--llm-timeout", 1))
    assert ran.code == 2
    assert "no answer within 1 s, 5 attempts. The server takes connections, but is stuck or too slow." in ran.err
