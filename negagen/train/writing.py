"""What torch, safetensors and tokenizers raise where a file cannot be written, in our words."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch

from negagen import atomic
from negagen.errors import NegagenError

_NUMBER: Final = re.compile(r"\(os error (\d+)\)")


@contextmanager
def libraries_explained(path: Path) -> Iterator[None]:
    """`negagen.atomic.explained`, also of what libraries raise that let no `OSError` through."""
    with atomic.explained(path):
        try:
            yield
        except (OSError, NegagenError):
            raise
        except Exception as error:  # tokenizers has no class of its own
            reason = _reason(error)
            if reason is None:
                raise
            raise reason from error


def save_tensors(values: object, path: Path) -> None:
    """`torch.save` to `path`; within `libraries_explained` a full disk is told from a fault."""
    # Given a name, torch opens the file itself and says no more of a full disk than "unexpected pos".
    with path.open("wb") as file:
        torch.save(values, file)


def _reason(error: Exception) -> OSError | None:
    """The failure to write that `error` came of, if one: what is written in Rust quotes its number, and torch raises
    while it handles it."""
    if found := _NUMBER.search(str(error)):
        number = int(found[1])
        return OSError(number, os.strerror(number))
    context = error.__context__ if isinstance(error, RuntimeError) else None
    return context if isinstance(context, OSError) else None
