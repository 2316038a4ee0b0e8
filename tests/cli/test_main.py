from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negagen.errors import InputError
from tests.cli.conftest import Ran

COMMANDS = ("generate", "preview", "inspect", "mine", "finetune", "patch", "doctor", "rules")


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env={**os.environ, **environment}
    )


def test_help_lists_the_commands(run: Callable[..., Ran]) -> None:
    ran = run("--help")
    assert ran.code == 0
    assert all(command in ran.out for command in COMMANDS)
    assert "negagen generate captions.parquet" in ran.out


@pytest.mark.parametrize("command", [*COMMANDS, "rules list", "rules show", "rules check", "rules new"])
def test_every_command_has_runnable_examples(run: Callable[..., Ran], command: str) -> None:
    ran = run(*command.split(), "--help")
    assert ran.code == 0
    assert command == "rules" or f"  negagen {command}" in ran.out


def test_version(run: Callable[..., Ran]) -> None:
    assert run("--version").out.startswith("negagen ")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from negagen.cli.app import app\n"
        "heavy = {'spacy', 'pyarrow', 'numpy', 'pydantic', 'rich', 'negagen.negator'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    ran = python("-c", code)
    assert ran.returncode == 0, ran.stderr


def test_help_is_quick() -> None:
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert python("-m", "negagen", "--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    # Of the processor, not of the clock: 0.1 s on an idle machine, more on a busy one, however long that makes it wait.
    assert min(seconds) < 1.0


def test_errors_are_one_line_and_status_2(run: Callable[..., Ran]) -> None:
    ran = run("generate", "nowhere.parquet")
    assert (ran.code, ran.out, ran.err) == (2, "", "error: nowhere.parquet: no such file.\n")


def test_debug_anywhere_shows_the_traceback() -> None:
    from negagen.cli import main

    with pytest.raises(InputError):
        main(["generate", "nowhere.parquet", "--debug"])


def test_wrong_usage_is_status_2(run: Callable[..., Ran]) -> None:
    assert run("generate").code == 2
    ran = run("preview", "a dog", "--k", "many")
    assert ran.code == 2
    assert "--k" in ran.err


def test_a_fault_of_ours_is_one_line_too(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("negagen.batch.survey.read_contents", broken)
    ran = run("inspect", "x.parquet")
    assert ran.code == 70
    assert "ZeroDivisionError: oops" in ran.err
    assert "--debug" in ran.err


BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
from negagen.cli import main
main(sys.argv[2:])
"""


@pytest.mark.parametrize(
    ("module", "package", "extra", "command"),
    [
        ("transformers", "transformers", "train", "patch one two -o out --alpha 1"),
        ("torch", "torch", "train", "patch one two -o out --alpha 1"),
        ("PIL", "pillow", "train", "finetune {file} --model one -o out"),
        ("torch", "torch", "train", "evaluate one -b generic:{file}"),
        ("torch", "torch", "train", "mine one {file} -o hard.parquet"),
    ],
)
def test_a_missing_extra_is_named(tmp_path: Path, module: str, package: str, extra: str, command: str) -> None:
    file = tmp_path / "pairs.parquet"
    rows = [{"image": "1.jpg", "caption": "a cat", "positives": ["a cat"], "negatives": ["a dog"]}]
    pq.write_table(pa.Table.from_pylist(rows), file)
    ran = python("-c", BLOCKED, module, *command.format(file=file).split())
    assert ran.stderr.splitlines()[-1] == f"error: this needs {package}: pip install 'negagen[{extra}]'"
    assert ran.returncode == 2


def test_another_missing_module_is_a_fault(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'torch.new'", name="torch.new")

    monkeypatch.setattr("negagen.batch.survey.read_contents", broken)
    ran = run("inspect", "x.parquet")
    assert (ran.code, "fault in negagen" in ran.err) == (70, True)


def test_a_terminal_without_unicode() -> None:
    ran = python("-m", "negagen", "preview", "A dog – brown 🐕 – chases a cat", PYTHONIOENCODING="ascii")
    assert ran.returncode == 0, ran.stderr
    assert "\\u2013 brown" in ran.stdout
    ran = python("-m", "negagen", "rules", "list", PYTHONIOENCODING="latin-1")
    assert ran.returncode == 0, ran.stderr
