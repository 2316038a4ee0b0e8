"""What torch and safetensors raise where a file cannot be written, in our words."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError

from negagen import atomic

_NUMBER: Final = re.compile(r"\(os error (\d+)\)")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """As `negagen.atomic.explained`, where torch and safetensors write too: neither lets an `OSError` through."""
    with atomic.explained(path):
        try:
            yield
        except (RuntimeError, SafetensorError) as error:
            reason = _reason(error)
            if reason is None:
                raise
            raise reason from error


def save_tensors(values: object, path: Path) -> None:
    """`torch.save` to `path`; within `explained` a full disk is told from a fault."""
    # Given a name, torch opens the file itself and says no more of a full disk than "unexpected pos".
    with path.open("wb") as file:
        torch.save(values, file)


def _reason(error: BaseException) -> OSError | None:
    """The failure to write that `error` came of: torch raises while it handles that, safetensors quotes its number."""
    if found := _NUMBER.search(str(error)):
        number = int(found[1])
        return OSError(number, os.strerror(number))
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, OSError):
        seen = seen.__cause__ or seen.__context__
    return seen
