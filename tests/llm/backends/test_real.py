"""A real language model: from its .gguf file, from a folder, and behind a real server on loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.error import URLError

import pytest

from negagen.errors import LanguageModelError
from negagen.llm.backends.opening import opening
from negagen.llm.protocol import Answer, Backend, Failure, Message, Request
from tests.llm.backends.models import GREETING

SCHEMA = {
    "type": "object",
    "properties": {"animal": {"type": "string", "maxLength": 10}, "sure": {"type": "boolean"}},
    "required": ["animal", "sure"],
    "additionalProperties": False,
}


def questions(schema: dict[str, object] | None, max_tokens: int) -> list[Request]:
    return [
        Request((Message("user", f"Name an animal that is {what}."),), schema, max_tokens, 0.0, 1)
        for what in ("big", "found in the sea or near it", "grey")
    ]


def answered(backend: Backend, requests: list[Request]) -> list[Answer | Failure]:
    return [result for _, result in sorted(backend.answers(requests), key=lambda each: each[0])]


@pytest.fixture(scope="module")
def served(smollm2_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log.txt"
    command = [
        str(Path(sys.executable).with_name("transformers")), "serve", str(smollm2_folder),
        "--host", "127.0.0.1", "--port", str(port), "--device", "cpu",
    ]  # fmt: skip
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as out, subprocess.Popen(command, env=environment, stdout=out, stderr=out) as server:
        try:
            for _ in range(1500):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                    break
                except (URLError, ConnectionError, TimeoutError):
                    assert server.poll() is None, log.read_text()
                    time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.kill()
            server.wait()


@pytest.fixture(scope="module")
def local(smollm2_folder: Path) -> Iterator[Backend]:
    with closing(opening(str(smollm2_folder), device="cpu")) as backend:
        yield backend


def test_the_gguf_file_and_the_folder_answer_alike(smollm2_folder: Path, local: Backend) -> None:
    said = json.loads((smollm2_folder / "said.json").read_text())
    assert "Paris" in said
    (answer,) = answered(local, [GREETING])
    assert isinstance(answer, Answer)
    assert answer.text == said


def test_a_served_model_and_a_local_one_answer_alike(smollm2_folder: Path, local: Backend, served: str) -> None:
    plain = questions(None, 10)
    expected = answered(local, plain)
    structured = answered(local, questions(SCHEMA, 20))
    with closing(opening(str(smollm2_folder), base_url=served, concurrency=3)) as server:
        assert answered(server, plain) == expected
        # `transformers serve` passes over response_format: its answers may be prose.
        assert answered(server, questions(SCHEMA, 10)[:1]) == expected[:1]
    for answer in structured:
        assert isinstance(answer, Answer)
        assert isinstance(json.loads(answer.text)["sure"], bool)


def test_a_served_model_goes_by_one_name(served: str) -> None:
    backend = opening("another/model", base_url=served)
    with closing(backend), pytest.raises(LanguageModelError, match="no model 'another/model' there"):
        answered(backend, questions(None, 5))
