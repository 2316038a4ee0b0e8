"""What all judges need of torch and transformers, with errors that say what is wrong."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from hashlib import blake2b
from io import StringIO
from pathlib import Path
from typing import Any, Final

from negagen.errors import ModelError

_EDGE: Final = 1 << 20
_UNBOUNDED: Final = 1 << 30
_RAISED: Final = (
    OSError, ValueError, LookupError, ImportError, RuntimeError, AttributeError, TypeError, EOFError, struct.error,
)  # fmt: skip
"""What transformers raises for files that are not what they should be, or only a part of it."""
_PAST_END: Final = frozenset(["roberta", "xlm-roberta", "camembert", "xlm-roberta-xl", "mpnet", "longformer"])


def modules(what: str, extra: str = "judges") -> tuple[Any, Any]:
    """torch and transformers. Raises `ModelError`, which names `what` needs them, if either is not installed."""
    try:
        import torch
        import transformers
    except ImportError as error:
        raise ModelError(f'{what} needs torch and transformers: pip install "negagen[{extra}]" ({error}).') from error
    return torch, transformers


def load_causal(path: Path, dtype: Any, extra: str = "judges") -> tuple[Any, Any]:
    """The tokenizer and the causal language model, its weights as `dtype`, of a folder or a `.gguf` file.

    Nothing is downloaded. Raises `ModelError` if the path is missing or holds no such model, or a package is missing.
    """
    if not path.exists():
        raise ModelError(f"{path} does not exist: give the folder, or the .gguf file, of a causal language model.")
    _, transformers = modules("a causal language model", extra)
    folder, options = (path.parent, {"gguf_file": path.name}) if path.suffix.lower() == ".gguf" else (path, {})
    # The progress bar of a .gguf file cannot be turned off.
    with explained(path, "causal language model"), redirect_stderr(StringIO()):
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, **options)
        model, info = transformers.AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, dtype=dtype, output_loading_info=True, **options
        )
    whole(info, path, "causal language model")
    return tokenizer, model


@contextmanager
def explained(path: Path, kind: str) -> Iterator[None]:
    """Turn what transformers raises for a path that holds no such model into a `ModelError`."""
    from transformers.utils import logging as transformers_logging

    logging: Any = transformers_logging  # untyped

    shown = logging.is_progress_bar_enabled()
    verbosity = logging.get_verbosity()
    logging.disable_progress_bar()  # the command line has its own
    logging.set_verbosity_error()  # what is wrong with a model is told by `whole`
    try:
        yield
    except ModelError:
        raise
    except _RAISED as error:
        raise ModelError(f"{path}: no {kind} that transformers can load: {error}") from error
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()


def whole(info: Mapping[str, Any], path: Path, kind: str) -> None:
    """Raise `ModelError` if weights were missing: `info` is what loading with `output_loading_info` gave."""
    missing = sorted(key for key in info["missing_keys"] if "position_ids" not in key)
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise ModelError(f"{path}: no {kind}: its files lack {', '.join(missing[:3])}{more}. Was it trained as one?")


def place(model: Any, device: str) -> Any:
    """The model on `device`, in inference mode; "auto" is a GPU where there is one.

    Raises `ModelError` if there is no such device here, or the model does not fit on it.
    """
    import torch

    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        return model.to(torch.device(chosen)).eval()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first = str(error).strip().partition("\n")[0]
        raise ModelError(f"device {chosen!r} cannot be used: {first} Choose cpu, or a device that is here.") from error


def positions(config: Any) -> int:
    """How many tokens a text may have, those that the tokenizer adds included; 2**30 where there is no limit."""
    for name in ("max_position_embeddings", "n_positions", "max_seq_len"):
        found = getattr(config, name, None)
        if isinstance(found, int) and found > 0:
            # These number positions from their padding index on.
            return found - 2 if getattr(config, "model_type", "") in _PAST_END else found
    return _UNBOUNDED


def digest_of(path: Path) -> str:
    """A fingerprint of a model's files: names, sizes, and the first and last MiB of each."""
    digest = blake2b(digest_size=8)
    files = [path] if path.is_file() else sorted(each for each in path.iterdir() if each.is_file())
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name}\x1f{size}\x1f".encode())
        with file.open("rb") as source:
            digest.update(source.read(_EDGE))
            source.seek(max(0, size - _EDGE), os.SEEK_SET)
            digest.update(source.read(_EDGE))
    return digest.hexdigest()
