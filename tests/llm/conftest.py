from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from negagen.cli import main
from tests.llm.backends.models import GREETING, smollm2
from tests.llm.faults import FaultyServer, Plan
from tests.llm.running import CAPTIONS, Ran, Run, written


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "fault in negagen" not in captured.err
        code = ended.value.code
        return Ran(code if isinstance(code, int) else 0, captured.out, captured.err)

    return run


@pytest.fixture
def serve() -> Iterator[Callable[[Plan], FaultyServer]]:
    running: list[FaultyServer] = []

    def serve(plan: Plan) -> FaultyServer:
        running.append(FaultyServer(plan).__enter__())
        return running[-1]

    yield serve
    for server in running:
        server.__exit__(None, None, None)


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    return written(tmp_path, CAPTIONS)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C interrupts, here and in processes started here, also where the tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def smollm2_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Path]:
    """SmolLM2-135M-Instruct as a folder, which loads in a second; its .gguf file is read once, by one worker.

    `said.json` beside its weights is what the .gguf file itself answered to `GREETING`. The last worker that uses the
    folder, of half a gigabyte, deletes it.
    """
    from filelock import FileLock

    file = smollm2()
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "smollm2"
    users = folder.with_suffix(".users")
    with FileLock(f"{folder}.lock"):
        users.write_text(str(int(users.read_text()) + 1 if users.exists() else 1))
        if not (folder / "said.json").exists():
            import torch
            from transformers import LlamaForCausalLM

            from negagen.llm.backends.local import LocalBackend

            torch.set_num_threads(1)
            backend = LocalBackend(file, device="cpu")
            ((_, said),) = backend.answers([GREETING])
            decoder = backend._decoder
            assert decoder is not None
            config = decoder._model.config
            del config.quantization_config
            config.architectures = ["LlamaForCausalLM"]
            plain = LlamaForCausalLM(config)
            plain.load_state_dict(decoder._model.state_dict())
            plain.save_pretrained(folder)
            backend._tokenizer.save_pretrained(folder)
            (folder / "said.json").write_text(json.dumps(said.text if hasattr(said, "text") else said.reason))
    yield folder
    with FileLock(f"{folder}.lock"):
        left = int(users.read_text()) - 1
        users.write_text(str(left))
        if not left:
            shutil.rmtree(folder)
