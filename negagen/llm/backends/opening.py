"""From what `--llm` says to the back end that it means."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from negagen.errors import LanguageModelError
from negagen.llm.protocol import Backend

if TYPE_CHECKING:
    from negagen.llm.backends.masked import MaskedFiller

_CONCURRENCY: Final = 8
_TIMEOUT: Final = 120.0
_GGUF: Final = ("gguf", "accelerate")
MASKED: Final = "masked:"
"""What stands before the path of a masked language model, which is no `Backend` but a `Filler`."""


def opening(
    spec: str,
    *,
    base_url: str | None = None,
    concurrency: int | None = None,
    timeout: float | None = None,
    device: str = "auto",
) -> Backend:
    """The back end of a chat model: with `base_url` the server's model of that name, else a model on this machine.

    `concurrency` and `timeout` are for servers (None: 8, and 120 s), `device` for local models.

    Raises:
        LanguageModelError: there is no such model, or it cannot be used; the message says what to do.
    """
    if spec.startswith(MASKED):
        raise LanguageModelError(f"--llm {spec}: a masked model fills in words and holds no conversation.")
    try:
        if base_url is not None:
            from negagen.llm.backends.server import ServerBackend

            return ServerBackend(
                spec,
                base_url,
                concurrency=_CONCURRENCY if concurrency is None else concurrency,
                timeout=_TIMEOUT if timeout is None else timeout,
            )
        path = _existing(spec, spec)
        if path.suffix.lower() == ".gguf" and (lacking := [each for each in _GGUF if find_spec(each) is None]):
            raise LanguageModelError(f"--llm {spec} needs {' and '.join(lacking)}: pip install 'negagen[llm]'")
        from negagen.llm.backends.local import LocalBackend

        return LocalBackend(path, device=device)
    except ModuleNotFoundError as error:
        raise LanguageModelError(f"--llm needs {error.name}: pip install 'negagen[llm]'") from error


def opening_masked(spec: str) -> MaskedFiller:
    """The filler that `masked:PATH` means. Raises `LanguageModelError` as `opening` does."""
    try:
        from negagen.llm.backends.masked import MaskedFiller

        return MaskedFiller(_existing(spec.removeprefix(MASKED), spec, masked=True))
    except ModuleNotFoundError as error:
        raise LanguageModelError(f"--llm needs {error.name}: pip install 'negagen[llm]'") from error


def _existing(name: str, spec: str, *, masked: bool = False) -> Path:
    """The path of that name, which `spec` gave; a masked model is a folder."""
    path = Path(name).expanduser()
    if path.is_dir():
        if (path / "config.json").is_file():
            return path
        found = sorted(each.name for each in path.glob("*.gguf"))
        hint = f" Give one of its .gguf files, such as {path / found[0]}." if found else ""
        hint = " Give that of a masked model, BERT or RoBERTa." if masked else hint
        raise LanguageModelError(
            f"--llm {spec}: the folder has no config.json, so it is not one that save_pretrained wrote.{hint}"
        )
    if path.is_file() and masked:
        raise LanguageModelError(f"--llm {spec}: a file. Give the folder of a masked model, BERT or RoBERTa.")
    if path.is_file():
        if path.suffix.lower() == ".gguf":
            return path
        raise LanguageModelError(f"--llm {spec}: a file, but not a .gguf. Give a model's folder, or its .gguf file.")
    server = ", or --base-url for a server that knows it by this name (such as http://localhost:8000/v1)"
    raise LanguageModelError(
        f"--llm {spec}: no such folder or file, and nothing is downloaded. Give the path of a model on this machine"
        f"{'' if masked else server}."
    )
